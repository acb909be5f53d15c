//! Accounts: creating users, setting passwords, disabling, the first administrator; and the organisations they stand in.
//!
//! **Invariant:** a user name is stored in its normal form, so that nobody has two accounts by writing their name in
//! capitals.
//! **Invariant:** `organisation.path` is the path of the parent, then the own id, then `/`.

use chrono::TimeDelta;
use diesel::prelude::*;

use super::{permission::ADMINISTRATOR, role, session};
use crate::{
    clock::Moment,
    db::AnyConnection,
    error::{Code, Error, Result},
    id::{OrganisationId, RowId, UserId},
    schema::{organisation, user_account},
};

/// The longest user name, in characters.
const LONGEST_NAME: usize = 200;

/// A user as they are created.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The name to sign in with; stored in its normal form.
    pub user_name: String,
    /// The name that others read.
    pub display_name: String,
    /// Where mail goes.
    pub email: Option<String>,
    /// The language in which they are written to, as a tag of BCP 47.
    pub language: Option<String>,
    /// The time zone that they live in, by its name in the IANA database.
    pub zone: Option<String>,
    /// The organisation that they belong to.
    pub organisation: OrganisationId,
    /// Whom they report to.
    pub manager: Option<UserId>,
    /// Whether policies may treat them with priority.
    pub vip: bool,
    /// Whether it is a machine: it has tokens and no password.
    pub service_account: bool,
    /// The hash of their password; without one they can't sign in with a password.
    pub password_hash: Option<String>,
    /// Whether they must change it before anything else.
    pub must_change_password: bool,
}

impl NewUser {
    /// A person without a password.
    pub fn person(user_name: &str, display_name: &str, organisation: OrganisationId) -> Self {
        NewUser {
            user_name: user_name.to_owned(),
            display_name: display_name.to_owned(),
            email: None,
            language: None,
            zone: None,
            organisation,
            manager: None,
            vip: false,
            service_account: false,
            password_hash: None,
            must_change_password: false,
        }
    }

    /// A service account.
    pub fn service_account(user_name: &str, display_name: &str, organisation: OrganisationId) -> Self {
        NewUser { service_account: true, ..NewUser::person(user_name, display_name, organisation) }
    }
}

/// How a user name is stored and looked up: trimmed and in lower case.
pub fn normal_user_name(given: &str) -> String {
    given.trim().to_lowercase()
}

/// Creates a user without roles.
pub fn create_user(connection: &mut AnyConnection, new: &NewUser, now: Moment) -> Result<UserId> {
    let user_name = normal_user_name(&new.user_name);
    let length = user_name.chars().count();
    if length == 0 || length > LONGEST_NAME || user_name.chars().any(char::is_control) {
        let detail = format!("A user name has 1 to {LONGEST_NAME} characters, none of them a control character.");
        return Err(Error::invalid("/user_name", "wrong_form", detail));
    }
    if new.service_account && new.password_hash.is_some() {
        return Err(Error::invalid("/password", "not_allowed", "A service account has tokens and no password."));
    }
    let id = UserId::new();
    diesel::insert_into(user_account::table)
        .values((
            user_account::id.eq(id),
            user_account::user_name.eq(&user_name),
            user_account::display_name.eq(&new.display_name),
            (
                user_account::email.eq(&new.email),
                user_account::language.eq(&new.language),
                user_account::zone.eq(&new.zone),
            ),
            user_account::organisation_id.eq(new.organisation),
            user_account::manager_id.eq(new.manager),
            user_account::vip.eq(new.vip),
            user_account::service_account.eq(new.service_account),
            user_account::active.eq(true),
            user_account::password_hash.eq(&new.password_hash),
            user_account::must_change_password.eq(new.must_change_password),
            // Before the second that the first token may be issued in: tokens count whole seconds.
            user_account::tokens_valid_from.eq(now.minus(TimeDelta::seconds(1))),
            user_account::version.eq(1),
            user_account::created_at.eq(now),
            user_account::updated_at.eq(now),
        ))
        .execute(connection)?;
    Ok(id)
}

/// A new password, already hashed and checked by [`super::password::check_choice`].
#[derive(Clone, Debug)]
pub struct NewPassword {
    /// Its hash.
    pub hash: String,
    /// The hash that it replaces, where the user proved to know the old one: when another was set meanwhile, it stays.
    pub replaces: Option<String>,
    /// Whether it must be changed at the next login.
    pub one_time: bool,
    /// The session that goes on; all others end.
    pub keep: Option<RowId>,
}

/// Sets a password and ends the user's other sessions. Personal tokens are credentials of their own and stay.
pub fn set_password(connection: &mut AnyConnection, user: UserId, new: &NewPassword, now: Moment) -> Result<()> {
    let mut row = diesel::update(user_account::table)
        .filter(user_account::id.eq(user))
        .filter(user_account::service_account.eq(false))
        .set((
            user_account::password_hash.eq(&new.hash),
            user_account::must_change_password.eq(new.one_time),
            user_account::version.eq(user_account::version + 1),
            user_account::updated_at.eq(now),
        ))
        .into_boxed();
    if let Some(replaced) = &new.replaces {
        row = row.filter(user_account::password_hash.eq(replaced));
    }
    if row.execute(connection)? == 0 {
        return Err(Error::new(Code::Conflict, "There is no such password to change, or it was changed meanwhile."));
    }
    session::end_all(connection, user, new.keep, now)
}

