//! One call from a record to another that it gives rise to.

use actix_web::{HttpResponse, http::Method, web};
use serde_json::{Value, json};
use utoipa::openapi::ObjectBuilder;

use super::{a, practice_of, shape};
use crate::error::Code;
use crate::{
    error::Result,
    http::{
        body::MaybeBody,
        desk::{Call, Reply, object, record_id_of},
        endpoint::{Access, Answer, Content, Endpoint},
        mount::Api,
        parameter::{dry_run, idempotency_key, if_match, reason},
        schema::{Shape, named},
        sheet::under,
    },
    practice::{ALL, RAISES},
    record::{
        kind::Kind,
        raise::{self, Raise},
        store,
    },
};

/// Mounts what records of a kind give rise to.
pub(super) fn mount(api: &mut Api, kind: &'static Kind) {
    for raise in RAISES.iter().filter(|raise| raise.from == kind.name) {
        let Some(to) = ALL.iter().map(|practice| practice.kind()).find(|to| to.name == raise.to) else { continue };
        api.mount(endpoint(kind, to, raise), move |call, id, body| raise_record(kind, to, raise, call, id, body));
    }
}

/// Both records.
fn both(kind: &'static Kind, to: &'static Kind) -> Shape {
    let (from, made) = (shape::record(kind), shape::record(to));
    let object = ObjectBuilder::new()
        .description(Some("A record, and the one that it gave rise to."))
        .property(kind.name, from.reference())
        .required(kind.name)
        .property(to.name, made.reference())
        .required(to.name);
    named(format!("{}Raised{}", kind.label, to.label), object.build()).with(from).with(made)
}

fn endpoint(kind: &'static Kind, to: &'static Kind, raise: &'static Raise) -> Endpoint {
    let mut endpoint =
        under(kind, Method::POST, &format!("raise-{}", to.name), format!("raise_{}_from_{}", to.name, kind.name));
    endpoint.access = Access::Permission(kind.permission("update").into());
    endpoint.summary = format!("Raise {} from {}", a(to), a(kind)).into();
    endpoint.description = format!(
        "Makes {} with what this record holds and what you add, and links the two by `{}`; both or neither. Needs the permission \
         `{}.create` as well.",
        a(to),
        raise.relation,
        to.name,
    )
    .into();
    endpoint.parameters.extend([if_match(false), dry_run(), idempotency_key(), reason()]);
    endpoint.request =
        Some(Content::json(shape::change(to), json!({"title": "Mail stops when the disk is full"})).optional());
    let example = json!({kind.name: shape::example(kind), to.name: shape::example(to)});
    endpoint.responses = vec![
        Answer::json(201, "It is made, and linked.", both(kind, to), example)
            .header("ETag", "The version of the record that gave rise to it, for `If-Match`.")
            .header("Location", "Where the new record is."),
    ];
    endpoint.problems.extend([Code::Invalid, Code::Conflict, Code::Stale, Code::RefusedByPolicy]);
    endpoint
}

async fn raise_record(
    kind: &'static Kind,
    to: &'static Kind,
    raise: &'static Raise,
    call: Call,
    id: web::Path<String>,
    MaybeBody(body): MaybeBody<Value>,
) -> Result<HttpResponse> {
    let body = body.unwrap_or_else(|| json!({}));
    let (given, expected) = (object(body.clone())?, call.expected_if_given());
    call.write(&body, move |desk| {
        let of = record_id_of(desk.unit.reference(), kind, &id)?;
        let connection = desk.unit.settled(of)?;
        let header = store::visible(desk.kernel, connection, &desk.cause.caller, kind, of)?;
        let version = expected.expecting(header.version);
        let record = practice_of(desk.kernel, kind)?.render(connection, vec![header])?.pop();
        let record = record.ok_or_else(|| store::absent(kind))?;
        let (from, made) = raise::raise(desk, raise, kind, (of, &record), version, given.clone())?;
        let location = format!("/api/v1/{}/{}", to.plural, made.id);
        let both = json!({kind.name: from.record, to.name: made.record});
        Ok(Reply::created(location, both).at_version(from.version))
    })
    .await
}
