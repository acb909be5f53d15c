//! Who may do what: every endpoint, called by everybody, compared with a table that people can read.

use std::{collections::BTreeMap, fmt::Write as _};

use actix_web::http::Method;
use diesel::prelude::*;
use pointsman::{
    db::{AnyConnection, JsonText},
    http::endpoint::{Access, Endpoint},
    id::RowId,
    practice::problem::{
        reach::Deed,
        run::{Asked, KIND},
    },
    record::{
        job::JobRow,
        notification::message::{MessageRow, Subject},
        webhook::{delivery::DeliveryRow, row::WebhookRow},
    },
    schema::{decision, personal_token},
};
use serde_json::{Value, json};

use crate::support::{
    Answer, Ask,
    Person::{self, *},
    Server, golden, people,
    sample::{create_with, kinds},
};

/// Who calls, and what they are to Rita's record.
#[derive(Clone, Copy)]
enum Caller {
    Nobody,
    Known(Person),
    /// Alex, with a token that is good for reading incidents alone.
    Narrow,
}

const CALLERS: &[(&str, Caller)] = &[
    ("anonymous", Caller::Nobody),
    ("admin", Caller::Known(Admin)),
    ("team", Caller::Known(Alex)),
    ("other_team", Caller::Known(Nora)),
    ("other_org", Caller::Known(Bea)),
    ("owner", Caller::Known(Rita)),
    ("requester", Caller::Known(Rob)),
    ("stranger", Caller::Known(Ben)),
    ("narrow", Caller::Narrow),
];

/// The operations that need no caller.
const PUBLIC: &[&str] = &[
    "get_liveness",
    "get_readiness",
    "get_metrics",
    "get_openapi",
    "get_documentation",
    "get_documentation_file",
    "get_keys",
    "create_session",
    "refresh_session",
    "create_client_token",
    // Whoever has the link decides in the name of the one whom it is for.
    "get_approval_by_link",
    "decide_by_link",
];

/// What the calls are about.
struct Scene {
    server: Server,
    narrow: String,
    records: BTreeMap<&'static str, String>,
    /// What else paths name: by collection and parameter.
    others: BTreeMap<(&'static str, &'static str), String>,
    document: Value,
}

/// An approval of Rita's incident that waits for Nora and Rob.
async fn approval(server: &Server, incident: &str) -> String {
    let ask = |person: Person| json!({"kind": "user", "user_id": person.id(&server.assembly).to_string()});
    let stage = json!({"name": "Both", "approvers": [ask(Nora), ask(Rob)], "quorum": {"kind": "all"}});
    let body = json!({"title": "For some", "stages": [stage]});
    server.post(&format!("/api/v1/incidents/{incident}/approvals"), body).by(Admin).expect(201).await.field("id")
}

/// What stands beside services and configuration items, and what is asked of them; by collection and parameter.
async fn configuration(
    server: &Server,
    records: &BTreeMap<&'static str, String>,
) -> Vec<((&'static str, &'static str), String)> {
    let mut others = Vec::new();
    let first = async |collection: &'static str, query: &str| {
        let found = server.get(&format!("/api/v1/{collection}?q={query}")).by(Admin).expect(200).await.json();
        ((collection, "{id}"), found["items"][0]["id"].as_str().unwrap().to_owned())
    };
    others.push(first("classes", "server").await);
    others.push(first("relation-types", "runs_on").await);
    others.push(first("data-sources", "inventory").await);
    let needed = server.post("/api/v1/configuration_items", json!({"title": "esx-3", "class": "server"})).by(Admin);
    let needed = needed.expect(201).await.field("id");
    for plural in ["services", "configuration_items"] {
        let path = format!("/api/v1/{plural}/{}", records[plural]);
        let group = server.ask(Method::PUT, &format!("{path}/redundancy-groups/hosts")).json(json!({"min_up": 1}));
        group.by(Admin).header("if-match", "*").expect(204).await;
        let related = json!({"relation": "runs_on", "record_id": needed, "group": "hosts"});
        let related = server.post(&format!("{path}/relations"), related).by(Admin).expect(201).await;
        others.push(((plural, "{relation_id}"), related.field("id")));
        others.push(((plural, "{group}"), "hosts".to_owned()));
    }
    let made = [
        ("configuration-baselines", json!({"name": "Before"})),
        ("compliance-rules", json!({"name": "An owner", "condition": "owner != null"})),
        ("certification-campaigns", json!({"name": "x", "filter": "is_a = server", "due_at": "2036-06-01T00:00:00Z"})),
        ("configuration-imports?source=inventory", json!({"items": [{"class": "server", "title": "x"}]})),
    ];
    for (collection, body) in made {
        let made = server.post(&format!("/api/v1/{collection}"), body).by(Admin).send().await;
        assert!(made.status.is_success(), "{}", made.text());
        let collection = collection.split('?').next().unwrap_or_default();
        others.push(((collection, "{id}"), made.field("id")));
    }
    server.assembly.jobs().work_off().await.unwrap();
    others.push((("certification-campaigns", "{record_id}"), needed));
    others
}

