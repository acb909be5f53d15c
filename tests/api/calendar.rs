//! Calendars through the API: written, asked, filled with holidays, and asked by policies.

use std::time::{Duration, Instant};

use actix_web::http::Method;
use diesel::prelude::*;
use pointsman::schema::audit;
use serde_json::{Value, json};

use crate::support::{Answer, Ask, Person::*, Server};

const CALENDARS: &str = "/api/v1/calendars";

fn span(from: &str, until: &str) -> Value {
    json!([{"from": from, "until": until}])
}

fn berlin() -> Value {
    json!({
        "name": "support-berlin", "description": "The desk in Berlin", "zone": "Europe/Berlin",
        "hours": {"tuesday": span("08:00", "18:00"), "wednesday": span("08:00", "18:00"), "saturday": span("22:00", "06:00")},
        "holidays": [{"date": "2026-12-26", "name": "Boxing Day"}, {"date": "2026-12-25", "name": "Christmas Day"}],
    })
}

async fn made(server: &Server) -> (String, Answer) {
    let made = server.post(CALENDARS, berlin()).by(Admin).expect(201).await;
    (format!("{CALENDARS}/{}", made.field("id")), made)
}

/// The path of a calendar that ships.
async fn shipped(server: &Server, name: &str) -> String {
    let list = server.get(&format!("{CALENDARS}?q={name}")).by(Alex).expect(200).await.json();
    format!("{CALENDARS}/{}", list["items"][0]["id"].as_str().unwrap())
}

fn places(answer: &Answer) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    answer.json()["errors"].as_array().unwrap().iter().map(|e| (text(&e["pointer"]), text(&e["code"]))).collect()
}

#[actix_web::test]
async fn calendars_are_made_read_changed_and_deactivated() {
    let server = Server::start().await;
    let list = server.get(CALENDARS).by(Alex).expect(200).await.json();
    let names: Vec<_> = list["items"].as_array().unwrap().iter().map(|c| c["name"].clone()).collect();
    assert_eq!(names, ["around-the-clock", "business-hours"]);
    server.post(&format!("{CALENDARS}?dry_run=true"), berlin()).by(Admin).expect(201).await;
    let (path, made) = made(&server).await;
    assert_eq!(made.header("location"), path);
    // In order, whatever the order in which they were given.
    assert_eq!(made.json()["holidays"][0]["date"], "2026-12-25");
    assert_eq!(made.json()["hours"]["monday"], json!([]));
    assert_eq!(server.get(&path).by(Alex).expect(200).await.json(), made.json());
    server.get(&path).by(Alex).header("if-none-match", &made.header("etag")).expect(304).await;

    let change = json!({"hours": {"saturday": null, "monday": span("08:00", "12:00")}});
    server.patch(&path, change.clone()).by(Admin).expect(428).await;
    let changed = server.patch(&path, change.clone()).by(Admin).seen(&made).expect(200).await;
    let hours = &changed.json()["hours"];
    assert_eq!((&hours["saturday"], &hours["tuesday"]), (&json!([]), &span("08:00", "18:00")));
    assert_eq!(hours["monday"], span("08:00", "12:00"));
    server.patch(&path, change.clone()).by(Admin).seen(&made).expect(412).await;
    let same = server.patch(&path, change).by(Admin).seen(&changed).expect(200).await;
    assert_eq!(same.field("version"), "2", "what changes nothing is no change");

    let off = server.patch(&path, json!({"active": false})).by(Admin).seen(&changed).expect(200).await;
    assert_eq!(off.field("active"), "false");
    let active = server.get(&format!("{CALENDARS}?active=true&count=true")).by(Alex).expect(200).await;
    assert_eq!(active.field("total"), "2");
    let read = server.assembly.database.read_here(|c| {
        let mine = audit::table.filter(audit::subject_kind.eq("calendar"));
        Ok(mine.order(audit::subject_version).select(audit::action).load::<String>(c)?)
    });
    assert_eq!(read.unwrap(), ["calendar.created", "calendar.updated", "calendar.updated"]);
    server.ask(Method::DELETE, &path).by(Admin).expect(405).await;
}

