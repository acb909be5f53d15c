//! Approving, rejecting, and taking back what was asked.

use actix_web::{HttpResponse, http::Method, web};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{answer, approval_id, check_version, endpoint, shape};
use crate::{
    error::{Code, Error, Result},
    http::{
        body::{Body, fit},
        desk::Call,
        endpoint::{Access, Answer, Content, Endpoint},
        mount::Api,
        parameter::{self, dry_run, idempotency_key, if_match, reason},
        schema::schema,
    },
    id::UserId,
    record::approval::{
        ask::{self, PROSE},
        row::{APPROVE, REJECT},
        shown::Approval,
        vote::{self, Ballot},
    },
};

/// Mounts them.
pub(super) fn mount(api: &mut Api) {
    api.mount(approve(), async |call: Call, id: web::Path<String>, Body(body): Body<Value>| {
        let ApprovalVote { comment, in_name_of } = fit(body.clone())?;
        cast(call, &id, &body, Ballot { vote: APPROVE, comment, in_name_of }).await
    });
    api.mount(reject(), async |call: Call, id: web::Path<String>, Body(body): Body<Value>| {
        let ApprovalRejection { comment, in_name_of } = fit(body.clone())?;
        cast(call, &id, &body, Ballot { vote: REJECT, comment, in_name_of }).await
    });
    api.mount(withdraw(), withdraw_approval);
}

/// What somebody says who approves.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ApprovalVote {
    /// What they say about it.
    #[serde(default)]
    #[schema(required = false, max_length = 4000)]
    comment: String,
    /// In whose name, where there are several; their own when they are asked themselves, or else that of the first whom they stand
    /// in for.
    #[serde(default)]
    #[schema(required = false)]
    in_name_of: Option<UserId>,
}

/// What somebody says who rejects.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ApprovalRejection {
    /// Why.
    #[schema(min_length = 1, max_length = 4000)]
    comment: String,
    /// In whose name, where there are several; their own when they are asked themselves, or else that of the first whom they stand
    /// in for.
    #[serde(default)]
    #[schema(required = false)]
    in_name_of: Option<UserId>,
}

/// Why something is taken back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ApprovalWithdrawal {
    /// Why.
    #[serde(default)]
    #[schema(required = false, max_length = 4000)]
    comment: String,
}

fn act(rest: &str, id: &'static str, access: Access, request: Content, example: Value) -> Endpoint {
    Endpoint {
        parameters: vec![parameter::id("approval"), if_match(false), dry_run(), idempotency_key(), reason()],
        request: Some(request),
        responses: vec![
            Answer::json(200, "The approval as it is now.", schema::<Approval>(), example)
                .header("ETag", "Its version, for `If-Match`."),
        ],
        problems: vec![Code::NotFound, Code::Conflict, Code::Invalid, Code::Stale],
        ..endpoint(Method::POST, rest, id, access)
    }
}

fn decides() -> Access {
    Access::OwnPart(vote::PERMISSION.into())
}

/// The example after a vote.
fn voted(vote: &str, comment: &str, state: &str) -> Value {
    let mut example = shape::example();
    let voter = &mut example["stages"][0]["voters"][0];
    voter["vote"] = vote.into();
    voter["comment"] = comment.into();
    voter["voted_at"] = "2026-03-02T09:00:00Z".into();
    voter["voted_by_id"] = voter["user_id"].clone();
    voter["via"] = "api".into();
    example["state"] = state.into();
    example["version"] = 2.into();
    example
}

fn approve() -> Endpoint {
    let body = json!({"comment": "The window is announced."});
    Endpoint {
        summary: "Approve".into(),
        description: "In the stage that is open, once, for yourself or for somebody whom you stand in for. Enough approvals decide a stage, \
                      and let the next one open. Who has a part in the record is refused, and so is who was not asked."
            .into(),
        ..act(
            "/{id}/approve",
            "approve_approval",
            decides(),
            Content::json(schema::<ApprovalVote>(), body),
            voted("approve", "The window is announced.", "pending"),
        )
    }
}

fn reject() -> Endpoint {
    let body = json!({"comment": "Not at the end of a quarter."});
    Endpoint {
        summary: "Reject".into(),
        description: "As approving, with a comment that says why. The approval is rejected as soon as its quorum can't be reached any more."
            .into(),
        ..act(
            "/{id}/reject",
            "reject_approval",
            decides(),
            Content::json(schema::<ApprovalRejection>(), body),
            voted("reject", "Not at the end of a quarter.", "rejected"),
        )
    }
}

async fn cast(call: Call, id: &str, body: &Value, ballot: Ballot) -> Result<HttpResponse> {
    let (id, expected) = (approval_id(id)?, call.expected_if_given());
    call.write(body, move |desk| {
        let (case, record) = vote::seen(desk, id)?;
        check_version(&case, &expected)?;
        let case = vote::vote(desk, case, &record, &ballot)?;
        answer(&Approval::of(&case, &record)?, case.approval.version)
    })
    .await
}

fn withdraw() -> Endpoint {
    let mut example = shape::example();
    example["state"] = "withdrawn".into();
    Endpoint {
        summary: "Take back what was asked".into(),
        description: "While it is pending: who asked, and who may change the record.".into(),
        ..act(
            "/{id}/withdraw",
            "withdraw_approval",
            Access::Permission(ask::PERMISSION.into()),
            Content::json(schema::<ApprovalWithdrawal>(), json!({"comment": "The supplier comes a week later."})),
            example,
        )
    }
}

async fn withdraw_approval(call: Call, id: web::Path<String>, Body(body): Body<Value>) -> Result<HttpResponse> {
    let (id, expected) = (approval_id(&id)?, call.expected_if_given());
    let ApprovalWithdrawal { comment } = fit(body.clone())?;
    if comment.chars().count() > PROSE {
        return Err(Error::invalid("/comment", "too_long", format!("`comment` has at most {PROSE} characters.")));
    }
    call.write(&body, move |desk| {
        let (case, record) = vote::seen(desk, id)?;
        check_version(&case, &expected)?;
        let case = vote::withdraw(desk, case, &record, &comment)?;
        answer(&Approval::of(&case, &record)?, case.approval.version)
    })
    .await
}
