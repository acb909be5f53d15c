//! Lists: order, pages, selection and search.

use pointsman::record::kind::{HEADER, Kind};
use serde_json::{Value, json};

use crate::support::{
    Answer,
    Person::*,
    Server,
    sample::{all, create, create_in, create_with, kinds, maximal, one, ways, writable},
};

/// Some records that differ in all that lists sort by, and many that don't.
async fn many(server: &Server, kind: &'static Kind) -> usize {
    let states: Vec<&str> = ways(kind).into_keys().collect();
    for (n, state) in states.iter().enumerate() {
        server.at(&format!("2026-03-{:02}T11:00:00Z", 4 + n));
        create_in(server, kind, state).await;
    }
    for level in 1..=3 {
        let levels = writable(kind).into_iter().filter(|f| matches!(f.name, "impact" | "urgency"));
        let more = levels.map(|field| (field.name.to_owned(), json!(level))).collect();
        create_with(server, kind, Value::Object(more)).await;
    }
    for _ in 0..12 {
        create(server, kind).await;
    }
    let total = server.get(&format!("{}?count=true&limit=1", all(kind))).by(Admin).expect(200).await;
    total.field("total").parse().unwrap()
}

async fn page(server: &Server, kind: &Kind, query: &str, cursor: Option<&str>) -> Answer {
    let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
    server.get(&format!("{}?{query}{cursor}", all(kind))).by(Admin).expect(200).await
}

fn items(answer: &Answer) -> Vec<Value> {
    answer.json()["items"].as_array().unwrap().clone()
}

#[actix_web::test]
async fn pages_in_every_order_hold_each_record_once_both_ways() {
    for kind in kinds() {
        let server = Server::start().await;
        let total = many(&server, kind).await;
        let sortable = HEADER.iter().filter(|f| f.sortable).map(|f| f.name);
        let sorts = sortable.flat_map(|name| [name.to_owned(), format!("-{name}")]);
        for sort in sorts.chain(["-priority,opened_at".to_owned(), "state,-phase,number".to_owned()]) {
            let query = format!("sort={sort}&limit=7");
            let (mut seen, mut cursor, mut first) = (Vec::new(), None::<String>, None);
            loop {
                let got = page(&server, kind, &query, cursor.as_deref()).await;
                seen.extend(items(&got));
                let links = got.header("link");
                assert_eq!(links.contains("rel=\"next\""), !got.json()["next_cursor"].is_null(), "{links}");
                first.get_or_insert(items(&got));
                match got.json()["next_cursor"].as_str() {
                    Some(next) => cursor = Some(next.to_owned()),
                    None => break cursor = got.json()["previous_cursor"].as_str().map(str::to_owned),
                }
                assert!(seen.len() <= total, "{}: {sort}: too many", kind.name);
            }
            let ids: std::collections::BTreeSet<String> = seen.iter().map(|r| r["id"].to_string()).collect();
            assert_eq!((seen.len(), ids.len()), (total, total), "{}: {sort}: gap or repeat", kind.name);
            assert_ordered(kind, &sort, &seen);
            // And back to the beginning.
            let mut back = Vec::new();
            while let Some(before) = cursor {
                let got = page(&server, kind, &query, Some(&before)).await;
                back = [items(&got), back].concat();
                cursor = got.json()["previous_cursor"].as_str().map(str::to_owned);
            }
            assert_eq!(back, seen[..back.len()], "{}: {sort}: backwards", kind.name);
            assert!(back.len() + 7 >= total, "{}: {sort}: backwards stops early", kind.name);
        }
    }
}

