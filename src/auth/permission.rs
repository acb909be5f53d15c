//! The table of permissions.
//!
//! A permission is `family.action`. The server's own are listed here; each kind of record brings its own, one for each of
//! its actions and steps. Roles and scopes hold permissions, or
//! patterns: `incident.*` for all of a family, `*` for everything.

use std::collections::BTreeSet;

use crate::error::{Error, FieldError, Result, did_you_mean};

/// A permission and what it allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// Its name, `family.action`.
    pub name: String,
    /// What it allows, for who gives it to a role.
    pub meaning: String,
}

/// What the table needs to know of a kind of record.
#[derive(Clone, Debug)]
pub struct KindActions {
    /// The kind, such as `incident`.
    pub kind: &'static str,
    /// Every action that has a permission of its own: `read`, `create` and so on, and the steps of its lifecycle.
    pub actions: Vec<&'static str>,
}

/// Permissions that belong to no kind of record.
const SERVER: &[(&str, &str)] = &[
    (
        "approval.decide",
        "Decide in approvals. Whoever is asked may, whatever their roles say; tokens are narrowed by it.",
    ),
    ("approval.link", "Make links by which those who are asked decide in approvals without signing in."),
    ("approval.read", "Read the approvals of visible records."),
    ("approval.request", "Ask for approvals of visible records, and take back what one asked for."),
    ("cab_meeting.read", "Read meetings of change advisory boards, their agenda and minutes."),
    ("cab_meeting.write", "Call meetings of change advisory boards, set their agenda and keep their minutes."),
    ("calendar.read", "Read calendars and ask them when work is done."),
    ("calendar.write", "Add and change calendars and their holidays."),
    ("certification.decide", "Certify or reject configuration items that one is asked about."),
    ("certification.read", "Read certification campaigns and how far they are."),
    ("certification.write", "Start and end certification campaigns."),
    ("configuration_baseline.read", "Read baselines of configuration items and compare them."),
    ("configuration_baseline.write", "Take baselines of configuration items."),
    ("configuration_health.read", "Read how complete, correct and compliant configuration items are."),
    ("configuration_health.write", "Write the rules that configuration items have to comply with."),
    (
        "configuration_item.import",
        "Import configuration items and their relations, or compare them with a list of what was discovered.",
    ),
    ("configuration_model.read", "Read classes and types of relations."),
    ("configuration_model.write", "Add and change classes and types of relations, and whose word counts for what."),
    ("change_model.read", "Read the models of changes."),
    ("change_model.write", "Add and change the models of changes."),
    ("risk_question.read", "Read what is asked about the risk of changes."),
    ("risk_question.write", "Add and change what is asked about the risk of changes."),
    ("change_window.read", "Read when changes are to be made, and when not."),
    ("change_window.write", "Say when changes are to be made, and when not."),
    ("custom_field.edit", "Define, change and retire custom fields."),
    ("custom_field.read", "Read the definitions of custom fields."),
    ("decision.read", "Read why a policy decided as it did."),
    ("delegation.manage", "Read and arrange who decides in approvals in the name of others who are absent."),
    (
        "delegation.write",
        "Arrange who decides in approvals in one's own name. Everybody may, whatever their roles say; tokens are narrowed by it.",
    ),
    ("directory.read", "Read users, teams, organisations, roles and permissions."),
    ("job.manage", "Stop long work, and go on with it."),
    ("job.read", "Follow long work, such as back-tests of policies."),
    ("lookup_table.read", "Read the tables that policies look things up in."),
    ("lookup_table.write", "Change the tables that policies look things up in."),
    (
        "mail.receive",
        "Hand in mail in the name of whoever sent it: for the mail server alone, which must know that they did.",
    ),
    ("mail_message.read", "Read to whom mail went about visible records, and what became of it."),
    ("mail_message.write", "Send mail once more."),
    ("mail_template.read", "Read the templates of mail."),
    ("mail_template.write", "Add, change and delete the templates of mail, and preview them."),
    ("major_incident.lead", "Accept, reject and lead major incidents, and hold their reviews."),
    (
        "notification_preference.write",
        "Say what one wants to be told of by mail. Everybody may, whatever their roles say; tokens are narrowed by it.",
    ),
    ("on_call.override", "Agree who is on call for a while, whoever's turn it is."),
    ("on_call.read", "Read who is on call."),
    ("on_call.write", "Add and change on-call schedules."),
    ("organisation.manage", "Add, change, move and deactivate organisations."),
    ("policy.approve", "Approve versions of policies that others wrote, or give them back."),
    ("policy.publish", "Publish policies and roll them back."),
    ("policy.read", "Read policies and their versions, run their tests, and rehearse them on records."),
    ("policy.write", "Write policies and drafts of versions, and check and rehearse sources that are not stored."),
    ("role.manage", "Add roles and change what they permit, within one's own permissions."),
    ("service_level.explain", "Say why a target was missed."),
    ("service_level.read", "Read service levels, list their clocks and read how often they were met."),
    ("service_level.write", "Add and change service levels."),
    ("stream.read", "Follow changes of visible records as they happen."),
    ("team.manage", "Add and change teams and their members."),
    ("token.create", "Make personal tokens for oneself."),
    ("unauthorised_change.read", "Read what was changed without a change."),
    ("unauthorised_change.report", "Report that something is other than it should be."),
    ("unauthorised_change.settle", "Say what came of something that was changed without a change."),
    (
        "user.manage",
        "Add, change and disable users, give them roles, passwords and, to service accounts, tokens, within one's own permissions.",
    ),
    ("webhook.read", "Read webhooks and what became of their messages."),
    ("webhook.write", "Add and change webhooks, test them and replay their messages, within one's own permissions."),
];