#[actix_web::test]
async fn what_is_wrong_is_refused_with_its_place() {
    let server = Server::start().await;
    let (path, made) = made(&server).await;
    let place = |pointer: &str, code: &str| (pointer.to_owned(), code.to_owned());
    let with = |name: &str, value: Value| {
        let mut body = berlin();
        (body["name"], body[name]) = (json!("other"), value);
        body
    };
    for (body, expected) in [
        (with("zone", json!("Europe/Berln")), place("/zone", "unknown_zone")),
        (with("name", json!("Berlin")), place("/name", "wrong_form")),
        (with("hours", json!({"monday": span("18:00", "18:00")})), place("/hours/monday/0", "empty_span")),
        (with("hours", json!({"monday": span("8", "18:00")})), place("/hours/monday/0/from", "invalid")),
        (with("hours", json!({"mondy": []})), place("/hours/mondy", "unknown_field")),
        (with("holidays", json!([{"date": "2026-02-29", "name": "x"}])), place("/holidays/0/date", "invalid")),
        (with("exceptions", json!([{"date": "2026-02-28", "name": "x"}])), place("/exceptions/0/hours", "required")),
    ] {
        let answer = server.post(CALENDARS, body.clone()).by(Admin).expect(422).await;
        assert_eq!(places(&answer), [expected], "{body}");
    }
    let taken = server.post(CALENDARS, berlin()).by(Admin).expect(409).await;
    assert_eq!(places(&taken), [place("/name", "taken")]);
    for (change, expected) in [
        (json!({"name": "renamed"}), place("/name", "read_only")),
        (json!({"hours": null}), place("/hours", "wrong_type")),
        (json!({"hours": {"sunday": span("05:00", "12:00")}}), place("/hours/saturday", "overlapping_span")),
    ] {
        let answer = server.patch(&path, change.clone()).by(Admin).seen(&made).expect(422).await;
        assert_eq!(places(&answer), [expected], "{change}");
    }
    assert_eq!(server.get(&path).by(Admin).expect(200).await.json(), made.json());
}

#[actix_web::test]
async fn a_calendar_tells_its_hours_and_counts_both_ways() {
    let server = Server::start().await;
    let (path, _) = made(&server).await;
    // Clocks in Berlin are changed on Sunday, 29 March, within the night that began on Saturday.
    let week = format!("{path}/hours?from=2026-03-24T09:30:00Z&until=2026-03-31T00:00:00Z");
    let hours = server.get(&week).by(Alex).expect(200).await.json();
    let expected = [
        ("2026-03-24T09:30:00Z", "2026-03-24T17:00:00Z"),
        ("2026-03-25T07:00:00Z", "2026-03-25T17:00:00Z"),
        ("2026-03-28T21:00:00Z", "2026-03-29T04:00:00Z"),
    ];
    assert_eq!(hours["items"], json!(expected.map(|(from, until)| json!({"from": from, "until": until}))));
    let ask = |verb: &str, body: Value| server.post(&format!("{path}/{verb}"), body).by(Alex);
    for (start, duration, due) in [
        ("2026-03-24T13:00:00Z", "PT4H", "2026-03-24T17:00:00Z"),
        ("2026-03-25T16:00:00+01:00", "PT10H", "2026-03-31T07:00:00Z"),
        ("2026-03-24T08:00:00Z", "-PT1H", "2026-03-24T07:00:00Z"),
    ] {
        let answer = ask("deadline", json!({"start": start, "duration": duration})).expect(200).await;
        assert_eq!(answer.field("due"), due, "{duration} from {start}");
        let back = ask("elapsed", json!({"from": start, "until": due})).expect(200).await;
        assert_eq!(back.field("duration"), duration, "{start} to {due}");
    }
    for (verb, body, expected) in [
        ("deadline", json!({"start": "2026-03-24T13:00:00Z", "duration": "P1D"}), ("/duration", "invalid")),
        ("deadline", json!({"start": "2026-03-24T13:00:00Z", "duration": "PT9000000H"}), ("/duration", "never_over")),
        ("deadline", json!({"start": "2026-03-24", "duration": "PT1H"}), ("/start", "invalid")),
        ("elapsed", json!({"from": "2026-03-24T13:00:00Z"}), ("/until", "required")),
    ] {
        let answer = ask(verb, body.clone()).expect(422).await;
        assert_eq!(places(&answer), [(expected.0.to_owned(), expected.1.to_owned())], "{body}");
    }
    for (query, name) in [
        ("from=2026-03-24T00:00:00Z", "until"),
        ("from=yesterday&until=2026-03-24T00:00:00Z", "from"),
        ("from=2026-03-24T00:00:00Z&until=2026-03-23T00:00:00Z", "until"),
        ("from=2026-03-24T00:00:00Z&until=2027-05-23T00:00:00Z", "until"),
    ] {
        let answer = server.get(&format!("{path}/hours?{query}")).by(Alex).expect(400).await;
        assert_eq!(places(&answer)[0].0, name, "{query}");
    }
}

