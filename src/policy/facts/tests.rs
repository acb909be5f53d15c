//! What a script sees is what the schema says.

use serde_json::json;

use super::*;

fn example() -> Facts {
    let schema = incident();
    let mut builder = Facts::builder(&schema);
    builder.set("title", "Phishing mail").unwrap().set("urgency", 1).unwrap();
    builder.set("tags", &["a".to_owned(), "b".to_owned()][..]).unwrap();
    builder.set("opened_at", "2025-01-07T10:00:00Z".parse::<crate::clock::Moment>().unwrap()).unwrap();
    builder.set("caller", schema.made_up().get("caller").unwrap().clone()).unwrap();
    builder.build()
}

#[test]
fn the_json_form_makes_equal_facts() {
    let custom = vec![FieldSchema::new("cost", FieldType::Decimal, "")];
    let schema = incident_with(custom);
    let Some(FieldType::Nested(custom)) = schema.field("custom").map(|f| f.kind.clone()) else { panic!("no custom") };
    let mut inner = Facts::builder(&custom);
    inner.set("cost", "12.50".parse::<rust_decimal::Decimal>().unwrap()).unwrap();
    let mut builder = Facts::builder(&schema);
    builder.set("custom", inner.build()).unwrap();
    for facts in [example(), builder.build(), schema.made_up()] {
        let json = serde_json::to_value(&facts).unwrap();
        assert_eq!(Facts::from_json(facts.schema(), &json).unwrap(), facts, "{json}");
    }
}

#[test]
fn unknown_fields_and_wrong_types_are_refused() {
    for (given, expected) in [
        (json!({"urgancy": 1}), "incident has no field `urgancy`; did you mean `urgency`?"),
        (json!({"urgency": "1"}), "`urgency` must be a whole number."),
        (json!({"caller": {"vip": 1}}), "`caller` must be caller."),
    ] {
        assert_eq!(Facts::from_json(&incident(), &given).unwrap_err().detail, expected);
    }
    assert!(Facts::builder(&incident()).set("titel", "x").is_err());
}

#[test]
fn long_text_is_cut_at_a_character() {
    let long = "é".repeat(4000);
    let Value::Text(text) = Value::from(long.as_str()) else { panic!("not text") };
    assert_eq!(text.len(), MAX_TEXT);
}

#[test]
fn a_phrase_is_not_found_across_title_and_description() {
    let mut builder = Facts::builder(&incident());
    builder.set("title", "lost data").unwrap().set("description", "leak in the roof").unwrap();
    let facts = builder.build();
    assert!(facts.mentions("LEAK") && !facts.mentions("data leak"));
}
