//! Laying a source out, for whoever edits one in a browser.

use actix_web::{HttpResponse, http::Method, web};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::Studio;
use crate::{
    error::{Code, Error, Result},
    http::{
        body::Body,
        desk::Call,
        endpoint::{Access, Answer, Content, Endpoint},
        mount::Api,
        schema,
    },
    policy::{format::format, publish::problem},
};

/// A source as its author wrote it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WrittenPolicy {
    /// The source, of whatever decision.
    source: String,
}

/// A source as it is laid out.
#[derive(Debug, Serialize, ToSchema)]
struct FormattedPolicy {
    /// The source. It means the same, with all its comments.
    source: String,
    /// Whether it is another text than the one that was given.
    changed: bool,
}

pub(super) fn mount(api: &mut Api) {
    let endpoint = Endpoint {
        method: Method::POST,
        path: "/api/v1/policies/format".into(),
        id: "format_policy".into(),
        tag: "Policy".into(),
        access: Access::Permission("policy.read".into()),
        summary: "Lay out a source".into(),
        description: "In the one layout that `pointsman policy fmt` makes, too: indentation, space and line breaks change, its meaning and its comments don't. What was laid out stays as it is. A source that can't be read is refused, with its line and column in `errors`. Nothing is stored.".into(),
        parameters: Vec::new(),
        request: Some(Content::json(
            schema::schema::<WrittenPolicy>(),
            json!({"source": "fn route(incident){leave( )}"}),
        )),
        responses: vec![Answer::json(
            200,
            "The source as it is laid out.",
            schema::schema::<FormattedPolicy>(),
            json!({"source": "fn route(incident) { leave() }\n", "changed": true}),
        )],
        problems: vec![Code::Invalid],
    };
    api.mount(endpoint, format_source);
}

async fn format_source(
    call: Call,
    studio: web::Data<Studio>,
    Body(given): Body<WrittenPolicy>,
) -> Result<HttpResponse> {
    let formatted = studio
        .run(&call, move |_| {
            let source = format(&given.source).map_err(|found| Error::invalid_all(vec![problem(&found)]))?;
            Ok(FormattedPolicy { changed: source != given.source, source })
        })
        .await?;
    Ok(HttpResponse::Ok().json(formatted))
}
