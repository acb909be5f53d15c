//! Modules: functions that policies share.
//!
//! **Invariant:** what is stored is sound: no diagnostic of level error, no red test. Nothing that is live changes by it.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use similar::TextDiff;
use utoipa::ToSchema;

use super::{
    Bench, Studio, check_length, check_name,
    declare::{module_name, version_number},
    may_replace,
    versions::diagnostic,
};
use crate::{
    clock::Moment,
    db::AnyConnection,
    error::{Code, Error, Result},
    http::{
        body::Body,
        desk::{self, Call, Reply},
        endpoint::{Answer, Content, Endpoint, in_query, whole_number},
        entity_tag::{etag, is_known},
        mount::Api,
        parameter::{dry_run, if_match, reason},
        schema,
    },
    id::UserId,
    policy::{
        diagnostic::Diagnostic,
        publish::Examined,
        store::{ModuleRow, PolicyRow, sha256},
    },
};

/// A version of a module.
#[derive(Debug, Serialize, ToSchema)]
struct PolicyModule {
    /// Its name: `use "criticality";` in scripts.
    name: String,
    /// The number of the version; also its `ETag`.
    version: i32,
    /// What it is for: the leading `//!` lines of its source.
    description: String,
    /// What was changed and why.
    message: String,
    /// The SHA-256 of its source, in hexadecimal.
    sha256: String,
    /// Who wrote it; null for what ships.
    author_id: Option<UserId>,
    /// When it was written.
    created_at: Moment,
}

/// Modules without their sources.
#[derive(Debug, Serialize, ToSchema)]
struct PolicyModuleList {
    /// The modules by name, or the versions of one, newest first.
    items: Vec<PolicyModule>,
}

/// A version of a module with its source.
#[derive(Debug, Serialize, ToSchema)]
struct PolicyModuleInFull {
    /// The version.
    #[serde(flatten)]
    module: PolicyModule,
    /// The source.
    source: String,
    /// What is worth a look in it.
    diagnostics: Vec<Diagnostic>,
    /// The policies whose live version uses the module.
    used_by: Vec<PolicyModuleUse>,
}

/// A policy whose live version uses a module.
#[derive(Debug, Serialize, ToSchema)]
struct PolicyModuleUse {
    /// The name of the policy.
    policy: String,
    /// The number of its live version.
    version: i32,
    /// The version of the module that it is pinned to.
    module_version: i32,
}

/// What makes a version of a module.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPolicyModule {
    /// The source, at most 32 KiB: functions, and `test_*` functions that test them.
    source: String,
    /// What was changed and why.
    #[serde(default)]
    #[schema(max_length = 1000)]
    message: String,
}

/// What two versions of a module differ in.
#[derive(Debug, Serialize, ToSchema)]
struct PolicyModuleDiff {
    /// The number of the one.
    from: i32,
    /// The number of the other.
    to: i32,
    /// Line by line, in the unified format.
    text: String,
}

pub(super) fn mount(api: &mut Api) {
    api.mount(list(), list_modules).mount(get(), get_module).mount(put(), put_module);
    api.mount(versions(), list_versions).mount(version(), get_version).mount(diff(), compare_versions);
}

const SOURCE: &str = "//! Which services do others depend on?\n\nfn is_critical(criticality) {\n    criticality == \"gold\"\n}\n\n\
                      fn test_gold_is_critical() {\n    expect(is_critical(\"gold\"), true);\n}\n";

fn example() -> Value {
    json!({
        "name": "criticality", "version": 2, "description": "Which services do others depend on?",
        "message": "Silver is no longer critical.",
        "sha256": "9f2b1c0e8d7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c",
        "author_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f", "created_at": "2026-03-05T16:40:00Z",
    })
}

fn in_full() -> Value {
    let mut example = example();
    example["source"] = SOURCE.into();
    example["diagnostics"] = json!([diagnostic()]);
    example["used_by"] = json!([{"policy": "routing_incidents", "version": 3, "module_version": 1}]);
    example
}

fn endpoint(method: Method, rest: &str, id: &'static str, permission: &'static str) -> Endpoint {
    Endpoint {
        parameters: vec![module_name()],
        problems: vec![Code::NotFound],
        ..Endpoint::new(method, format!("/api/v1/policy-modules{rest}"), id, "PolicyModule", permission)
    }
}

impl From<&ModuleRow> for PolicyModule {
    fn from(row: &ModuleRow) -> Self {
        PolicyModule {
            name: row.name.clone(),
            version: row.version,
            description: row.purpose(),
            message: row.message.clone(),
            sha256: row.sha256.clone(),
            author_id: row.author_id,
            created_at: row.created_at,
        }
    }
}