impl Scene {
    async fn set() -> Scene {
        let server = Server::start().await;
        let rita = Rita.id(&server.assembly).to_string();
        let desk = people::team(&server.assembly, "service-desk").to_string();
        let (mut records, mut others) = (BTreeMap::new(), BTreeMap::new());
        for kind in kinds() {
            let mut more = json!({"title": "Only for some eyes"});
            for (name, value) in [("requester_id", &rita), ("team_id", &desk)] {
                if kind.field(name).is_some() {
                    more[name] = json!(value);
                }
            }
            let made = create_with(&server, kind, more.clone()).await.field("id");
            let path = format!("/api/v1/{}/{made}", kind.plural);
            let file = format!("{path}/attachments?name=scene.txt");
            let file = server.ask(Method::POST, &file).body("text/plain", "Only for some eyes").by(Admin);
            others.insert((kind.plural, "{attachment_id}"), file.expect(201).await.field("id"));
            let link =
                json!({"relation": "relates_to", "record_id": create_with(&server, kind, more).await.field("id")});
            let link = server.post(&format!("{path}/links"), link).by(Admin).expect(201).await;
            others.insert((kind.plural, "{link_id}"), link.field("id"));
            records.insert(kind.plural, made);
        }
        let field = json!({"kind": "incident", "name": "wing", "label": "Wing", "field_type": "text"});
        let field = server.post("/api/v1/custom-fields", field).by(Admin).expect(201).await;
        others.insert(("custom-fields", "{id}"), field.field("id"));
        others.extend(configuration(&server, &records).await);
        let back_tests = "/api/v1/policies/routing_incidents/versions/1/back-tests";
        let job = server.post(back_tests, json!({})).by(Admin).expect(202).await.field("id");
        let calendar = server.get("/api/v1/calendars?q=business").by(Admin).expect(200).await.json();
        others.insert(("calendars", "{id}"), calendar["items"][0]["id"].as_str().unwrap().to_owned());
        let team = server.get("/api/v1/teams?q=network").by(Admin).expect(200).await.json()["items"][0]["id"].clone();
        let nora = Nora.id(&server.assembly);
        let layers = json!([{"name": "week", "members": [nora], "starts": "2026-03-02T09:00:00", "days": 7}]);
        let schedule = json!({"name": "Network", "team_id": team, "zone": "UTC", "layers": layers});
        let schedule = server.post("/api/v1/on-call-schedules", schedule).by(Admin).expect(201).await.field("id");
        let agreed = json!({"user_id": nora, "from": "2026-04-01T00:00:00Z", "until": "2026-04-02T00:00:00Z"});
        let agreed = server.post(&format!("/api/v1/on-call-schedules/{schedule}/overrides"), agreed).by(Admin);
        others.insert(("on-call-schedules", "{override_id}"), agreed.expect(201).await.field("id"));
        others.insert(("on-call-schedules", "{id}"), schedule);
        let level = server.get("/api/v1/service-levels").by(Admin).expect(200).await.json();
        others.insert(("service-levels", "{id}"), level["items"][0]["id"].as_str().unwrap().to_owned());
        let clocks = format!("/api/v1/incidents/{}/service-clocks", records["incidents"]);
        let clocks = server.get(&clocks).by(Admin).expect(200).await.json();
        others.insert(("service-clocks", "{id}"), clocks["items"][0]["id"].as_str().unwrap().to_owned());
        let hook = json!({"name": "scene", "url": "https://scene.example/", "events": ["incident.*"]});
        let hook = server.post("/api/v1/webhooks", hook).by(Admin).expect(201).await.field("id");
        others.insert(("webhook-deliveries", "{id}"), dead_letter(&server, &hook).await);
        others.insert(("webhooks", "{id}"), hook);
        let template = server.get("/api/v1/mail-templates?q=incident-created-en").by(Admin).expect(200).await.json();
        others.insert(("mail-templates", "{id}"), template["items"][0]["id"].as_str().unwrap().to_owned());
        others.insert(("mail-messages", "{id}"), undelivered(&server).await);
        others.extend(["jobs", "back-tests"].map(|collection| ((collection, "{id}"), job.clone())));
        let approval = approval(&server, &records["incidents"]).await;
        let link = json!({"user_id": Nora.id(&server.assembly).to_string()});
        let link = server.post(&format!("/api/v1/approvals/{approval}/links"), link).by(Admin).expect(201).await;
        others.insert(("approval-links", "{token}"), link.field("token"));
        others.insert(("approvals", "{id}"), approval);
        let major = format!("/api/v1/incidents/{}/major-incident", records["incidents"]);
        let how = json!({"commander_id": Nora.id(&server.assembly).to_string()});
        server.post(&format!("{major}/accept"), how).by(Admin).expect(200).await;
        for kind in kinds() {
            let tasks = format!("/api/v1/{}/{}/tasks", kind.plural, records[kind.plural]);
            let task = server.post(&tasks, json!({"title": "Look at it"})).by(Admin).expect(201).await;
            others.insert((kind.plural, "{task_id}"), task.field("id"));
        }
        let model = json!({"name": "scene", "change_type": "standard"});
        let model = server.post("/api/v1/change-models", model).by(Admin).expect(201).await;
        others.insert(("change-models", "{id}"), model.field("id"));
        let answers = json!([{"name": "no", "text": "No", "points": 0}, {"name": "yes", "text": "Yes", "points": 1}]);
        let question = json!({"name": "again", "text": "Again?", "position": 9, "weight": 1, "answers": answers});
        let question = server.post("/api/v1/risk-questions", question).by(Admin).expect(201).await;
        others.insert(("risk-questions", "{id}"), question.field("id"));
        let meeting = json!({"name": "scene", "starts_at": "2026-03-03T10:00:00Z", "ends_at": "2026-03-03T11:00:00Z"});
        let meeting = server.post("/api/v1/cab-meetings", meeting).by(Admin).expect(201).await.field("id");
        let agenda = json!({"change_ids": [records["changes"]]});
        let agenda = server.post(&format!("/api/v1/cab-meetings/{meeting}/agenda"), agenda).by(Admin).expect(200).await;
        let item = agenda.json()["items"][0]["id"].as_str().unwrap().to_owned();
        others.insert(("cab-meetings", "{item_id}"), item);
        others.insert(("cab-meetings", "{id}"), meeting);
        let drift = json!({"configuration_item_id": records["configuration_items"], "summary": "Port 23 is open."});
        let drift = server.post("/api/v1/unauthorised-changes", drift).by(Admin).expect(201).await.field("id");
        others.insert(("unauthorised-changes", "{id}"), drift);
        let window = json!({"name": "scene", "kind": "blackout", "starts_at": "2030-01-01T00:00:00Z", "ends_at": "2030-01-02T00:00:00Z"});
        let window = server.post("/api/v1/change-windows", window).by(Admin).expect(201).await;
        others.insert(("change-windows", "{id}"), window.field("id"));
        let action = server.post(&format!("{major}/actions"), json!({"title": "Watch it"})).by(Admin).expect(200).await;
        others.insert(("incidents", "{action_id}"), action.json()["actions"][0]["id"].as_str().unwrap().to_owned());
        let finding = json!({"technique": "five_whys", "whys": [{"question": "Why?", "answer": "Because."}]});
        let analyses = format!("/api/v1/problems/{}/analyses", records["problems"]);
        let analysis = server.post(&analyses, json!({"title": "Why", "finding": finding})).by(Admin).expect(201).await;
        others.insert(("problems", "{analysis_id}"), analysis.field("id"));
        others.insert(("problem-runs", "{id}"), problem_run(&server, &records["problems"]).await);
        let absence = json!({"to_user_id": Alex.id(&server.assembly).to_string(), "ends_at": "2026-04-01T00:00:00Z"});
        let absence = server.post("/api/v1/delegations", absence).by(Nora).expect(201).await;
        others.insert(("delegations", "{id}"), absence.field("id"));
        server.post("/api/v1/incidents", json!({"title": "For whom?"})).by(Admin).expect(201).await;
        let narrow = people::token_for(&server.assembly, Alex, "incident.read");
        people::token_for(&server.assembly, Rob, "incident.read");
        let (alex, rob) = (Alex.id(&server.assembly), Rob.id(&server.assembly));
        let read = |c: &mut AnyConnection| {
            let of = |user| personal_token::table.filter(personal_token::user_id.eq(user)).select(personal_token::id);
            let tokens = (of(alex).first::<String>(c)?, of(rob).first::<String>(c)?);
            let about = decision::table.filter(decision::record_id.eq(&records["incidents"])).select(decision::id);
            let routing = decision::table.filter(decision::kind.eq("routing")).select(decision::id);
            Ok((tokens, about.first::<String>(c)?, routing.first::<String>(c)?))
        };
        let ((own, theirs), decision, routing) = server.assembly.database.read_here(read).unwrap();
        let pin = server.post(&format!("/api/v1/decisions/{routing}/pin"), json!({"name": "As it was"}));
        others.insert(("policies", "{pin}"), pin.by(Admin).expect(201).await.field("id"));
        others.insert(("auth", "{id}"), own);
        others.insert(("users", "{token_id}"), theirs);
        others.insert(("decisions", "{id}"), decision);
        let document = serde_json::from_slice(&server.parts.api.openapi()).unwrap();
        Scene { server, narrow, records, others, document }
    }

