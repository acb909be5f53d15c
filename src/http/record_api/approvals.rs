//! The approvals of a record: asking for one, and those that were asked for.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde_json::Value;

use super::{a, beside};
use crate::{
    error::{Code, Error, Result},
    http::{
        approval_api::shape,
        body::{Body, fit},
        desk::{Call, Reply, record_id_of},
        endpoint::{Access, Answer, Content, Endpoint},
        mount::Api,
        parameter::{dry_run, idempotency_key, if_match, reason},
        schema::schema,
        sheet::{self, under},
    },
    record::{
        approval::{
            ask::{self, NewApproval},
            shown::Approval,
            sight::{self, Wanted},
            vote,
        },
        kind::Kind,
    },
};

/// Mounts them for a kind.
pub(super) fn mount(api: &mut Api, kind: &'static Kind) {
    api.mount(list(kind), move |call, id, request| list_approvals(kind, call, id, request));
    api.mount(create(kind), move |call, id, body| ask_for_approval(kind, call, id, body));
}

fn list(kind: &'static Kind) -> Endpoint {
    let mut endpoint = under(kind, Method::GET, "approvals", format!("list_{}_approvals", kind.name));
    endpoint.access = Access::Permission(sight::PERMISSION.into());
    endpoint.summary = format!("List the approvals of {}", a(kind)).into();
    endpoint.description = "Those that are decided and void, too, the newest first.".into();
    sheet::of_pages(&mut endpoint, "A page of approvals.", "Approval", schema::<Approval>(), shape::example());
    endpoint
}

async fn list_approvals(
    kind: &'static Kind,
    call: Call,
    id: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let page = beside::page(
        call,
        (kind, id),
        request,
        0,
        |reading, record, asked| {
            let (after, limit) = (asked.after_id()?, asked.rows());
            let found = sight::found(reading, &Wanted { record: Some(record.id), after, limit, ..Wanted::default() })?;
            found.iter().map(|(case, record)| Approval::of(case, record)).collect()
        },
        |approval| (Vec::new(), approval.id.to_string()),
    );
    page.await
}

fn create(kind: &'static Kind) -> Endpoint {
    let mut endpoint = under(kind, Method::POST, "approvals", format!("request_{}_approval", kind.name));
    endpoint.access = Access::Permission(ask::PERMISSION.into());
    endpoint.summary = format!("Ask for the approval of {}", a(kind)).into();
    endpoint.description = "It is a change of this record: the `ETag` is its new one. Stages follow each other, and who is asked in one is found \
                            out when it opens. A stage whose quorum can't be reached is refused; so is one of people or teams that \
                            you don't see. When a field that it covers changes, the approval is void, granted or not, and asked \
                            for again from its first stage."
        .into();
    endpoint.parameters.extend([if_match(false), dry_run(), idempotency_key(), reason()]);
    endpoint.request = Some(Content::json(schema::<NewApproval>(), shape::new()));
    endpoint.responses = vec![
        Answer::json(201, "It is asked for.", schema::<Approval>(), shape::example())
            .header("Location", "Where it is.")
            .header("ETag", "The record's version, for `If-Match`."),
    ];
    endpoint.problems.extend([Code::Invalid, Code::Conflict, Code::Stale]);
    endpoint
}

async fn ask_for_approval(
    kind: &'static Kind,
    call: Call,
    id: web::Path<String>,
    Body(body): Body<Value>,
) -> Result<HttpResponse> {
    let new: NewApproval = fit(body.clone())?;
    let expected = call.expected_if_given();
    call.write(&body, move |desk| {
        let of = record_id_of(desk.unit.reference(), kind, &id)?;
        let (outcome, made) = expected.try_each(|version| ask::ask(desk, kind, of, version, &new))?;
        let (case, record) = vote::seen(desk, made)?;
        let shown = serde_json::to_value(Approval::of(&case, &record)?).map_err(Error::internal)?;
        Ok(Reply::created(format!("/api/v1/approvals/{made}"), shown).at_version(outcome.version))
    })
    .await
}
