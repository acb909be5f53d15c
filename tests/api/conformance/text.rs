//! Text of every sort goes in and comes out as it was.

use pointsman::record::kind::{Field, Holds};
use serde_json::{Value, json};

use crate::support::{
    Person::*,
    Server,
    sample::{all, create_with, kinds, one, writable},
};

/// Fields of free text, and how much each takes.
fn texts(kind: &pointsman::record::kind::Kind) -> Vec<(&'static Field, usize)> {
    let most = |field: &'static Field| match field.holds {
        Holds::Line(most) | Holds::Text(most) => Some((field, most)),
        _ => None,
    };
    // The model of a change is one that there is.
    writable(kind).into_iter().filter(|field| field.name != "model").filter_map(most).collect()
}

const STRANGE: &[&str] = &[
    "<script>alert('x')</script> & \"quotes\" \\ / %41",
    "'; DROP TABLE record; --",
    "👩‍👩‍👧‍👦 🏳️‍🌈 e\u{301} \u{1F600}",
    "\u{202e}שלום\u{202c} مرحبا \u{200f}\u{feff}",
    "\u{1}\u{7f}\t \u{2028}\u{fffd}\u{10ffff}",
    "${jndi:ldap://x} {{7*7}} %s %n",
    " spaces around ",
];

#[actix_web::test]
async fn strange_text_comes_back_as_it_was() {
    for kind in kinds() {
        let server = Server::start().await;
        for (field, _) in texts(kind) {
            for strange in STRANGE {
                let made = create_with(&server, kind, json!({field.name: strange})).await;
                let got = server.get(&one(kind, &made)).by(Admin).expect(200).await;
                assert_eq!(got.json()[field.name], *strange, "{}.{}", kind.name, field.name);
            }
        }
        for (name, body) in [("comment", json!({"comment": STRANGE[2]})), ("tags", json!({"tags": [STRANGE[3]]}))] {
            let made = create_with(&server, kind, body).await;
            assert_eq!(made.status, 201, "{name}");
        }
    }
}

#[actix_web::test]
async fn the_character_nul_is_refused_everywhere() {
    for kind in kinds() {
        let server = Server::start().await;
        let made = create_with(&server, kind, json!({})).await;
        let names = texts(kind).into_iter().map(|(field, _)| field.name).chain(["comment", "work_note"]);
        let bodies = names.map(|name| json!({name: "a\0b"}));
        let more = [
            json!({"tags": ["a\0"]}),
            json!({"a\0": 1}),
            json!({"custom": {"a\0": 1}}),
            json!({"custom": {"a": "\0"}}),
        ];
        for body in bodies.chain(more) {
            let change = server.patch(&one(kind, &made), body).by(Admin).seen(&made).expect(422).await;
            assert_eq!(change.header("content-type"), "application/problem+json");
        }
    }
}

#[actix_web::test]
async fn a_field_takes_what_it_says_and_not_one_character_more() {
    for kind in kinds() {
        let server = Server::start().await;
        for (field, most) in texts(kind) {
            // Four bytes each: lengths are counted in characters.
            let full = "𝄞".repeat(most);
            let made = create_with(&server, kind, json!({field.name: full})).await;
            assert_eq!(made.json()[field.name], full, "{}.{}", kind.name, field.name);
            let path = one(kind, &made);
            let more = json!({field.name: full + "x"});
            let problem = server.patch(&path, more).by(Admin).seen(&made).expect(422).await.json();
            assert_eq!(problem["errors"][0]["code"], "too_long");
            if matches!(field.holds, Holds::Line(_)) {
                let lines = json!({field.name: "two\nlines"});
                let problem = server.patch(&path, lines).by(Admin).seen(&made).expect(422).await.json();
                assert_eq!(problem["errors"][0]["code"], "not_one_line");
            }
        }
        let tags: Vec<String> = (0..50).map(|n| format!("{n:02}{}", "é".repeat(58))).collect();
        let made = create_with(&server, kind, json!({"tags": tags})).await;
        assert_eq!(made.json()["tags"], json!(tags));
        for bad in [json!(["x".repeat(61)]), Value::from((0..51).map(|n| n.to_string()).collect::<Vec<_>>())] {
            let change = server.patch(&one(kind, &made), json!({"tags": bad})).by(Admin).seen(&made);
            change.expect(422).await;
        }
    }
}

#[actix_web::test]
async fn what_is_no_text_is_malformed() {
    for kind in kinds() {
        let server = Server::start().await;
        let bodies: [&[u8]; 4] = [
            b"{\"title\": \"\\ud800\"}",
            b"{\"title\": \"\xff\xfe\"}",
            b"{\"title\": \"\x01\"}",
            b"\xef\xbb\xbf{\"title\": \"x\"}",
        ];
        for body in bodies {
            let ask = server.post(&all(kind), json!({})).body("application/json", body).by(Admin);
            assert_eq!(ask.send().await.status, 400, "{}", String::from_utf8_lossy(body));
        }
        let deep = format!("{{\"custom\": {}1{}}}", "[".repeat(200), "]".repeat(200));
        server.post(&all(kind), json!({})).body("application/json", deep).by(Admin).expect(400).await;
        let large = format!("{{\"title\": \"{}\"}}", "x".repeat(1 << 20));
        server.post(&all(kind), json!({})).body("application/json", large).by(Admin).expect(413).await;
    }
}
