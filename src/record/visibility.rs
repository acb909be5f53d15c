//! Who sees which record: the one place that builds the predicate, which is part of every read.
//!
//! A requester sees the records in which they take part (requester, opener, assignee, watcher). An agent also sees those of
//! their teams and of the organisations at and below their own. Kinds that are catalogue data are seen by everybody who is
//! signed in and may read the kind.
//!
//! **Invariant:** a record that is hidden looks like one that does not exist.

use std::collections::{BTreeSet, HashMap};

use diesel::{BoolExpressionMethods, ExpressionMethods, prelude::*};

use super::{header::Header, kernel::Kernel, kind::Kind};
use crate::{
    auth::caller::{Caller, Sees},
    db::{AnyConnection, Backend, Condition},
    error::Result,
    id::RecordId,
    schema::{participant, record},
};

/// The condition that the caller sees a record. `None` when they see all.
pub fn condition(caller: &Caller, kinds: &[&Kind]) -> Option<Condition<record::table>> {
    let takes_part = record::id
        .eq_any(participant::table.filter(participant::user_id.eq(caller.user)).select(participant::record_id));
    let mut sees: Condition<record::table> = match &caller.sees {
        Sees::All => return None,
        Sees::Own => Box::new(takes_part),
        Sees::Organisations(organisations) => {
            let of_organisation = record::organisation_id.eq_any(organisations.to_vec());
            let of_team =
                record::team_id.is_not_null().and(record::team_id.assume_not_null().eq_any(caller.teams.to_vec()));
            Box::new(takes_part.or(of_organisation).or(of_team))
        }
    };
    let public: Vec<&str> = kinds.iter().filter(|k| k.public).map(|k| k.name).collect();
    if !public.is_empty() {
        sees = Box::new(sees.or(record::kind.eq_any(public)));
    }
    Some(sees)
}

/// Whether the caller sees this record.
pub fn sees(connection: &mut AnyConnection, caller: &Caller, kind: &Kind, header: &Header) -> Result<bool> {
    let by_place = match &caller.sees {
        Sees::All => true,
        Sees::Organisations(organisations) => {
            organisations.contains(&header.organisation_id) || header.team_id.is_some_and(|t| caller.teams.contains(&t))
        }
        Sees::Own => false,
    };
    if by_place || kind.public {
        return Ok(true);
    }
    let parts =
        participant::table.filter(participant::user_id.eq(caller.user)).filter(participant::record_id.eq(header.id));
    Ok(diesel::select(diesel::dsl::exists(parts)).get_result(connection)?)
}

/// Those of these records that the caller sees and whose kind they may read, by id, with one query.
pub fn among(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    caller: &Caller,
    ids: Vec<RecordId>,
) -> Result<HashMap<RecordId, Header>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let kinds = kernel.practices().iter().map(|p| p.kind());
    let readable = kinds.filter(|k| caller.can(&k.permission("read"))).map(|k| k.name);
    let query =
        seen(kernel, caller).filter(record::id.eq_any(ids)).filter(record::kind.eq_any(readable.collect::<Vec<_>>()));
    Ok(query.load::<Header>(connection)?.into_iter().map(|header| (header.id, header)).collect())
}

/// Those of these ids and numbers whose records the caller sees, and so may be told of, with one query.
pub fn told_of(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    caller: &Caller,
    words: BTreeSet<String>,
) -> Result<BTreeSet<String>> {
    if words.is_empty() || caller.sees == Sees::All {
        return Ok(words);
    }
    let query = seen(kernel, caller).filter(record::id.eq_any(&words).or(record::number.eq_any(&words)));
    let rows: Vec<(String, String)> = query.select((record::id, record::number)).load(connection)?;
    Ok(rows.into_iter().flat_map(|(id, number)| [id, number]).collect())
}

/// All records that the caller sees.
fn seen<'a>(kernel: &Kernel, caller: &Caller) -> record::BoxedQuery<'a, Backend> {
    let kinds: Vec<&Kind> = kernel.practices().iter().map(|p| p.kind()).collect();
    let all = record::table.into_boxed();
    match condition(caller, &kinds) {
        Some(sees) => all.filter(sees),
        None => all,
    }
}
