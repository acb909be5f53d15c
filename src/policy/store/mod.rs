//! Policies, their versions and lookup tables in the database.
//!
//! **Invariant:** a version never changes once made. What is live is the version that `active_version` names, and all
//! nodes notice a change of it by the [epoch](crate::db::epoch).

mod build;
mod module;
mod review;

use std::collections::HashSet;

use diesel::prelude::*;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::{
    build::Uses,
    decision::Decision,
    library::{Library, purpose},
    module::Module,
    program::kind_of,
    table::{Table, check::Checked},
};
use crate::{
    clock::Moment,
    db::{AnyConnection, JsonText},
    error::{Code, Error, Result},
    id::{RowId, UserId},
    record::calendar::row::CalendarRow,
    schema::{lookup_table, lookup_table_version, policy, policy_version},
};

pub use build::build_now;
pub use module::ModuleRow;
pub use review::ReviewRow;

/// A policy: which decision it answers about which kind, in which place among others.
#[derive(Clone, Debug, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = policy, treat_none_as_null = true, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct PolicyRow {
    pub id: RowId,
    pub name: String,
    pub decision: String,
    pub kind: String,
    pub description: String,
    pub position: i32,
    pub enabled: bool,
    pub active_version: Option<i32>,
    pub version: i32,
    pub created_at: Moment,
    pub updated_at: Moment,
    pub least_line_coverage: Option<i32>,
    pub least_branch_coverage: Option<i32>,
}

/// A version of a policy.
#[derive(Clone, Debug, Queryable, Insertable)]
#[diesel(table_name = policy_version, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct VersionRow {
    pub id: RowId,
    pub policy_id: RowId,
    pub number: i32,
    pub source: String,
    pub sha256: String,
    pub message: String,
    pub author_id: Option<UserId>,
    pub state: String,
    pub created_at: Moment,
    pub published_at: Option<Moment>,
    pub publish_at: Option<Moment>,
    pub publish_by: Option<UserId>,
    pub uses: JsonText,
    pub shadowed_from: Option<String>,
}

/// A lookup table, with the content that is live.
#[derive(Clone, Debug, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = lookup_table, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct TableRow {
    pub id: RowId,
    pub name: String,
    pub description: String,
    pub content: JsonText,
    pub sha256: String,
    pub version: i32,
    pub created_at: Moment,
    pub updated_at: Moment,
}

/// Content that a lookup table has or had.
#[derive(Clone, Debug, Queryable)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct TableVersionRow {
    pub table_id: RowId,
    pub version: i32,
    pub content: JsonText,
    pub sha256: String,
    pub author_id: Option<UserId>,
    pub created_at: Moment,
}

/// What makes a version of a policy.
pub struct Written<'a> {
    /// The source.
    pub source: &'a str,
    /// What was changed and why.
    pub message: &'a str,
    /// Who wrote it; nobody for what ships.
    pub author: Option<UserId>,
    /// The versions of what it uses.
    pub uses: Uses,
}

/// States of a version.
pub mod state {
    /// Made, and never live.
    pub const DRAFT: &str = "draft";
    /// Others are asked to look at it.
    pub const IN_REVIEW: &str = "in_review";
    /// It runs beside the live one, without effect.
    pub const SHADOW: &str = crate::record::decide::SHADOW;
    /// Others have looked at it and approve.
    pub const APPROVED: &str = "approved";
    /// Live.
    pub const ACTIVE: &str = "active";
    /// Was live.
    pub const RETIRED: &str = "retired";
}

impl PolicyRow {
    /// Which decision it answers.
    pub fn decision(&self) -> Result<Decision> {
        Decision::named(&self.decision).ok_or_else(|| Error::internal(format!("no decision `{}`", self.decision)))
    }

    /// All policies, in the order in which they are asked.
    pub fn all(connection: &mut AnyConnection) -> Result<Vec<PolicyRow>> {
        Ok(policy::table.order((policy::decision, policy::position, policy::name)).load(connection)?)
    }

    /// Whether it is asked together with another: about the same.
    pub fn is_asked_with(&self, other: &PolicyRow) -> bool {
        self.decision == other.decision && self.kind == other.kind
    }

    /// Whether it is asked before another policy of its decision.
    pub fn is_before(&self, other: &PolicyRow) -> bool {
        (self.position, &self.name) < (other.position, &other.name)
    }

