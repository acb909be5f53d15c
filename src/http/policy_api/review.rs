//! Review: others than its author look at a version, with everything at hand that speaks for or against it.

use actix_web::{HttpResponse, http::Method, web};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    Studio, check_length,
    declare::{policy_id, version_number},
    diff::{self, PolicyDiff},
    shape::{PolicyTestReport, PolicyVersion},
    versions,
};
use crate::{
    clock::Moment,
    error::{Code, Error, Result},
    http::{
        body::Body,
        desk::{Call, Reply},
        endpoint::{Answer, Content, Endpoint},
        mount::Api,
        parameter::{dry_run, idempotency_key, reason},
        schema,
    },
    id::{RowId, UserId},
    policy::{
        back_test,
        store::{PolicyRow, ReviewRow, VersionRow, state},
    },
    record::{job::JobRow, store::Desk},
};

/// What is said of a version.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPolicyReview {
    /// Whether it may go live; otherwise it goes back to its author.
    approves: bool,
    /// Why. Needed where it is not approved.
    #[serde(default)]
    #[schema(max_length = 4000)]
    comment: String,
}

/// What somebody said of a version.
#[derive(Debug, Serialize, ToSchema)]
struct PolicyReview {
    /// Who.
    reviewer_id: UserId,
    /// Whether it may go live.
    approves: bool,
    /// Why.
    comment: String,
    /// When.
    created_at: Moment,
}

/// All that speaks for or against a version.
#[derive(Debug, Serialize, ToSchema)]
struct PolicyReviewBundle {
    /// The version.
    version: PolicyVersion,
    /// How many others than its author approve of it.
    approvals: usize,
    /// How many have to, before it goes live.
    approvals_needed: usize,
    /// Whether a back-test has to be done before it goes live.
    back_test_needed: bool,
    /// What was said, oldest first.
    reviews: Vec<PolicyReview>,
    /// Its back-tests that are done, the newest first: read them at `/api/v1/back-tests/{id}`.
    back_tests: Vec<RowId>,
    /// What changes against the version that is live; null when none is.
    diff: Option<PolicyDiff>,
    /// What its checks and tests come to now.
    tests: PolicyTestReport,
}

pub(super) fn mount(api: &mut Api) {
    api.mount(submit(), submit_version).mount(review(), review_version).mount(bundle(), get_review);
}

fn endpoint(method: Method, rest: &str, id: &'static str, permission: &'static str) -> Endpoint {
    Endpoint {
        parameters: vec![policy_id(), version_number()],
        responses: vec![Answer::json(
            200,
            "The version.",
            schema::schema::<PolicyVersion>(),
            versions::summary("in_review"),
        )],
        problems: vec![Code::NotFound, Code::Conflict, Code::Invalid],
        ..Endpoint::new(method, format!("/api/v1/policies/{{id}}/versions/{{number}}{rest}"), id, "Policy", permission)
    }
}

fn submit() -> Endpoint {
    Endpoint {
        summary: "Ask others to look at a version".into(),
        description: "Its checks and tests must be green. It is `in_review` until somebody says something.".into(),
        parameters: vec![policy_id(), version_number(), dry_run(), idempotency_key(), reason()],
        ..endpoint(Method::POST, "/submit", "submit_policy_version", "policy.write")
    }
}

async fn submit_version(call: Call, studio: web::Data<Studio>, path: web::Path<(String, i32)>) -> Result<HttpResponse> {
    let (id, number) = path.into_inner();
    versions::examined(&call, &studio, id.clone(), number).await?.must_be_green()?;
    call.write(&Value::Null, move |desk| {
        let (policy, version) = found(desk, &id, number)?;
        if version.state != state::DRAFT {
            return Err(Error::new(Code::Conflict, format!("It is {} already.", version.state)));
        }
        moved(desk, &policy, version, state::IN_REVIEW, "submitted")
    })
    .await
}

fn review() -> Endpoint {
    Endpoint {
        summary: "Approve a version, or give it back".into(),
        description: "Only others than its author. It is `approved` once as many approve as the operator asks for (`policy.approvals`, one at least), and `draft` again as soon as somebody does not; then it can't go live, nor does it by itself, until they say otherwise. A version never changes: whoever edits writes another one, which nobody has approved.".into(),
        parameters: vec![policy_id(), version_number(), dry_run(), idempotency_key(), reason()],
        request: Some(Content::json(
            schema::schema::<NewPolicyReview>(),
            json!({"approves": true, "comment": "Fewer calls for the desk, and the rehearsal shows no loser."}),
        )),
        ..endpoint(Method::POST, "/reviews", "review_policy_version", "policy.approve")
    }
}

