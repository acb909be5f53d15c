//! Mail: who is told of what, in which language, when, and by which server.

use std::{collections::BTreeSet, path::Path};

use actix_web::http::Method;
use diesel::prelude::*;
use pointsman::{
    config::{Config, MailTls, Secret},
    schema::{team_member, user_account},
};
use serde_json::{Value, json};

use crate::support::{
    Answer, PATIENCE,
    Person::{self, *},
    Server,
    mail_server::{Arrived, Door, MailServer, Reply},
    people,
};

/// Lets a server send by the mail server of a test.
pub fn by(mail: &MailServer) -> impl FnOnce(&mut Config) + use<> {
    let port = mail.port();
    move |config| {
        config.mail.enabled = true;
        config.mail.host = "127.0.0.1".into();
        config.mail.port = Some(port);
        config.mail.tls = MailTls::None;
        config.mail.from_address = "desk@example.org".into();
        config.mail.timeout_seconds = 5;
        config.mail.record_url = Some("https://portal.example/{kind}/{number}".into());
    }
}

/// A server that sends, everybody with an address, and Rita in German.
pub async fn server(mail: &MailServer) -> Server {
    server_with(by(mail)).await
}

async fn server_with(settings: impl FnOnce(&mut Config)) -> Server {
    let server = Server::start_with(settings).await;
    for person in [Admin, Alex, Nora, Rita, Rob, Vera, Bea, Ben] {
        set(&server, person, |row| row.address = Some(format!("{}@example.org", person.user_name()))).await;
    }
    begun(&server).await;
    server
}

/// What a test says of somebody.
#[derive(Clone, Default)]
pub struct Row {
    pub address: Option<String>,
    pub language: Option<String>,
    pub zone: Option<String>,
}

/// Says something of somebody in the directory.
pub async fn set(server: &Server, person: Person, say: impl FnOnce(&mut Row)) {
    let mut row = Row { address: Some(format!("{}@example.org", person.user_name())), ..Row::default() };
    say(&mut row);
    let id = person.id(&server.assembly);
    let write = server.assembly.writer.run(move |unit| {
        let row = row.clone();
        let said = (
            user_account::email.eq(row.address),
            user_account::language.eq(row.language),
            user_account::zone.eq(row.zone),
        );
        diesel::update(user_account::table.find(id)).set(said).execute(unit.connection()?)?;
        Ok(())
    });
    write.await.unwrap();
}

/// Lets it read up to what there is now.
pub async fn begun(server: &Server) {
    server.assembly.jobs().make_mail().await.unwrap();
}

