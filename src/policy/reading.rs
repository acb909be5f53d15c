//! The input of a decision, read from the text that was logged.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    evaluate::Input,
    facts::{self, FactSchema, FieldType, Scan, Value},
};
use crate::{db::JsonText, error::Result};

impl Input {
    /// Made again from its JSON text, without the tree of JSON that [`Input::from_json`] takes.
    ///
    /// # Errors
    /// As [`Input::from_json`].
    pub fn from_text(text: &JsonText, schema: &Arc<FactSchema>) -> Result<Input> {
        // The longer way reads what was written otherwise, and knows how to say what is wrong with it.
        scanned(text.as_str(), schema).map_or_else(|| Input::from_json(&text.read()?, schema), Ok)
    }
}

/// An input from text as it is logged; nothing where it is written otherwise.
fn scanned(text: &str, schema: &Arc<FactSchema>) -> Option<Input> {
    let mut scan = Scan::new(text);
    scan.pass("{")?;
    scan.member("record")?;
    let record = scan.record(schema)?;
    scan.pass(",")?;
    scan.member("changed")?;
    let changed = Arc::new(changed(&mut scan, schema)?);
    scan.pass(",")?;
    let mut beside = None;
    for schema in facts::all_beside() {
        if scan.member(schema.name()).is_some() {
            if let Value::Facts(given) = scan.value(&FieldType::Nested(schema))? {
                beside = beside.or(Some(given));
            }
            scan.pass(",")?;
        }
    }
    scan.member("now")?;
    let now = scan.text()?.parse().ok()?;
    scan.pass("}")?;
    scan.is_done().then_some(Input { record, changed, beside, now })
}

/// The old values of fields that changed.
fn changed(scan: &mut Scan, schema: &FactSchema) -> Option<BTreeMap<String, Value>> {
    let mut changed = BTreeMap::new();
    scan.pass("{")?;
    let mut more = scan.pass("}").is_none();
    while more {
        let name = scan.text()?;
        scan.pass(":")?;
        let old = scan.value(&schema.field(&name)?.kind)?;
        changed.insert(name.into_owned(), old);
        more = scan.goes_on("}")?;
    }
    Some(changed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::policy::functions::test_clock;

    fn text(json: &serde_json::Value) -> JsonText {
        JsonText::of(json).unwrap()
    }

    #[test]
    fn what_is_read_from_text_is_what_is_read_from_json() {
        let schema = facts::incident();
        let mut guarded = Input::new(schema.made_up(), test_clock()).beside(facts::transition().made_up());
        let old = [("urgency", Value::Int(2)), ("title", "An \"older\" one\n".into()), ("team", Value::Null)];
        guarded = guarded.changed(old.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
        let tags = ["a".to_owned(), "ü".to_owned()];
        let mut builder = facts::Facts::builder(&schema);
        builder.set("tags", &tags[..]).unwrap().set("opened_at", test_clock()).unwrap();
        builder.set("title", "A \"title\"\\ \u{1f}\n").unwrap().set("description", "ä\\").unwrap();
        let escalated = Input::new(schema.made_up(), test_clock()).beside(facts::moment().made_up());
        for input in [guarded, escalated, Input::new(builder.build(), test_clock())] {
            let text = JsonText::of(&input).unwrap();
            assert_eq!(scanned(text.as_str(), &schema).unwrap(), input, "it is read the short way");
            assert_eq!(Input::from_text(&text, &schema).unwrap(), input);
            assert_eq!(Input::from_json(&text.read().unwrap(), &schema).unwrap(), input);
        }
        let little =
            json!({"record": {}, "now": "2026-03-03T10:00:00Z", "more": [{}], "changed": null, "transition": null});
        let (text, json) = (text(&little), Input::from_json(&little, &schema).unwrap());
        assert_eq!(Input::from_text(&text, &schema).unwrap(), json);
    }

    #[test]
    fn what_came_into_the_schema_later_is_absent() {
        let schema = facts::incident();
        let then = "{\"record\":{\"title\":\"t\",\"urgency\":-2,\"tags\":[\"a\"],\"custom\":{}},\"changed\":{\"impact\":3},\
                    \"transition\":null,\"now\":\"2026-03-03T10:00:00Z\"}";
        let json = serde_json::from_str(then).unwrap();
        assert_eq!(scanned(then, &schema), Some(Input::from_json(&json, &schema).unwrap()));
        // Each text that ends sooner, or goes on, is no input.
        (0..then.len()).for_each(|end| assert_eq!(scanned(&then[..end], &schema), None, "{end}"));
        assert_eq!(scanned(&format!("{then} "), &schema), None);
    }

    #[test]
    fn what_is_wrong_is_said_as_of_json() {
        let now = "2026-03-03T10:00:00Z";
        for wrong in [
            json!({"record": {"urgancy": 1}, "now": now}),
            json!({"record": {"urgency": 1.5}, "now": now}),
            json!({"record": {"tags": ["a", null]}, "now": now}),
            json!({"record": {"caller": {"vip": 1}}, "now": now}),
            json!({"record": {}, "now": "now"}),
            json!({"record": {}}),
            json!({"now": now}),
            json!({"record": {}, "now": now, "changed": {"nothing": 1}}),
            json!({"record": {}, "now": now, "transition": {"name": 5}}),
            json!([]),
        ] {
            let schema = facts::incident();
            let said = Input::from_json(&wrong, &schema).unwrap_err().detail;
            assert_eq!(Input::from_text(&text(&wrong), &schema).unwrap_err().detail, said, "{wrong}");
        }
    }
}