fn import<'a>(server: &'a Server, path: &str, query: &str, file: &str) -> Ask<'a> {
    let path = format!("{path}/holidays/import?{query}");
    server.ask(Method::POST, &path).body("text/calendar", file.to_owned()).by(Admin)
}

const FILE: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//A//B//EN\r\nX-WR-CALNAME:Days\r\n\
    BEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:20201225\r\nDTEND;VALUE=DATE:20201227\r\nRRULE:FREQ=YEARLY\r\nSUMMARY:Christmas\r\nEND:VEVENT\r\n\
    BEGIN:VEVENT\r\nUID:2\r\nDTSTART;VALUE=DATE:20260403\r\nSUMMARY:Good\r\n  Friday\r\nTRANSP:TRANSPARENT\r\nEND:VEVENT\r\n\
    BEGIN:VEVENT\r\nUID:3\r\nDTSTART:20260703T120000Z\r\nSUMMARY:Party\r\nEND:VEVENT\r\n\
    BEGIN:VEVENT\r\nUID:4\r\nDTSTART;VALUE=DATE:20250418\r\nSUMMARY:Good Friday\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

#[actix_web::test]
async fn holidays_come_from_icalendar_once() {
    let server = Server::start().await;
    let (path, before) = made(&server).await;
    let rehearsed = import(&server, &path, "from=2026&until=2027&dry_run=true", FILE).expect(200).await;
    assert_eq!(server.get(&path).by(Admin).expect(200).await.json(), before.json(), "a rehearsal was stored");
    let came = import(&server, &path, "from=2026&until=2027", FILE).expect(200).await;
    assert_eq!(came.json(), rehearsed.json());
    let day = |date: &str, name: &str| json!({"date": date, "name": name});
    let added = [day("2026-04-03", "Good Friday"), day("2027-12-25", "Christmas"), day("2027-12-26", "Christmas")];
    assert_eq!(came.json()["added"], json!(added));
    assert_eq!(came.json()["known"], json!([day("2026-12-25", "Christmas Day"), day("2026-12-26", "Boxing Day")]));
    let left_out = &came.json()["left_out"][0];
    assert_eq!((&left_out["line"], &left_out["code"]), (&json!(19), &json!("not_whole_days")));
    assert_eq!((&came.json()["outside"], came.header("etag").as_str()), (&json!(1), "\"2\""));
    let now = server.get(&path).by(Admin).expect(200).await;
    assert_eq!((now.json()["holidays"].as_array().unwrap().len(), now.field("version")), (5, "2".into()));

    let again = import(&server, &path, "from=2026&until=2027", FILE).expect(200).await;
    assert_eq!((again.json()["added"].clone(), again.header("etag").as_str()), (json!([]), "\"2\""));
    assert_eq!(server.get(&path).by(Admin).expect(200).await.json(), now.json(), "a second import changed something");
    // Without years it is the present one and nine more.
    let ten = import(&server, &path, "", FILE).expect(200).await;
    assert_eq!(ten.json()["added"].as_array().unwrap().last().unwrap()["date"], "2035-12-26");

    let broken = FILE.replace("20260403", "20260433");
    let refused = import(&server, &path, "from=2026", &broken).expect(422).await;
    assert!(refused.json()["errors"][0]["detail"].as_str().unwrap().starts_with("Line 14: "), "{}", refused.text());
    let refused = import(&server, &path, "", "BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR").expect(400).await;
    assert!(refused.field("detail").contains("line 3"), "{}", refused.text());
    for (query, status) in [("from=2028&until=2026", 400), ("from=1969", 400), ("from=now", 400), ("region=DE", 422)] {
        import(&server, &path, query, FILE).expect(status).await;
    }
    import(&server, &path, "", FILE).by(Alex).expect(403).await;
    let other = server.ask(Method::POST, &format!("{path}/holidays/import")).body("text/csv", "a").by(Admin);
    other.expect(415).await;
    let refused = |media_type: &str| {
        let ask = server.ask(Method::POST, &format!("{path}/holidays/import"));
        ask.body(media_type, FILE.to_owned()).by(Admin)
    };
    refused("text/calendar; charset=latin1").expect(415).await;
    refused("text/calendar; charset=utf-8").header("content-encoding", "gzip").expect(415).await;
    refused("text/calendar; charset=utf-8").expect(200).await;
}

