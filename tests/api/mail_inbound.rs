//! Mail that comes in: comments, contacts, and what is not taken.

use diesel::prelude::*;
use pointsman::schema::{audit, record, user_account};
use serde_json::{Value, json};

use crate::{
    mail::{begun, incident, made, sent, server, set},
    support::{
        Answer,
        Person::{self, *},
        Server,
        mail_server::MailServer,
    },
};

/// Hands a message in as the mail server does.
async fn hand_in(server: &Server, message: &str) -> Answer {
    server
        .ask(actix_web::http::Method::POST, "/api/v1/inbound/mail")
        .body("message/rfc822", message.to_owned())
        .by(Admin)
        .send()
        .await
}

fn message(from: Person, subject: &str, more: &str, body: &str) -> String {
    let id = format!("{}.{}", from.user_name(), body.len() + subject.len() * 1_000 + more.len() * 1_000_000);
    format!(
        "From: {0} <{0}@example.org>\r\nSubject: {subject}\r\nMessage-ID: <{id}@example.org>\r\n{more}\r\n{body}",
        from.user_name()
    )
}

async fn journal(server: &Server, number: &str) -> Vec<(String, String, String)> {
    let list = server.get(&format!("/api/v1/incidents/{number}/journal")).by(Admin).expect(200).await.json();
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
    let entries = list["items"].as_array().unwrap().iter();
    entries.map(|e| (e["author"]["user_name"].as_str().unwrap().to_owned(), text(e, "body"), text(e, "via"))).collect()
}

fn count(server: &Server) -> i64 {
    server.assembly.database.read_here(|c| Ok(record::table.count().get_result(c)?)).unwrap()
}

#[actix_web::test]
async fn an_answer_is_a_comment_and_resumes_what_waits_for_it() {
    let mail = MailServer::start();
    let server = server(&mail).await;
    let made_here = incident(&server, Alex, json!({})).await;
    let number = made_here.field("number");
    let path = format!("/api/v1/incidents/{number}");
    made(&server, 1).await;
    sent(&server).await;
    let told = mail.arrived().remove(0);
    let alex = Alex.id(&server.assembly).to_string();
    server.patch(&path, json!({"assignee_id": alex})).by(Alex).header("if-match", "*").expect(200).await;
    server.post(&format!("{path}/start"), json!({})).by(Alex).expect(200).await;
    server
        .post(&format!("{path}/hold"), json!({"hold_reason": "caller", "comment": "Which mailbox?"}))
        .by(Alex)
        .expect(200)
        .await;
    let answer = message(
        Rita,
        "Re: something else",
        &format!("In-Reply-To: <{}>\r\n", told.id()),
        "Mine.\r\n\r\nOn Tuesday, Desk wrote:\r\n> Which mailbox?",
    );
    let taken = hand_in(&server, &answer).await;
    assert_eq!((taken.status.as_u16(), taken.field("outcome")), (200, "commented".to_owned()), "{}", taken.text());
    assert_eq!(taken.json()["record"]["number"], number);
    let entries = journal(&server, &number).await;
    assert_eq!(entries[0], ("rita".to_owned(), "Mine.".to_owned(), "mail".to_owned()));
    assert_eq!(
        server.get(&path).by(Alex).expect(200).await.field("state"),
        "in_progress",
        "as an answer through the API does"
    );
    let version = server.get(&path).by(Alex).expect(200).await.field("version");
    assert_eq!(hand_in(&server, &answer).await.field("outcome"), "duplicate");
    assert_eq!(server.get(&path).by(Alex).expect(200).await.field("version"), version);
    // By the thread, and by the number alone.
    let thread = told.references().remove(0);
    let more = message(Rita, "Re: x", &format!("References: <other@x> <{thread}>\r\n"), "By the thread.");
    assert_eq!(hand_in(&server, &more).await.field("outcome"), "commented");
    let more = message(Alex, &format!("AW: [{number}] Mail does not arrive"), "", "By the number.");
    assert_eq!(hand_in(&server, &more).await.field("outcome"), "commented");
    assert_eq!(journal(&server, &number).await[0].0, "alex");
    let vias: i64 = server
        .assembly
        .database
        .read_here(|c| Ok(audit::table.filter(audit::via.eq("mail")).count().get_result(c)?))
        .unwrap();
    assert!(vias >= 3);
}