    /// The policy of that id or name.
    pub fn find(connection: &mut AnyConnection, text: &str) -> Result<PolicyRow> {
        let found = match text.parse::<RowId>() {
            Ok(id) => policy::table.find(id).first(connection).optional()?,
            Err(_) => policy::table.filter(policy::name.eq(text)).first(connection).optional()?,
        };
        found.ok_or_else(|| Error::not_found("policy"))
    }

    /// Makes a policy without versions.
    pub fn insert(&self, connection: &mut AnyConnection) -> Result<()> {
        let taken = policy::table.filter(policy::name.eq(&self.name));
        if diesel::select(diesel::dsl::exists(taken)).get_result::<bool>(connection)? {
            return Err(Error::invalid("/name", "taken", format!("There is a policy called `{}`.", self.name)));
        }
        diesel::insert_into(policy::table).values(self).execute(connection)?;
        Ok(())
    }

    /// Stores a change; `self.version` is the new one.
    pub fn update(&self, connection: &mut AnyConnection) -> Result<()> {
        let unchanged = policy::table.find(self.id).filter(policy::version.eq(self.version - 1));
        if diesel::update(unchanged).set(self).execute(connection)? == 0 {
            return Err(Error::new(Code::Stale, "The policy has changed meanwhile."));
        }
        Ok(())
    }

    /// Lets every node, and everybody who has read it, look at it again, though nothing of the policy itself has changed.
    pub fn touch(&mut self, connection: &mut AnyConnection, now: Moment) -> Result<()> {
        self.version += 1;
        self.updated_at = now;
        self.update(connection)
    }

    /// Its versions, newest first.
    pub fn versions(&self, connection: &mut AnyConnection) -> Result<Vec<VersionRow>> {
        let mine = policy_version::table.filter(policy_version::policy_id.eq(self.id));
        Ok(mine.order(policy_version::number.desc()).load(connection)?)
    }

    /// One of its versions.
    pub fn version(&self, connection: &mut AnyConnection, number: i32) -> Result<VersionRow> {
        let one = policy_version::table
            .filter(policy_version::policy_id.eq(self.id))
            .filter(policy_version::number.eq(number));
        one.first(connection).optional()?.ok_or_else(|| Error::not_found("version of this policy"))
    }

    /// Adds a version, as a draft.
    pub fn add_version(
        &self,
        connection: &mut AnyConnection,
        written: &Written<'_>,
        now: Moment,
    ) -> Result<VersionRow> {
        connection.lock_policy(self.id)?;
        let last: Option<i32> = policy_version::table
            .filter(policy_version::policy_id.eq(self.id))
            .select(diesel::dsl::max(policy_version::number))
            .first(connection)?;
        let row = VersionRow {
            id: RowId::new(),
            policy_id: self.id,
            number: last.unwrap_or(0) + 1,
            source: written.source.to_owned(),
            sha256: sha256(written.source),
            message: written.message.to_owned(),
            author_id: written.author,
            state: state::DRAFT.to_owned(),
            created_at: now,
            published_at: None,
            publish_at: None,
            publish_by: None,
            uses: JsonText::of(&written.uses)?,
            shadowed_from: None,
        };
        diesel::insert_into(policy_version::table).values(&row).execute(connection)?;
        Ok(row)
    }

    /// Makes a version live, in place of the one that is.
    pub fn activate(&mut self, connection: &mut AnyConnection, number: i32, now: Moment) -> Result<()> {
        let mine = policy_version::table.filter(policy_version::policy_id.eq(self.id));
        diesel::update(mine.filter(policy_version::state.eq(state::ACTIVE)))
            .set(policy_version::state.eq(state::RETIRED))
            .execute(connection)?;
        diesel::update(mine.filter(policy_version::number.eq(number)))
            .set((
                policy_version::state.eq(state::ACTIVE),
                policy_version::published_at.eq(now),
                policy_version::publish_at.eq(None::<Moment>),
                policy_version::publish_by.eq(None::<UserId>),
            ))
            .execute(connection)?;
        self.active_version = Some(number);
        self.version += 1;
        self.updated_at = now;
        self.update(connection)
    }

    /// The version that answers when the active one fails: the one that was live before it and is older. After a rollback
    /// that is not the version that was rolled back.
    pub fn last_good(&self, connection: &mut AnyConnection) -> Result<Option<VersionRow>> {
        let Some(active) = self.active_version else { return Ok(None) };
        let older = policy_version::table
            .filter(policy_version::policy_id.eq(self.id))
            .filter(policy_version::published_at.is_not_null())
            .filter(policy_version::number.lt(active));
        Ok(older
            .order((policy_version::published_at.desc(), policy_version::number.desc()))
            .first(connection)
            .optional()?)
    }
}