#[actix_web::test]
async fn an_import_that_takes_long_keeps_nobody_from_reading() {
    let server = Server::start().await;
    let (path, _) = made(&server).await;
    // A rule that fits no day is searched in vain.
    let event = "BEGIN:VEVENT\r\nDTSTART:00010101\r\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30\r\nEND:VEVENT\r\n";
    let file = format!("BEGIN:VCALENDAR\r\n{}END:VCALENDAR\r\n", event.repeat(100));
    let imports = (0..8).map(|_| import(&server, &path, "from=2026&until=2027&dry_run=true", &file).send());
    let imports = futures_util::future::join_all(imports);
    let reads = async {
        let mut slowest = Duration::ZERO;
        for _ in 0..20 {
            let started = Instant::now();
            server.get(&path).by(Alex).expect(200).await;
            slowest = slowest.max(started.elapsed());
        }
        slowest
    };
    let (answers, slowest) = futures_util::future::join(imports, reads).await;
    for answer in answers {
        match answer.status.as_u16() {
            200 => assert_eq!(answer.field("outside"), "100"),
            422 => assert_eq!(places(&answer), [(String::new(), "too_much".to_owned())]),
            other => panic!("{other}: {}", answer.text()),
        }
    }
    assert!(slowest < Duration::from_secs(2), "a read took {slowest:?}");
}

#[actix_web::test]
async fn holidays_come_from_days_by_region() {
    let server = Server::start().await;
    let path = shipped(&server, "around").await;
    let days = |days: &[(&str, &str)]| {
        days.iter().map(|(d, n)| ((*d).to_owned(), json!(n))).collect::<serde_json::Map<_, _>>()
    };
    let berlin =
        days(&[("2025-12-25", "Christmas Day"), ("2026-03-08", "Women's Day"), ("2026-12-25", "Christmas Day")]);
    let body =
        json!({"source": "made up", "holidays": {"DE": days(&[("2026-12-25", "Christmas Day")]), "DE-BE": berlin}});
    let import =
        |query: &str, body: &Value| server.post(&format!("{path}/holidays/import?{query}"), body.clone()).by(Admin);
    let came = import("from=2026&until=2026&region=DE-BE", &body).header("idempotency-key", "once").expect(200).await;
    assert_eq!((came.json()["added"].as_array().unwrap().len(), &came.json()["outside"]), (2, &json!(1)));
    let replayed =
        import("from=2026&until=2026&region=DE-BE", &body).header("idempotency-key", "once").expect(200).await;
    assert_eq!((replayed.json(), replayed.header("idempotency-replayed").as_str()), (came.json(), "true"));
    for (query, code) in [("", "required"), ("region=DE-BX", "unknown_region")] {
        assert_eq!(places(&import(query, &body).expect(422).await), [("region".to_owned(), code.to_owned())]);
    }
    let wrong = json!({"holidays": {"DE": {"2026-13-01": "x"}}});
    assert_eq!(places(&import("", &wrong).expect(422).await)[0].0, "/holidays/DE/2026-13-01");
    // The holiday counts: around the clock, but for the 8th of March.
    let body = json!({"from": "2026-03-07T00:00:00Z", "until": "2026-03-10T00:00:00Z"});
    let elapsed = server.post(&format!("{path}/elapsed"), body).by(Alex).expect(200).await;
    assert_eq!(elapsed.field("duration"), "PT48H");
}

