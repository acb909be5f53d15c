//! Versions of modules in the database.

use diesel::prelude::*;

use super::{SHIPPED, sha256};
use crate::{
    clock::Moment,
    db::AnyConnection,
    error::{Error, Result},
    id::UserId,
    policy::{
        library::purpose,
        module::{self, Module, Modules},
    },
    schema::policy_module,
};

/// A version of a module.
#[derive(Clone, Debug, Queryable, Insertable)]
#[diesel(table_name = policy_module, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct ModuleRow {
    pub name: String,
    pub version: i32,
    pub source: String,
    pub sha256: String,
    pub message: String,
    pub author_id: Option<UserId>,
    pub created_at: Moment,
}

impl From<ModuleRow> for Module {
    fn from(row: ModuleRow) -> Module {
        Module { name: row.name, version: row.version, source: row.source }
    }
}

impl ModuleRow {
    /// The newest version of each module, by name.
    pub fn newest(connection: &mut AnyConnection) -> Result<Vec<ModuleRow>> {
        let (this, later) = diesel::alias!(policy_module as this, policy_module as later);
        let has_later = later
            .filter(later.field(policy_module::name).eq(this.field(policy_module::name)))
            .filter(later.field(policy_module::version).gt(this.field(policy_module::version)));
        let newest = this.filter(diesel::dsl::not(diesel::dsl::exists(has_later)));
        Ok(newest.order(this.field(policy_module::name)).load(connection)?)
    }

    /// The newest version of a module.
    pub fn find(connection: &mut AnyConnection, name: &str) -> Result<Option<ModuleRow>> {
        let mine = policy_module::table.filter(policy_module::name.eq(name));
        Ok(mine.order(policy_module::version.desc()).first(connection).optional()?)
    }

    /// The versions of a module, newest first.
    pub fn versions(connection: &mut AnyConnection, name: &str) -> Result<Vec<ModuleRow>> {
        let mine = policy_module::table.filter(policy_module::name.eq(name));
        Ok(mine.order(policy_module::version.desc()).load(connection)?)
    }

    /// A version of a module.
    pub fn version(connection: &mut AnyConnection, name: &str, version: i32) -> Result<ModuleRow> {
        let one = policy_module::table.find((name, version)).first(connection).optional()?;
        one.ok_or_else(|| Error::not_found("version of this module"))
    }

    /// The first version of a module that ships.
    pub(super) fn first(name: &str, source: &str, now: Moment) -> ModuleRow {
        ModuleRow {
            name: name.to_owned(),
            version: 1,
            source: source.to_owned(),
            sha256: sha256(source),
            message: SHIPPED.to_owned(),
            author_id: None,
            created_at: now,
        }
    }

    /// What a module says of itself: its leading `//!` lines.
    pub fn purpose(&self) -> String {
        purpose(&self.source)
    }

    /// Keeps a version.
    pub fn insert(&self, connection: &mut AnyConnection) -> Result<()> {
        diesel::insert_into(policy_module::table).values(self).execute(connection)?;
        Ok(())
    }

    /// What a source that is not stored is linked with: the newest version of each module that it names.
    pub fn used_by(connection: &mut AnyConnection, source: &str) -> Result<Modules> {
        let (mut found, mut others) = (Vec::<Module>::new(), Vec::new());
        for name in module::used_by(source) {
            match Self::find(connection, &name)? {
                Some(row) => found.push(row.into()),
                None if others.is_empty() => {
                    others = policy_module::table.select(policy_module::name).distinct().load(connection)?;
                }
                None => {}
            }
        }
        Ok(Modules::new(found, others))
    }
}