    /// The path with what its parameters stand for.
    fn path(&self, endpoint: &Endpoint) -> String {
        let documented = endpoint.documented_path();
        let collection = documented.split('/').nth(3).unwrap_or_default();
        let assembly = &self.server.assembly;
        let id = match collection {
            "users" => Rob.id(assembly).to_string(),
            "teams" => people::team(assembly, "network").to_string(),
            "organisations" => people::organisation(assembly, "Acme").to_string(),
            "records" => self.records["incidents"].clone(),
            "meta" => "incident".to_owned(),
            "policies" => "routing_incidents".to_owned(),
            "lookup-tables" => "priority_matrix".to_owned(),
            "policy-modules" => "criticality".to_owned(),
            "roles" => "service_owner".to_owned(),
            _ => self.records.get(collection).cloned().unwrap_or_default(),
        };
        let stands_for = |part: &str| match (self.others.get(&(collection, part)), part) {
            (Some(other), _) => other.clone(),
            (None, "{number}") => "1".to_owned(),
            (None, "{user_id}") => Rob.id(assembly).to_string(),
            (None, "{role}") => "requester".to_owned(),
            (None, "{file}") => "index.css".to_owned(),
            (None, "{id}" | "{name}" | "{type}") => id.clone(),
            (None, part) => panic!("nothing stands for {part} in {documented}"),
        };
        let part = |part: &str| if part.starts_with('{') { stands_for(part) } else { part.to_owned() };
        documented.split('/').map(part).collect::<Vec<_>>().join("/")
    }

