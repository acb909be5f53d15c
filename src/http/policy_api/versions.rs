//! Versions of a policy: write, check, publish, roll back.

use actix_web::{HttpResponse, http::Method, web};
use serde_json::{Value, json};

use super::{
    Studio, check_length,
    declare::{policy_id, version_number},
    pins,
    policies::{changed, reply},
    same_version,
    shape::{
        NewPolicyVersion, PolicyTestReport, PolicyVersion, PolicyVersionInFull, PolicyVersionList, Publication,
        Rollback,
    },
};
use crate::{
    clock::Moment,
    error::{Code, Error, Result},
    http::{
        body::{Body, MaybeBody},
        desk::{Call, Reply},
        endpoint::{Access, Answer, Content, Endpoint},
        mount::Api,
        parameter::{dry_run, idempotency_key, if_match, reason},
        schema,
    },
    policy::{
        diagnostic::Diagnostic,
        program::MAX_SOURCE,
        publish::{Examined, go_live, must_be_allowed, must_not_be_live},
        store::{PolicyRow, VersionRow, Written, build_now},
    },
    record::store::Desk,
};

pub(super) fn mount(api: &mut Api) {
    api.mount(list(), list_versions).mount(create(), create_version).mount(get(), get_version);
    api.mount(test(), test_version).mount(publish(), publish_version).mount(rollback(), roll_back);
    api.mount(unschedule(), unschedule_version);
}

const SOURCE: &str = "//! Payments go to their own desk.\n\nfn route(incident) {\n    rule \"Payments\"\n        when incident.category == \"payments\"\n        then assign(\"payments\");\n}\n\nfn test_payments() {\n    expect(route(incident(#{ category: \"payments\" })), \"payments\");\n}\n";

/// An example of a version in a state.
pub(super) fn summary(state: &str) -> Value {
    json!({
        "number": 3, "state": state, "message": "Payments get a desk of their own.",
        "sha256": "9f2b1c0e8d7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c",
        "author_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f", "created_at": "2026-03-05T16:40:00Z", "published_at": null, "publish_at": null,
    })
}

fn in_full() -> Value {
    let mut example = summary("draft");
    example["uses"] = json!({"modules": {"criticality": 2}, "tables": {}});
    example["source"] = SOURCE.into();
    example["diagnostics"] = json!([diagnostic()]);
    example
}

/// An example of a diagnostic.
pub(super) fn diagnostic() -> Value {
    json!({
        "code": "unknown_field", "severity": "error", "line": 5, "column": 23, "end_line": 5, "end_column": 30,
        "message": "incident has no field `urgancy`; did you mean `urgency`?", "suggestion": "urgency",
    })
}

fn list() -> Endpoint {
    Endpoint {
        method: Method::GET,
        path: "/api/v1/policies/{id}/versions".into(),
        id: "list_policy_versions".into(),
        tag: "Policy".into(),
        access: Access::Permission("policy.read".into()),
        summary: "List the versions of a policy".into(),
        description: "All of them, newest first, without their sources.".into(),
        parameters: vec![policy_id()],
        request: None,
        responses: vec![Answer::json(
            200,
            "The versions.",
            schema::schema::<PolicyVersionList>(),
            json!({"items": [summary("draft")]}),
        )],
        problems: vec![Code::NotFound],
    }
}

async fn list_versions(call: Call, id: web::Path<String>) -> Result<HttpResponse> {
    let rows = call.read(move |r| PolicyRow::find(r.connection, &id)?.versions(r.connection)).await?;
    Ok(HttpResponse::Ok().json(PolicyVersionList { items: rows.iter().map(PolicyVersion::from).collect() }))
}

fn create() -> Endpoint {
    Endpoint {
        method: Method::POST,
        path: "/api/v1/policies/{id}/versions".into(),
        id: "create_policy_version".into(),
        tag: "Policy".into(),
        access: Access::Permission("policy.write".into()),
        summary: "Write a version of a policy".into(),
        description:
            "It is a draft, and never changes. It is kept whatever is wrong with it; what is wrong is in `diagnostics`. It is pinned to the newest version of each module that it uses."
                .into(),
        parameters: vec![policy_id(), dry_run(), idempotency_key(), reason()],
        request: Some(Content::json(
            schema::schema::<NewPolicyVersion>(),
            json!({"source": SOURCE, "message": "Payments get a desk of their own."}),
        )),
        responses: vec![
            Answer::json(201, "It was written.", schema::schema::<PolicyVersionInFull>(), in_full())
                .header("Location", "Where it is."),
        ],
        problems: vec![Code::NotFound, Code::Invalid],
    }
}