#[actix_web::test]
async fn what_is_about_no_record_begins_a_contact_of_its_senders() {
    let mail = MailServer::start();
    let server = server(&mail).await;
    let foreign = incident(&server, Bea, json!({"requester_id": Ben.id(&server.assembly), "team_id": null}))
        .await
        .field("number");
    let before = count(&server);
    // A record that is hidden is as if it were not there.
    let new = message(Rita, &format!("Re: [{foreign}] The printer burns"), "", "It is on fire.\r\n-- \r\nRita");
    let rehearsed = server
        .ask(actix_web::http::Method::POST, "/api/v1/inbound/mail?dry_run=true")
        .body("message/rfc822", new.clone());
    rehearsed.by(Admin).expect(201).await;
    assert_eq!(count(&server), before);
    let opened = hand_in(&server, &new).await;
    assert_eq!((opened.status.as_u16(), opened.field("outcome")), (201, "opened".to_owned()), "{}", opened.text());
    let contact = server.get(&opened.header("location")).by(Rita).expect(200).await;
    assert_eq!(
        (contact.field("title"), contact.field("description")),
        ("The printer burns".to_owned(), "It is on fire.".to_owned())
    );
    assert_eq!(
        (contact.field("channel"), contact.field("contact")),
        ("mail".to_owned(), "rita@example.org".to_owned())
    );
    assert_eq!(contact.field("requester_id"), Rita.id(&server.assembly).to_string());
    assert_eq!(count(&server), before + 1);
}

#[actix_web::test]
async fn only_who_is_known_is_heard_and_only_with_their_own_rights() {
    let mail = MailServer::start();
    let server = server(&mail).await;
    let before = count(&server);
    let stranger = "From: eve@elsewhere.example\r\nSubject: Hello\r\n\r\nLet me in.";
    let refused = hand_in(&server, stranger).await;
    assert_eq!((refused.status.as_u16(), refused.json()["errors"][0]["code"].clone()), (422, json!("unknown_sender")));
    set(&server, Rob, |row| row.address = Some("RITA@example.org".into())).await;
    let both = hand_in(&server, &message(Rita, "Hello", "", "Who am I?")).await;
    assert_eq!((both.status.as_u16(), both.json()["errors"][0]["code"].clone()), (422, json!("ambiguous_sender")));
    set(&server, Rob, |_| ()).await;
    let rob = Rob.id(&server.assembly);
    let off = server
        .assembly
        .writer
        .run(move |unit| pointsman::auth::account::set_active(unit.connection()?, rob, false, unit_now()));
    off.await.unwrap();
    assert_eq!(hand_in(&server, &message(Rob, "Hello", "", "Still here.")).await.status, 422);
    // Somebody without a role may nothing, whoever hands it in.
    let vera = Vera.id(&server.assembly);
    let bare = server.assembly.writer.run(move |unit| {
        use pointsman::schema::user_role;
        diesel::delete(user_role::table.filter(user_role::user_id.eq(vera))).execute(unit.connection()?)?;
        Ok(())
    });
    bare.await.unwrap();
    assert_eq!(hand_in(&server, &message(Vera, "Hello", "", "Please.")).await.status, 403);
    assert_eq!(count(&server), before);
    for person in [Alex, Rita] {
        let ask = server
            .ask(actix_web::http::Method::POST, "/api/v1/inbound/mail")
            .body("message/rfc822", "From: a@b.c\r\n\r\nx");
        ask.by(person).expect(403).await;
    }
    let people: i64 = server.assembly.database.read_here(|c| Ok(user_account::table.count().get_result(c)?)).unwrap();
    assert!(people > 8);
}