fn list() -> Endpoint {
    Endpoint {
        summary: "List modules".into(),
        description: "The newest version of each, by name, without its source.".into(),
        parameters: Vec::new(),
        responses: vec![Answer::json(
            200,
            "The modules.",
            schema::schema::<PolicyModuleList>(),
            json!({"items": [example()]}),
        )],
        problems: Vec::new(),
        ..endpoint(Method::GET, "", "list_policy_modules", "policy.read")
    }
}

async fn list_modules(call: Call) -> Result<HttpResponse> {
    let rows = call.read(|reading| ModuleRow::newest(reading.connection)).await?;
    Ok(HttpResponse::Ok().json(PolicyModuleList { items: rows.iter().map(PolicyModule::from).collect() }))
}

fn shown(answer: Answer) -> Answer {
    answer.header("ETag", "Its version, for `If-Match`.")
}

fn get() -> Endpoint {
    Endpoint {
        summary: "Read a module".into(),
        description: "The newest version, with its source and the policies that use the module.".into(),
        responses: vec![
            shown(Answer::json(200, "The module.", schema::schema::<PolicyModuleInFull>(), in_full())),
            Answer::empty(304, "You have this version already."),
        ],
        ..endpoint(Method::GET, "/{name}", "get_policy_module", "policy.read")
    }
}

async fn get_module(
    call: Call,
    studio: web::Data<Studio>,
    name: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let row = call.read(move |reading| newest(reading.connection, &name)).await?;
    let tag = (header::ETAG, etag(row.version));
    if is_known(&request, row.version) {
        return Ok(HttpResponse::NotModified().insert_header(tag).finish());
    }
    let whole = studio.run(&call, move |bench| bench.module_in_full(row)).await?;
    Ok(HttpResponse::Ok().insert_header(tag).json(whole))
}

const PUT: &str = "A new version: the policies that use the module go on with the version that they are pinned to, until a version \
of theirs is written anew. It holds functions alone: it looks and computes, and says no effect and no rule. Refused \
where its check finds an error or one of its tests is red. `If-Match` is needed for a module that is there.";

fn put() -> Endpoint {
    let changed = |status, text: &'static str| {
        shown(Answer::json(status, text, schema::schema::<PolicyModuleInFull>(), in_full()))
    };
    Endpoint {
        summary: "Make a module, or write a new version of it".into(),
        description: PUT.into(),
        parameters: vec![module_name(), if_match(false), dry_run(), reason()],
        request: Some(Content::json(
            schema::schema::<NewPolicyModule>(),
            json!({"source": SOURCE, "message": "Silver is no longer critical."}),
        )),
        responses: vec![
            changed(200, "A new version was written."),
            changed(201, "It was made.").header("Location", "Where it is."),
        ],
        problems: vec![Code::Invalid, Code::PreconditionRequired],
        ..endpoint(Method::PUT, "/{name}", "put_policy_module", "policy.write")
    }
}

async fn put_module(
    call: Call,
    studio: web::Data<Studio>,
    name: web::Path<String>,
    Body(new): Body<NewPolicyModule>,
) -> Result<HttpResponse> {
    check_name(&name)?;
    check_length("/message", &new.message, 1_000)?;
    let (name, asked, source) = (name.into_inner(), call.clone(), new.source.clone());
    let diagnostics = studio
        .run(&call, move |bench| {
            let examined = Examined::of_module(&source, &*bench.live()?);
            examined.must_be_green().map(|()| examined.diagnostics)
        })
        .await?;
    call.write(&Value::Null, move |desk| {
        let connection = desk.unit.connection()?;
        let old = ModuleRow::find(connection, &name)?;
        may_replace(&asked, old.as_ref().map(|row| row.version))?;
        let row = ModuleRow {
            name: name.clone(),
            version: old.as_ref().map_or(1, |old| old.version + 1),
            source: new.source.clone(),
            sha256: sha256(&new.source),
            message: new.message.clone(),
            author_id: Some(desk.cause.caller.user),
            created_at: desk.cause.at,
        };
        row.insert(connection)?;
        let whole = in_full_of(connection, row.clone(), diagnostics.clone())?;
        let told = json!({
            "version": [old.as_ref().map(|o| o.version), row.version], "sha256": [old.as_ref().map(|o| &o.sha256), row.sha256],
            "message": [null, row.message],
        });
        let action = if old.is_some() { "updated" } else { "created" };
        desk.tell(action, ("policy_module", &row.name, row.version), &told)?;
        let reply = Reply::ok(serde_json::to_value(whole).map_err(Error::internal)?).at_version(row.version);
        Ok(match old {
            Some(_) => reply,
            None => Reply { status: 201, location: Some(format!("/api/v1/policy-modules/{}", row.name)), ..reply },
        })
    })
    .await
}

