//! What only interactions can do: become an incident.

use actix_web::{HttpResponse, http::Method, web};
use serde_json::{Map, Value, json};
use utoipa::openapi::ObjectBuilder;

use super::{
    body::MaybeBody,
    desk::{Call, Reply, object, record_id_of},
    endpoint::{Access, Answer, Content, Endpoint},
    mount::Api,
    parameter::{dry_run, idempotency_key, if_match, reason, record_id},
    record_api::shape,
    schema::{Shape, named},
};
use crate::{
    error::{Code, Result},
    practice::{incident::IncidentPractice, interaction},
    record::{
        header::Header,
        kind::Kind,
        practice::Practice,
        store::{self, Desk},
    },
};

const INTERACTION: &Kind = &interaction::InteractionPractice::KIND;
const INCIDENT: &Kind = &IncidentPractice::KIND;

/// Mounts it.
pub fn mount(api: &mut Api) {
    api.mount(convert(), convert_interaction);
}

/// Both records.
fn both() -> Shape {
    let (contact, incident) = (shape::record(INTERACTION), shape::record(INCIDENT));
    let object = ObjectBuilder::new()
        .description(Some("A contact and the incident that it became."))
        .property("interaction", contact.reference())
        .required("interaction")
        .property("incident", incident.reference())
        .required("incident");
    named("ConvertedInteraction", object.build()).with(contact).with(incident)
}

fn convert() -> Endpoint {
    let example = json!({"interaction": shape::example(INTERACTION), "incident": shape::example(INCIDENT)});
    Endpoint {
        method: Method::POST,
        path: "/api/v1/interactions/{id}/convert".into(),
        id: "convert_interaction".into(),
        tag: INTERACTION.label.into(),
        access: Access::Permission(INTERACTION.permission("link").into()),
        summary: "Turn an interaction into an incident".into(),
        description: "Makes an incident with what the contact holds and what you add, and links the contact to it; both or neither. Needs the permission `incident.create` as well.".into(),
        parameters: vec![record_id(INTERACTION), if_match(false), dry_run(), idempotency_key(), reason()],
        request: Some(Content::json(shape::change(INCIDENT), json!({"category": "mail"})).optional()),
        responses: vec![
            Answer::json(201, "The incident was made and the contact linked to it.", both(), example)
                .header("ETag", "The version of the interaction, for `If-Match`.")
                .header("Location", "Where the incident is."),
        ],
        problems: vec![
            Code::NotFound,
            Code::IllegalTransition,
            Code::Invalid,
            Code::Stale,
            Code::RefusedByPolicy,
        ],
    }
}

async fn convert_interaction(
    call: Call,
    id: web::Path<String>,
    MaybeBody(body): MaybeBody<Value>,
) -> Result<HttpResponse> {
    let body = body.unwrap_or_else(|| json!({}));
    let (input, expected) = (object(body.clone())?, call.expected_if_given());
    call.write(&body, move |desk| {
        let (header, contact) = contact(desk, &id)?;
        let version = expected.expecting(header.version);
        let (contact, made) = interaction::convert(desk, contact, header.id, version, input.clone())?;
        let location = format!("/api/v1/{}/{}", INCIDENT.plural, made.id);
        let both = json!({"interaction": contact.record, "incident": made.record});
        Ok(Reply::created(location, both).at_version(contact.version))
    })
    .await
}

/// The contact as it is now, if the caller sees it.
fn contact(desk: &mut Desk<'_, '_>, id: &str) -> Result<(Header, Map<String, Value>)> {
    let of = record_id_of(desk.unit.reference(), INTERACTION, id)?;
    let connection = desk.unit.settled(of)?;
    let header = store::visible(desk.kernel, connection, &desk.cause.caller, INTERACTION, of)?;
    let contact = desk.kernel.practice(INTERACTION.name)?.render(connection, vec![header.clone()])?.pop();
    Ok((header, contact.ok_or_else(|| store::absent(INTERACTION))?))
}