async fn review_version(
    call: Call,
    studio: web::Data<Studio>,
    path: web::Path<(String, i32)>,
    Body(new): Body<NewPolicyReview>,
) -> Result<HttpResponse> {
    check_length("/comment", &new.comment, 4_000)?;
    if !new.approves && new.comment.trim().is_empty() {
        return Err(Error::invalid("/comment", "required", "Say what is to be changed."));
    }
    let ((id, number), needed) = (path.into_inner(), studio.rules.approvals.max(1));
    let body = serde_json::to_value(&new).map_err(Error::internal)?;
    call.write(&body, move |desk| {
        let (policy, mut version) = found(desk, &id, number)?;
        let (by, at) = (desk.cause.caller.user, desk.cause.at);
        if version.author_id == Some(by) {
            return Err(Error::new(Code::Conflict, "Somebody other than its author has to look at it."));
        }
        if ![state::IN_REVIEW, state::APPROVED].contains(&version.state.as_str()) {
            let detail = format!("It is {}; nobody has asked for a review.", version.state);
            return Err(Error::new(Code::Conflict, detail));
        }
        let connection = desk.unit.connection()?;
        let (approves, comment) = (new.approves, new.comment.clone());
        let row = ReviewRow {
            id: RowId::new(),
            policy_id: policy.id,
            number,
            reviewer_id: by,
            approves,
            comment,
            created_at: at,
        };
        row.insert(connection)?;
        if !approves {
            version.schedule(connection, None)?;
        }
        let (state, action) = match approves {
            false => (state::DRAFT, "rejected"),
            true if version.approvals(connection)? >= needed => (state::APPROVED, "approved"),
            true => (state::IN_REVIEW, "approved"),
        };
        moved(desk, &policy, version, state, action)
    })
    .await
}

fn found(desk: &mut Desk<'_, '_>, id: &str, number: i32) -> Result<(PolicyRow, VersionRow)> {
    let connection = desk.unit.connection()?;
    let policy = PolicyRow::find(connection, id)?;
    let version = policy.version(connection, number)?;
    Ok((policy, version))
}

fn moved(
    desk: &mut Desk<'_, '_>,
    policy: &PolicyRow,
    mut version: VersionRow,
    state: &str,
    action: &str,
) -> Result<Reply> {
    let told = json!({"number": [null, version.number], "state": [version.state, state]});
    version.set_state(desk.unit.connection()?, state)?;
    desk.tell(action, ("policy", policy.id.as_str(), policy.version), &told)?;
    Ok(Reply::ok(serde_json::to_value(PolicyVersion::from(&version)).map_err(Error::internal)?))
}

fn bundle() -> Endpoint {
    let example = json!({
        "version": versions::summary("in_review"), "approvals": 1, "approvals_needed": 2, "back_test_needed": true,
        "reviews": [{
            "reviewer_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70", "approves": true,
            "comment": "Fewer calls for the desk.", "created_at": "2026-03-05T17:00:00Z",
        }],
        "back_tests": ["01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f"],
        "diff": diff::example(),
        "tests": {"green": true, "passed": 7, "failed": 0, "tests": [], "coverage": null, "diagnostics": []},
    });
    Endpoint {
        summary: "Read what speaks for or against a version".into(),
        description: "For whoever is asked to approve it: what was said of it, its back-tests, what changes against the version that is live, and what its checks and tests come to now.".into(),
        responses: vec![Answer::json(200, "What speaks for it.", schema::schema::<PolicyReviewBundle>(), example)],
        problems: vec![Code::NotFound],
        ..endpoint(Method::GET, "/review", "get_policy_review", "policy.read")
    }
}

async fn get_review(call: Call, studio: web::Data<Studio>, path: web::Path<(String, i32)>) -> Result<HttpResponse> {
    let (id, number) = path.into_inner();
    let examined = versions::examined(&call, &studio, id.clone(), number).await?;
    let (name, rules) = (id.clone(), studio.rules.clone());
    let diff = studio.run(&call, move |bench| bench.diff_to_live(&name, number)).await?;
    let bundle = call
        .read(move |reading| {
            let connection = &mut *reading.connection;
            let policy = PolicyRow::find(connection, &id)?;
            let version = policy.version(connection, number)?;
            let reviews = version.reviews(connection)?.into_iter().map(|row| PolicyReview {
                reviewer_id: row.reviewer_id,
                approves: row.approves,
                comment: row.comment,
                created_at: row.created_at,
            });
            Ok(PolicyReviewBundle {
                approvals: version.approvals(connection)?,
                approvals_needed: rules.approvals,
                back_test_needed: rules.back_test,
                reviews: reviews.collect(),
                back_tests: JobRow::done_about(connection, back_test::KIND, &version.subject())?,
                diff,
                version: PolicyVersion::from(&version),
                tests: PolicyTestReport::of(examined.clone()),
            })
        })
        .await?;
    Ok(HttpResponse::Ok().json(bundle))
}