/// Neighbours stand in the order of the first key.
fn assert_ordered(kind: &Kind, sort: &str, records: &[Value]) {
    let key = sort.split(',').next().unwrap();
    let (name, down) = key.strip_prefix('-').map_or((key, false), |name| (name, true));
    for pair in records.windows(2) {
        let (mut a, mut b) = (&pair[0][name], &pair[1][name]);
        if down {
            (a, b) = (b, a);
        }
        let ordered = match (a, b) {
            (Value::Number(a), Value::Number(b)) => a.as_i64() <= b.as_i64(),
            (Value::String(a), Value::String(b)) => a <= b,
            _ => true,
        };
        assert!(ordered, "{}: {sort}: {a} before {b}", kind.name);
    }
}

#[actix_web::test]
async fn a_record_that_comes_between_pages_moves_no_other() {
    for kind in kinds() {
        let server = Server::start().await;
        let total = many(&server, kind).await;
        let first = page(&server, kind, "sort=-opened_at&limit=5", None).await;
        server.at("2026-04-01T00:00:00Z");
        create(&server, kind).await;
        let next = first.field("next_cursor");
        let rest = page(&server, kind, "sort=-opened_at&limit=200", Some(&next)).await;
        assert_eq!(items(&first).len() + items(&rest).len(), total, "{}", kind.name);
    }
}

#[actix_web::test]
async fn limits_counts_and_cursors_are_checked() {
    for kind in kinds() {
        let server = Server::start().await;
        let total = many(&server, kind).await;
        assert_eq!(items(&page(&server, kind, "limit=1000", None).await).len(), total.min(200));
        assert_eq!(items(&page(&server, kind, "", None).await).len(), total.min(50));
        assert!(page(&server, kind, "", None).await.json()["total"].is_null());
        let first = page(&server, kind, "sort=number&limit=5&count=true", None).await;
        assert_eq!(first.field("total"), total.to_string());
        let cursor = first.field("next_cursor");
        for query in [
            format!("sort=-number&limit=5&cursor={cursor}"),
            format!("limit=5&cursor={cursor}"),
            format!("sort=number&limit=5&title=x&cursor={cursor}"),
            format!("sort=number&limit=5&q=x&cursor={cursor}"),
            format!("sort=number&cursor={cursor}x"),
            "cursor=nonsense".to_owned(),
            format!("sort=number&cursor={}", "A".repeat(5000)),
        ] {
            let problem = server.get(&format!("{}?{query}", all(kind))).by(Admin).expect(400).await;
            assert_eq!(problem.json()["code"], "bad_cursor", "{query}");
        }
        for query in [
            "limit=0",
            "limit=-1",
            "limit=x",
            "limit=1.5",
            "sort=",
            "sort=nothing",
            "sort=title,title",
            "fields=nothing",
            "fields=",
            "expand=nothing",
            "expand=title",
            "nothing=1",
            "filter=%28",
            "filter=%00",
        ] {
            server.get(&format!("{}?{query}", all(kind))).by(Admin).expect(400).await;
        }
        // Each once, with a value that it can have; the problem names the parameter.
        for query in [
            "limit=1&limit=2",
            "sort=number&sort=number",
            "filter=number=1&filter=number=1",
            "count=maybe",
            "count=True",
            "count=",
            "cursor=",
            "filter=",
            "q=",
            "fields=",
        ] {
            let problem = server.get(&format!("{}?{query}", all(kind))).by(Admin).expect(400).await.json();
            assert_eq!(problem["errors"][0]["pointer"], query.split('=').next().unwrap(), "{query}: {problem}");
        }
        let twice = format!("{}?dry_run=true&dry_run=false", all(kind));
        server.post(&twice, json!({})).by(Admin).expect(400).await;
        let other = kinds().into_iter().find(|other| other.name != kind.name).unwrap();
        create(&server, other).await;
        server.get(&format!("{}?sort=number&limit=5&cursor={cursor}", all(other))).by(Admin).expect(400).await;
        server.ask(actix_web::http::Method::HEAD, &all(kind)).by(Admin).expect(200).await;
    }
}