impl VersionRow {
    /// What back-tests of it are about.
    pub fn subject(&self) -> String {
        format!("{}/{}", self.policy_id, self.number)
    }

    /// Takes it to another state.
    pub fn set_state(&mut self, connection: &mut AnyConnection, state: &str) -> Result<()> {
        self.state = state.to_owned();
        diesel::update(policy_version::table.find(self.id)).set(policy_version::state.eq(state)).execute(connection)?;
        Ok(())
    }

    /// Takes it into the shadow.
    pub fn enter_shadow(&mut self, connection: &mut AnyConnection) -> Result<()> {
        self.shadowed_from = Some(self.state.clone());
        let from = policy_version::shadowed_from.eq(&self.shadowed_from);
        diesel::update(policy_version::table.find(self.id)).set(from).execute(connection)?;
        self.set_state(connection, state::SHADOW)
    }

    /// Takes it out of the shadow: it is again what it was before.
    pub fn leave_shadow(&mut self, connection: &mut AnyConnection) -> Result<()> {
        let before = self.shadowed_from.take().unwrap_or_else(|| state::DRAFT.to_owned());
        self.set_state(connection, &before)
    }

    /// Lets it go live by itself at a moment, in somebody's name; or not, after all.
    pub fn schedule(&mut self, connection: &mut AnyConnection, when: Option<(Moment, UserId)>) -> Result<()> {
        (self.publish_at, self.publish_by) = when.unzip();
        let when = (policy_version::publish_at.eq(self.publish_at), policy_version::publish_by.eq(self.publish_by));
        diesel::update(policy_version::table.find(self.id)).set(when).execute(connection)?;
        Ok(())
    }

    /// The versions that run in the shadow, with their policies.
    pub fn in_shadow(connection: &mut AnyConnection) -> Result<Vec<(PolicyRow, VersionRow)>> {
        let both = policy::table.inner_join(policy_version::table.on(policy_version::policy_id.eq(policy::id)));
        let both = both.filter(policy_version::state.eq(state::SHADOW)).filter(policy::enabled.eq(true));
        Ok(both.order((policy::position, policy::name, policy_version::number)).load(connection)?)
    }

    /// Those of a policy that run in the shadow, or would if the policy were enabled.
    pub fn shadows_of(connection: &mut AnyConnection, policy: RowId) -> Result<Vec<VersionRow>> {
        let mine = policy_version::table.filter(policy_version::policy_id.eq(policy));
        Ok(mine.filter(policy_version::state.eq(state::SHADOW)).load(connection)?)
    }

    /// The versions that are to go live by now, the earliest first.
    pub fn due(connection: &mut AnyConnection, now: Moment) -> Result<Vec<VersionRow>> {
        let due = policy_version::table.filter(policy_version::publish_at.le(now));
        Ok(due.order((policy_version::publish_at, policy_version::id)).limit(100).load(connection)?)
    }
}

impl TableRow {
    /// All tables by name.
    pub fn all(connection: &mut AnyConnection) -> Result<Vec<TableRow>> {
        Ok(lookup_table::table.order(lookup_table::name).load(connection)?)
    }

    /// The table of that name.
    pub fn find(connection: &mut AnyConnection, name: &str) -> Result<Option<TableRow>> {
        Ok(lookup_table::table.filter(lookup_table::name.eq(name)).first(connection).optional()?)
    }

    /// The table of that name, which must be there.
    pub fn named(connection: &mut AnyConnection, name: &str) -> Result<TableRow> {
        Self::find(connection, name)?.ok_or_else(|| Error::not_found("lookup table"))
    }

    /// Its versions, newest first.
    pub fn versions(&self, connection: &mut AnyConnection) -> Result<Vec<TableVersionRow>> {
        let mine = lookup_table_version::table.filter(lookup_table_version::table_id.eq(self.id));
        Ok(mine.order(lookup_table_version::version.desc()).load(connection)?)
    }

    /// One of its versions.
    pub fn version(&self, connection: &mut AnyConnection, number: i32) -> Result<TableVersionRow> {
        let one = lookup_table_version::table.find((self.id, number)).first(connection).optional()?;
        one.ok_or_else(|| Error::not_found("version of this table"))
    }

