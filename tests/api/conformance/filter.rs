//! Filters: every field, every operator, every type of value.

use pointsman::record::{
    catalogue::Catalogue,
    kind::{Holds, Kind},
    query::filter::{FieldType, Fields},
};
use serde_json::{Value, json};

use crate::support::{
    Person::*,
    Server, people,
    sample::{all, create, create_with, kinds, maximal},
};

const COMPARISONS: &[&str] = &["=", "!=", "<", "<=", ">", ">="];
const EQUALITIES: &[&str] = &["=", "!="];

/// What a type is compared with, and by what.
fn terms(holds: &FieldType) -> (Vec<&'static str>, Vec<String>) {
    let id = "\"0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b11\"";
    let (operators, values): (&[&str], Vec<&str>) = match holds {
        FieldType::Text => (&["=", "<", ">=", ":"], vec!["\"Conformance of the practice\"", "\"'x%_\\\\ 😀\""]),
        FieldType::Integer => (COMPARISONS, vec!["2", "-5", "9223372036854775807"]),
        FieldType::Decimal => (COMPARISONS, vec!["2.5"]),
        FieldType::Boolean => (EQUALITIES, vec!["true"]),
        FieldType::Time => (COMPARISONS, vec!["\"2026-03-03T11:00:00Z\"", "now() - 9000w", "\"0001-01-01T00:00:00Z\""]),
        FieldType::Date => (COMPARISONS, vec!["2026-03-03", "now() - 9000w"]),
        FieldType::Choice(choices) => {
            return (EQUALITIES.to_vec(), choices.iter().map(|c| format!("\"{c}\"")).collect());
        }
        FieldType::User => (EQUALITIES, vec!["me", "\"alex\"", id]),
        FieldType::Team => (EQUALITIES, vec!["my_teams", "\"service-desk\"", id]),
        FieldType::Organisation => (EQUALITIES, vec!["\"Acme\"", id]),
        FieldType::Record => (EQUALITIES, vec!["\"INC0000001\"", "\"svc0000001\"", id]),
        FieldType::Tags => (&[":"], vec!["vip", "\"none of these\""]),
    };
    (operators.to_vec(), values.into_iter().map(str::to_owned).collect())
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

async fn count(server: &Server, kind: &Kind, filter: &str) -> i64 {
    let path = format!("{}?count=true&limit=1&fields=id&filter={}", all(kind), encoded(filter));
    let answer = server.get(&path).by(Alex).send().await;
    assert_eq!(answer.status, 200, "{}: {filter}: {}", kind.name, answer.text());
    answer.json()["total"].as_i64().unwrap()
}

/// Three records with nothing but the needed and three with all that they can hold.
async fn some(server: &Server, kind: &Kind) -> Vec<Value> {
    let acme = people::organisation(&server.assembly, "Acme").to_string();
    for _ in 0..3 {
        create_with(server, kind, json!({"organisation_id": acme})).await;
        let body = Value::from(maximal(server, kind).await);
        server.post(&all(kind), body).by(Admin).expect(201).await;
    }
    // Those that Alex sees, whose filters are tried.
    let listed = server.get(&format!("{}?limit=200", all(kind))).by(Alex).expect(200).await;
    listed.json()["items"].as_array().unwrap().clone()
}

fn catalogue(kind: &Kind) -> Catalogue {
    Catalogue::new(Some(kind), &kinds(), &[], None, &[])
}

#[actix_web::test]
async fn a_condition_and_its_negation_divide_the_list() {
    for kind in kinds() {
        let server = Server::start().await;
        let total = some(&server, kind).await.len() as i64;
        let catalogue = catalogue(kind);
        for name in catalogue.names() {
            let holds = catalogue.find(&name).unwrap();
            let (operators, values) = terms(&holds);
            let nothing = EQUALITIES.iter().map(|op| format!("{name} {op} null"));
            let conditions = operators.iter().flat_map(|op| values.iter().map(move |value| (op, value)));
            let conditions: Vec<String> =
                conditions.map(|(op, value)| format!("{name} {op} {value}")).chain(nothing).collect();
            for condition in conditions {
                let holds = count(&server, kind, &condition).await;
                let holds_not = count(&server, kind, &format!("NOT ({condition})")).await;
                assert_eq!(holds + holds_not, total, "{}: {condition}: {holds} and {holds_not}", kind.name);
            }
        }
    }
}

#[actix_web::test]
async fn equality_finds_what_the_records_show() {
    for kind in kinds() {
        let server = Server::start().await;
        let records = some(&server, kind).await;
        assert!(records.len() >= 4, "{}: the filters are tried on nothing", kind.name);
        for field in kind.all_fields().filter(|f| !matches!(f.holds, Holds::Tags | Holds::Custom | Holds::Attributes)) {
            let empty = |r: &&Value| r[field.name].is_null();
            let nulls = records.iter().filter(empty).count() as i64;
            assert_eq!(count(&server, kind, &format!("{} = null", field.name)).await, nulls, "{}", field.name);
            for value in records.iter().map(|r| &r[field.name]).filter(|v| !v.is_null()) {
                if value.as_str().is_some_and(|text| text.contains('\n')) {
                    continue;
                }
                let same = records.iter().filter(|r| r[field.name] == *value).count() as i64;
                for name in [field.name, field.short_name()] {
                    let condition = format!("{name} = {value}");
                    assert_eq!(count(&server, kind, &condition).await, same, "{}: {condition}", kind.name);
                }
                if let Some(text) = value.as_str() {
                    let path = format!("{}?count=true&{}={}", all(kind), field.name, encoded(&format!("\"{text}\"")));
                    let total = server.get(&path).by(Alex).expect(200).await.field("total");
                    assert_eq!(total, same.to_string(), "{path}");
                }
            }
        }
        let tagged = records.iter().filter(|r| r["tags"] == json!(["printer", "vip"])).count() as i64;
        assert_eq!(count(&server, kind, "tags : \"vip\" AND tags : printer").await, tagged);
        assert_eq!(count(&server, kind, "tags = null").await, records.len() as i64 - tagged);
    }
}

#[actix_web::test]
async fn a_part_of_a_text_is_found_whatever_the_case_of_a_to_z() {
    for kind in kinds() {
        let server = Server::start().await;
        let acme = people::organisation(&server.assembly, "Acme").to_string();
        create_with(&server, kind, json!({"organisation_id": acme, "title": "ÄRGER im Hafen"})).await;
        for (part, found) in [("ÄRger IM", 1), ("rger im h", 1), ("ärger", 0), ("_", 0)] {
            assert_eq!(count(&server, kind, &format!("title : \"{part}\"")).await, found, "{}: {part}", kind.name);
        }
    }
}

#[actix_web::test]
async fn no_value_of_any_type_brings_a_filter_down() {
    let values = [
        "1",
        "-1.5",
        "99999999999999999999",
        "\"x\"",
        "true",
        "me",
        "my_teams",
        "null",
        "now() - 2d",
        "now() + 99999999w",
        "\"\"",
        "1e400",
    ];
    for kind in kinds() {
        let server = Server::start().await;
        create(&server, kind).await;
        for name in catalogue(kind).names() {
            for value in values {
                for operator in ["=", ">", ":"] {
                    let filter = format!("{name} {operator} {value}");
                    let answer =
                        server.get(&format!("{}?filter={}", all(kind), encoded(&filter))).by(Admin).send().await;
                    match answer.status.as_u16() {
                        200 => (),
                        400 => assert_eq!(answer.json()["code"], "bad_query", "{filter}"),
                        other => panic!("{}: {filter}: {other}: {}", kind.name, answer.text()),
                    }
                }
            }
        }
    }
}

#[actix_web::test]
async fn monstrous_filters_are_answered() {
    let server = Server::start().await;
    let kind = kinds()[0];
    create(&server, kind).await;
    let terms = |n: usize| vec!["(title = \"x\" OR NOT number : \"INC\")"; n].join(" AND ");
    let nested = |n: usize| format!("{}title = \"x\"{}", "NOT (".repeat(n), ")".repeat(n));
    for filter in [
        terms(49),
        terms(50),
        terms(51),
        nested(9),
        nested(50),
        "(".repeat(4000),
        "a".repeat(5000),
        "title = \"".to_owned(),
    ] {
        let path = format!("{}?count=true&filter={}", all(kind), encoded(&filter));
        let status = server.get(&path).by(Alex).send().await.status.as_u16();
        assert!(matches!(status, 200 | 400), "{status}: {}", filter.chars().take(80).collect::<String>());
    }
}