/// Makes messages of what has happened, until there are so many new ones.
pub async fn made(server: &Server, count: usize) {
    let (jobs, begun) = (server.assembly.jobs(), std::time::Instant::now());
    let mut made = 0;
    while made < count && begun.elapsed() < PATIENCE {
        made += jobs.make_mail().await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(made, count);
}

pub async fn sent(server: &Server) -> usize {
    server.assembly.jobs().send_mail().await.unwrap()
}

/// Everything that was made and sent, by who got it.
async fn told(server: &Server, mail: &MailServer, count: usize) -> Vec<Arrived> {
    made(server, count).await;
    assert_eq!(sent(server).await, count);
    let mut arrived = mail.arrived();
    arrived.sort_by(|a, b| a.to.cmp(&b.to));
    assert_eq!(arrived.len(), count);
    arrived
}

fn to(arrived: &[Arrived]) -> Vec<&str> {
    arrived.iter().map(|one| one.to.split('@').next().unwrap()).collect()
}

/// An incident of Rita's, which the desk has.
pub async fn incident(server: &Server, by: Person, more: Value) -> Answer {
    let rita = Rita.id(&server.assembly).to_string();
    let desk = people::team(&server.assembly, "service-desk").to_string();
    let mut new = json!({"title": "Mail does not arrive", "requester_id": rita, "team_id": desk});
    new.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.post("/api/v1/incidents", new).by(by).expect(201).await
}

async fn comment(server: &Server, of: &Answer, by: Person, kind: &str, body: &str) {
    let path = format!("/api/v1/incidents/{}/journal", of.field("number"));
    server.post(&path, json!({"kind": kind, "body": body})).by(by).expect(201).await;
}

async fn prefer(server: &Server, person: Person, wants: Value) {
    let path = "/api/v1/me/notification-preferences";
    server.patch(path, wants).by(person).header("if-match", "*").expect(200).await;
}

/// The messages of the log, the newest first.
pub async fn log(server: &Server, query: &str) -> Vec<Value> {
    let list = server.get(&format!("/api/v1/mail-messages{query}")).by(Admin).expect(200).await.json();
    list["items"].as_array().unwrap().clone()
}

#[actix_web::test]
async fn people_are_told_in_their_language_and_in_one_thread() {
    let mail = MailServer::start();
    let server = server(&mail).await;
    set(&server, Rita, |row| (row.language, row.zone) = (Some("de-AT".into()), Some("Europe/Vienna".into()))).await;
    let made =
        incident(&server, Alex, json!({"title": "Mail <b>is</b> down", "description": "Since noon.\n.\nReally."}))
            .await;
    let number = made.field("number");
    let arrived = told(&server, &mail, 1).await;
    let first = &arrived[0];
    assert_eq!((first.to.as_str(), first.from.as_str()), ("rita@example.org", "desk@example.org"));
    assert_eq!(first.subject(), format!("[{number}] Mail <b>is</b> down"));
    assert!(first.header("From").contains("Service Desk") && first.header("To").contains("rita"));
    assert!(
        first.text().starts_with(&format!("Guten Tag rita,\n\nwir haben {number} aufgenommen")),
        "{}",
        first.text()
    );
    assert!(first.text().contains("Since noon.\n.\nReally."), "{}", first.text());
    assert!(first.text().contains(&format!("https://portal.example/incident/{number}")));
    let html = first.html().unwrap();
    assert!(html.contains("Mail &lt;b&gt;is&lt;&#x2f;b&gt; down") && !html.contains("<b>is</b>"), "{html}");
    for (name, value) in
        [("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All"), ("Precedence", "bulk")]
    {
        assert_eq!(first.header(name), value);
    }
    assert_eq!(first.header("Date"), "Tue, 03 Mar 2026 11:00:00 +0000");
    comment(&server, &made, Alex, "comment", "Grüße aus der Küche 😊").await;
    let second = told(&server, &mail, 1).await.remove(0);
    assert!(second.text().contains("Grüße aus der Küche 😊"), "{}", second.text());
    assert_eq!(first.references(), second.references());
    assert_eq!(first.references(), [format!("{}.record@example.org", made.field("id"))]);
    assert_ne!(first.id(), second.id());
    let log = log(&server, "").await;
    assert_eq!((log.len(), &log[0]["state"], &log[0]["address"]), (2, &json!("sent"), &json!("rita@example.org")));
    assert_eq!(
        (&log[0]["event"], &log[0]["template"]),
        (&json!("incident.commented"), &json!("incident-commented-de"))
    );
    let detail = server
        .get(&format!("/api/v1/mail-messages/{}", log[0]["id"].as_str().unwrap()))
        .by(Admin)
        .expect(200)
        .await
        .json();
    assert!(detail["text"].as_str().unwrap().contains("Küche"));
    assert_eq!((&detail["attempts"][0]["status"], &detail["attempts"][0]["number"]), (&json!(250), &json!(1)));
    let beside = server.get(&format!("/api/v1/incidents/{number}/mail-messages")).by(Admin).expect(200).await.json();
    assert_eq!(beside["items"], json!(log));
    server.get(&format!("/api/v1/incidents/{number}/mail-messages")).by(Alex).expect(403).await;
    assert_eq!(sent(&server).await, 0, "nothing is sent twice");
}

#[actix_web::test]
async fn each_part_is_told_what_is_meant_for_it_and_nobody_twice() {
    let mail = MailServer::start();
    let server = server(&mail).await;
    let made = incident(&server, Alex, json!({})).await;
    let path = format!("/api/v1/incidents/{}", made.field("number"));
    made_of(&server, &mail, 1).await;
    // Rita watches what she asked for.
    watch(&server, &path, Rita).await;
    watch(&server, &path, Nora).await;
    comment(&server, &made, Alex, "comment", "We look at it.").await;
    assert_eq!(to(&told(&server, &mail, 2).await), ["nora", "rita"], "and not who wrote it");
    comment(&server, &made, Rita, "comment", "Thank you.").await;
    assert_eq!(to(&told(&server, &mail, 1).await), ["nora"]);
    comment(&server, &made, Alex, "work_note", "It is the proxy again.").await;
    begun(&server).await;
    assert_eq!(sent(&server).await, 0, "no template tells of work notes");
    let alex = Alex.id(&server.assembly).to_string();
    server.patch(&path, json!({"assignee_id": alex})).by(Nora).header("if-match", "*").expect(200).await;
    let given = told(&server, &mail, 1).await;
    assert!(
        to(&given) == ["alex"] && given[0].subject().ends_with("Mail does not arrive: yours"),
        "{}",
        given[0].subject()
    );
    prefer(&server, Alex, json!({"own_changes": true})).await;
    comment(&server, &made, Alex, "comment", "Done soon.").await;
    assert_eq!(to(&told(&server, &mail, 3).await), ["alex", "nora", "rita"], "who asks for it is told of their own");
}

/// Lets somebody watch what they see.
async fn watch(server: &Server, path: &str, who: Person) {
    let watch = server.ask(Method::PUT, &format!("{path}/watchers/{}", who.id(&server.assembly)));
    watch.by(who).header("if-match", "*").expect(204).await;
}

/// Sends what was made, whatever it is, and forgets it.
async fn made_of(server: &Server, mail: &MailServer, count: usize) {
    made(server, count).await;
    sent(server).await;
    mail.arrived();
}

#[actix_web::test]
async fn nothing_hidden_is_told_neither_when_it_is_made_nor_when_it_is_sent() {
    let mail = MailServer::start();
    let server = server(&mail).await;
    let notes = json!({
        "name": "notes", "event": "incident.noted", "language": "en", "audience": ["requester", "watchers"],
        "subject": "A note", "text": "{{ work_note or 'nothing' }} {% for c in comments %}{{ c.body }}{% endfor %}",
    });
    server.post("/api/v1/mail-templates", notes).by(Admin).expect(201).await;
    let made = incident(&server, Alex, json!({})).await;
    let path = format!("/api/v1/incidents/{}", made.field("number"));
    made_of(&server, &mail, 1).await;
    watch(&server, &path, Nora).await;
    comment(&server, &made, Alex, "work_note", "It is the proxy again.").await;
    let noted = told(&server, &mail, 1).await;
    assert!(to(&noted) == ["nora"] && noted[0].text().contains("the proxy again"), "the requester reads no work notes");
    comment(&server, &made, Alex, "comment", "We look at it.").await;
    made_for(&server, &["nora", "rita"]).await;
    // Rob sees the record only as long as it is his.
    let rob = Rob.id(&server.assembly).to_string();
    server.patch(&path, json!({"requester_id": rob})).by(Alex).header("if-match", "*").expect(200).await;
    sent(&server).await;
    assert_eq!(to(&mail.arrived()), ["nora"]);
    let dropped = log(&server, "?state=dropped").await;
    assert!(dropped[0]["why"].as_str().unwrap().contains("may not be told"), "{dropped:?}");
    let outside = incident(&server, Bea, json!({"requester_id": Ben.id(&server.assembly), "team_id": null})).await;
    server
        .ask(
            Method::PUT,
            &format!("/api/v1/incidents/{}/watchers/{}", outside.field("number"), Rita.id(&server.assembly)),
        )
        .by(Rita)
        .header("if-match", "*")
        .expect(404)
        .await;
}

async fn made_for(server: &Server, names: &[&str]) {
    made(server, names.len()).await;
    let waiting: BTreeSet<String> =
        log(server, "?state=pending").await.iter().map(|one| one["user_id"].to_string()).collect();
    assert_eq!(waiting.len(), names.len());
}

#[actix_web::test]
async fn what_fails_for_now_is_tried_again_and_what_is_refused_is_dead() {
    let mail = MailServer::start();
    let server = server(&mail).await;
    incident(&server, Alex, json!({})).await;
    made(&server, 1).await;
    mail.answer(&[Reply::ToData(451)]);
    assert_eq!((sent(&server).await, mail.arrived().len()), (1, 0));
    assert_eq!(sent(&server).await, 0, "before it is due");
    let first = log(&server, "").await.remove(0);
    assert_eq!((&first["state"], &first["attempt_count"]), (&json!("pending"), &json!(1)));
    for reply in [Reply::ToRecipient(450), Reply::Close] {
        server.at(log(&server, "").await[0]["next_at"].as_str().unwrap());
        mail.answer(&[reply]);
        assert_eq!((sent(&server).await, mail.arrived().len()), (1, 0));
    }
    server.at(log(&server, "").await[0]["next_at"].as_str().unwrap());
    mail.answer(&[Reply::ToRecipient(550)]);
    assert_eq!((sent(&server).await, mail.arrived().len()), (1, 0));
    let path = format!("/api/v1/mail-messages/{}", first["id"].as_str().unwrap());
    let dead = server.get(&path).by(Admin).expect(200).await.json();
    assert!(dead["state"] == "dead" && dead["why"].as_str().unwrap().contains("550"), "{dead}");
    let statuses: Vec<&Value> = dead["attempts"].as_array().unwrap().iter().map(|one| &one["status"]).collect();
    assert_eq!(statuses, [&json!(451), &json!(450), &Value::Null, &json!(550)]);
    server.ask(Method::POST, &format!("{path}/replay")).by(Alex).expect(403).await;
    let again = server.ask(Method::POST, &format!("{path}/replay")).by(Admin).expect(201).await;
    assert_eq!(again.json()["replay_of"], first["id"]);
    server.ask(Method::POST, &format!("{}/replay", again.header("location"))).by(Admin).expect(409).await;
    assert_eq!(sent(&server).await, 1);
    let arrived = mail.arrived();
    assert_eq!(
        arrived[0].id(),
        format!("{}.mail@example.org", first["id"].as_str().unwrap()),
        "it is the same message"
    );
    assert_eq!(log(&server, "?state=dead").await.len(), 1);
    server.get("/api/v1/mail-messages?state=deed").by(Admin).expect(400).await;
}

#[actix_web::test]
async fn a_message_that_never_arrives_dies_within_a_day() {
    let mail = MailServer::start();
    let server = server(&mail).await;
    incident(&server, Alex, json!({})).await;
    made(&server, 1).await;
    for _ in 0..8 {
        mail.answer(&[Reply::ToData(452)]);
        assert_eq!(sent(&server).await, 1);
        if let Some(next) = log(&server, "").await[0]["next_at"].as_str() {
            server.at(next);
        }
    }
    let dead = log(&server, "").await.remove(0);
    assert_eq!((&dead["state"], &dead["attempt_count"]), (&json!("dead"), &json!(8)));
    server.at("2026-04-30T11:00:00Z");
    assert!(server.assembly.jobs().forget_old().await.unwrap() > 0);
    assert!(log(&server, "").await.is_empty(), "what has ended is forgotten after a month");
}

#[actix_web::test]
async fn of_two_nodes_one_makes_and_one_sends_each_message() {
    let mail = MailServer::start();
    let server = server(&mail).await;
    let other = server.beside_with(by(&mail)).await;
    for _ in 0..10 {
        incident(&server, Alex, json!({})).await;
    }
    let (one, two) = (server.assembly.jobs(), other.assembly.jobs());
    let (begun, mut made) = (std::time::Instant::now(), 0);
    while made < 10 && begun.elapsed() < PATIENCE {
        let (mine, theirs) = tokio::join!(one.make_mail(), two.make_mail());
        made += mine.unwrap() + theirs.unwrap();
    }
    let (mine, theirs) = tokio::join!(one.send_mail(), two.send_mail());
    assert_eq!((made, mine.unwrap() + theirs.unwrap()), (10, 10));
    let ids: BTreeSet<String> = mail.arrived().iter().map(Arrived::id).collect();
    assert_eq!(ids.len(), 10);
}

#[actix_web::test]
async fn where_mail_is_off_nobody_is_told_and_all_is_well() {
    let server = Server::start().await;
    set(&server, Rita, |_| ()).await;
    incident(&server, Alex, json!({})).await;
    let jobs = server.assembly.jobs();
    assert_eq!(
        (jobs.make_mail().await.unwrap(), jobs.make_digests().await.unwrap(), jobs.send_mail().await.unwrap()),
        (0, 0, 0)
    );
    server.get("/readyz").expect(200).await;
    assert!(log(&server, "").await.is_empty());
}

#[actix_web::test]
async fn whom_a_policy_names_and_who_is_asked_are_told() {
    let mail = MailServer::start();
    let server = server(&mail).await;
    let made = incident(&server, Admin, json!({})).await;
    made_of(&server, &mail, 1).await;
    let ask = |person: Person| json!({"kind": "user", "user_id": person.id(&server.assembly).to_string()});
    let stages = json!([
        {"name": "First", "approvers": [ask(Nora)], "quorum": {"kind": "all"}},
        {"name": "Second", "approvers": [ask(Alex)], "quorum": {"kind": "all"}},
    ]);
    let path = format!("/api/v1/incidents/{}/approvals", made.field("number"));
    let approval = server.post(&path, json!({"title": "A new proxy", "stages": stages})).by(Admin).expect(201).await;
    let asked = told(&server, &mail, 1).await;
    assert!(to(&asked) == ["nora"] && asked[0].subject().ends_with("A new proxy: your approval is asked for"));
    assert!(asked[0].text().contains("A new proxy (First)"));
    let vote = format!("/api/v1/approvals/{}/approve", approval.field("id"));
    server.at("2026-03-03T11:05:00Z");
    server.post(&vote, json!({})).by(Nora).expect(200).await;
    assert_eq!(to(&told(&server, &mail, 1).await), ["alex"], "who is asked next is told when their turn comes");
    // An event of a policy, as the kernel writes it.
    use pointsman::{db::JsonText, id::RowId, record::outbox::Event};
    let of: pointsman::id::RecordId = made.field("id").parse().unwrap();
    let at = server.assembly.clock.now();
    let notify = server.assembly.writer.run(move |unit| {
        let payload = JsonText::of(&json!({"who": "network"}))?;
        unit.deferred.events.push(Event {
            id: RowId::new(),
            at,
            event: "policy.notified".into(),
            record_id: of,
            payload,
        });
        Ok(())
    });
    notify.await.unwrap();
    let named = told(&server, &mail, 1).await;
    assert!(to(&named) == ["nora"] && named[0].text().contains("a policy wants you to know"));
    let none: i64 = team_member::table.count().get_result(&mut server.assembly.database.connect().unwrap()).unwrap();
    assert!(none > 1);
}

#[actix_web::test]
async fn a_mail_server_is_spoken_to_in_secret_and_signed_in_to() {
    const ACCOUNT: (&str, &str) = ("desk", "correct horse");
    let folder = tempfile::tempdir().unwrap();
    for tls in [MailTls::Starttls, MailTls::Implicit] {
        let (door, certificate) = Door::guarded(tls, ACCOUNT);
        let mail = MailServer::behind(door);
        let authority = folder.path().join("authority.pem");
        std::fs::write(&authority, certificate).unwrap();
        let settings = |password: &str, authority: Option<&Path>| {
            let (password, authority) = (password.to_owned(), authority.map(Path::to_owned));
            let by = by(&mail);
            move |config: &mut Config| {
                by(config);
                config.mail.tls = tls;
                config.mail.user = Some(ACCOUNT.0.into());
                config.mail.password = Some(Secret::new(password));
                config.mail.certificate_authority = authority;
            }
        };
        let server = server_with(settings(ACCOUNT.1, None)).await;
        incident(&server, Alex, json!({})).await;
        made(&server, 1).await;
        assert_eq!(sent(&server).await, 1);
        let waiting = log(&server, "").await;
        assert_eq!((&waiting[0]["state"], mail.arrived().len()), (&json!("pending"), 0), "nobody vouches for it");
        let wrong = server.beside_with(settings("wrong", Some(&authority))).await;
        wrong.at("2026-03-03T12:00:00Z");
        assert_eq!(sent(&wrong).await, 1);
        let waiting = log(&server, "").await;
        assert_eq!((&waiting[0]["state"], mail.arrived().len()), (&json!("pending"), 0), "it does not know who we are");
        let right = server.beside_with(settings(ACCOUNT.1, Some(&authority))).await;
        right.at("2026-03-03T18:00:00Z");
        assert_eq!(sent(&right).await, 1);
        assert_eq!(mail.arrived().len(), 1);
    }
    // Where it can't be done in secret, it is not done.
    let open = MailServer::start();
    let by = by(&open);
    let server = server_with(|config| {
        by(config);
        config.mail.tls = MailTls::Starttls;
    });
    let server = server.await;
    incident(&server, Alex, json!({})).await;
    made(&server, 1).await;
    assert_eq!((sent(&server).await, open.arrived().len()), (1, 0));
}

#[actix_web::test]
async fn who_is_asked_to_certify_is_told() {
    let mail = MailServer::start();
    let server = server(&mail).await;
    let network = people::team(&server.assembly, "network").to_string();
    let new =
        json!({"title": "esx-1", "class": "server", "owner_id": Alex.id(&server.assembly), "support_team_id": network});
    server.post("/api/v1/configuration_items", new).by(Admin).expect(201).await;
    begun(&server).await;
    let campaign =
        json!({"name": "Spring", "filter": "is_a = server", "due_at": "2026-03-13T11:00:00Z", "remind_days": 3});
    server.post("/api/v1/certification-campaigns", campaign).by(Admin).expect(201).await;
    for at in ["2026-03-03T11:00:00Z", "2026-03-10T11:00:00Z", "2026-03-13T11:00:00Z"] {
        server.at(at);
        server.assembly.jobs().fire_timers().await.unwrap();
        assert_eq!(to(&told(&server, &mail, 2).await), ["alex", "nora"], "{at}");
    }
}