fn versions() -> Endpoint {
    Endpoint {
        summary: "List the versions of a module".into(),
        description: "All of them, newest first, without their sources.".into(),
        responses: vec![Answer::json(
            200,
            "The versions.",
            schema::schema::<PolicyModuleList>(),
            json!({"items": [example()]}),
        )],
        ..endpoint(Method::GET, "/{name}/versions", "list_policy_module_versions", "policy.read")
    }
}

async fn list_versions(call: Call, name: web::Path<String>) -> Result<HttpResponse> {
    let rows = call.read(move |reading| ModuleRow::versions(reading.connection, &name)).await?;
    if rows.is_empty() {
        return Err(Error::not_found("module"));
    }
    Ok(HttpResponse::Ok().json(PolicyModuleList { items: rows.iter().map(PolicyModule::from).collect() }))
}

fn version() -> Endpoint {
    Endpoint {
        summary: "Read a version of a module".into(),
        description: "With its source and the policies that use the module, in whatever version.".into(),
        parameters: vec![module_name(), version_number()],
        responses: vec![Answer::json(200, "The version.", schema::schema::<PolicyModuleInFull>(), in_full())],
        ..endpoint(Method::GET, "/{name}/versions/{number}", "get_policy_module_version", "policy.read")
    }
}

async fn get_version(call: Call, studio: web::Data<Studio>, path: web::Path<(String, i32)>) -> Result<HttpResponse> {
    let (name, number) = path.into_inner();
    let row = call.read(move |reading| ModuleRow::version(reading.connection, &name, number)).await?;
    let whole = studio.run(&call, move |bench| bench.module_in_full(row)).await?;
    Ok(HttpResponse::Ok().json(whole))
}

fn diff() -> Endpoint {
    Endpoint {
        summary: "Compare a version of a module with another".into(),
        description: "Line by line, from the version `against` to this one.".into(),
        parameters: vec![
            module_name(),
            version_number(),
            in_query("against", "The number of the other version; the newest, if not given.", whole_number(), 2),
        ],
        responses: vec![Answer::json(
            200,
            "What they differ in.",
            schema::schema::<PolicyModuleDiff>(),
            json!({
                "from": 1, "to": 2,
                "text": "--- version 1\n+++ version 2\n@@ -1,3 +1,3 @@\n fn is_critical(criticality) {\n-    criticality == \"silver\"\n+    criticality == \"gold\"\n }\n",
            }),
        )],
        problems: vec![Code::NotFound, Code::BadQuery],
        ..endpoint(Method::GET, "/{name}/versions/{number}/diff", "diff_policy_module_versions", "policy.read")
    }
}

async fn compare_versions(call: Call, path: web::Path<(String, i32)>, request: HttpRequest) -> Result<HttpResponse> {
    let ((name, number), against) = (path.into_inner(), desk::number(&request, "against")?);
    let diff = call.read(move |reading| {
        let to = ModuleRow::version(reading.connection, &name, number)?;
        let from = match against {
            Some(against) => ModuleRow::version(reading.connection, &name, against)?,
            None => newest(reading.connection, &name)?,
        };
        let header = [&from, &to].map(|row| format!("version {}", row.version));
        let text = TextDiff::from_lines(&from.source, &to.source);
        let text = text.unified_diff().header(&header[0], &header[1]).to_string();
        Ok(PolicyModuleDiff { from: from.version, to: to.version, text })
    });
    Ok(HttpResponse::Ok().json(diff.await?))
}

fn newest(connection: &mut AnyConnection, name: &str) -> Result<ModuleRow> {
    ModuleRow::find(connection, name)?.ok_or_else(|| Error::not_found("module"))
}

fn in_full_of(
    connection: &mut AnyConnection,
    row: ModuleRow,
    diagnostics: Vec<Diagnostic>,
) -> Result<PolicyModuleInFull> {
    let mut used_by = Vec::new();
    for policy in PolicyRow::all(connection)? {
        let Some(number) = policy.active_version else { continue };
        let uses = policy.version(connection, number)?.uses()?;
        used_by.extend(uses.modules.get(&row.name).map(|module_version| PolicyModuleUse {
            policy: policy.name.clone(),
            version: number,
            module_version: *module_version,
        }));
    }
    Ok(PolicyModuleInFull { module: PolicyModule::from(&row), source: row.source, diagnostics, used_by })
}

impl Bench {
    fn module_in_full(&self, row: ModuleRow) -> Result<PolicyModuleInFull> {
        let diagnostics = Examined::of_module(&row.source, &*self.live()?).diagnostics;
        self.database.read_here(|connection| in_full_of(connection, row, diagnostics))
    }
}
