//! Delegation: who decides in the name of whom while they are absent, between two moments.
//!
//! It goes one step: who stands in for somebody does not stand in for those whom they stand in for.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    auth::{
        caller::{Caller, Sees},
        horizon::Horizon,
    },
    clock::Moment,
    db::{AnyConnection, Backend},
    error::{Code, Error, FieldError, Result},
    id::{RowId, UserId},
    record::store::Desk,
    schema::{delegation, user_account},
};

/// The permission to arrange one's own absence; tokens are narrowed by it.
pub const OWN: &str = "delegation.write";
/// The permission to arrange that of others.
pub const OTHERS: &str = "delegation.manage";
/// The longest reason, in characters.
pub const REASON: usize = 500;

/// A delegation.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Insertable, AsChangeset, Serialize, ToSchema)]
#[diesel(table_name = delegation)]
pub struct Delegation {
    /// Its id.
    pub id: RowId,
    /// Who is absent.
    pub from_user_id: UserId,
    /// Who decides in their name.
    pub to_user_id: UserId,
    /// From when on.
    pub begins_at: Moment,
    /// Until when, that moment excluded.
    pub ends_at: Moment,
    /// Why.
    pub reason: String,
    /// Whether it counts in that time; false once it was ended early.
    pub active: bool,
    /// Who made it.
    pub created_by_id: UserId,
    /// Counts its changes; it is the `ETag`.
    pub version: i32,
    /// When it was made.
    pub created_at: Moment,
    /// When it was last changed.
    pub updated_at: Moment,
}

/// What makes a delegation.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDelegation {
    /// Who is absent; the caller when it is left out.
    #[serde(default)]
    #[schema(required = false)]
    pub from_user_id: Option<UserId>,
    /// Who decides in their name.
    pub to_user_id: UserId,
    /// From when on; from now on when it is left out.
    #[serde(default)]
    #[schema(required = false)]
    pub begins_at: Option<Moment>,
    /// Until when.
    pub ends_at: Moment,
    /// Why.
    #[serde(default)]
    #[schema(required = false, max_length = 500)]
    pub reason: String,
}

/// A merge patch of a delegation: what is left out stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DelegationChange {
    /// Another end.
    #[serde(default, deserialize_with = "crate::record::input::given")]
    #[schema(required = false, nullable = false)]
    pub ends_at: Option<Moment>,
    /// False ends it now, and for good.
    #[serde(default, deserialize_with = "crate::record::input::given")]
    #[schema(required = false, nullable = false)]
    pub active: Option<bool>,
}

/// Those in whose name somebody decides at a moment.
pub fn absent(connection: &mut AnyConnection, who: UserId, at: Moment) -> Result<Vec<UserId>> {
    let standing_in = delegation::table
        .filter(delegation::to_user_id.eq(who))
        .filter(delegation::active.eq(true))
        .filter(delegation::begins_at.le(at))
        .filter(delegation::ends_at.gt(at));
    let mut absent: Vec<UserId> = standing_in.select(delegation::from_user_id).load(connection)?;
    absent.sort_unstable();
    absent.dedup();
    Ok(absent)
}

/// What the caller may read: delegations from and to themselves, and, for who arranges those of others, of people within their
/// view.
fn readable(caller: &Caller) -> delegation::BoxedQuery<'static, Backend> {
    let all = delegation::table.into_boxed();
    if !caller.can(OTHERS) {
        return all.filter(concerns(caller.user));
    }
    match &caller.sees {
        Sees::All => all,
        Sees::Own => all.filter(concerns(caller.user)),
        Sees::Organisations(view) => {
            let within = user_account::table.filter(user_account::organisation_id.eq_any(view.to_vec()));
            let within = within.select(user_account::id);
            all.filter(concerns(caller.user).or(delegation::from_user_id.eq_any(within)))
        }
    }
}

/// The delegations that the caller may read after delegation `after`, the newest first; `of` are those from and to one person.
pub fn listed(
    connection: &mut AnyConnection,
    caller: &Caller,
    of: Option<UserId>,
    after: Option<RowId>,
    limit: i64,
) -> Result<Vec<Delegation>> {
    let mut rows = readable(caller);
    if let Some(of) = of {
        rows = rows.filter(concerns(of));
    }
    if let Some(after) = after {
        rows = rows.filter(delegation::id.lt(after));
    }
    Ok(rows.order(delegation::id.desc()).limit(limit).load(connection)?)
}

type Concerns =
    diesel::dsl::Or<diesel::dsl::Eq<delegation::from_user_id, UserId>, diesel::dsl::Eq<delegation::to_user_id, UserId>>;

