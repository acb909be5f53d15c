//! Known errors that fit an incident while it is typed.

use actix_web::{HttpResponse, http::Method};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::PROBLEM;
use crate::{
    error::{Code, Result},
    http::{
        body::{Body, fit},
        desk::{Call, object},
        endpoint::{Access, Answer, Content, Endpoint},
        mount::Api,
        schema::schema,
    },
    practice::problem::{
        known_error::{KnownError, Typed, suggest},
        sight::TELLS,
    },
    record::input::{Occasion, accept, is_empty},
};

pub(super) fn mount(api: &mut Api) {
    api.mount(endpoint(), suggest_known_errors);
}

/// Known errors that fit.
#[derive(Debug, Serialize, ToSchema)]
struct KnownErrors {
    /// What fits best comes first; at most 10.
    items: Vec<KnownError>,
}

fn endpoint() -> Endpoint {
    let example = json!({"items": [{
        "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f", "number": "PRB0000003", "title": "Mail stops when the disk is full",
        "symptom": "Mail does not arrive", "cause": "Old logs are kept", "workaround": "Empty /var/log", "error_code": "452 4.3.1",
        "known_error_at": "2026-03-02T08:15:00Z", "score": 6, "because": ["service", "words"],
    }]});
    let typed = json!({"title": "Mail does not arrive", "description": "Since noon.", "service_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70"});
    Endpoint {
        method: Method::POST,
        path: "/api/v1/known-errors/suggest".into(),
        id: "suggest_known_errors".into(),
        tag: PROBLEM.label.into(),
        access: Access::Either(PROBLEM.permission("read").into(), TELLS.into()),
        summary: "Find known errors for an incident that is being typed".into(),
        description: "Problems whose cause and workaround are known and whose cause is not gone, by where it happens and by the words of title and \
                      description. Nothing is stored: ask with each pause in typing. Who may not read problems is told of those whose workaround is \
                      published to `public`, as far as they are of their own organisation or an incident of it was told of the workaround; and of these \
                      title, error code and workaround alone."
            .into(),
        parameters: Vec::new(),
        request: Some(Content::json(schema::<Typed>(), typed)),
        responses: vec![Answer::json(200, "What fits.", schema::<KnownErrors>(), example)],
        problems: vec![Code::Invalid],
    }
}

async fn suggest_known_errors(call: Call, Body(body): Body<Value>) -> Result<HttpResponse> {
    let typed: Typed = fit(body.clone())?;
    let given = object(body)?.into_iter().filter(|(_, value)| !is_empty(Some(value))).collect();
    let items = call
        .read(move |reading| {
            // What is typed becomes an incident, and is bound by what one may hold.
            accept(reading.kernel.practice("incident")?.kind(), Occasion::Change, given)?;
            suggest(reading, &typed)
        })
        .await?;
    Ok(HttpResponse::Ok().json(KnownErrors { items }))
}