async fn create_version(
    call: Call,
    studio: web::Data<Studio>,
    id: web::Path<String>,
    Body(new): Body<NewPolicyVersion>,
) -> Result<HttpResponse> {
    check_length("/message", &new.message, 1_000)?;
    if new.source.len() > MAX_SOURCE {
        let detail = format!("The source has {} bytes; at most {MAX_SOURCE} are allowed.", new.source.len());
        return Err(Error::invalid("/source", "too_long", detail));
    }
    let body = serde_json::to_value(&new).map_err(Error::internal)?;
    let (name, source) = (id.clone(), new.source.clone());
    let (uses, diagnostics) = studio
        .run(&call, move |bench| {
            let (policy, (uses, build)) = bench.database.read_here(|connection| {
                let policy = PolicyRow::find(connection, &name)?;
                let built = build_now(connection, &source, new.keep_tables)?;
                Ok((policy, built))
            })?;
            let diagnostics = bench.diagnose(&*bench.live()?, (policy.decision()?, Some(&policy.kind)), &build);
            Ok((uses, diagnostics))
        })
        .await?;
    call.write(&body, move |desk| {
        let connection = desk.unit.connection()?;
        let policy = PolicyRow::find(connection, &id)?;
        let author = Some(desk.cause.caller.user);
        let written = Written { source: &new.source, message: &new.message, author, uses: uses.clone() };
        let row = policy.add_version(connection, &written, desk.cause.at)?;
        let told = json!({
            "number": [null, row.number], "sha256": [null, row.sha256], "message": [null, row.message],
            "uses": [null, uses],
        });
        desk.tell("version_written", ("policy", policy.id.as_str(), policy.version), &told)?;
        let location = format!("/api/v1/policies/{}/versions/{}", policy.name, row.number);
        let written = full(row, diagnostics.clone())?;
        Ok(Reply::created(location, serde_json::to_value(written).map_err(Error::internal)?))
    })
    .await
}

fn full(row: VersionRow, diagnostics: Vec<Diagnostic>) -> Result<PolicyVersionInFull> {
    Ok(PolicyVersionInFull { version: PolicyVersion::from(&row), uses: row.uses()?, source: row.source, diagnostics })
}

fn get() -> Endpoint {
    Endpoint {
        method: Method::GET,
        path: "/api/v1/policies/{id}/versions/{number}".into(),
        id: "get_policy_version".into(),
        tag: "Policy".into(),
        access: Access::Permission("policy.read".into()),
        summary: "Read a version of a policy".into(),
        description: "With its source, and everything that is wrong with it as things are now.".into(),
        parameters: vec![policy_id(), version_number()],
        request: None,
        responses: vec![Answer::json(200, "The version.", schema::schema::<PolicyVersionInFull>(), in_full())],
        problems: vec![Code::NotFound],
    }
}

async fn get_version(call: Call, studio: web::Data<Studio>, path: web::Path<(String, i32)>) -> Result<HttpResponse> {
    let (id, number) = path.into_inner();
    let shown = studio
        .run(&call, move |bench| {
            let (policy, row, build) = bench.stored(&id, number)?;
            full(row, bench.diagnose(&*bench.live()?, (policy.decision()?, Some(&policy.kind)), &build))
        })
        .await?;
    Ok(HttpResponse::Ok().json(shown))
}

fn test() -> Endpoint {
    Endpoint {
        method: Method::POST,
        path: "/api/v1/policies/{id}/versions/{number}/test".into(),
        id: "test_policy_version".into(),
        tag: "Policy".into(),
        access: Access::Permission("policy.read".into()),
        summary: "Run the tests of a version".into(),
        description: "Runs every `test_*` function and every row of `cases()` on made-up records, with the live tables, where any team and any user is there; then the decisions that are pinned, on what they were made on. Tells what of the script they reach. Nothing is stored.".into(),
        parameters: vec![policy_id(), version_number()],
        request: None,
        responses: vec![Answer::json(200, "What they came to.", schema::schema::<PolicyTestReport>(), json!({
            "green": false, "passed": 6, "failed": 1,
            "tests": [{
                "name": "test_payments", "kind": "function", "line": 9, "column": 4, "pin": null, "passed": false, "microseconds": 84,
                "error": {
                    "code": "expectation", "line": 10, "column": 5,
                    "message": "expected the text \"payments\", got service-desk by rule \"Everything else\" (line 7)",
                },
            }],
            "coverage": coverage(),
            "diagnostics": [],
        }))],
        problems: vec![Code::NotFound],
    }
}

