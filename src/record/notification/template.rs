//! Templates: what a message says about an event, in one language, and who gets it.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    check::{self, Content},
    part::Part,
    render::Source,
};
use crate::{
    clock::Moment,
    db::{AnyConnection, JsonText},
    error::{Error, Result},
    id::RowId,
    record::{kernel::Kernel, pattern},
    schema::mail_template,
};

/// The event of the template that brings together what waited.
pub const DIGEST: &str = "mail.digest";
/// The event of the template that says that more follows in a digest.
pub const THROTTLED: &str = "mail.throttled";
/// The event of the template that tells of a meeting.
pub const INVITED: &str = "mail.invited";
/// The events of templates that go to whom they are about.
pub const OWN: &[&str] = &[DIGEST, THROTTLED, INVITED];

/// A template.
#[derive(Clone, Debug, PartialEq, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = mail_template, treat_none_as_null = true, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct TemplateRow {
    pub id: RowId,
    pub name: String,
    pub description: String,
    pub event: String,
    pub language: String,
    pub audience: JsonText,
    pub subject: String,
    pub text_body: String,
    pub html_body: Option<String>,
    pub active: bool,
    pub version: i32,
    pub created_at: Moment,
    pub updated_at: Moment,
}

/// What makes a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMailTemplate {
    /// Its name; each is there once.
    #[schema(max_length = 200, examples("incident-resolved-de"))]
    pub name: String,
    /// What it is for.
    #[serde(default)]
    #[schema(required = false, max_length = 2000)]
    pub description: String,
    /// For which events: `incident.resolved`, `incident.*`, `*.resolved` or `*`. `incident.assigned` is told when a record is given to
    /// somebody, `incident.approval_requested` when people are asked, `configuration_item.certification_due` whenever its owner and support
    /// team are asked to certify what is known of it. `mail.digest` brings together what waited,
    /// `mail.throttled` says that more follows in one, and `mail.invited` tells of a meeting that somebody is asked to come to.
    #[schema(max_length = 100, examples("incident.resolved"))]
    pub event: String,
    /// In which language, as a tag of BCP 47.
    #[schema(max_length = 35, examples("de"))]
    pub language: String,
    /// Who gets it, of those who may read the record. Nobody gets two messages about one event.
    #[serde(default)]
    #[schema(required = false, max_items = 8)]
    pub audience: Vec<Part>,
    /// The subject, in Jinja's language. The record's number is put before it where it lacks it.
    #[schema(max_length = 400, examples("{{ record.title }}: resolved"))]
    pub subject: String,
    /// The text, in Jinja's language.
    #[schema(max_length = 32000)]
    pub text: String,
    /// The same as HTML; what stands in the record is escaped.
    #[serde(default)]
    #[schema(required = false, max_length = 32000)]
    pub html: Option<String>,
}

impl NewMailTemplate {
    /// What it says and to whom.
    pub fn content(&self) -> Content<'_> {
        Content { event: &self.event, language: &self.language, audience: &self.audience, source: self.source() }
    }

    /// Its parts.
    pub fn source(&self) -> Source<'_> {
        Source { subject: &self.subject, text: &self.text, html: self.html.as_deref() }
    }

    /// As it is stored for the first time.
    ///
    /// # Errors
    /// Every place that is wrong.
    pub fn row(&self, kernel: &Kernel, now: Moment) -> Result<TemplateRow> {
        check::check(kernel, &self.content())?;
        Ok(TemplateRow {
            id: RowId::new(),
            name: self.name.clone(),
            description: self.description.clone(),
            event: self.event.clone(),
            language: self.language.clone(),
            audience: JsonText::of(&self.audience)?,
            subject: self.subject.clone(),
            text_body: self.text.clone(),
            html_body: self.html.clone(),
            active: true,
            version: 1,
            created_at: now,
            updated_at: now,
        })
    }
}

impl TemplateRow {
    /// All of them, by name.
    pub fn all(connection: &mut AnyConnection) -> Result<Vec<Self>> {
        Ok(mail_template::table.order(mail_template::name).load(connection)?)
    }

    /// The template of an id.
    pub fn find(connection: &mut AnyConnection, id: RowId) -> Result<Option<Self>> {
        Ok(mail_template::table.find(id).first(connection).optional()?)
    }

    /// Adds it.
    pub fn insert(&self, connection: &mut AnyConnection) -> Result<()> {
        diesel::insert_into(mail_template::table).values(self).execute(connection)?;
        Ok(())
    }

