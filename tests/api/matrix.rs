//! Who may do what: every endpoint, called by everybody, compared with a table that people can read.

use std::{collections::BTreeMap, fmt::Write as _};

use actix_web::http::Method;
use diesel::prelude::*;
use pointsman::{
    http::endpoint::{Access, Endpoint},
    schema::decision,
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
];

/// What the calls are about.
struct Scene {
    server: Server,
    narrow: String,
    records: BTreeMap<&'static str, String>,
    /// A decision about Rita's incident.
    decision: String,
    document: Value,
}

impl Scene {
    async fn set() -> Scene {
        let server = Server::start().await;
        let rita = Rita.id(&server.assembly).to_string();
        let desk = people::team(&server.assembly, "service-desk").to_string();
        let mut records = BTreeMap::new();
        for kind in kinds() {
            let mut more = json!({"title": "Only for some eyes"});
            for (name, value) in [("requester_id", &rita), ("team_id", &desk)] {
                if kind.field(name).is_some() {
                    more[name] = json!(value);
                }
            }
            records.insert(kind.plural, create_with(&server, kind, more).await.field("id"));
        }
        let narrow = people::token_for(&server.assembly, Alex, "incident.read");
        let document = serde_json::to_value(server.parts.api.openapi()).unwrap();
        let decision =
            server.assembly.database.read_here(|c| Ok(decision::table.select(decision::id).first::<String>(c)?));
        Scene { decision: decision.unwrap(), server, narrow, records, document }
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
            "decisions" => self.decision.clone(),
            _ => match self.records.get(collection) {
                Some(id) => id.clone(),
                None => "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b11".to_owned(),
            },
        };
        let mut parts = documented.split('/').map(str::to_owned).collect::<Vec<_>>();
        let mut first = true;
        for part in parts.iter_mut().filter(|part| part.starts_with('{')) {
            *part = match (std::mem::take(&mut first), part.as_str()) {
                (true, _) => id.clone(),
                (false, "{number}") => "1".to_owned(),
                (false, "{user_id}") => Rob.id(assembly).to_string(),
                (false, _) => "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b11".to_owned(),
            };
        }
        parts.join("/")
    }

    /// Calls it, so that nothing is stored where it can be asked for.
    fn ask(&self, endpoint: &Endpoint, caller: Caller) -> Ask<'_> {
        let dry = endpoint.parameters.iter().any(|parameter| parameter.name == "dry_run");
        let path = self.path(endpoint) + if dry { "?dry_run=true" } else { "" };
        let mut ask = self.server.ask(endpoint.method.clone(), &path);
        let operation = &self.document["paths"][endpoint.documented_path()][endpoint.method.as_str().to_lowercase()];
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
