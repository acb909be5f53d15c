//! Custom fields: what they take, and that filters compare values of each type as what they are.

use serde_json::{Value, json};

use crate::support::{Answer, Person::*, Server};

const INCIDENTS: &str = "/api/v1/incidents";

async fn define(server: &Server, field_type: &str, more: Value) -> Answer {
    let mut body =
        json!({"kind": "incident", "name": format!("a_{field_type}"), "label": "A", "field_type": field_type});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.post("/api/v1/custom-fields", body).by(Admin).send().await
}

/// A server whose incidents have a custom field of each type.
async fn with_all_types() -> Server {
    let server = Server::start().await;
    for field_type in ["text", "integer", "decimal", "boolean", "date", "time"] {
        assert_eq!(define(&server, field_type, json!({})).await.status, 201);
    }
    assert_eq!(define(&server, "choice", json!({"choices": ["low", "high"]})).await.status, 201);
    server
}

async fn create(server: &Server, title: &str, custom: Value) -> Answer {
    server.post(INCIDENTS, json!({"title": title, "custom": custom})).by(Alex).send().await
}

async fn filtered(server: &Server, filter: &str) -> Answer {
    let filter: String = filter.bytes().map(|b| format!("%{b:02X}")).collect();
    server.get(&format!("{INCIDENTS}?sort=opened_at&fields=title&filter={filter}")).by(Alex).send().await
}

#[actix_web::test]
async fn filters_compare_values_as_what_they_are() {
    let server = with_all_types().await;
    let long = "x".repeat(1_500);
    let records = [
        json!({"a_text": long, "a_integer": 9, "a_decimal": 0.000001, "a_boolean": true, "a_date": "2026-9-1",
            "a_time": "2026-01-01T01:30:00+02:00", "a_choice": "low"}),
        json!({"a_text": format!("{long}y"), "a_integer": 10, "a_decimal": 2.5, "a_boolean": false, "a_date": "2026-10-01",
            "a_time": "2026-01-01T00:00:00Z", "a_choice": "high"}),
        json!({"a_text": "Hafen 7", "a_integer": -9_007_199_254_740_991_i64, "a_decimal": 100, "a_date": "2025-12-31",
            "a_time": "2026-01-01T00:00:00.000001Z"}),
    ];
    for (title, custom) in ["one", "two", "three"].into_iter().zip(records) {
        assert_eq!(create(&server, title, custom).await.status, 201);
        server.at(&server.assembly.clock.now().plus(chrono::TimeDelta::seconds(1)).to_string());
    }
    create(&server, "none", json!({})).await;
    let cases: &[(&str, &[&str])] = &[
        (&format!("custom.a_text = \"{long}\""), &["one"]),
        (&format!("custom.a_text = \"{long}y\""), &["two"]),
        ("custom.a_text = \"Hafen 7\"", &["three"]),
        ("custom.a_text != \"Hafen 7\"", &["one", "two", "none"]),
        ("custom.a_text : xxx", &["one", "two"]),
        ("custom.a_text > I", &["one", "two"]),
        ("custom.a_integer < 10", &["one", "three"]),
        ("custom.a_integer = -9007199254740991", &["three"]),
        ("custom.a_decimal < 2.50", &["one"]),
        ("custom.a_decimal = 2.50", &["two"]),
        ("custom.a_decimal = 0.000001", &["one"]),
        ("custom.a_boolean = true", &["one"]),
        ("custom.a_boolean != true", &["two", "three", "none"]),
        ("custom.a_date > 2026-09-30", &["two"]),
        ("custom.a_date = 2026-09-01", &["one"]),
        ("custom.a_date <= now()", &["three"]),
        ("custom.a_time < \"2026-01-01T00:00:00Z\"", &["one"]),
        ("custom.a_time = \"2025-12-31T23:30:00Z\"", &["one"]),
        ("custom.a_time > \"2026-01-01T01:00:00+01:00\"", &["three"]),
        ("custom.a_choice = high", &["two"]),
        ("custom.a_choice = null", &["three", "none"]),
    ];
    for (filter, titles) in cases {
        let answer = filtered(&server, filter).await;
        assert_eq!(answer.status, 200, "{filter}: {}", answer.text());
        let json = answer.json();
        let found: Vec<_> = json["items"].as_array().unwrap().iter().map(|i| i["title"].as_str().unwrap()).collect();
        assert_eq!(found, *titles, "{filter}");
    }
    let pair = server.get(&format!("{INCIDENTS}?custom.a_choice=low,high&count=true")).by(Alex).expect(200).await;
    assert_eq!(pair.field("total"), "2");
}