/// An example of what tests reach.
fn coverage() -> Value {
    json!({
        "lines": {"covered": 4, "total": 5, "percent": 80.0}, "branches": {"covered": 3, "total": 4, "percent": 75.0},
        "rules": [{"name": "Payments", "line": 5, "fits": true, "misses": false}],
        "uncovered": [{
            "gap": "never_false", "line": 5, "column": 14, "end_line": 5, "end_column": 45,
            "message": "in no test does rule \"Payments\" not fit",
        }],
        "unfollowed": 0,
    })
}

async fn test_version(call: Call, studio: web::Data<Studio>, path: web::Path<(String, i32)>) -> Result<HttpResponse> {
    let (id, number) = path.into_inner();
    Ok(HttpResponse::Ok().json(PolicyTestReport::of(examined(&call, &studio, id, number).await?)))
}

/// What the checks and tests of a stored version come to.
pub(super) async fn examined(call: &Call, studio: &Studio, id: String, number: i32) -> Result<Examined> {
    studio.run(call, move |bench| bench.examine(&id, number, &[])).await
}

fn publish() -> Endpoint {
    Endpoint {
        method: Method::POST,
        path: "/api/v1/policies/{id}/versions/{number}/publish".into(),
        id: "publish_policy_version".into(),
        tag: "Policy".into(),
        access: Access::Permission("policy.publish".into()),
        summary: "Make a version live".into(),
        description: "Needs what the operator asks for: approvals, a back-test (`GET …/review` tells what is missing). With `at`, it goes live by itself then, if it still may. Refused when anything of level error is wrong with it or a test of it is red: each is in `errors`, with line and column in its `detail`. So it is when the tests reach less than the policy asks for, or when it comes to something else than what is pinned; pins that are meant to be red are named in `supersede_pins`, and let go of. It decides at once on this node, and within a second on all others; the version that was live is retired.".into(),
        parameters: vec![policy_id(), version_number(), if_match(false), dry_run(), idempotency_key(), reason()],
        request: Some(
            Content::json(schema::schema::<Publication>(), json!({"at": "2026-03-09T12:00:00Z"})).optional(),
        ),
        responses: vec![changed()],
        problems: vec![Code::NotFound, Code::Invalid, Code::Conflict, Code::Stale],
    }
}

async fn publish_version(
    call: Call,
    studio: web::Data<Studio>,
    path: web::Path<(String, i32)>,
    MaybeBody(asked): MaybeBody<Publication>,
) -> Result<HttpResponse> {
    let ((id, number), asked) = (path.into_inner(), asked.unwrap_or_default());
    let (name, superseded) = (id.clone(), asked.supersede_pins.clone());
    if !superseded.is_empty() && asked.at.is_some_and(|at| at > call.cause.at) {
        let detail = "Pins are superseded as a version goes live: publish it at once, or delete them.";
        return Err(Error::invalid("/supersede_pins", "contradiction", detail));
    }
    // What was changed on another node a moment ago counts, too.
    studio.policies.expire();
    let examined = studio.run(&call, move |bench| bench.examine(&name, number, &superseded)).await?;
    examined.must_be_green()?;
    let (expected, rules, at) = (call.expected_if_given(), studio.rules.clone(), asked.at);
    let body = serde_json::to_value(&asked).map_err(Error::internal)?;
    let answer = call
        .write(&body, move |desk| {
            let connection = desk.unit.connection()?;
            let policy = PolicyRow::find(connection, &id)?;
            same_version(&expected, policy.version)?;
            examined.must_stand(connection, &policy)?;
            let version = policy.version(connection, number)?;
            must_be_allowed(connection, &rules, &version)?;
            pins::supersede(desk, &policy, &asked.supersede_pins)?;
            match at.filter(|at| *at > desk.cause.at) {
                None => reply(&go_live(desk, policy, number, "published")?),
                Some(at) => reply(&scheduled(desk, policy, version, Some(at))?),
            }
        })
        .await?;
    studio.policies.expire();
    Ok(answer)
}