    /// Calls it, so that nothing is stored where it can be asked for.
    fn ask(&self, endpoint: &Endpoint, caller: Caller) -> Ask<'_> {
        let dry = endpoint.parameters.iter().any(|parameter| parameter.name == "dry_run");
        let operation = &self.document["paths"][endpoint.documented_path()][endpoint.method.as_str().to_lowercase()];
        let needed = operation["parameters"].as_array().into_iter().flatten();
        let needed = needed.filter(|parameter| parameter["in"] == "query" && parameter["required"] == true);
        let mut query: Vec<String> = needed
            .map(|parameter| {
                format!("{}={}", parameter["name"].as_str().unwrap(), parameter["example"].as_str().unwrap())
            })
            .collect();
        query.extend(dry.then(|| "dry_run=true".to_owned()));
        let mut ask = self.server.ask(endpoint.method.clone(), &format!("{}?{}", self.path(endpoint), query.join("&")));
        if let Some((media_type, content)) =
            operation["requestBody"]["content"].as_object().and_then(|c| c.iter().next())
        {
            let example = match &content["example"] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            ask = ask.body(media_type, example);
        }
        if endpoint.parameters.iter().any(|parameter| parameter.name == "If-Match") {
            ask = ask.header("if-match", "*");
        }
        match caller {
            Caller::Nobody => ask,
            Caller::Known(person) => ask.by(person),
            Caller::Narrow => ask.with(&self.narrow),
        }
    }
}

