//! What somebody would get.

use actix_web::{HttpResponse, http::Method, web};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::template::MailTemplate;
use crate::{
    auth::horizon::Horizon,
    config::Mail,
    error::{Code, Error, Result},
    http::{
        body::Body,
        desk::Call,
        directory_api::{
            change::typed,
            guard::require_over,
            resource::{Resource, visible},
        },
        endpoint::{Answer, Content, Endpoint},
        mount::Api,
        parameter,
        schema::schema,
    },
    id::UserId,
    record::{
        header::Header,
        journal,
        notification::{
            check,
            compose::numbered,
            context::{self, Happening},
            part::Part,
            recipient::Recipient,
            render::Source,
            template::NewMailTemplate,
        },
        store::Reading,
        visibility,
    },
};

/// For whom and about what.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MailPreviewRequest {
    /// The record, by its id or number.
    #[schema(max_length = 40, examples("INC0000042"))]
    record: String,
    /// What is taken to have happened to it.
    #[schema(max_length = 100, examples("incident.resolved"))]
    event: String,
    /// Who gets it; the caller when left out. Needs every permission and the view of that person.
    #[serde(default)]
    #[schema(required = false)]
    recipient_id: Option<UserId>,
    /// The parts that they have in it; the first of the template's audience when left out.
    #[serde(default)]
    #[schema(required = false, max_items = 7)]
    parts: Option<Vec<Part>>,
}

/// The same of a template that is not stored.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UnsavedMailPreviewRequest {
    /// The template.
    template: NewMailTemplate,
    /// For whom and about what.
    about: MailPreviewRequest,
}

/// What somebody would get.
#[derive(Debug, Serialize, ToSchema)]
struct MailPreview {
    /// Who.
    recipient_id: UserId,
    /// The subject.
    subject: String,
    /// The text.
    text: String,
    /// The HTML.
    html: Option<String>,
}

/// Mounts them.
pub(super) fn mount(api: &mut Api) {
    api.mount(unsaved(), preview_unsaved).mount(saved(), preview_saved);
}

fn endpoint(rest: &str, operation: &'static str) -> Endpoint {
    let example = json!({
        "recipient_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70", "subject": "[INC0000042] Mail does not arrive: resolved",
        "text": "INC0000042 is resolved.\n", "html": null,
    });
    Endpoint {
        responses: vec![Answer::json(200, "What they would get.", schema::<MailPreview>(), example)],
        problems: vec![Code::NotFound, Code::Forbidden, Code::Invalid],
        ..Endpoint::new(
            Method::POST,
            format!("/api/v1/mail-templates/{rest}"),
            operation,
            MailTemplate::NOUN.label,
            MailTemplate::NOUN.manage,
        )
    }
}

const ABOUT: &str = "As the recipient would get it now: in their zone, with what they may read of the record and nothing else. Nothing is sent \
                     and nothing stored. Whoever may not read the record gets no message, and no preview either.";

fn about() -> Value {
    json!({"record": "INC0000042", "event": "incident.resolved"})
}

fn saved() -> Endpoint {
    Endpoint {
        summary: "Preview a mail template".into(),
        description: ABOUT.into(),
        parameters: vec![parameter::id("mail template")],
        request: Some(Content::json(schema::<MailPreviewRequest>(), about())),
        ..endpoint("{id}/preview", "preview_mail_template")
    }
}

async fn preview_saved(
    call: Call,
    id: web::Path<String>,
    settings: web::Data<Mail>,
    Body(body): Body<Value>,
) -> Result<HttpResponse> {
    let asked: MailPreviewRequest = typed(&body, &[])?;
    let made = call
        .read(move |reading| {
            let horizon = Horizon::of(reading.connection, &reading.cause.caller)?;
            let template: MailTemplate = visible(reading.connection, &horizon, &id)?;
            preview(reading, template.source(), template.audience(), &asked, &settings)
        })
        .await?;
    Ok(HttpResponse::Ok().json(made))
}

fn unsaved() -> Endpoint {
    let body = json!({"template": MailTemplate::examples().new, "about": about()});
    Endpoint {
        summary: "Preview a mail template that is not stored".into(),
        description: format!("The template is checked as when it is stored. {ABOUT}").into(),
        request: Some(Content::json(schema::<UnsavedMailPreviewRequest>(), body)),
        ..endpoint("preview", "preview_unsaved_mail_template")
    }
}

async fn preview_unsaved(call: Call, settings: web::Data<Mail>, Body(body): Body<Value>) -> Result<HttpResponse> {
    let UnsavedMailPreviewRequest { template, about } = typed(&body, &[])?;
    let made = call
        .read(move |reading| {
            check::check(reading.kernel, &template.content()).map_err(within)?;
            preview(reading, template.source(), &template.audience, &about, &settings).map_err(within)
        })
        .await?;
    Ok(HttpResponse::Ok().json(made))
}

/// The same error, with the places that it has in a body that holds the template as well.
fn within(mut error: Error) -> Error {
    for fault in &mut error.errors {
        let part = if fault.pointer == RECIPIENT { "about" } else { "template" };
        fault.pointer = format!("/{part}{}", fault.pointer);
    }
    error
}

const RECIPIENT: &str = "/recipient_id";

fn preview(
    reading: &mut Reading<'_>,
    source: Source<'_>,
    audience: &[Part],
    asked: &MailPreviewRequest,
    settings: &Mail,
) -> Result<MailPreview> {
    let (kernel, caller) = (reading.kernel, reading.cause.caller.clone());
    let user = asked.recipient_id.unwrap_or(caller.user);
    let nobody = || Error::invalid(RECIPIENT, "no_such_reference", "There is no such active person with an address.");
    if user != caller.user {
        let horizon = Horizon::of(reading.connection, &caller)?;
        if !horizon.sees_active_user(reading.connection, user)? {
            return Err(nobody());
        }
        require_over(reading.connection, &caller, user)?;
    }
    let header = record(reading, &asked.record)?;
    let recipient = Recipient::load(reading.connection, user)?.ok_or_else(nobody)?;
    let parts = asked.parts.clone().unwrap_or_else(|| audience.first().copied().into_iter().collect());
    let told = recipient.told_of(kernel, reading.connection, header.id, &asked.event, &parts)?;
    let header = told.ok_or_else(|| {
        Error::invalid(RECIPIENT, "not_told", "This person may not be told of that, and so gets no message.")
    })?;
    let kind = kernel.practice(&header.kind)?.kind();
    let newest = journal::of_record(reading, kind, header.id, None, 1)?.first().map(|entry| entry.at);
    let payload = json!({"by": caller.user, "changed": []});
    let at = newest.unwrap_or(header.updated_at);
    let what = Happening { event: &asked.event, at, payload: &payload, parts: &parts };
    let seen = context::of(kernel, reading.connection, &recipient, &header, &what, settings)?;
    let made = source
        .rendered(&seen, recipient.zone)
        .map_err(|fault| Error::invalid(format!("/{}", fault.part), "bad_template", fault.to_string()))?;
    Ok(MailPreview {
        recipient_id: user,
        subject: numbered(&made.subject, &header.number),
        text: made.text,
        html: made.html,
    })
}

/// The record of that id or number, if the caller may read it.
fn record(reading: &mut Reading<'_>, text: &str) -> Result<Header> {
    let absent = || Error::not_found("record");
    let id = Header::id_of(reading.connection, text)?.ok_or_else(absent)?;
    let seen = visibility::among(reading.kernel, reading.connection, &reading.cause.caller, vec![id])?.remove(&id);
    seen.ok_or_else(absent)
}
