//! Who watches a record.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde_json::{Value, json};

use super::{a, beside};
use crate::{
    error::{Error, Result},
    http::{
        desk::{Call, Reply, record_id_of},
        endpoint::{Answer, Endpoint, in_path, uuid},
        mount::Api,
        parameter::{dry_run, if_match, reason},
        schema::schema,
        sheet::{self, under},
    },
    id::{RecordId, UserId},
    record::{
        kind::Kind,
        person::Person,
        store::{Desk, Outcome},
        watcher,
    },
};

/// Mounts them for a kind.
pub(super) fn mount(api: &mut Api, kind: &'static Kind) {
    api.mount(list(kind), move |call, id, request| list_watchers(kind, call, id, request));
    api.mount(add(kind), move |call, path| change(kind, call, path, watcher::add));
    api.mount(remove(kind), move |call, path| change(kind, call, path, watcher::remove));
}

fn list(kind: &'static Kind) -> Endpoint {
    let mut endpoint = under(kind, Method::GET, "watchers", format!("list_{}_watchers", kind.name));
    endpoint.summary = format!("List who watches {}", a(kind)).into();
    endpoint.description = "The people who follow it.".into();
    let person =
        json!({"id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70", "user_name": "ada", "display_name": "Ada Lovelace"});
    sheet::of_pages(&mut endpoint, "A page of people.", "Person", schema::<Person>(), person);
    endpoint
}

async fn list_watchers(
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
        |reading, record, asked| watcher::of_record(reading.connection, record.id, asked.after_id()?, asked.rows()),
        |person| (Vec::new(), person.id.to_string()),
    );
    page.await
}

fn add(kind: &'static Kind) -> Endpoint {
    let mut endpoint = one(kind, Method::PUT, format!("add_{}_watcher", kind.name));
    endpoint.summary = format!("Watch {}, or let somebody watch it", a(kind)).into();
    endpoint.description = format!(
        "It becomes visible to whoever watches it. Whoever sees it may watch it themselves; for others it needs the permission `{}`. Nothing changes when they watch it already.",
        kind.permission("update")
    )
    .into();
    endpoint
}

fn remove(kind: &'static Kind) -> Endpoint {
    let mut endpoint = one(kind, Method::DELETE, format!("remove_{}_watcher", kind.name));
    endpoint.summary = format!("Watch {} no more", a(kind)).into();
    endpoint.description = format!(
        "Everybody for themselves; for others it needs the permission `{}`. Nothing changes when they don't watch it.",
        kind.permission("update")
    )
    .into();
    endpoint
}

fn one(kind: &'static Kind, method: Method, id: String) -> Endpoint {
    let mut endpoint = under(kind, method, "watchers/{user_id}", id);
    let user = in_path("user_id", "The id of the person.", uuid(), "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70");
    endpoint.parameters.extend([user, if_match(true), dry_run(), reason()]);
    endpoint.responses = vec![Answer::empty(204, "It is so.").header("ETag", "The record's version, for `If-Match`.")];
    endpoint
}

type Work = fn(&mut Desk<'_, '_>, &'static Kind, RecordId, Option<i32>, UserId) -> Result<Option<Outcome>>;

async fn change(
    kind: &'static Kind,
    call: Call,
    path: web::Path<(String, String)>,
    work: Work,
) -> Result<HttpResponse> {
    let (id, user) = path.into_inner();
    let expected = call.expected()?;
    let user: UserId = user.parse().map_err(|_| Error::not_found("active user"))?;
    call.write(&Value::Null, move |desk| {
        let of = record_id_of(desk.unit.reference(), kind, &id)?;
        let outcome = expected.try_each(|version| work(desk, kind, of, version, user))?;
        Ok(Reply { version: outcome.map(|o| o.version), ..Reply::empty() })
    })
    .await
}
