//! A template as it is read and written.

use actix_web::{HttpResponse, http::Method, web};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    auth::horizon::Horizon,
    clock::Moment,
    db::{AnyConnection, Backend, JsonText},
    error::{Code, Result},
    http::{
        desk::{Call, Reply},
        directory_api::{
            change::{DESCRIPTION, NAME, given, line, met, noted, prose, unique},
            page::{Wanted, keyset, narrowed},
            resource::{self, Examples, Noun, Resource, check_version, visible},
        },
        endpoint::{Answer, Endpoint},
        mount::Api,
        parameter::{self, dry_run, if_match, reason},
    },
    id::RowId,
    record::{
        notification::{
            check::{self, Content},
            part::Part,
            render::Source,
            template::{NewMailTemplate, TemplateRow},
        },
        store::Desk,
    },
    schema::mail_template,
};

/// What mail says about an event, in one language.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct MailTemplate {
    /// Its id.
    pub(super) id: RowId,
    /// Its name; each is there once.
    pub(super) name: String,
    /// What it is for.
    description: String,
    /// For which events: `incident.resolved`, `incident.*`, `*.resolved` or `*`.
    event: String,
    /// In which language, as a tag of BCP 47.
    language: String,
    /// Who gets it, of those who may read the record.
    audience: Vec<Part>,
    /// The subject, in Jinja's language.
    subject: String,
    /// The text, in Jinja's language.
    text: String,
    /// The same as HTML.
    #[schema(required = true)]
    html: Option<String>,
    /// Whether it is used.
    active: bool,
    /// Counts its changes; it is the `ETag`.
    version: i32,
    /// When it was added.
    created_at: Moment,
    /// When it was last changed.
    updated_at: Moment,
}

/// A merge patch of a template: what is left out stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MailTemplateChange {
    /// Another name.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 200)]
    name: Option<String>,
    /// What it is for.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 2000)]
    description: Option<String>,
    /// Other events.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 100)]
    event: Option<String>,
    /// Another language.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 35)]
    language: Option<String>,
    /// Others, all of them.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_items = 7)]
    audience: Option<Vec<Part>>,
    /// Another subject.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 400)]
    subject: Option<String>,
    /// Another text.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 32000)]
    text: Option<String>,
    /// Other HTML; null for none.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = Option<String>, max_length = 32000)]
    html: Option<Option<String>>,
    /// Whether it is used.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    active: Option<bool>,
}

/// Mounts list, get, create, patch and delete.
pub(super) fn mount(api: &mut Api) {
    resource::mount::<MailTemplate>(api);
    api.mount(delete(), delete_template);
}

fn delete() -> Endpoint {
    Endpoint {
        summary: "Delete a mail template".into(),
        description:
            "Messages that wait are made by another one that fits, if there is one, and are not sent otherwise.".into(),
        parameters: vec![parameter::id(MailTemplate::NOUN.one), if_match(true), dry_run(), reason()],
        responses: vec![Answer::empty(204, "It is gone.")],
        problems: vec![Code::NotFound, Code::Stale, Code::PreconditionRequired],
        ..Endpoint::new(
            Method::DELETE,
            "/api/v1/mail-templates/{id}".to_owned(),
            "delete_mail_template",
            MailTemplate::NOUN.label,
            MailTemplate::NOUN.manage,
        )
    }
}

async fn delete_template(call: Call, id: web::Path<String>) -> Result<HttpResponse> {
    let expected = call.expected()?;
    call.write(&Value::Null, move |desk| {
        let horizon = Horizon::of(desk.unit.reference(), &desk.cause.caller)?;
        let template: MailTemplate = visible(desk.unit.connection()?, &horizon, &id)?;
        check_version(&template, &expected)?;
        met(template.row()?.delete(desk.unit.connection()?)?)?;
        let gone = json!({"name": [template.name, null], "event": [template.event, null]});
        let (subject, version) = ("mail_template", template.version);
        noted(desk, "mail_template.deleted", subject, template.id.as_str(), version, &gone)?;
        Ok(Reply::empty())
    })
    .await
}