    /// Stores it in place of the version before; gives how many rows were that.
    pub fn update(&self, connection: &mut AnyConnection) -> Result<usize> {
        let before = mail_template::table.find(self.id).filter(mail_template::version.eq(self.version - 1));
        Ok(diesel::update(before).set(self).execute(connection)?)
    }

    /// Takes it away; gives how many rows were it.
    pub fn delete(&self, connection: &mut AnyConnection) -> Result<usize> {
        let this = mail_template::table.find(self.id).filter(mail_template::version.eq(self.version));
        Ok(diesel::delete(this).execute(connection)?)
    }

    /// Its parts.
    pub fn source(&self) -> Source<'_> {
        Source { subject: &self.subject, text: &self.text_body, html: self.html_body.as_deref() }
    }
}

/// The templates that are active, ready to be chosen from.
pub struct Templates(Vec<(TemplateRow, Vec<Part>)>);

/// The template that somebody gets.
pub struct Chosen<'a> {
    /// It.
    pub template: &'a TemplateRow,
    /// By which of its names the event was meant.
    pub event: &'a str,
}

impl Templates {
    /// Reads them.
    pub fn active(connection: &mut AnyConnection) -> Result<Self> {
        let rows: Vec<TemplateRow> =
            mail_template::table.filter(mail_template::active.eq(true)).order(mail_template::name).load(connection)?;
        rows.into_iter()
            .map(|row| Ok((row.audience.read()?, row)))
            .map(|read| read.map(|(a, b)| (b, a)))
            .collect::<Result<_>>()
            .map(Templates)
    }

    /// Whether there may be one for an event by one of these names.
    pub fn has_any(&self, names: &[String]) -> bool {
        self.0.iter().any(|(row, _)| names.iter().any(|name| pattern::fits(&row.event, name)))
    }