/// Enables or disables a user. Disabling ends their sessions; personal tokens rest until they are enabled again.
pub fn set_active(connection: &mut AnyConnection, user: UserId, active: bool, now: Moment) -> Result<()> {
    let changed = diesel::update(user_account::table.find(user))
        .set((
            user_account::active.eq(active),
            user_account::version.eq(user_account::version + 1),
            user_account::updated_at.eq(now),
        ))
        .execute(connection)?;
    match (changed, active) {
        (0, _) => Err(Error::not_found("user")),
        (_, true) => Ok(()),
        (_, false) => session::end_all(connection, user, None, now),
    }
}

/// The user of this name, in any writing.
pub fn find_user(connection: &mut AnyConnection, user_name: &str) -> Result<Option<UserId>> {
    Ok(user_account::table
        .filter(user_account::user_name.eq(normal_user_name(user_name)))
        .select(user_account::id)
        .first(connection)
        .optional()?)
}

/// Creates an organisation below `parent`, or a root.
pub fn create_organisation(
    connection: &mut AnyConnection,
    name: &str,
    parent: Option<OrganisationId>,
    now: Moment,
) -> Result<OrganisationId> {
    let above: String = match parent {
        None => "/".to_owned(),
        Some(parent) => organisation::table
            .find(parent)
            .select(organisation::path)
            .first(connection)
            .optional()?
            .ok_or_else(|| Error::invalid("/parent", "unknown_organisation", "There is no such organisation."))?,
    };
    let id = OrganisationId::new();
    diesel::insert_into(organisation::table)
        .values((
            organisation::id.eq(id),
            organisation::parent_id.eq(parent),
            organisation::name.eq(name),
            organisation::path.eq(format!("{above}{id}/")),
            organisation::active.eq(true),
            organisation::version.eq(1),
            organisation::created_at.eq(now),
            organisation::updated_at.eq(now),
        ))
        .execute(connection)?;
    Ok(id)
}

/// Creates an administrator with a one-time password, in the first root organisation or a new one of this name. Nothing
/// happens, and `None` is given, where there is an administrator already, even a disabled one: a restart must not be a way
/// back in. The shipped roles must have been seeded.
pub fn first_administrator(
    connection: &mut AnyConnection,
    user_name: &str,
    organisation_name: &str,
    password_hash: String,
    now: Moment,
) -> Result<Option<UserId>> {
    if role::has_administrator(connection)? {
        return Ok(None);
    }
    let root: Option<OrganisationId> = organisation::table
        .filter(organisation::parent_id.is_null())
        .order((organisation::created_at, organisation::id))
        .select(organisation::id)
        .first(connection)
        .optional()?;
    let organisation = match root {
        Some(root) => root,
        None => create_organisation(connection, organisation_name, None, now)?,
    };
    let new = NewUser {
        password_hash: Some(password_hash),
        must_change_password: true,
        ..NewUser::person(user_name, "Administrator", organisation)
    };
    let user = create_user(connection, &new, now)?;
    role::assign_role(connection, user, ADMINISTRATOR)?;
    Ok(Some(user))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::bench::{Bench, at};

    #[test]
    fn a_name_is_taken_in_every_writing() {
        let mut bench = Bench::new();
        let (organisation, c) = (bench.organisation, &mut bench.connection);
        let ada = create_user(c, &NewUser::person(" Ada ", "Ada", organisation), at(0)).unwrap();
        assert_eq!(find_user(c, "ADA").unwrap(), Some(ada));
        let again = create_user(c, &NewUser::person("ada", "Ada", organisation), at(0)).unwrap_err();
        assert_eq!(again.code, Code::Conflict);
        for wrong in ["", "  ", "a\u{0}b", &"x".repeat(201)] {
            assert_eq!(
                create_user(c, &NewUser::person(wrong, "", organisation), at(0)).unwrap_err().code,
                Code::Invalid,
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn a_service_account_has_no_password() {
        let mut bench = Bench::new();
        let (organisation, c) = (bench.organisation, &mut bench.connection);
        let mut robot = NewUser::service_account("robot", "Robot", organisation);
        let id = create_user(c, &robot, at(0)).unwrap();
        let password = NewPassword { hash: "h".into(), replaces: None, one_time: false, keep: None };
        assert!(set_password(c, id, &password, at(0)).is_err());
        robot.user_name = "robot2".into();
        robot.password_hash = Some("h".into());
        assert_eq!(create_user(c, &robot, at(0)).unwrap_err().code, Code::Invalid);
    }

    #[test]
    fn the_first_administrator_is_made_once_even_when_disabled_later() {
        let mut bench = Bench::new();
        let c = &mut bench.connection;
        let first = first_administrator(c, "admin", "Home", "h".into(), at(0)).unwrap().unwrap();
        assert_eq!(first_administrator(c, "admin2", "Home", "h".into(), at(0)).unwrap(), None);
        set_active(c, first, false, at(1)).unwrap();
        assert_eq!(first_administrator(c, "admin2", "Home", "h".into(), at(1)).unwrap(), None);
    }

    #[test]
    fn a_password_changed_meanwhile_stays() {
        let mut bench = Bench::new();
        let user = bench.user("ada", "requester");
        let c = &mut bench.connection;
        let change = |hash: &str, replaces: Option<&str>| NewPassword {
            hash: hash.into(),
            replaces: replaces.map(Into::into),
            one_time: false,
            keep: None,
        };
        set_password(c, user, &change("first", None), at(0)).unwrap();
        set_password(c, user, &change("second", Some("first")), at(0)).unwrap();
        assert_eq!(set_password(c, user, &change("third", Some("first")), at(0)).unwrap_err().code, Code::Conflict);
    }
}
