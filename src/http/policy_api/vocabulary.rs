//! What scripts may read and say, for whoever builds an editor.

use actix_web::{HttpResponse, http::Method, web};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::Studio;
use crate::{
    error::Result,
    http::{
        desk::Call,
        endpoint::{Access, Answer, Endpoint},
        mount::Api,
        schema,
    },
    policy::{
        decision::{DECISIONS, DecisionSpec},
        facts,
    },
};

/// What scripts may read and say.
#[derive(Serialize, ToSchema)]
struct PolicyVocabulary {
    /// The decisions: the function that a script defines, what it is given, and what it may say.
    decisions: &'static [DecisionSpec],
    /// The fields of a record: `{name, fields: [{name, type, choices, default, doc}]}`, where `type` is `bool`, `int`,
    /// `decimal`, `text`, `time`, `text_list` or, for what the record refers to, another such object. A made-up record has
    /// the defaults.
    #[schema(value_type = Vec<serde_json::Map<String, serde_json::Value>>)]
    records: Vec<serde_json::Value>,
    /// The fields of a transition, which guards are given.
    #[schema(value_type = serde_json::Map<String, serde_json::Value>)]
    transition: serde_json::Value,
}

pub(super) fn mount(api: &mut Api) {
    let endpoint = Endpoint {
        method: Method::GET,
        path: "/api/v1/policies/vocabulary".into(),
        id: "get_policy_vocabulary".into(),
        tag: "Policy".into(),
        access: Access::Permission("policy.read".into()),
        summary: "What policies may read and say".into(),
        description: "The decisions with their functions and effects, and the fields of records and transitions with types, choices and documentation, custom fields included: for completion and for help. `business_hours()` is Monday to Friday, 08:00 to 18:00 UTC.".into(),
        parameters: Vec::new(),
        request: None,
        responses: vec![Answer::json(200, "The vocabulary.", schema::schema::<PolicyVocabulary>(), json!({
            "decisions": [{
                "decision": "guard", "name": "guard", "function": "check", "arguments": ["record", "transition"],
                "effects": ["refuse", "allow"], "mode": "collect", "fallback": "refuse",
                "doc": "Whether a transition may happen: the record is given as the transition would leave it",
            }],
            "records": [{"name": "incident", "fields": [
                {"name": "urgency", "type": "int", "choices": [], "default": 3, "doc": "1 is the most pressing"},
            ]}],
            "transition": {"name": "transition", "fields": [
                {"name": "to", "type": "text", "choices": [], "default": "new", "doc": "The state after"},
            ]},
        }))],
        problems: Vec::new(),
    };
    api.mount(endpoint, get);
}

async fn get(call: Call, studio: web::Data<Studio>) -> Result<HttpResponse> {
    let live = studio.run(&call, super::Bench::live).await?;
    let written = |schema: &facts::FactSchema| serde_json::to_value(schema).map_err(crate::error::Error::internal);
    Ok(HttpResponse::Ok().json(PolicyVocabulary {
        decisions: DECISIONS,
        records: vec![written(live.schema())?],
        transition: written(&facts::transition())?,
    }))
}