/// What an action on records of a kind allows.
fn meaning(action: &str) -> String {
    match action {
        "read" => "Read visible records of this kind.".to_owned(),
        "create" => "Create records of this kind.".to_owned(),
        "update" => "Change visible records of this kind.".to_owned(),
        "comment" => "Comment on visible records of this kind.".to_owned(),
        "work_note" => {
            "Read and write the work notes of visible records of this kind; requesters never see them.".to_owned()
        }
        step => format!("Take the step `{step}` with visible records of this kind."),
    }
}

/// Every permission there is, by name.
pub fn table(kinds: &[KindActions]) -> Vec<Permission> {
    let server = SERVER.iter().map(|(name, meaning)| Permission { name: (*name).into(), meaning: (*meaning).into() });
    let records = kinds
        .iter()
        .flat_map(|k| k.actions.iter().map(|a| Permission { name: format!("{}.{a}", k.kind), meaning: meaning(a) }));
    let mut all: Vec<Permission> = server.chain(records).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all.dedup_by(|a, b| a.name == b.name);
    all
}

/// Refuses names that neither are in the table nor are a pattern for something in it. `pointer` names the list's place in
/// the request.
pub fn check<'a>(granted: impl IntoIterator<Item = &'a str>, kinds: &[KindActions], pointer: &str) -> Result<()> {
    let known: BTreeSet<String> = table(kinds).into_iter().map(|p| p.name).collect();
    let wrong: Vec<FieldError> = granted
        .into_iter()
        .enumerate()
        .filter(|(_, name)| !is_known(name, &known))
        .map(|(position, name)| {
            let near = did_you_mean(name, known.iter().map(String::as_str));
            let detail = format!("There is no permission `{name}`{near}.");
            FieldError::new(format!("{pointer}/{position}"), "unknown_permission", detail)
        })
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(Error::invalid_all(wrong)) }
}

fn is_known(name: &str, known: &BTreeSet<String>) -> bool {
    let family = || name.strip_suffix('*').filter(|f| f.ends_with('.'));
    name == "*" || known.contains(name) || family().is_some_and(|f| known.iter().any(|k| k.starts_with(f)))
}

/// How far a role sees, narrowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum View {
    /// One's own records and those one watches.
    Own,
    /// One's own and those of one's organisation and all below it.
    Organisation,
    /// Everything.
    All,
}

impl View {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            View::Own => "own",
            View::Organisation => "organisation",
            View::All => "all",
        }
    }

    /// Reads what is stored; anything unknown sees the least.
    pub fn of(text: &str) -> View {
        match text {
            "all" => View::All,
            "organisation" => View::Organisation,
            _ => View::Own,
        }
    }
}

/// The name of the role that may do everything.
pub const ADMINISTRATOR: &str = "administrator";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::bench::kinds;

    #[test]
    fn the_table_has_each_name_once_and_a_meaning_for_it() {
        let table = table(&kinds());
        assert!(table.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(table.iter().all(|p| p.name.contains('.') && p.meaning.ends_with('.')));
        assert!(table.iter().any(|p| p.name == "incident.resolve"));
        assert!(!table.iter().any(|p| p.name == "service.resolve"));
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_one_meant() {
        let cases = [
            ("*", true),
            ("incident.*", true),
            ("incident.resolve", true),
            ("incident.resolv", false),
            ("incidents.*", false),
            ("incident*", false),
            ("", false),
            ("incident", false),
            (".*", false),
        ];
        for (name, known) in cases {
            assert_eq!(check([name], &kinds(), "/permissions").is_ok(), known, "{name}");
        }
        let error = check(["policy.read", "incident.resolv"], &kinds(), "/permissions").unwrap_err();
        assert_eq!(error.errors[0].pointer, "/permissions/1");
        assert!(error.detail.contains("did you mean `incident.resolve`"), "{}", error.detail);
    }

    #[test]
    fn views_are_ordered_and_an_unknown_one_sees_the_least() {
        assert!(View::Own < View::Organisation && View::Organisation < View::All);
        for view in [View::Own, View::Organisation, View::All] {
            assert_eq!(View::of(view.as_str()), view);
        }
        assert_eq!(View::of("everything"), View::Own);
    }
}