#[actix_web::test]
async fn a_caller_picks_fields_and_embeds_references() {
    for kind in kinds() {
        let server = Server::start().await;
        let body = Value::from(maximal(&server, kind).await);
        let made = server.post(&all(kind), body).by(Admin).expect(201).await;
        let path = one(kind, &made);
        let picked = json!({"number": made.field("number"), "title": made.field("title")});
        let got = server.get(&format!("{path}?fields=title,number")).by(Admin).expect(200).await;
        assert_eq!(got.json(), picked, "{}", kind.name);
        let listed = page(&server, kind, &format!("fields=number,title&number={}", made.field("number")), None).await;
        assert_eq!(items(&listed), [picked]);
        let references: Vec<_> = kind.all_fields().filter(|f| f.name.ends_with("_id")).collect();
        let names = references.iter().map(|f| f.short_name()).collect::<Vec<_>>().join(",");
        let one = server.get(&format!("{path}?expand={names}")).by(Admin).expect(200).await.json();
        let listed = page(&server, kind, &format!("expand={names}&number={}", made.field("number")), None).await;
        assert_eq!(items(&listed), std::slice::from_ref(&one), "{}", kind.name);
        let both = server.get(&format!("{path}?fields=title&expand=opened_by")).by(Admin).expect(200).await.json();
        assert_eq!((both.as_object().unwrap().len(), &both["opened_by"]), (2, &one["opened_by"]), "{both}");
        for field in references {
            assert_eq!(one[field.name], made.json()[field.name]);
            if !one[field.name].is_null() {
                assert_eq!(one[field.short_name()]["id"], one[field.name], "{}: {}", kind.name, field.name);
            }
        }
    }
}

#[actix_web::test]
async fn a_tag_covers_what_is_embedded_and_is_good_for_writes() {
    for kind in kinds() {
        let server = Server::start().await;
        let made = create(&server, kind).await;
        let path = one(kind, &made);
        let picked = server.get(&format!("{path}?fields=title")).by(Admin).expect(200).await;
        assert_eq!(picked.header("etag"), made.header("etag"), "{}: fields are covered by the version", kind.name);
        let embedded = format!("{path}?expand=opened_by");
        let seen = server.get(&embedded).by(Admin).expect(200).await;
        assert_ne!(seen.header("etag"), made.header("etag"));
        let known = || server.get(&embedded).by(Admin).header("if-none-match", &seen.header("etag"));
        assert_eq!(known().expect(304).await.header("etag"), seen.header("etag"));
        let person = format!("/api/v1/users/{}", Admin.id(&server.assembly));
        let renamed = server.patch(&person, json!({"display_name": "Somebody else"})).by(Admin).header("if-match", "*");
        renamed.expect(200).await;
        assert_eq!(known().expect(200).await.json()["opened_by"]["display_name"], "Somebody else");
        let changed = server.patch(&path, json!({"title": "Changed"})).by(Admin).seen(&seen).expect(200).await;
        server.patch(&path, json!({"title": "Stale"})).by(Admin).seen(&seen).expect(412).await;
        assert_eq!(changed.header("etag"), "\"2\"", "{}", kind.name);
    }
}

