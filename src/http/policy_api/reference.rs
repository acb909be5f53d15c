//! What scripts may call, read and say, for whoever writes them or builds an editor.

use actix_web::{HttpResponse, http::Method, web};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::Studio;
use crate::{
    error::{Error, Result},
    http::{
        desk::Call,
        endpoint::{Access, Answer, Endpoint},
        mount::Api,
        schema,
    },
    policy::{
        decision::{DECISIONS, DecisionSpec},
        facts,
        reference::{self, CASE_WORDS, CaseWord, PolicyFunctions},
        table::{Column, Table},
        validate::codes::{CODES, DiagnosticCode},
    },
};

/// What scripts may read and say.
#[derive(Serialize, ToSchema)]
struct PolicySchema {
    /// The decisions: the function that a script defines, what it is given, and what it may say.
    decisions: &'static [DecisionSpec],
    /// The fields of a record: `{name, fields: [{name, type, choices, may_be_empty, default, doc}]}`, where `type` is `bool`,
    /// `int`, `decimal`, `text`, `time`, `text_list` or, for what the record refers to, another such object. A made-up record
    /// has the defaults.
    #[schema(value_type = Vec<serde_json::Map<String, serde_json::Value>>)]
    records: Vec<Value>,
    /// The fields of a transition, which guards are given.
    #[schema(value_type = serde_json::Map<String, serde_json::Value>)]
    transition: Value,
    /// The fields of the moment at which an escalation is asked about.
    #[schema(value_type = serde_json::Map<String, serde_json::Value>)]
    moment: Value,
    /// The lookup tables, by name.
    tables: Vec<PolicyTable>,
    /// The names of the teams that can be given work.
    teams: Vec<String>,
    /// The names of the calendars.
    calendars: Vec<String>,
    /// What a row of a case table may say: `fn cases() { [ #{ name: …, record: #{ … }, expect: … }, … ] }`.
    case_words: &'static [CaseWord],
    /// What the check of a script may find.
    diagnostics: &'static [DiagnosticCode],
}

/// A lookup table as scripts read it.
#[derive(Serialize, ToSchema)]
struct PolicyTable {
    /// Its name: `table("category_teams")`.
    name: String,
    /// What it is for.
    doc: String,
    /// How many of the first columns are the key.
    keys: usize,
    /// The columns.
    columns: Vec<Column>,
}

impl PolicyTable {
    fn of(table: &Table) -> Self {
        let head = table.head();
        let (name, doc) = (table.name().to_owned(), table.doc().to_owned());
        PolicyTable { name, doc, keys: head.keys, columns: head.columns.to_vec() }
    }
}

pub(super) fn mount(api: &mut Api) {
    api.mount(functions(), get_functions).mount(schema(), get_schema);
}

fn endpoint(path: &'static str, id: &'static str) -> Endpoint {
    Endpoint {
        method: Method::GET,
        path: path.into(),
        id: id.into(),
        tag: "Policy".into(),
        access: Access::Permission("policy.read".into()),
        summary: "".into(),
        description: "".into(),
        parameters: Vec::new(),
        request: None,
        responses: Vec::new(),
        problems: Vec::new(),
    }
}

fn functions() -> Endpoint {
    Endpoint {
        summary: "What policies may call".into(),
        description: "Every function that a script can call, with its parameters and their types, what it gives, what it does, an example, and the decisions whose scripts may use it; then Rhai's own functions, in groups. For completion and for help. `pointsman policy definitions` writes the same as files that editors read.".into(),
        responses: vec![Answer::json(200, "The functions.", schema::schema::<PolicyFunctions>(), json!({
            "functions": [{
                "name": "assign", "form": "function", "signature": "assign(team: text) -> decision",
                "parameters": [{"name": "team", "type": "text", "required": true}],
                "result": "decision", "doc": "A team gets the record; the team must be there.",
                "example": "assign(\"service-desk\")", "decisions": ["routing"], "only_in_tests": false,
            }],
            "rhai": [{
                "name": "more_text", "doc": "Looking into text, cutting, splitting and changing it.",
                "functions": [{
                    "name": "to_upper", "doc": "Convert the string to all upper-case and return it as a new string.",
                    "signatures": ["to_upper(string: &str) -> ImmutableString"],
                }],
            }],
        }))],
        ..endpoint("/api/v1/policy-functions", "get_policy_functions")
    }
}