    /// One of its versions, as policies use it.
    pub fn table_of(&self, connection: &mut AnyConnection, number: i32) -> Result<Table> {
        Table::from_json(&self.name, &self.version(connection, number)?.content.read::<Json>()?)
    }

    /// The table as policies use it.
    pub fn table(&self) -> Result<Table> {
        Table::from_json(&self.name, &self.content.read::<Json>()?)
    }

    /// Stores a table, as a new version of the one of its name; the old ones are kept.
    pub fn save(
        connection: &mut AnyConnection,
        checked: &Checked,
        author: Option<UserId>,
        now: Moment,
    ) -> Result<TableRow> {
        let (name, content) = (checked.table.name(), checked.table.to_json());
        let description = checked.table.doc().to_owned();
        let (content, digest) = (JsonText::of(&content)?, sha256(&content.to_string()));
        let row = match Self::find(connection, name)? {
            Some(old) => {
                let version = old.version + 1;
                let row = TableRow { description, content, sha256: digest, version, updated_at: now, ..old };
                let unchanged = lookup_table::table.find(row.id).filter(lookup_table::version.eq(version - 1));
                if diesel::update(unchanged).set(&row).execute(connection)? == 0 {
                    return Err(Error::new(Code::Stale, "The table has changed meanwhile."));
                }
                row
            }
            None => {
                let (id, name) = (RowId::new(), name.to_owned());
                let row = TableRow {
                    id,
                    name,
                    description,
                    content,
                    sha256: digest,
                    version: 1,
                    created_at: now,
                    updated_at: now,
                };
                diesel::insert_into(lookup_table::table).values(&row).execute(connection)?;
                row
            }
        };
        diesel::insert_into(lookup_table_version::table)
            .values((
                lookup_table_version::table_id.eq(row.id),
                lookup_table_version::version.eq(row.version),
                lookup_table_version::content.eq(&row.content),
                lookup_table_version::sha256.eq(&row.sha256),
                lookup_table_version::author_id.eq(author),
                lookup_table_version::created_at.eq(now),
            ))
            .execute(connection)?;
        Ok(row)
    }
}

/// What versions that ship say of themselves.
const SHIPPED: &str = "As shipped";
/// The place of what decides in the end. There is room before it, and between those that wait to be published.
const LAST: i32 = 1_000;

/// Puts in what ships and is not there yet. What administrators changed is left alone. What isn't live by default is a draft
/// that stands before what is, so that it is asked first once somebody publishes it.
pub fn seed(connection: &mut AnyConnection, library: &Library, now: Moment) -> Result<()> {
    for table in &library.tables {
        if TableRow::find(connection, table.name())?.is_none() {
            TableRow::save(connection, &Checked::from_json(table.name(), &table.to_json())?, None, now)?;
        }
    }
    for Module { name, source, .. } in &library.modules {
        if ModuleRow::find(connection, name)?.is_none() {
            ModuleRow::first(name, source, now).insert(connection)?;
        }
    }
    let calendars: HashSet<String> = CalendarRow::all(connection)?.into_iter().map(|calendar| calendar.name).collect();
    for calendar in library.calendars.iter().filter(|calendar| !calendars.contains(&calendar.name)) {
        calendar.row(now)?.insert(connection)?;
    }
    let there: HashSet<String> = PolicyRow::all(connection)?.into_iter().map(|policy| policy.name).collect();
    for (place, script) in (1..).zip(&library.scripts) {
        let name = format!("{}_{}", script.decision.spec().name, script.name);
        if there.contains(&name) {
            continue;
        }
        let mut row = PolicyRow {
            id: RowId::new(),
            name,
            decision: script.decision.spec().name.to_owned(),
            kind: kind_of(&script.source, script.decision).to_owned(),
            description: purpose(&script.source),
            position: if script.starts_live() { LAST } else { place * 10 },
            enabled: true,
            active_version: None,
            version: 1,
            created_at: now,
            updated_at: now,
            least_line_coverage: None,
            least_branch_coverage: None,
        };
        row.insert(connection)?;
        let (uses, _) = build_now(connection, &script.source, false)?;
        let written = Written { source: &script.source, message: SHIPPED, author: None, uses };
        let version = row.add_version(connection, &written, now)?;
        if script.starts_live() {
            row.activate(connection, version.number, now)?;
        }
    }
    Ok(())
}

/// SHA-256 of a source.
pub fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}