#[actix_web::test]
async fn search_finds_words_where_they_stand() {
    for kind in kinds() {
        let server = Server::start().await;
        let title = create_with(&server, kind, json!({"title": "The Zürich xylophone squeaks"})).await;
        let text = create_with(&server, kind, json!({"description": "It is about a xylophone."})).await;
        let said = create_with(
            &server,
            kind,
            json!({"comment": "A marimba of ann@mail.example.com would do.", "work_note": "Costly, though."}),
        )
        .await;
        let plain = create(&server, kind).await;
        let found = async |q: &str| -> Vec<String> {
            let got = page(&server, kind, &format!("count=true&q={q}"), None).await;
            assert_eq!(got.field("total"), items(&got).len().to_string(), "{q}");
            items(&got).iter().map(|r| r["id"].as_str().unwrap().to_owned()).collect()
        };
        let ids = |answers: &[&Answer]| answers.iter().map(|a| a.field("id")).collect::<Vec<_>>();
        assert_eq!(found("xylophone").await, ids(&[&title, &text]), "{}: a title counts more", kind.name);
        assert_eq!(found("XYLOPHONE%20squeaks").await, ids(&[&title]));
        assert_eq!(found("xylo").await, ids(&[&title, &text]), "the beginning of the last word");
        // A page that more records fit than it has room for.
        for q in ["xylophone", "xylo"] {
            let first = page(&server, kind, &format!("limit=1&q={q}"), None).await;
            assert_eq!(items(&first)[0]["id"], title.field("id"), "{q}");
            let second = page(&server, kind, &format!("limit=1&q={q}"), Some(&first.field("next_cursor"))).await;
            assert_eq!(items(&second)[0]["id"], text.field("id"), "{q}");
        }
        assert_eq!(found("xylophone%20squ").await, ids(&[&title]));
        assert_eq!(found("xylo%20squeaks").await, Vec::<String>::new(), "the beginning of another word");
        for q in ["marimba", "mail.example.com", "ann@mail.exa", "example"] {
            assert_eq!(found(q).await, ids(&[&said]), "{q}");
        }
        assert_eq!(found("costly").await, Vec::<String>::new(), "work notes are not searched");
        assert_eq!(found(&plain.field("number")).await, ids(&[&plain]));
        assert_eq!(found("contrabass").await, Vec::<String>::new());
        let path = one(kind, &title);
        server.patch(&path, json!({"title": "It is a drum"})).by(Admin).seen(&title).expect(200).await;
        assert_eq!(found("xylophone").await, ids(&[&text]));
        assert_eq!(found("drum").await, ids(&[&title]));
        for q in [
            "%22",
            "*",
            "a*",
            "%22a",
            "AND",
            "OR%20NOT",
            "NEAR(",
            "title%3Ax",
            "-x",
            "%27%29",
            "%F0%9F%98%80",
            "!%26%7C",
            "%3C-%3E",
            "()",
            "%5C",
            "x:*",
            "%C2%AD",
        ] {
            page(&server, kind, &format!("q={q}"), None).await;
            page(&server, kind, &format!("q={q}&sort=number&count=true"), None).await;
        }
        page(&server, kind, &format!("q={}", "word%20".repeat(300)), None).await;
        // Ranked pages hold each hit once, too.
        for _ in 0..5 {
            create_with(&server, kind, json!({"title": "A drum"})).await;
        }
        let first = page(&server, kind, "q=drum&limit=4", None).await;
        let second = page(&server, kind, "q=drum&limit=4", Some(&first.field("next_cursor"))).await;
        let all: std::collections::BTreeSet<String> =
            items(&first).iter().chain(&items(&second)).map(|r| r["id"].to_string()).collect();
        assert_eq!((all.len(), second.json()["next_cursor"].is_null()), (6, true));
        let back = page(&server, kind, "q=drum&limit=4", Some(&second.field("previous_cursor"))).await;
        assert_eq!(items(&back), items(&first));
    }
}

/// PostgreSQL answers the statements of a list as of different moments, and what has changed in between is read again.
#[actix_web::test]
async fn a_page_is_whole_while_its_records_change() {
    const RECORDS: usize = 5;
    let server = Server::start().await;
    let kind = kinds()[0];
    let mut paths = Vec::new();
    for _ in 0..RECORDS {
        paths.push(one(kind, &create(&server, kind).await));
    }
    let change = async {
        for n in 0..100 {
            let title = json!({"title": format!("Change {n}")});
            server.patch(&paths[n % RECORDS], title).by(Admin).header("if-match", "*").expect(200).await;
        }
    };
    let read = async {
        for _ in 0..200 {
            let shown = items(&page(&server, kind, "limit=5", None).await);
            assert_eq!(shown.len(), RECORDS);
        }
    };
    tokio::join!(change, read);
}