fn concerns(who: UserId) -> Concerns {
    delegation::from_user_id.eq(who).or(delegation::to_user_id.eq(who))
}

/// The one of that id, if the caller may read it.
pub fn visible(connection: &mut AnyConnection, caller: &Caller, id: RowId) -> Result<Delegation> {
    let found = readable(caller).filter(delegation::id.eq(id)).first(connection).optional()?;
    found.ok_or_else(|| Error::not_found("delegation"))
}

/// Lets somebody decide in the name of another.
pub fn create(desk: &mut Desk<'_, '_>, new: &NewDelegation) -> Result<Delegation> {
    let (caller, at) = (&desk.cause.caller, desk.cause.at);
    let from = new.from_user_id.unwrap_or(caller.user);
    if from != caller.user {
        caller.require(OTHERS)?;
    }
    check(desk, from, new)?;
    let row = Delegation {
        id: RowId::new(),
        from_user_id: from,
        to_user_id: new.to_user_id,
        begins_at: new.begins_at.unwrap_or(at),
        ends_at: new.ends_at,
        reason: new.reason.clone(),
        active: true,
        created_by_id: caller.user,
        version: 1,
        created_at: at,
        updated_at: at,
    };
    diesel::insert_into(delegation::table).values(&row).execute(desk.unit.connection()?)?;
    desk.tell(
        "delegation.created",
        ("delegation", row.id.as_str(), row.version),
        &json!({
            "from_user_id": [null, row.from_user_id], "to_user_id": [null, row.to_user_id],
            "begins_at": [null, row.begins_at], "ends_at": [null, row.ends_at], "reason": [null, row.reason],
        }),
    )?;
    Ok(row)
}

fn check(desk: &mut Desk<'_, '_>, from: UserId, new: &NewDelegation) -> Result<()> {
    let (connection, at) = (desk.unit.reference(), desk.cause.at);
    let horizon = Horizon::of(connection, &desk.cause.caller)?;
    let mut errors = Vec::new();
    for (name, who) in [("from_user_id", from), ("to_user_id", new.to_user_id)] {
        if !horizon.sees_active_user(connection, who)? {
            let detail = format!("`{name}`: there is no active user {who}.");
            errors.push(FieldError::new(format!("/{name}"), "no_such_reference", detail));
        }
    }
    if from == new.to_user_id {
        errors.push(FieldError::new("/to_user_id", "loop", "Nobody stands in for themselves."));
    }
    let begins_at = new.begins_at.unwrap_or(at);
    if new.ends_at <= begins_at || new.ends_at <= at || new.ends_at.storable().is_none() {
        errors.push(FieldError::new("/ends_at", "out_of_range", "`ends_at` is after `begins_at`, and not over yet."));
    }
    if begins_at.storable().is_none() {
        errors.push(FieldError::new("/begins_at", "out_of_range", "`begins_at` is in the years 1 to 9999."));
    }
    if new.reason.chars().count() > REASON {
        let detail = format!("`reason` has at most {REASON} characters.");
        errors.push(FieldError::new("/reason", "too_long", detail));
    }
    if errors.is_empty() { Ok(()) } else { Err(Error::invalid_all(errors)) }
}

/// Lets a delegation end at another moment, or now. Only who is absent, and who arranges absences of others.
pub fn change(desk: &mut Desk<'_, '_>, before: Delegation, change: &DelegationChange) -> Result<Delegation> {
    let (caller, at) = (&desk.cause.caller, desk.cause.at);
    if before.from_user_id != caller.user {
        caller.require(OTHERS)?;
    }
    let ends_at = change.ends_at.unwrap_or(before.ends_at);
    let active = change.active.unwrap_or(before.active);
    if (ends_at, active) == (before.ends_at, before.active) {
        return Ok(before);
    }
    if !before.active {
        return Err(Error::new(Code::Conflict, "It was ended; make another one."));
    }
    if ends_at <= before.begins_at || ends_at.storable().is_none() {
        return Err(Error::invalid("/ends_at", "out_of_range", "`ends_at` is after `begins_at`."));
    }
    let after = Delegation { ends_at, active, version: before.version + 1, updated_at: at, ..before.clone() };
    let unchanged = delegation::table.find(before.id).filter(delegation::version.eq(before.version));
    if diesel::update(unchanged).set(&after).execute(desk.unit.connection()?)? == 0 {
        return Err(super::case::raced());
    }
    desk.tell(
        "delegation.changed",
        ("delegation", after.id.as_str(), after.version),
        &json!({
            "ends_at": [before.ends_at, after.ends_at], "active": [before.active, after.active],
        }),
    )?;
    Ok(after)
}