impl MailTemplate {
    /// From its row.
    pub(super) fn of(row: TemplateRow) -> Result<Self> {
        Ok(MailTemplate {
            audience: row.audience.read()?,
            id: row.id,
            name: row.name,
            description: row.description,
            event: row.event,
            language: row.language,
            subject: row.subject,
            text: row.text_body,
            html: row.html_body,
            active: row.active,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }

    /// As a row.
    fn row(&self) -> Result<TemplateRow> {
        Ok(TemplateRow {
            id: self.id,
            name: self.name.clone(),
            description: self.description.clone(),
            event: self.event.clone(),
            language: self.language.clone(),
            audience: JsonText::of(&self.audience)?,
            subject: self.subject.clone(),
            text_body: self.text.clone(),
            html_body: self.html.clone(),
            active: self.active,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }

    /// Its parts.
    pub(super) fn source(&self) -> Source<'_> {
        Source { subject: &self.subject, text: &self.text, html: self.html.as_deref() }
    }

    /// Who gets it.
    pub(super) fn audience(&self) -> &[Part] {
        &self.audience
    }

    fn content(&self) -> Content<'_> {
        Content { event: &self.event, language: &self.language, audience: &self.audience, source: self.source() }
    }
}

fn matching(wanted: &Wanted) -> mail_template::BoxedQuery<'static, Backend> {
    narrowed!(mail_template::table.into_boxed(), Some(wanted), mail_template::name, mail_template::active)
}

impl Resource for MailTemplate {
    const NOUN: Noun = Noun {
        one: "mail template",
        a: "a mail template",
        many: "mail templates",
        label: "MailTemplate",
        about: "Templates say what people are told of an event by mail, in their language, and who they are. Of several that fit, the one \
                that names the event most precisely counts, and of those the one in the reader's language, in that without what \
                narrows it (`de` for `de-AT`), or in the server's own. They are in Jinja's language and see `record` (as the reader may \
                read it), `kind`, `event`, `people`, `team`, `comment`, `work_note`, `comments`, `approval`, `service_level`, `link`, \
                `recipient` and `most`; the filter `local` writes a moment as it is where the reader lives. A name that is not there is \
                an error, which says in which line.",
        read: "mail_template.read",
        manage: "mail_template.write",
        has_active: true,
        on_create: "It counts for what happens from now on.",
        on_change: "It counts for what is sent from now on, also for messages that wait.",
        read_only: &["id", "version", "created_at", "updated_at"],
        fixed: &[],
    };
    type New = NewMailTemplate;
    type Change = MailTemplateChange;

    fn examples() -> Examples {
        let new = json!({
            "name": "incident-resolved-plain", "description": "Tells how it was resolved", "event": "incident.resolved", "language": "en",
            "audience": ["requester", "watchers"], "subject": "{{ record.title }}: resolved",
            "text": "{{ record.number }} is resolved.\n", "html": null,
        });
        let added = json!({
            "active": true, "version": 1, "created_at": "2026-03-01T08:00:00Z", "updated_at": "2026-03-01T08:00:00Z",
        });
        Examples::of(
            "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b41",
            new,
            &added,
            json!({"subject": "Resolved: {{ record.title }}"}),
        )
    }
    fn key(&self) -> (String, String) {
        (self.name.clone(), self.id.to_string())
    }
    fn version(&self) -> i32 {
        self.version
    }
    fn find(connection: &mut AnyConnection, _: Option<&Horizon>, id: &str) -> Result<Option<Self>> {
        let Ok(id) = id.parse() else { return Ok(None) };
        TemplateRow::find(connection, id)?.map(MailTemplate::of).transpose()
    }
    fn page(connection: &mut AnyConnection, _: &Horizon, wanted: &Wanted) -> Result<Vec<Self>> {
        let query = keyset!(matching(wanted), wanted, mail_template::name, mail_template::id);
        query.load::<TemplateRow>(connection)?.into_iter().map(MailTemplate::of).collect()
    }
    fn count(connection: &mut AnyConnection, _: &Horizon, wanted: &Wanted) -> Result<i64> {
        Ok(matching(wanted).count().get_result(connection)?)
    }

    fn create(desk: &mut Desk<'_, '_>, _: &Horizon, new: &NewMailTemplate) -> Result<String> {
        let new = NewMailTemplate {
            name: line("name", &new.name, NAME)?,
            description: prose("description", &new.description, DESCRIPTION)?,
            ..new.clone()
        };
        let row = new.row(desk.kernel, desk.cause.at)?;
        unique(row.insert(desk.unit.connection()?), "name")?;
        Ok(row.id.to_string())
    }

    fn patched(&self, change: &MailTemplateChange) -> Result<Self> {
        let mut after = self.clone();
        let MailTemplateChange { name, description, event, language, audience, subject, text, html, active } =
            change.clone();
        if let Some(name) = name {
            after.name = line("name", &name, NAME)?;
        }
        if let Some(description) = description {
            after.description = prose("description", &description, DESCRIPTION)?;
        }
        after.event = event.unwrap_or(after.event);
        after.language = language.unwrap_or(after.language);
        after.audience = audience.unwrap_or(after.audience);
        after.subject = subject.unwrap_or(after.subject);
        after.text = text.unwrap_or(after.text);
        after.html = html.unwrap_or(after.html);
        after.active = active.unwrap_or(after.active);
        Ok(after)
    }

    fn save(desk: &mut Desk<'_, '_>, _: &Horizon, before: &Self, after: &Self) -> Result<()> {
        check::check(desk.kernel, &after.content())?;
        let row = TemplateRow { version: before.version + 1, updated_at: desk.cause.at, ..after.row()? };
        met(unique(row.update(desk.unit.connection()?), "name")?)
    }
}
