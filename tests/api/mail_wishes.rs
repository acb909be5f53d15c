//! What people want to be told of and when, digests, limits, and templates.

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::{
    mail::{incident, log, made, sent, server, set},
    support::{
        Answer,
        Person::{self, *},
        Server,
        mail_server::MailServer,
    },
};

const MINE: &str = "/api/v1/me/notification-preferences";
const TEMPLATES: &str = "/api/v1/mail-templates";

async fn prefer(server: &Server, person: Person, wants: Value) -> Answer {
    server.patch(MINE, wants).by(person).header("if-match", "*").expect(200).await
}

async fn comment(server: &Server, of: &Answer, body: &str) {
    let path = format!("/api/v1/incidents/{}/journal", of.field("number"));
    server.post(&path, json!({"kind": "comment", "body": body})).by(Alex).expect(201).await;
}

fn places(answer: &Answer) -> Vec<String> {
    answer.json()["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap().to_owned()).collect()
}

#[actix_web::test]
async fn everybody_says_what_they_want_and_an_administrator_may_for_them() {
    let mail = MailServer::start();
    let server = server(&mail).await;
    let unsaid = server.get(MINE).by(Rita).expect(200).await;
    assert_eq!((unsaid.header("etag"), unsaid.json()["rules"].clone()), ("\"1\"".to_owned(), json!([])));
    server.patch(MINE, json!({"own_changes": true})).by(Rita).expect(428).await;
    let rules = json!([{"event": "incident.commented", "delivery": "off"}]);
    let said =
        server.patch(MINE, json!({"rules": rules, "daily_at": "07:30"})).by(Rita).seen(&unsaid).expect(200).await;
    assert_eq!((said.field("version"), said.field("daily_at")), ("2".to_owned(), "07:30".to_owned()));
    server.patch(MINE, json!({"own_changes": true})).by(Rita).seen(&unsaid).expect(412).await;
    server.patch(&format!("{MINE}?dry_run=true"), json!({"own_changes": true})).by(Rita).seen(&said).expect(200).await;
    server.get(MINE).by(Rita).header("if-none-match", &said.header("etag")).expect(304).await;
    let theirs = format!("/api/v1/users/{}/notification-preferences", Rita.id(&server.assembly));
    assert_eq!(server.get(&theirs).by(Admin).expect(200).await.json(), said.json());
    for person in [Alex, Rita] {
        server.get(&theirs).by(person).expect(403).await;
    }
    server.patch(&theirs, json!({"rules": []})).by(Admin).seen(&said).expect(200).await;
    assert_eq!(server.get(MINE).by(Rita).expect(200).await.json()["rules"], json!([]));
    let cases = [
        (json!({"rules": [{"event": "incidnt.*", "delivery": "off"}]}), "/rules/0/event"),
        (json!({"zone": "Europe/Berlni"}), "/zone"),
        (json!({"language": "german!"}), "/language"),
        (json!({"quiet_hours": {"monday": [{"from": "10:00", "until": "10:00"}]}}), "/quiet_hours/monday/0"),
        (json!({"version": 7}), "/version"),
    ];
    for (wrong, place) in cases {
        let refused = server.patch(MINE, wrong.clone()).by(Rita).header("if-match", "*").expect(422).await;
        assert!(places(&refused)[0].starts_with(place), "{wrong}: {}", refused.text());
    }
    let always: Value = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
        .into_iter()
        .map(|day| (day.to_owned(), json!([{"from": "00:00", "until": "24:00"}])))
        .collect();
    let refused = server.patch(MINE, json!({"quiet_hours": always})).by(Rita).header("if-match", "*").expect(422).await;
    assert_eq!(places(&refused), ["/quiet_hours"]);
}

#[actix_web::test]
async fn what_is_off_is_not_told_and_what_is_collected_comes_in_one_mail() {
    let mail = MailServer::start();
    let server = server(&mail).await;
    let rules = json!([{"event": "*", "delivery": "hourly"}, {"event": "incident.resolved", "delivery": "off"}]);
    prefer(&server, Rita, json!({"rules": rules})).await;
    let (one, two) = (
        incident(&server, Alex, json!({})).await,
        incident(&server, Alex, json!({"title": "The printer burns"})).await,
    );
    comment(&server, &one, "We look at it.").await;
    made(&server, 3).await;
    assert_eq!(sent(&server).await, 0);
    let waiting = log(&server, "?state=waiting").await;
    assert_eq!((waiting.len(), &waiting[0]["digest_at"]), (3, &json!("2026-03-03T12:00:00Z")));
    let jobs = server.assembly.jobs();
    assert_eq!(jobs.make_digests().await.unwrap(), 0, "before it is due");
    server.at("2026-03-03T12:00:00Z");
    let other = server.beside_with(crate::mail::by(&mail)).await;
    other.at("2026-03-03T12:00:00Z");
    let theirs = other.assembly.jobs();
    let (mine, theirs) = tokio::join!(jobs.make_digests(), theirs.make_digests());
    assert_eq!(mine.unwrap() + theirs.unwrap(), 1, "two nodes make one digest");
    assert_eq!(sent(&server).await, 1);
    let digest = mail.arrived().remove(0);
    assert_eq!((digest.to.as_str(), digest.subject().as_str()), ("rita@example.org", "3 messages about 2 records"));
    let text = digest.text();
    let (first, second) = (one.field("number"), two.field("number"));
    assert!(text.find(&first).unwrap() < text.find(&second).unwrap() && text.contains("We look at it."), "{text}");
    assert_eq!(text.matches(&format!("{first} Mail does not arrive (")).count(), 1, "{text}");
    let digested = log(&server, "?state=digested").await;
    assert_eq!((digested.len(), &digested[0]["digest_id"]), (3, &log(&server, "?state=sent").await[0]["id"]));
    let path = format!("/api/v1/mail-messages/{}/replay", digested[0]["id"].as_str().unwrap());
    server.ask(Method::POST, &path).by(Admin).expect(409).await;
    let path = format!("/api/v1/mail-messages/{}/replay", digested[0]["digest_id"].as_str().unwrap());
    server.ask(Method::POST, &path).by(Admin).expect(201).await;
    assert_eq!(sent(&server).await, 1);
    assert_eq!(mail.arrived()[0].subject(), "3 messages about 2 records", "a replay holds the same");
}

#[actix_web::test]
async fn it_is_quiet_at_night_but_for_what_is_urgent() {
    let mail = MailServer::start();
    let server = server(&mail).await;
    set(&server, Rita, |row| row.zone = Some("Europe/Berlin".into())).await;
    let wants = json!({"quiet_hours": {"tuesday": [{"from": "11:30", "until": "14:00"}]}});
    prefer(&server, Rita, wants).await;
    incident(&server, Alex, json!({})).await;
    made(&server, 1).await;
    assert_eq!((sent(&server).await, mail.arrived().len()), (0, 0));
    let waiting = log(&server, "").await;
    assert_eq!((&waiting[0]["state"], &waiting[0]["next_at"]), (&json!("pending"), &json!("2026-03-03T13:00:00Z")));
    prefer(&server, Rita, json!({"urgent_passes": true})).await;
    incident(&server, Alex, json!({"impact": 1, "urgency": 1, "title": "All is down"})).await;
    made(&server, 1).await;
    assert_eq!(sent(&server).await, 1);
    assert!(mail.arrived()[0].subject().ends_with("All is down"));
    server.at("2026-03-03T13:00:00Z");
    assert_eq!((sent(&server).await, mail.arrived().len()), (1, 1));
}

#[actix_web::test]
async fn too_much_about_one_record_is_collected_and_said_once() {
    let mail = MailServer::start();
    let server = server(&mail).await;
    let made_here = incident(&server, Alex, json!({})).await;
    for n in 0..13 {
        comment(&server, &made_here, &format!("Comment {n}")).await;
    }
    let mut all = 14;
    while all > 0 {
        all -= server.assembly.jobs().make_mail().await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    sent(&server).await;
    let arrived = mail.arrived();
    let notices = arrived.iter().filter(|one| one.subject().ends_with("more follows")).count();
    assert_eq!((arrived.len(), notices), (11, 1));
    assert_eq!(log(&server, "?state=waiting").await.len(), 4);
    server.at("2026-03-03T12:00:00Z");
    server.assembly.jobs().make_digests().await.unwrap();
    sent(&server).await;
    assert_eq!(mail.arrived()[0].subject(), "4 messages about 1 record");
}

#[actix_web::test]
async fn templates_are_made_checked_changed_and_deleted() {
    let mail = MailServer::start();
    let server = server(&mail).await;
    let shipped = server.get(&format!("{TEMPLATES}?count=true")).by(Admin).expect(200).await;
    assert_eq!(shipped.field("total"), "28");
    let new = json!({
        "name": "closed", "event": "incident.closed", "language": "en", "audience": ["requester"],
        "subject": "{{ record.title }}", "text": "{{ record.number }} is closed.",
    });
    let with = |more: Value| {
        let mut new = new.clone();
        new.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        new
    };
    let cases = [
        (json!({"text": "one\n{{ record.titel }}"}), "/text", "line 2"),
        (json!({"text": "{% if team %}{{ record.titel }}{% endif %}"}), "/text", "did you mean `title`?"),
        (json!({"text": "one\ntwo\n{% if %}"}), "/text", "line 3"),
        (json!({"html": "{{ comment | shout }}"}), "/html", "shout"),
        (json!({"subject": "{{ nothing }}"}), "/subject", "line 1"),
        (json!({"text": " "}), "/text", "empty"),
        (json!({"event": "incidnt.closed"}), "/event", "did you mean `incident`?"),
        (json!({"language": "english please"}), "/language", "BCP 47"),
        (json!({"audience": []}), "/audience", "somebody"),
        (json!({"event": "mail.digest", "audience": ["requester"]}), "/audience", "empty"),
    ];
    for (wrong, place, what) in cases {
        let refused = server.post(TEMPLATES, with(wrong.clone())).by(Admin).expect(422).await;
        assert!(places(&refused) == [place] && refused.text().contains(what), "{wrong}: {}", refused.text());
    }
    let made = server.post(TEMPLATES, new.clone()).by(Admin).expect(201).await;
    assert_eq!(server.post(TEMPLATES, new.clone()).by(Admin).expect(409).await.json()["errors"][0]["pointer"], "/name");
    let path = made.header("location");
    let change = json!({"text": "Closed: {{ record.number }}", "active": false});
    server.patch(&path, change.clone()).by(Admin).expect(428).await;
    let changed = server.patch(&path, change).by(Admin).seen(&made).expect(200).await;
    server.patch(&path, json!({"text": "{{ recrod }}"})).by(Admin).seen(&changed).expect(422).await;
    server.ask(Method::DELETE, &path).by(Admin).seen(&made).expect(412).await;
    server.ask(Method::DELETE, &path).by(Admin).expect(428).await;
    for person in [Alex, Rita] {
        server.get(TEMPLATES).by(person).expect(403).await;
        server.ask(Method::DELETE, &path).by(person).seen(&changed).expect(403).await;
    }
    server.ask(Method::DELETE, &path).by(Admin).seen(&changed).expect(204).await;
    server.get(&path).by(Admin).expect(404).await;
}

#[actix_web::test]
async fn a_preview_is_what_the_recipient_would_get_and_shows_nobody_more() {
    let mail = MailServer::start();
    let server = server(&mail).await;
    set(&server, Rita, |row| row.zone = Some("Europe/Berlin".into())).await;
    let made = incident(&server, Alex, json!({})).await;
    let note = json!({"kind": "work_note", "body": "It is the proxy again."});
    server.post(&format!("/api/v1/incidents/{}/journal", made.field("number")), note).by(Alex).expect(201).await;
    let template = json!({
        "name": "preview", "event": "incident.*", "language": "en", "audience": ["requester"], "subject": "{{ record.title }}",
        "text": "{{ record.opened_at | local }} {{ work_note or 'no note' }}", "html": "<b>{{ recipient.name }}</b>",
    });
    let about = |who: Person| json!({"record": made.field("number"), "event": "incident.commented", "recipient_id": who.id(&server.assembly)});
    let preview = format!("{TEMPLATES}/preview");
    let ask = async |who: Person| {
        let body = json!({"template": template, "about": about(who)});
        server.post(&preview, body).by(Admin).expect(200).await.json()
    };
    let rita = ask(Rita).await;
    assert_eq!(rita["subject"], format!("[{}] Mail does not arrive", made.field("number")));
    assert_eq!((&rita["text"], &rita["html"]), (&json!("2026-03-03 12:00 no note\n"), &json!("<b>rita</b>")));
    assert_eq!(ask(Nora).await["text"], "2026-03-03 11:00 It is the proxy again.\n");
    let hidden = json!({"template": template, "about": about(Ben)});
    let refused = server.post(&preview, hidden).by(Admin).expect(422).await;
    assert_eq!(places(&refused), ["/about/recipient_id"]);
    let shipped = server.get(&format!("{TEMPLATES}?q=incident-created-de")).by(Admin).expect(200).await.json();
    let path = format!("{TEMPLATES}/{}/preview", shipped["items"][0]["id"].as_str().unwrap());
    let saved = server.post(&path, about(Rita)).by(Admin).expect(200).await.json();
    assert!(saved["text"].as_str().unwrap().starts_with("Guten Tag rita"), "{saved}");
    assert_eq!(sent(&server).await, 0, "nothing is sent by it");
}

#[actix_web::test]
async fn who_is_paged_is_called_whatever_they_want_at_that_hour() {
    let mail = MailServer::start();
    let server = server(&mail).await;
    let quiet = json!({"tuesday": [{"from": "00:00", "until": "24:00"}]});
    let rules = json!([{"event": "*", "delivery": "daily"}]);
    prefer(&server, Nora, json!({"quiet_hours": quiet, "zone": "UTC", "rules": rules})).await;
    let versions = "/api/v1/policies/escalation_incidents/versions";
    let source = "fn escalate(incident, moment) {\n    rule \"Call\" when moment.cause == \"created\" also page(\"nora\");\n    rule \"Tell\" when moment.cause == \"created\" then escalate_to(1, \"nora\");\n}\n\nfn test_it() {\n    expect(1, 1);\n}\n";
    let number = server.post(versions, json!({"source": source})).by(Admin).expect(201).await.field("number");
    server.post(&format!("{versions}/{number}/publish"), json!({})).by(Admin).header("if-match", "*").expect(200).await;
    incident(&server, Alex, json!({})).await;
    // What Rita is told, the page, and two that wait for the digest: that it is there, and that it was escalated.
    made(&server, 4).await;
    assert_eq!(sent(&server).await, 2);
    let arrived = mail.arrived();
    let called: Vec<_> = arrived.iter().filter(|mail| mail.to.starts_with("nora@")).collect();
    assert!(called.len() == 1 && called[0].subject().contains("You are called"), "{called:?}");
}