fn unit_now() -> pointsman::clock::Moment {
    crate::support::tuesday()
}

#[actix_web::test]
async fn what_a_machine_sends_changes_nothing_and_nothing_goes_round() {
    let mail = MailServer::start();
    let server = server(&mail).await;
    let made_here = incident(&server, Alex, json!({})).await;
    made(&server, 1).await;
    sent(&server).await;
    let told = mail.arrived().remove(0);
    let version = made_here.field("version");
    // Our own mail, sent back; an absence; a report.
    let own = String::from_utf8(told.raw.clone()).unwrap();
    let away = message(
        Rita,
        &format!("Re: [{}] x", made_here.field("number")),
        "Auto-Submitted: auto-replied\r\n",
        "I am away.",
    );
    let failed =
        "From: MAILER-DAEMON@example.org\r\nReturn-Path: <>\r\nSubject: failed\r\n\r\nNo such mailbox.".to_owned();
    for machine in [own, away, failed] {
        let answer = hand_in(&server, &machine).await;
        assert_eq!(
            (answer.status.as_u16(), answer.field("outcome")),
            (200, "automatic".to_owned()),
            "{}",
            answer.text()
        );
        assert!(!answer.field("reason").is_empty());
    }
    let now = server.get(&format!("/api/v1/incidents/{}", made_here.field("number"))).by(Admin).expect(200).await;
    assert_eq!(now.field("version"), version);
    begun(&server).await;
    assert_eq!(sent(&server).await, 0);
}

#[actix_web::test]
async fn attachments_are_kept_and_rubbish_is_refused() {
    let mail = MailServer::start();
    let server = Server::start_with(|config| {
        crate::mail::by(&mail)(config);
        config.attachments.max_bytes = 20;
        config.mail.largest_bytes = 4_000;
    })
    .await;
    set(&server, Rita, |_| ()).await;
    let parts = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n";
    let file = |name: &str, text: &str| {
        format!(
            "--b\r\nContent-Type: text/plain; name={name}\r\nContent-Disposition: attachment; filename={name}\r\n\r\n{text}\r\n"
        )
    };
    let body = format!(
        "--b\r\n\r\nSee the files.\r\n{}{}--b--",
        file("small.txt", "a log"),
        file("large.txt", &"x".repeat(50))
    );
    let opened = hand_in(&server, &message(Rita, "Files", parts, &body)).await;
    assert_eq!(
        (opened.field("outcome"), opened.json()["left_out"].clone()),
        ("opened".to_owned(), json!(["large.txt"])),
        "{}",
        opened.text()
    );
    let path = opened.header("location");
    let kept = server.get(&format!("{path}/attachments")).by(Rita).expect(200).await.json();
    assert_eq!((kept["items"].as_array().unwrap().len(), &kept["items"][0]["name"]), (1, &json!("small.txt")));
    let content = format!("{path}/attachments/{}/content", kept["items"][0]["id"].as_str().unwrap());
    assert_eq!(server.get(&content).by(Rita).expect(200).await.text(), "a log");
    for (rubbish, status) in
        [("", 400), ("\u{0}\u{1}", 400), ("Subject: from nobody\r\n\r\nx", 422), ("From: nobody\r\n\r\nx", 422)]
    {
        let answer = hand_in(&server, rubbish).await;
        assert_eq!(answer.status.as_u16(), status, "{rubbish:?}: {}", answer.text());
        assert!(answer.header("content-type").starts_with("application/problem+json"));
    }
    assert_eq!(hand_in(&server, &message(Rita, "Large", "", &"x".repeat(5_000))).await.status, 413);
    let other = server.ask(actix_web::http::Method::POST, "/api/v1/inbound/mail").body("application/json", "{}");
    other.by(Admin).expect(415).await;
}