/// A message of a webhook that could not be delivered; gives its id.
async fn dead_letter(server: &Server, hook: &str) -> String {
    let (hook, now): (RowId, _) = (hook.parse().unwrap(), server.assembly.clock.now());
    let made = server.assembly.writer.run(move |unit| {
        let connection = unit.connection()?;
        let test = DeliveryRow::test(&WebhookRow::named(connection, hook)?, now)?;
        let dead = DeliveryRow { state: "dead".to_owned(), next_at: None, ended_at: Some(now), ..test };
        DeliveryRow::insert_all(connection, std::slice::from_ref(&dead))?;
        Ok(dead.id.to_string())
    });
    made.await.unwrap()
}

/// What a problem does for its many incidents; gives its id.
async fn problem_run(server: &Server, problem: &str) -> String {
    let deed = Deed::Resolve { code: "fixed".to_owned(), notes: String::new() };
    let asked = Asked { problem: problem.parse().unwrap(), deed, total: 0 };
    let (by, now) = (Admin.id(&server.assembly), server.assembly.clock.now());
    let queued = server.assembly.writer.run(move |unit| {
        let (subject, asked) = (asked.problem.to_string(), JsonText::of(&asked)?);
        Ok(JobRow::queue(unit.connection()?, KIND, subject, asked, by, now)?.id.to_string())
    });
    queued.await.unwrap()
}

/// Mail to Rita that could not be sent; gives its id.
async fn undelivered(server: &Server) -> String {
    let (rita, now) = (Rita.id(&server.assembly), server.assembly.clock.now());
    let made = server.assembly.writer.run(move |unit| {
        let blank = MessageRow::blank(Subject::Digest, rita, "mail.digest", now);
        let dead = MessageRow { state: "dead".to_owned(), next_at: None, ended_at: Some(now), ..blank };
        dead.insert(unit.connection()?)?;
        Ok(dead.id.to_string())
    });
    made.await.unwrap()
}

/// Whether a call leaves nothing behind, so that one scene does for all callers.
fn is_harmless(endpoint: &Endpoint) -> bool {
    endpoint.method == Method::GET || endpoint.parameters.iter().any(|parameter| parameter.name == "dry_run")
}

#[actix_web::test]
async fn everybody_may_do_what_the_table_says() {
    let shared = Scene::set().await;
    let endpoints = shared.server.parts.api.endpoints().to_vec();
    let mut rows = Vec::new();
    for endpoint in &endpoints {
        let own = if is_harmless(endpoint) { None } else { Some(Scene::set().await) };
        let scene = own.as_ref().unwrap_or(&shared);
        let mut row = vec![endpoint.id.to_string()];
        for (name, caller) in CALLERS {
            let status = scene.ask(endpoint, *caller).status().await;
            assert!(status < 500, "{} by {name}: {status}", endpoint.id);
            let open = matches!(endpoint.access, Access::Public | Access::Probe);
            if !open && matches!(caller, Caller::Nobody) {
                assert_eq!(status, 401, "{} without a token", endpoint.id);
            }
            row.push(if status < 400 { "ok".to_owned() } else { status.to_string() });
        }
        rows.push(row);
    }
    rows.sort();
    let mut head = vec!["operation".to_owned()];
    head.extend(CALLERS.iter().map(|(name, _)| (*name).to_owned()));
    rows.insert(0, head);
    golden::holds("tests/api/golden/permission_matrix.txt", &aligned(&rows));
}

fn aligned(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            write!(line, "{cell:<width$}  ").unwrap();
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

#[actix_web::test]
async fn only_the_few_that_must_be_are_open_to_everyone() {
    let api = pointsman::cli::serve::api().unwrap();
    let open = api.endpoints().iter().filter(|e| matches!(e.access, Access::Public | Access::Probe));
    for endpoint in open {
        assert!(PUBLIC.contains(&endpoint.id.as_ref()), "{} is open to everyone", endpoint.id);
    }
}

#[actix_web::test]
async fn a_token_that_is_none_is_refused_on_every_endpoint() {
    let scene = Scene::set().await;
    for endpoint in scene.server.parts.api.endpoints() {
        if matches!(endpoint.access, Access::Public | Access::Probe) {
            continue;
        }
        for token in ["Bearer", "Bearer x", "Basic YTpi", "Bearer pm_pat_nothing", "Bearer eyJhbGciOiJub25lIn0.e30."] {
            let answer: Answer = scene.ask(endpoint, Caller::Nobody).header("authorization", token).send().await;
            assert_eq!(answer.status, 401, "{} with {token}: {}", endpoint.id, answer.text());
            assert!(!answer.header("www-authenticate").is_empty(), "{}", endpoint.id);
        }
    }
}