    /// Of the templates that are meant for somebody with these parts, in a language that they are written to in, the one that names
    /// the event most precisely, and of those the one in the best language.
    pub fn choose<'a>(&'a self, names: &'a [String], parts: &[Part], languages: &[String]) -> Option<Chosen<'a>> {
        let mut best: Option<((usize, usize, usize), Chosen<'a>)> = None;
        for (template, audience) in &self.0 {
            let is_for = audience.iter().any(|part| parts.contains(part));
            let Some(rank) = rank(languages, &template.language).filter(|_| is_for) else { continue };
            for (order, name) in names.iter().enumerate().filter(|(_, name)| pattern::fits(&template.event, name)) {
                let key = (2 - pattern::precision(&template.event).min(2), rank, order);
                if best.as_ref().is_none_or(|(known, _)| key < *known) {
                    best = Some((key, Chosen { template, event: name }));
                }
            }
        }
        best.map(|(_, chosen)| chosen)
    }

    /// The server's own template for an event such as [`DIGEST`], in the best language.
    pub fn own(&self, event: &str, languages: &[String]) -> Option<&TemplateRow> {
        let own = self.0.iter().map(|(row, _)| row).filter(|row| row.event == event);
        own.filter_map(|row| Some((rank(languages, &row.language)?, row)))
            .min_by_key(|(rank, _)| *rank)
            .map(|(_, row)| row)
    }
}

/// The place of a language among those that are wanted.
fn rank(languages: &[String], language: &str) -> Option<usize> {
    languages.iter().position(|wanted| wanted.eq_ignore_ascii_case(language))
}

/// The templates that ship.
pub const SHIPPED: &[&str] = &[
    include_str!("../../../rules/mail-templates/approval-requested-de.json"),
    include_str!("../../../rules/mail-templates/approval-requested-en.json"),
    include_str!("../../../rules/mail-templates/certification-due-de.json"),
    include_str!("../../../rules/mail-templates/certification-due-en.json"),
    include_str!("../../../rules/mail-templates/digest-de.json"),
    include_str!("../../../rules/mail-templates/digest-en.json"),
    include_str!("../../../rules/mail-templates/escalated-de.json"),
    include_str!("../../../rules/mail-templates/escalated-en.json"),
    include_str!("../../../rules/mail-templates/incident-assigned-de.json"),
    include_str!("../../../rules/mail-templates/incident-assigned-en.json"),
    include_str!("../../../rules/mail-templates/incident-commented-de.json"),
    include_str!("../../../rules/mail-templates/incident-commented-en.json"),
    include_str!("../../../rules/mail-templates/incident-created-de.json"),
    include_str!("../../../rules/mail-templates/incident-created-en.json"),
    include_str!("../../../rules/mail-templates/incident-resolved-de.json"),
    include_str!("../../../rules/mail-templates/incident-resolved-en.json"),
    include_str!("../../../rules/mail-templates/invited-de.json"),
    include_str!("../../../rules/mail-templates/invited-en.json"),
    include_str!("../../../rules/mail-templates/notified-de.json"),
    include_str!("../../../rules/mail-templates/notified-en.json"),
    include_str!("../../../rules/mail-templates/paged-de.json"),
    include_str!("../../../rules/mail-templates/paged-en.json"),
    include_str!("../../../rules/mail-templates/service-level-breached-de.json"),
    include_str!("../../../rules/mail-templates/service-level-breached-en.json"),
    include_str!("../../../rules/mail-templates/service-level-warned-de.json"),
    include_str!("../../../rules/mail-templates/service-level-warned-en.json"),
    include_str!("../../../rules/mail-templates/throttled-de.json"),
    include_str!("../../../rules/mail-templates/throttled-en.json"),
];

/// Puts in what ships where no template was ever there. What administrators changed is left alone.
pub fn seed(kernel: &Kernel, connection: &mut AnyConnection, now: Moment) -> Result<()> {
    if !TemplateRow::all(connection)?.is_empty() {
        return Ok(());
    }
    for text in SHIPPED {
        let new: NewMailTemplate = serde_json::from_str(text).map_err(Error::internal)?;
        new.row(kernel, now)?.insert(connection)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn templates(rows: &[(&str, &str, &str, &[Part])]) -> Templates {
        let now = "2026-03-03T11:00:00Z".parse().unwrap();
        let row = |(name, event, language, audience): &(&str, &str, &str, &[Part])| {
            let row = TemplateRow {
                id: RowId::new(),
                name: (*name).to_owned(),
                description: String::new(),
                event: (*event).to_owned(),
                language: (*language).to_owned(),
                audience: JsonText::empty_list(),
                subject: String::new(),
                text_body: String::new(),
                html_body: None,
                active: true,
                version: 1,
                created_at: now,
                updated_at: now,
            };
            (row, audience.to_vec())
        };
        Templates(rows.iter().map(row).collect())
    }

    #[test]
    fn shipped_templates_are_there_in_both_languages_and_each_once() {
        let all: Vec<NewMailTemplate> = SHIPPED.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        let in_language = |language: &str| {
            let of = all.iter().filter(|new| new.language == language);
            of.map(|new| new.event.clone()).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(in_language("en"), in_language("de"));
        assert_eq!(in_language("en").len() * 2, all.len());
    }

    #[test]
    fn the_most_precise_one_is_chosen_then_the_best_language() {
        use Part::{Assignee, Requester};
        let all = templates(&[
            ("all-de", "*", "de", &[Requester, Assignee]),
            ("assigned-en", "incident.assigned", "en", &[Assignee]),
            ("family-en", "incident.*", "en", &[Requester]),
            ("resolved-de-at", "incident.resolved", "de-AT", &[Requester]),
            ("resolved-en", "incident.resolved", "en", &[Requester]),
        ]);
        type Case = (&'static [&'static str], &'static [Part], &'static [&'static str], Option<&'static str>);
        let cases: &[Case] = &[
            (&["incident.resolved"], &[Requester], &["de-at", "de", "en"], Some("resolved-de-at")),
            (&["incident.resolved"], &[Requester], &["de", "en"], Some("resolved-en")),
            (&["incident.resolved"], &[Assignee], &["de", "en"], Some("all-de")),
            (&["incident.updated"], &[Requester], &["en"], Some("family-en")),
            (&["incident.updated", "incident.assigned"], &[Assignee, Requester], &["en"], Some("assigned-en")),
            (&["incident.updated"], &[Assignee], &["en"], None),
            (&["incident.resolved"], &[], &["en"], None),
            (&["incident.resolved"], &[Requester], &["fr"], None),
        ];
        for (names, parts, languages, expected) in cases {
            let names: Vec<String> = names.iter().map(|&n| n.to_owned()).collect();
            let languages: Vec<String> = languages.iter().map(|&l| l.to_owned()).collect();
            let chosen = all.choose(&names, parts, &languages).map(|chosen| chosen.template.name.as_str());
            assert_eq!(chosen, *expected, "{names:?} {parts:?} {languages:?}");
        }
    }
}