fn schema() -> Endpoint {
    Endpoint {
        summary: "What policies may read and say".into(),
        description: "The decisions with their functions and effects; the fields of records and transitions with types, choices, defaults and documentation, custom fields included; the lookup tables with their columns; the teams; the calendars; what a row of a case table may say; and the codes of diagnostics with their levels and examples.".into(),
        responses: vec![Answer::json(200, "What there is.", schema::schema::<PolicySchema>(), json!({
            "decisions": [{
                "decision": "guard", "name": "guard", "function": "check", "arguments": ["record", "transition"],
                "effects": ["refuse", "allow"], "mode": "collect", "fallback": "refuse", "undecided": "it may happen",
                "doc": "Whether a transition may happen: the record is given as the transition would leave it",
            }],
            "records": [{"name": "incident", "fields": [
                {"name": "urgency", "type": "int", "choices": [], "may_be_empty": false, "default": 3, "doc": "1 is the most pressing"},
            ]}],
            "transition": {"name": "transition", "fields": [
                {"name": "to", "type": "text", "choices": [], "may_be_empty": false, "default": "new", "doc": "The state after"},
            ]},
            "moment": {"name": "moment", "fields": [
                {"name": "percent", "type": "int", "choices": [], "may_be_empty": true, "default": null, "doc": "For a clock, how much of the target is used up"},
            ]},
            "tables": [{
                "name": "category_teams", "doc": "Which team gets incidents of a category", "keys": 1,
                "columns": [{"name": "category", "type": "text"}, {"name": "team", "type": "text"}],
            }],
            "teams": ["network-operations", "service-desk"],
            "calendars": ["around-the-clock", "business-hours"],
            "case_words": [{"name": "at", "type": "text", "doc": "The moment, as `clock` takes it."}],
            "diagnostics": [{
                "code": "duplicate_rule", "severity": "warning",
                "doc": "Two rules have the same name, and explanations name rules.",
                "example": "rule \"Desk\" when incident.impact == 1 then leave();\nrule \"Desk\" when true then assign(\"service-desk\");",
            }],
        }))],
        ..endpoint("/api/v1/policy-schema", "get_policy_schema")
    }
}

async fn get_functions(call: Call, studio: web::Data<Studio>) -> Result<HttpResponse> {
    Ok(HttpResponse::Ok().json(studio.run(&call, |_| Ok(reference::functions())).await?))
}

async fn get_schema(call: Call, studio: web::Data<Studio>) -> Result<HttpResponse> {
    let found = studio
        .run(&call, |bench| {
            let live = bench.live()?;
            let host = bench.policies.host(&live);
            let mut tables: Vec<_> = host.table_names().iter().filter_map(|name| host.table(name)).collect();
            tables.sort_by(|a, b| a.name().cmp(b.name()));
            let written = |schema: &facts::FactSchema| serde_json::to_value(schema).map_err(Error::internal);
            Ok(PolicySchema {
                decisions: DECISIONS,
                records: live.schemas().all().map(|schema| written(schema)).collect::<Result<_>>()?,
                transition: written(&facts::transition())?,
                moment: written(&facts::moment())?,
                tables: tables.iter().map(|table| PolicyTable::of(table)).collect(),
                teams: host.team_names(),
                calendars: host.calendar_names(),
                case_words: CASE_WORDS,
                diagnostics: CODES,
            })
        })
        .await?;
    Ok(HttpResponse::Ok().json(found))
}