/// Lets a version go live by itself later, or not, after all.
fn scheduled(
    desk: &mut Desk<'_, '_>,
    mut policy: PolicyRow,
    mut version: VersionRow,
    at: Option<Moment>,
) -> Result<PolicyRow> {
    must_not_be_live(&policy, version.number)?;
    let (before, by) = (version.publish_at, desk.cause.caller.user);
    let connection = desk.unit.connection()?;
    version.schedule(connection, at.map(|at| (at, by)))?;
    policy.touch(connection, desk.cause.at)?;
    let told = json!({"number": [null, version.number], "publish_at": [before, at]});
    desk.tell("scheduled", ("policy", policy.id.as_str(), policy.version), &told)?;
    Ok(policy)
}

fn unschedule() -> Endpoint {
    Endpoint {
        method: Method::POST,
        path: "/api/v1/policies/{id}/versions/{number}/unschedule".into(),
        id: "unschedule_policy_version".into(),
        tag: "Policy".into(),
        access: Access::Permission("policy.publish".into()),
        summary: "Don't let a version go live by itself".into(),
        description: "It was to be published later, and is not, after all.".into(),
        parameters: vec![policy_id(), version_number(), dry_run(), idempotency_key(), reason()],
        request: None,
        responses: vec![changed()],
        problems: vec![Code::NotFound, Code::Conflict],
    }
}

async fn unschedule_version(call: Call, path: web::Path<(String, i32)>) -> Result<HttpResponse> {
    let (id, number) = path.into_inner();
    call.write(&Value::Null, move |desk| {
        let connection = desk.unit.connection()?;
        let policy = PolicyRow::find(connection, &id)?;
        let version = policy.version(connection, number)?;
        if version.publish_at.is_none() {
            return Err(Error::new(Code::Conflict, "It is not to go live by itself."));
        }
        reply(&scheduled(desk, policy, version, None)?)
    })
    .await
}

fn rollback() -> Endpoint {
    Endpoint {
        method: Method::POST,
        path: "/api/v1/policies/{id}/rollback".into(),
        id: "roll_back_policy".into(),
        tag: "Policy".into(),
        access: Access::Permission("policy.publish".into()),
        summary: "Make an older version live again".into(),
        description: "The version that was live before, or the one that `to` names, which must have been live once. No test is run: going back must never wait. Doing it again goes further back.".into(),
        parameters: vec![policy_id(), if_match(false), dry_run(), idempotency_key(), reason()],
        request: Some(Content::json(schema::schema::<Rollback>(), json!({"to": 2})).optional()),
        responses: vec![changed()],
        problems: vec![Code::NotFound, Code::Invalid, Code::Conflict, Code::Stale],
    }
}

async fn roll_back(
    call: Call,
    studio: web::Data<Studio>,
    id: web::Path<String>,
    MaybeBody(asked): MaybeBody<Rollback>,
) -> Result<HttpResponse> {
    let (asked, expected) = (asked.unwrap_or_default(), call.expected_if_given());
    let body = serde_json::to_value(&asked).map_err(Error::internal)?;
    let answer = call
        .write(&body, move |desk| {
            let policy = PolicyRow::find(desk.unit.connection()?, &id)?;
            same_version(&expected, policy.version)?;
            let number = target(desk, &policy, asked.to)?;
            reply(&go_live(desk, policy, number, "rolled_back")?)
        })
        .await?;
    studio.policies.expire();
    Ok(answer)
}

/// The version to go back to.
fn target(desk: &mut Desk<'_, '_>, policy: &PolicyRow, to: Option<i32>) -> Result<i32> {
    let connection = desk.unit.connection()?;
    let Some(number) = to else {
        let before = policy.last_good(connection)?.map(|v| v.number);
        return before.ok_or_else(|| Error::new(Code::Conflict, "No version was live before."));
    };
    let unknown = |_| Error::invalid("/to", "no_such_reference", format!("There is no version {number}."));
    if policy.version(connection, number).map_err(unknown)?.published_at.is_none() {
        let detail = format!("Version {number} was never live; publish it.");
        return Err(Error::invalid("/to", "never_live", detail));
    }
    Ok(number)
}
