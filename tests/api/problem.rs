//! Problems: from incidents to a cause, a workaround and an end; and those that are found before anybody asks.

use actix_web::http::Method;
use diesel::prelude::*;
use pointsman::{
    db::AnyConnection,
    id::{RecordId, RowId, UserId},
    practice::problem::Problem,
    record::header::Header,
    schema::{link, problem, record},
};
use serde_json::{Value, json};

use crate::support::{Answer, Person, Person::*, Server, people::team};

async fn incident(server: &Server, by: Person, more: Value) -> Answer {
    let mut body = json!({"title": "Mail does not arrive", "category": "mail"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.post("/api/v1/incidents", body).by(by).expect(201).await
}

async fn problem(server: &Server, more: Value) -> String {
    let mut body = json!({"title": "Mail stops when the disk is full", "category": "mail"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = server.post("/api/v1/problems", body).by(Alex).expect(201).await;
    format!("/api/v1/problems/{}", made.field("id"))
}

fn path(incident: &Answer) -> String {
    format!("/api/v1/incidents/{}", incident.field("id"))
}

async fn read(server: &Server, path: &str) -> Value {
    server.get(path).by(Admin).expect(200).await.json()
}

async fn step(server: &Server, path: &str, name: &str, body: Value) -> Answer {
    server.post(&format!("{path}/{name}"), body).by(Alex).expect(200).await
}

async fn said(server: &Server, incident: &Answer, by: Person) -> Vec<String> {
    let journal = server.get(&format!("{}/journal", path(incident))).by(by).expect(200).await.json();
    journal["items"].as_array().unwrap().iter().map(|entry| entry["body"].as_str().unwrap().to_owned()).collect()
}

#[actix_web::test]
async fn a_problem_goes_from_its_incidents_to_an_end() {
    let server = Server::start().await;
    let first = incident(&server, Rita, json!({"description": "Since noon."})).await;
    let raise = format!("{}/raise-problem", path(&first));
    server.post(&raise, json!({})).by(Rita).expect(403).await;
    let raised = server.post(&raise, json!({"title": "Mail stops"})).by(Alex).expect(201).await;
    let both = raised.json();
    assert_eq!((&both["problem"]["title"], &both["problem"]["category"]), (&json!("Mail stops"), &json!("mail")));
    assert_eq!((&both["problem"]["description"], &both["problem"]["state"]), (&json!("Since noon."), &json!("new")));
    let problem = format!("/api/v1/problems/{}", both["problem"]["id"].as_str().unwrap());
    let links = read(&server, &format!("{problem}/links")).await;
    assert_eq!(links["items"][0]["relation"], "causes");
    step(&server, &problem, "assess", json!({})).await;
    step(&server, &problem, "analyse", json!({})).await;
    let refused = server.post(&format!("{problem}/fix"), json!({})).by(Alex).expect(409).await.json();
    assert_eq!(refused["errors"][0]["pointer"], "/cause");
    step(&server, &problem, "fix", json!({"cause": "Old logs are kept"})).await;
    assert_eq!(read(&server, &problem).await["known_error_at"], Value::Null);
    server.patch(&problem, json!({"workaround": "Empty /var/log"})).header("if-match", "*").by(Alex).expect(200).await;
    assert_eq!(read(&server, &problem).await["known_error_at"], "2026-03-03T11:00:00Z");
    let resolve = format!("{problem}/resolve-incidents");
    server.post(&resolve, json!({"resolution_code": "fixed"})).by(Alex).expect(409).await;
    step(&server, &problem, "resolve", json!({"resolution_notes": "Logs are rotated."})).await;
    step(&server, &problem, "return_to_fix", json!({})).await;
    assert_eq!(read(&server, &problem).await["resolution_notes"], Value::Null);
    step(&server, &problem, "resolve", json!({"resolution_notes": "Logs are rotated, and the disk is larger."})).await;
    let resolved = server.post(&resolve, json!({"resolution_code": "fixed"})).by(Alex).expect(200).await.json();
    assert_eq!(
        (&resolved["incidents"][0]["state"], &resolved["incidents"][0]["done"]),
        (&json!("resolved"), &json!(true))
    );
    let solved = read(&server, &path(&first)).await;
    assert_eq!(solved["resolution_notes"], "Logs are rotated, and the disk is larger.");
    assert_eq!(solved["resolution_kind"], "permanent");
    step(&server, &problem, "close", json!({})).await;
    let closed = read(&server, &problem).await;
    assert_eq!((&closed["state"], &closed["closure"]), (&json!("closed"), &json!("resolved")));
}

#[actix_web::test]
async fn a_cause_is_not_gone_while_what_removes_it_is_under_way() {
    let server = Server::start().await;
    let problem = problem(&server, json!({"workaround": "Wait."})).await;
    step(&server, &problem, "assess", json!({})).await;
    step(&server, &problem, "analyse", json!({})).await;
    step(&server, &problem, "fix", json!({"cause": "Old logs are kept"})).await;
    let raised = server
        .post(&format!("{problem}/raise-change"), json!({"title": "Keep logs for a week", "change_type": "normal"}));
    let raised = raised.by(Alex).expect(201).await.json();
    let gone = json!({"resolution_notes": "Logs are kept for a week."});
    let early = server.post(&format!("{problem}/resolve"), gone.clone()).by(Alex).expect(409).await.json();
    assert_eq!(early["errors"][0]["code"], "fix_under_way", "{early}");
    let open = server.get(&format!("{problem}/transitions")).by(Alex).expect(200).await.json();
    let resolve = open.as_array().unwrap().iter().find(|step| step["name"] == "resolve").unwrap();
    assert!(resolve["missing"].as_array().unwrap().iter().any(|one| one["code"] == "fix_under_way"), "{resolve}");
    let change = format!("/api/v1/changes/{}", raised["change"]["id"].as_str().unwrap());
    server.post(&format!("{change}/cancel"), json!({})).by(Admin).expect(200).await;
    step(&server, &problem, "resolve", gone).await;
    let late = json!({"audience": "public"});
    server.post(&format!("{problem}/publish-workaround"), late).by(Alex).expect(409).await;
}

#[actix_web::test]
async fn the_risk_of_one_is_accepted() {
    let server = Server::start().await;
    let problem = problem(&server, json!({})).await;
    server.post(&format!("{problem}/accept_risk"), json!({"resolution_notes": "x"})).by(Alex).expect(409).await;
    step(&server, &problem, "assess", json!({})).await;
    server.post(&format!("{problem}/accept_risk"), json!({})).by(Alex).expect(409).await;
    step(&server, &problem, "accept_risk", json!({"resolution_notes": "The server goes next month."})).await;
    let closed = read(&server, &problem).await;
    assert_eq!((&closed["phase"], &closed["closure"]), (&json!("closed"), &json!("risk_accepted")));
}

#[actix_web::test]
async fn a_workaround_is_told_to_every_incident_that_is_open() {
    let server = Server::start().await;
    let (mine, theirs) = (incident(&server, Rita, json!({})).await, incident(&server, Ben, json!({})).await);
    let done = incident(&server, Rita, json!({})).await;
    let how = json!({"resolution_code": "fixed", "resolution_notes": "The disk was emptied.", "resolution_kind": "permanent"});
    server.post(&format!("{}/resolve", path(&done)), how).by(Alex).expect(200).await;
    let problem = problem(&server, json!({})).await;
    for one in [&mine, &theirs, &done] {
        let link = json!({"relation": "caused_by", "record_id": problem.rsplit('/').next().unwrap()});
        server.post(&format!("{}/links", path(one)), link).by(Admin).expect(201).await;
    }
    let publish = format!("{problem}/publish-workaround");
    let refused = server.post(&publish, json!({"audience": "public"})).by(Alex).expect(422).await.json();
    assert_eq!(refused["errors"][0]["pointer"], "/workaround");
    let tried = json!({"audience": "public", "workaround": "Use the web mail."});
    server.post(&format!("{publish}?dry_run=true"), tried.clone()).by(Nora).expect(200).await;
    assert_eq!(said(&server, &mine, Rita).await, Vec::<String>::new());
    let told = server.post(&publish, tried).by(Nora).expect(200).await.json();
    let numbers: Vec<&Value> = told["incidents"].as_array().unwrap().iter().map(|one| &one["number"]).collect();
    assert_eq!(numbers, [&json!(mine.field("number"))], "that of another organisation is told, and not shown");
    assert_eq!(said(&server, &mine, Rita).await, ["Workaround: Use the web mail."]);
    assert_eq!(said(&server, &theirs, Ben).await, ["Workaround: Use the web mail."]);
    assert_eq!(said(&server, &done, Rita).await, Vec::<String>::new());
    assert!(!read(&server, &problem).await["workaround_published_at"].is_null());
    // Nobody is told the same twice, and whoever reads comments needs no work note of the same.
    for audience in ["public", "internal"] {
        let again = server.post(&publish, json!({"audience": audience})).by(Alex).expect(200).await.json();
        assert_eq!((&again["incidents"], &again["job"]), (&json!([]), &Value::Null), "{audience}");
    }
    assert_eq!((said(&server, &mine, Rita).await.len(), said(&server, &mine, Alex).await.len()), (1, 1));
    server.post(&publish, json!({"audience": "public"})).by(Alex).expect(200).await;
    // Who is linked later is told at once, as long as it is this workaround that was published.
    let later = incident(&server, Rob, json!({})).await;
    let link = json!({"relation": "causes", "record_id": later.field("id")});
    server.post(&format!("{problem}/links"), link).by(Alex).expect(201).await;
    assert_eq!(said(&server, &later, Rob).await, ["Workaround: Use the web mail."]);
    server.patch(&problem, json!({"workaround": "Wait."})).header("if-match", "*").by(Alex).expect(200).await;
    assert!(read(&server, &problem).await["workaround_published_at"].is_null(), "this one was not");
    let too_late = incident(&server, Rob, json!({})).await;
    let link = json!({"relation": "causes", "record_id": too_late.field("id")});
    server.post(&format!("{problem}/links"), link).by(Alex).expect(201).await;
    assert_eq!(said(&server, &too_late, Rob).await, Vec::<String>::new());
    let told = server.post(&publish, json!({"audience": "public"})).by(Alex).expect(200).await.json();
    assert_eq!(told["incidents"].as_array().unwrap().len(), 4, "another text is told to all of them: {told:#}");
    server.post(&publish, json!({"audience": "everybody"})).by(Alex).expect(422).await;
    server.post(&publish, json!({"audience": "public"})).by(Rita).expect(403).await;
}

#[actix_web::test]
async fn known_errors_are_found_while_an_incident_is_typed() {
    let server = Server::start().await;
    let service = json!({"title": "Mail"});
    let service = server.post("/api/v1/services", service).by(Admin).expect(201).await.field("id");
    let known = |more: Value| {
        let mut body = json!({"cause": "Old logs are kept", "workaround": "Empty /var/log"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        problem(&server, body)
    };
    let by_service = known(json!({"service_id": service, "title": "Outgoing queue stuck"})).await;
    let by_words = known(json!({"symptom": "Mail is hours late in the evening", "category": null})).await;
    let by_code = known(json!({"title": "Tablespace", "error_code": "ORA-01555", "category": null})).await;
    problem(&server, json!({"service_id": service, "cause": "Nobody knows how to avoid it"})).await;
    let gone = known(json!({"service_id": service})).await;
    for (name, body) in [
        ("assess", json!({})),
        ("analyse", json!({})),
        ("fix", json!({})),
        ("resolve", json!({"resolution_notes": "Gone."})),
    ] {
        step(&server, &gone, name, body).await;
    }
    let suggest = "/api/v1/known-errors/suggest";
    let typed = json!({
        "title": "Mail arrives late", "description": "It says ora-01555.", "service_id": service, "category": "mail",
    });
    let found = server.post(suggest, typed).by(Alex).expect(200).await.json();
    let shown: Vec<(String, &Value)> = found["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (format!("/api/v1/problems/{}", one["id"].as_str().unwrap()), &one["because"]))
        .collect();
    let expected = [
        (by_code, &json!(["error_code"])),
        (by_service, &json!(["service", "category"])),
        (by_words, &json!(["words"])),
    ];
    assert_eq!(shown, expected, "{found:#}");
    assert_eq!(found["items"][0]["workaround"], "Empty /var/log");
    let other = json!({"title": "The printer smokes"});
    assert_eq!(server.post(suggest, other).by(Alex).expect(200).await.json()["items"], json!([]));
    let elsewhere = server.post(suggest, json!({"title": "Mail arrives late"})).by(Bea).expect(200).await.json();
    assert_eq!(elsewhere["items"], json!([]), "those of another organisation are hidden");
    server.post(suggest, json!({"titel": "x"})).by(Alex).expect(422).await;
    let nothing = server.post(suggest, json!({"title": "Mail arrives late"})).by(Rita).expect(200).await.json();
    assert_eq!(nothing["items"], json!([]), "nothing of it is published");
}

/// Adds a thousand and one records like one, with what stands beside each.
async fn many_more(
    server: &Server,
    like: &str,
    change: impl Fn(&mut Header) + Copy + Send + 'static,
    beside: impl Fn(&mut AnyConnection, RecordId, &Header) + Copy + Send + 'static,
) {
    let id: RecordId = like.parse().unwrap();
    let write = server.assembly.writer.run(move |unit| {
        let connection = unit.connection()?;
        let first = Header::find(connection, id)?.unwrap();
        for n in 0..=1_000 {
            let mut header = Header { id: RecordId::new(), number: format!("X{n}"), ..first.clone() };
            change(&mut header);
            diesel::insert_into(record::table).values(&header).execute(connection)?;
            beside(connection, id, &header);
        }
        Ok(())
    });
    write.await.unwrap();
}

#[actix_web::test]
async fn incidents_that_are_closed_do_not_count() {
    let server = Server::start().await;
    let one = incident(&server, Rita, json!({})).await;
    let problem = problem(&server, json!({"workaround": "Wait."})).await;
    let to = problem.rsplit('/').next().unwrap();
    let link = json!({"relation": "caused_by", "record_id": to});
    server.post(&format!("{}/links", path(&one)), link).by(Admin).expect(201).await;
    let is_closed = |header: &mut Header| (header.state, header.phase) = ("closed".to_owned(), "closed".to_owned());
    many_more(&server, &one.field("id"), is_closed, |connection, like, header| {
        let row = link::table.filter(link::from_id.eq(like));
        let (relation, to, by): (String, RecordId, UserId) =
            row.select((link::relation, link::to_id, link::created_by_id)).first(connection).unwrap();
        let row = (
            link::id.eq(RowId::new()),
            link::from_id.eq(header.id),
            link::relation.eq(relation),
            link::to_id.eq(to),
            link::created_by_id.eq(by),
            link::created_at.eq(header.opened_at),
        );
        diesel::insert_into(link::table).values(row).execute(connection).unwrap();
    })
    .await;
    let publish = format!("{problem}/publish-workaround");
    let told = server.post(&publish, json!({"audience": "public"})).by(Alex).expect(200).await.json();
    assert_eq!(told["incidents"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn known_errors_are_found_among_many_that_changed_since() {
    let server = Server::start().await;
    let service = server.post("/api/v1/services", json!({"title": "Mail"})).by(Admin).expect(201).await.field("id");
    let known = json!({"cause": "Old logs are kept", "workaround": "Empty /var/log", "category": null});
    let with = |more: Value| {
        let mut body = known.clone();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let by_service = problem(&server, with(json!({"service_id": service, "title": "Stuck"}))).await;
    let by_words = problem(&server, with(json!({"title": "Slow", "symptom": "Invoices come twice"}))).await;
    let by_code = problem(&server, with(json!({"title": "Tablespace", "error_code": "ORA-01555"}))).await;
    let other = problem(&server, with(json!({"title": "Other"}))).await;
    for _ in 0..2 {
        let later = |header: &mut Header| {
            header.number = header.id.to_string();
            header.updated_at = "2026-03-04T11:00:00Z".parse().unwrap();
        };
        many_more(&server, other.rsplit('/').next().unwrap(), later, |connection, like, header| {
            let details: Problem = problem::table.find(like).first(connection).unwrap();
            let details = Problem { record_id: header.id, ..details };
            diesel::insert_into(problem::table).values(&details).execute(connection).unwrap();
        })
        .await;
    }
    let typed = json!({"title": "Invoices twice", "description": "Error ORA-01555.", "service_id": service});
    let found = server.post("/api/v1/known-errors/suggest", typed.clone()).by(Alex).expect(200).await.json();
    let ids = |found: &Value| -> Vec<String> {
        let items = found["items"].as_array().unwrap().iter();
        items.map(|one| format!("/api/v1/problems/{}", one["id"].as_str().unwrap())).collect()
    };
    let mut all = ids(&found);
    all.sort();
    let mut expected = vec![by_code.clone(), by_service, by_words.clone()];
    expected.sort();
    assert_eq!(all, expected, "{found:#}");
    // Words follow what the problem says, and go when it is gone.
    let change = json!({"symptom": "Nothing at all", "error_code": null});
    for path in [by_words, by_code] {
        server.patch(&path, change.clone()).header("if-match", "*").by(Alex).expect(200).await;
    }
    let found = server.post("/api/v1/known-errors/suggest", typed).by(Alex).expect(200).await.json();
    assert_eq!(ids(&found).len(), 1, "{found:#}");
}

#[actix_web::test]
async fn what_was_found_out_about_a_cause_is_kept() {
    let server = Server::start().await;
    let problem = problem(&server, json!({})).await;
    let analyses = format!("{problem}/analyses");
    let whys = json!({"technique": "five_whys", "whys": [{"question": "Why?", "answer": "The disk was full."}]});
    let made = json!({"title": "Why mail stopped", "finding": whys});
    let made = server.post(&analyses, made).by(Alex).expect(201).await;
    let bones = json!([{"category": "technology", "causes": ["No alarm", "A small disk"]}]);
    let fish = json!({"title": "What helped it", "finding": {"technique": "ishikawa", "effect": "Mail stops", "bones": bones}});
    server.post(&analyses, fish).by(Alex).expect(201).await;
    let events = json!([{"at": "2026-03-03T09:00:00Z", "what": "The disk is full"}]);
    let time = json!({"title": "What happened", "finding": {"technique": "timeline", "events": events}});
    let one = format!("{analyses}/{}", made.field("id"));
    server.ask(Method::PUT, &one).json(time.clone()).by(Alex).expect(428).await;
    server.ask(Method::PUT, &one).json(time).header("if-match", "*").by(Alex).expect(200).await;
    let list = server.get(&analyses).by(Alex).expect(200).await.json();
    let techniques: Vec<&Value> =
        list["items"].as_array().unwrap().iter().map(|one| &one["finding"]["technique"]).collect();
    assert_eq!(techniques, ["timeline", "ishikawa"]);
    for (wrong, pointer) in [
        (json!({"title": "x", "finding": {"technique": "five_whys", "whys": []}}), "/finding/whys"),
        (json!({"title": " ", "finding": {"technique": "timeline", "events": events}}), "/title"),
        (
            json!({"title": "x", "finding": {"technique": "five_whys", "whys": [{"question": "Why?", "answer": ""}]}}),
            "/finding/whys/0/answer",
        ),
        (json!({"title": "x", "finding": {"technique": "guessing"}}), "/finding/technique"),
    ] {
        let refused = server.post(&analyses, wrong).by(Alex).expect(422).await.json();
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused}");
    }
    // Of a problem that is hidden no more is told than of one that is not there.
    let (nothing, other) = (problem.rsplit('/').next().unwrap(), made.field("id"));
    let nowhere = format!("/api/v1/problems/{other}/analyses/{other}");
    let put = |path: &str| {
        let body = json!({"title": "x", "finding": {"technique": "timeline", "events": events}});
        server.ask(Method::PUT, path).json(body).header("if-match", "*").by(Bea)
    };
    let delete = |path: &str| server.ask(Method::DELETE, path).header("if-match", "*").by(Bea);
    for path in [one.clone(), format!("{analyses}/{nothing}")] {
        assert_eq!(put(&path).expect(404).await.field("detail"), put(&nowhere).expect(404).await.field("detail"));
        assert_eq!(delete(&path).expect(404).await.field("detail"), delete(&nowhere).expect(404).await.field("detail"));
    }
    server.ask(Method::DELETE, &one).header("if-match", "*").by(Alex).expect(204).await;
    server.ask(Method::DELETE, &one).header("if-match", "*").by(Alex).expect(404).await;
    // What stood there stays in the history, with all that was found.
    let history = server.get(&format!("{problem}/history")).by(Alex).expect(200).await.json();
    let told: Vec<Value> =
        history["items"].as_array().unwrap().iter().map(|entry| entry["changes"][0].clone()).collect();
    let (whys, timeline) = (&made.json()["finding"], json!({"technique": "timeline", "events": events}));
    assert_eq!((&told[0]["from"]["finding"], &told[0]["to"]), (&timeline, &Value::Null), "{history:#}");
    assert_eq!((&told[1]["from"]["finding"], &told[1]["to"]["finding"]), (whys, &timeline), "{history:#}");
}

#[actix_web::test]
async fn incidents_that_come_again_and_again_are_found() {
    let server = Server::start().await;
    let network = team(&server.assembly, "network").to_string();
    server.at("2026-01-10T10:00:00Z");
    for _ in 0..4 {
        incident(&server, Alex, json!({"category": "fax"})).await;
    }
    for (day, mail, print) in [("2026-01-10", 2, 5), ("2026-03-01", 9, 4)] {
        server.at(&format!("{day}T11:00:00Z"));
        for n in 0..mail + print {
            let more = if n < mail { json!({"team_id": network}) } else { json!({"category": "print"}) };
            incident(&server, Alex, more).await;
        }
    }
    incident(&server, Alex, json!({"category": null})).await;
    incident(&server, Bea, json!({"category": "secret"})).await;
    server.at("2026-03-03T11:00:00Z");
    let clusters = "/api/v1/incident-clusters?from=2026-02-01T00:00:00Z&until=2026-03-04T00:00:00Z&least=2";
    let found = server.get(&format!("{clusters}&by=category")).by(Nora).expect(200).await.json();
    let gists: Vec<Value> = found["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| json!([one["key"]["category"], one["count"], one["before"], one["trend"], one["vital"]]))
        .collect();
    let expected = [
        json!(["mail", 9, 2, "rising", true]),
        json!(["print", 4, 5, "steady", true]),
        json!(["fax", 0, 4, "falling", false]),
    ];
    assert_eq!(gists, expected, "what comes no more is shown, too: {found:#}");
    assert_eq!(found["items"][2]["last_opened_at"], "2026-01-10T10:00:00Z");
    assert_eq!((&found["total"], &found["items"][1]["cumulative_percent"]), (&json!(14), &json!(92.86)));
    let by_team = server.get(&format!("{clusters}&by=category,team_id&filter=category%3D%22mail%22")).by(Nora);
    assert_eq!(by_team.expect(200).await.json()["items"][0]["label"]["team_id"], "network");
    for (wrong, status) in
        [("by=", 400), ("by=title", 400), ("by=category&least=x", 400), ("by=category&filter=x", 400)]
    {
        server.get(&format!("{clusters}&{wrong}")).by(Alex).expect(status).await;
    }
    server.get(&format!("{clusters}&by=category")).by(Rita).expect(403).await;
    let counts = server.get("/api/v1/incidents/counts?by=category&state=new&limit=1").by(Nora).expect(200).await.json();
    assert_eq!(
        counts["items"],
        json!([{
            "key": {"category": "mail"}, "label": {"category": "mail"}, "count": 11,
            "first_opened_at": "2026-01-10T11:00:00Z", "last_opened_at": "2026-03-01T11:00:00Z",
        }])
    );
}
