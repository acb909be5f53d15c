//! Approvals across all records: those that wait for the caller, deciding, links that decide without signing in, and who
//! decides in whose name. How an approval is asked for stands with the records (`record_api::approvals`).

mod delegations;
mod links;
pub(super) mod shape;
mod vote;

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde_json::{Value, json};
use utoipa::openapi::Schema;

use super::{
    desk::{self, Call, Reply},
    endpoint::{Access, Answer, Endpoint, in_query, one_of, yes_or_no},
    entity_tag::{IfMatch, etag, is_known},
    mount::Api,
    parameter,
    schema::schema,
    sheet::{self, Sheet},
};
use crate::{
    error::{Code, Error, FieldError, Result},
    id::RowId,
    record::approval::{
        case::Case,
        row::state,
        shown::Approval,
        sight::{self, Wanted},
    },
};

/// The chapter of the documentation.
pub(super) const TAG: &str = "Approval";

/// Mounts everything.
pub fn mount(api: &mut Api) {
    api.tag(
        TAG,
        "Others agree that a record goes on as it is. An approval has stages in order; in each, people are asked, and a quorum \
         of those who count decides. Who asked for the record, opened it, works on it or asks for the approval never counts. When \
         what was approved changes, the approval is void and asked for again.",
    );
    api.mount(list(), list_approvals).mount(get(), get_approval);
    vote::mount(api);
    links::mount(api);
    delegations::mount(api);
}

fn endpoint(method: Method, rest: &str, id: &'static str, access: Access) -> Endpoint {
    let permission = "";
    let path = format!("/api/v1/approvals{rest}");
    Endpoint { access, problems: vec![Code::NotFound], ..Endpoint::new(method, path, id, TAG, permission) }
}

fn reads() -> Access {
    Access::OwnPart(sight::PERMISSION.into())
}

/// The states of approvals, for parameters.
fn states() -> Schema {
    one_of(state::OF_APPROVALS.iter().copied())
}

fn list() -> Endpoint {
    let page = sheet::shape("Approval", schema::<Approval>());
    let mut parameters = vec![
        in_query("state", "Only those in this state.", states(), "pending"),
        in_query(
            "mine",
            "Only those that wait for your vote, also in the name of somebody whom you stand in for.",
            yes_or_no(),
            true,
        ),
    ];
    parameters.extend(sheet::parameters());
    Endpoint {
        summary: "List approvals".into(),
        description: "The newest first: those of records that you may see, where a role lets you read approvals, those that you asked \
                      for, and those in which you are or were asked, or somebody whom you stand in for. Of a record that you don't \
                      see, they tell its number and title alone."
            .into(),
        parameters,
        responses: vec![
            Answer::json(200, "A page of approvals.", page, json!({"items": [shape::example()], "next_cursor": null}))
                .header("Link", "The `next` page (RFC 8288)."),
        ],
        problems: vec![Code::BadCursor, Code::BadQuery],
        ..endpoint(Method::GET, "", "list_approvals", reads())
    }
}

async fn list_approvals(call: Call, request: HttpRequest) -> Result<HttpResponse> {
    let query = desk::query(&request)?;
    let state = query.iter().find(|(name, _)| name == "state").map(|(_, state)| state.clone());
    if let Some(state) = state.as_deref().filter(|state| !state::OF_APPROVALS.contains(state)) {
        let detail =
            format!("There is no state `{state}` of approvals: it is one of {}.", state::OF_APPROVALS.join(", "));
        let wrong = FieldError::new("state", "not_a_choice", detail.clone());
        return Err(Error::new(Code::BadQuery, detail).with_errors(vec![wrong]));
    }
    let mine = desk::flag(&query, "mine");
    let sheet = Sheet::read(request.path(), query, 0)?;
    let wanted = Wanted { state, mine, after: sheet.after_id()?, limit: sheet.rows(), ..Wanted::default() };
    let asked = sheet.clone();
    let cut = call
        .read(move |reading| {
            let found = sight::found(reading, &wanted)?;
            let shown = found.iter().map(|(case, record)| Approval::of(case, record)).collect::<Result<Vec<_>>>()?;
            asked.cut(shown, |approval| (Vec::new(), approval.id.to_string()))
        })
        .await?;
    Ok(sheet.respond(&cut, None))
}

fn get() -> Endpoint {
    Endpoint {
        summary: "Read an approval".into(),
        description: "With its stages, who is asked in them and what they said. With `If-None-Match`, 304 when you have this version already.".into(),
        parameters: vec![parameter::id("approval")],
        responses: vec![
            Answer::json(200, "The approval.", schema::<Approval>(), shape::example())
                .header("ETag", "Its version, for `If-Match`."),
            Answer::empty(304, "You have this version already."),
        ],
        ..endpoint(Method::GET, "/{id}", "get_approval", reads())
    }
}

async fn get_approval(call: Call, id: web::Path<String>, request: HttpRequest) -> Result<HttpResponse> {
    let id = approval_id(&id)?;
    let approval = call
        .read(move |reading| {
            let (case, record) = sight::visible(reading, id)?;
            Approval::of(&case, &record)
        })
        .await?;
    // The title and number of the record are of another version; they are no condition of a write.
    let tag = (actix_web::http::header::ETAG, etag(approval.version));
    if is_known(&request, approval.version) {
        return Ok(HttpResponse::NotModified().insert_header(tag).finish());
    }
    Ok(HttpResponse::Ok().insert_header(tag).json(approval))
}

/// The id of an approval in a path.
fn approval_id(text: &str) -> Result<RowId> {
    text.parse().map_err(|_| Error::not_found("approval"))
}

/// Refuses a version of an approval other than the one that was seen.
fn check_version(case: &Case, expected: &IfMatch) -> Result<()> {
    let version = case.approval.version;
    if expected.allows(version) {
        return Ok(());
    }
    Err(Error::new(Code::Stale, format!("The approval is at version {version} now; read it again.")))
}

/// An answer with something that has a version.
fn answer(shown: &impl serde::Serialize, version: i32) -> Result<Reply> {
    let body: Value = serde_json::to_value(shown).map_err(Error::internal)?;
    Ok(Reply::ok(body).at_version(version))
}