#[actix_web::test]
async fn filters_refuse_what_a_field_never_holds() {
    let server = with_all_types().await;
    let cases = [
        ("custom.a_integer = 1.5", "wrong_type", "Position 20:"),
        ("custom.a_decimal = much", "wrong_type", "Position 20:"),
        ("custom.a_boolean = yes", "wrong_type", "Position 20:"),
        ("custom.a_boolean > true", "wrong_operator", "Position 18:"),
        ("custom.a_date = 2026-02-30", "wrong_type", "Position 17:"),
        ("custom.a_time = 2026-02-03", "wrong_type", "Position 17:"),
        ("custom.a_choice = middle", "not_a_choice", "Position 19:"),
    ];
    for (filter, code, place) in cases {
        let answer = filtered(&server, filter).await;
        let error = &answer.json()["errors"][0];
        assert_eq!((answer.status.as_u16(), error["code"].as_str()), (400, Some(code)), "{filter}: {}", answer.text());
        assert!(error["detail"].as_str().unwrap().starts_with(place), "{filter}: {error}");
    }
}

#[actix_web::test]
async fn values_are_taken_in_one_form_or_refused() {
    let server = with_all_types().await;
    let given = json!({"a_date": "2026-1-5", "a_time": "2026-01-01T01:30:00+02:00", "a_decimal": 1e-7});
    let stored = json!({"a_date": "2026-01-05", "a_decimal": 1e-7, "a_time": "2025-12-31T23:30:00.000000Z"});
    assert_eq!(create(&server, "Mail", given).await.json()["custom"], stored);
    let wrong = [
        ("a_text", json!("x".repeat(4_001))),
        ("a_text", json!(7)),
        ("a_integer", json!(9_007_199_254_740_992_i64)),
        ("a_integer", json!(1.5)),
        ("a_decimal", json!(1e29)),
        ("a_boolean", json!("true")),
        ("a_date", json!("0000-01-01")),
        ("a_time", json!("0000-01-01T00:00:00Z")),
        ("a_time", json!("9999-12-31T23:00:00-02:00")),
        ("a_choice", json!("middle")),
    ];
    for (name, value) in wrong {
        let answer = create(&server, "Mail", json!({name: value})).await;
        assert_eq!(answer.status, 422, "{name}: {}", answer.text());
        assert_eq!(answer.json()["errors"][0]["pointer"], format!("/custom/{name}"));
    }
    // As long as can be, and in letters that take the most room: the index must not mind.
    let widest: String = (0..4_000_u32).map(|n| char::from_u32(0x1_0000 + n * 7).unwrap()).collect();
    assert_eq!(create(&server, "Wide", json!({"a_text": widest})).await.status, 201);
    let widest: String = widest.chars().take(500).collect();
    assert_eq!(create(&server, "Wide", json!({"a_text": widest})).await.status, 201);
}

#[actix_web::test]
async fn a_pattern_is_checked_shown_and_held_to() {
    let server = Server::start().await;
    let huge = "a{1000}".repeat(60);
    let refused = [
        ("text", "(", "unclosed group"),
        ("text", "a)|(b", "unopened group"),
        ("text", "(?=a)", "look-around"),
        ("text", &huge, "size limit"),
        ("text", "", "1 to 500 characters"),
        ("integer", "[0-9]+", "alone"),
    ];
    for (field_type, pattern, told) in refused {
        let answer = define(&server, field_type, json!({"pattern": pattern})).await;
        let error = &answer.json()["errors"][0];
        assert_eq!((answer.status.as_u16(), &error["pointer"]), (422, &json!("/pattern")), "{pattern}");
        assert!(error["detail"].as_str().unwrap().contains(told), "{error}");
    }
    let made = define(&server, "text", json!({"pattern": "[A-Z]{2}|[0-9]+"})).await;
    assert_eq!((made.status.as_u16(), made.field("pattern").as_str()), (201, "[A-Z]{2}|[0-9]+"));
    let form = server.get("/api/v1/meta/incident").by(Alex).expect(200).await.json();
    assert_eq!(form["custom_fields"][0]["pattern"], "[A-Z]{2}|[0-9]+");
    for (value, status) in [("AB", 201), ("123", 201), ("ABC", 422), ("12x", 422), ("12\n", 422), ("", 422)] {
        assert_eq!(create(&server, "Mail", json!({"a_text": value})).await.status, status, "{value:?}");
    }
    let path = made.header("location");
    let freed = server.patch(&path, json!({"pattern": null})).by(Admin).seen(&made).expect(200).await;
    assert_eq!(freed.json()["pattern"], Value::Null);
    let renamed = server.patch(&path, json!({"label": "Other"})).by(Admin).seen(&freed).expect(200).await;
    assert_eq!((renamed.field("label").as_str(), &renamed.json()["pattern"]), ("Other", &Value::Null));
    assert_eq!(create(&server, "Mail", json!({"a_text": "ABC"})).await.status, 201);
}
