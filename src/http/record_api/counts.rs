//! How many records of a list have what in common.

use actix_web::{HttpRequest, HttpResponse, http::Method};
use serde_json::json;
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, path::Parameter};

use super::{
    many,
    read::{asked_of, list_filters},
};
use crate::{
    error::{Code, Result},
    http::{
        desk::{self, Call},
        endpoint::{Access, Answer, Endpoint, in_query, needed, patterned},
        mount::Api,
        parameter,
        query::Query,
        schema::{Shape, named, schema},
    },
    record::{
        kind::Kind,
        list::List,
        query::limit,
        tally::{self, RecordCount},
    },
};

/// Mounts them for a kind.
pub(super) fn mount(api: &mut Api, kind: &'static Kind) {
    api.mount(count(kind), move |call, request| count_records(kind, call, request));
}

/// The parameter that names what records are counted by.
pub(in crate::http) fn by(example: &str) -> Parameter {
    needed(in_query(
        "by",
        "By what they are counted together: 1 to 3 fields, with commas between them. Fields that hold long texts, moments, or records that \
         not everybody sees don't count.",
        patterned(200, "^[a-z0-9_, ]+$"),
        example,
    ))
}

/// The names in that parameter.
pub(in crate::http) fn named_in(query: &Query<'_>) -> Vec<String> {
    let names = query.text("by").unwrap_or_default().split(',').map(str::trim);
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn counts() -> Shape {
    let item = schema::<RecordCount>();
    let items = ArrayBuilder::new().items(item.reference()).description(Some("The most first."));
    let object = ObjectBuilder::new().description(Some("How many records have what in common."));
    named("RecordCounts", object.property("items", items).required("items").build()).with(item)
}

fn count(kind: &'static Kind) -> Endpoint {
    let [filter, q] = list_filters();
    let field = tally::fields(kind).map(|field| field.name).last().unwrap_or_default();
    let example = json!({"items": [{
        "key": {"state": "new"}, "label": {"state": "new"}, "count": 12,
        "first_opened_at": "2026-03-02T08:15:00Z", "last_opened_at": "2026-03-09T10:40:00Z",
    }]});
    Endpoint {
        method: Method::GET,
        path: format!("/api/v1/{}/counts", kind.plural).into(),
        id: format!("count_{}", kind.plural).into(),
        tag: kind.label.into(),
        access: Access::Permission(kind.permission("read").into()),
        summary: format!("Count {}", many(kind)).into(),
        description: "Of those that you may see, and that fit `filter`, `q` and `field=value` pairs as in the list: how many have the same \
                      values of some fields, the most first; `limit` groups at most."
            .into(),
        parameters: vec![by(field), filter, q, parameter::limit()],
        request: None,
        responses: vec![Answer::json(200, "How many.", counts(), example)],
        problems: vec![Code::BadQuery],
    }
}

async fn count_records(kind: &'static Kind, call: Call, request: HttpRequest) -> Result<HttpResponse> {
    let pairs = desk::query(&request)?;
    let (names, mut asked) = (named_in(&Query::of(&pairs)), asked_of(&pairs));
    asked.pairs.retain(|(name, _)| name != "by");
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let fields = tally::named(kind, &names)?;
    let most = i64::from(limit::parse(asked.limit.as_deref())?);
    let items = call
        .read(move |reading| {
            let (caller, now) = (&reading.cause.caller, reading.cause.at);
            let list = List::new(reading.kernel, reading.connection, caller, Some(kind), &asked, now)?;
            list.tally(reading.connection, kind, &fields, most)
        })
        .await?;
    Ok(HttpResponse::Ok().json(json!({"items": items})))
}