/// Adds a routing policy that is asked first.
async fn publish(server: &Server, name: &str, source: &str, status: u16) -> Answer {
    let policy = json!({"name": name, "decision": "routing", "kind": "incident", "position": 0});
    server.post("/api/v1/policies", policy).by(Admin).expect(201).await;
    let path = format!("/api/v1/policies/{name}/versions");
    server.post(&path, json!({"source": source})).by(Admin).expect(201).await;
    server.post(&format!("{path}/1/publish"), json!({})).by(Admin).header("if-match", "*").expect(status).await
}

/// To which team an incident goes, and the decision that said so.
async fn routed(server: &Server) -> (String, Value) {
    let made = server.post("/api/v1/incidents", json!({"title": "Mail"})).by(Alex).expect(201).await;
    let path = format!("/api/v1/incidents/{}?expand=team", made.field("id"));
    let made = server.get(&path).by(Admin).expect(200).await;
    let list = server.get(&format!("/api/v1/incidents/{}/decisions", made.field("id"))).by(Admin).expect(200).await;
    let all = list.json()["items"].as_array().unwrap().clone();
    let decision = all.into_iter().find(|d| d["kind"] == "routing" && d["rules"] != json!([])).unwrap();
    (made.json()["team"]["name"].as_str().unwrap_or_default().to_owned(), decision)
}

#[actix_web::test]
async fn policies_ask_calendars_and_replay_what_they_were_told() {
    let server = Server::start().await;
    let (path, made) = made(&server).await;
    let source = "fn route(incident) {\n    rule \"Berlin\" when business_hours(\"support-berlin\") then assign(\"network\");\n    \
                  rule \"Office\" when business_hours() then assign(\"service-desk\");\n    rule \"Night\" when true then leave();\n}\n";
    publish(&server, "routing_hours", source, 200).await;
    // A Tuesday, eleven o'clock in London and twelve in Berlin.
    let (team, decision) = routed(&server).await;
    assert_eq!(team, "network");
    let calls = &decision["host_calls"];
    assert_eq!(calls[0]["arguments"], json!(["support-berlin", "2026-03-03T11:00:00Z"]), "{calls}");

    // The desk in Berlin has a day off, and then the office has other hours: each counts for the next question.
    let day_off = json!({"exceptions": [{"date": "2026-03-03", "name": "Outing", "hours": []}]});
    server.patch(&path, day_off).by(Admin).seen(&made).expect(200).await;
    assert_eq!(routed(&server).await.0, "service-desk");
    let office = shipped(&server, "business").await;
    let change = json!({"hours": {"tuesday": span("12:00", "18:00")}});
    server.patch(&office, change).by(Admin).header("if-match", "*").expect(200).await;
    assert_eq!(routed(&server).await.0, "");
    // What was decided before is decided so again.
    let id = decision["id"].as_str().unwrap();
    let replay = server.post(&format!("/api/v1/decisions/{id}/replay"), json!({})).by(Admin).expect(200).await;
    assert_eq!(replay.json()["same"], true, "{}", replay.text());
}

#[actix_web::test]
async fn a_policy_that_asks_an_unknown_calendar_does_not_go_live() {
    let server = Server::start().await;
    let body = json!({"decision": "routing", "source": "fn route(incident) {\n    if business_hours(\"busines-hours\") { leave() } else { leave() }\n}\n"});
    let checked = server.post("/api/v1/policies/validate", body.clone()).by(Admin).expect(200).await.json();
    let found = &checked["diagnostics"][0];
    assert_eq!((&found["code"], &found["line"], &found["column"]), (&json!("unknown_calendar"), &json!(2), &json!(23)));
    assert!(found["message"].as_str().unwrap().contains("did you mean `business-hours`?"), "{found}");
    publish(&server, "routing_unknown", body["source"].as_str().unwrap(), 422).await;
    let schema = server.get("/api/v1/policy-schema").by(Admin).expect(200).await.json();
    assert_eq!(schema["calendars"], json!(["around-the-clock", "business-hours"]));
}
