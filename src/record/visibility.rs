//! Who sees which record: the one place that builds the predicate, which is part of every read.
//!
//! A requester sees the records in which they take part (requester, opener, assignee, watcher). An agent also sees those of
//! their teams and of the organisations at and below their own. Kinds that are catalogue data are seen by everybody who is
//! signed in and may read the kind.
//!
//! **Invariant:** a record that is hidden looks like one that does not exist.

use std::collections::{BTreeSet, HashMap};

use diesel::{
    dsl::exists,
    prelude::*,
    sql_types::{Bool, Text},
};

use super::{
    header::{Header, Place},
    kernel::Kernel,
    kind::Kind,
};
use crate::{
    auth::caller::{Caller, Sees},
    db::{
        AnyConnection, Backend, Engine,
        sql::{self, Bind, Rows, Sql},
    },
    error::Result,
    id::{OrganisationId, RecordId, TeamId},
    schema::{participant, record},
};

/// The condition that the caller sees a record. `None` when they see all.
pub fn condition(engine: Engine, caller: &Caller, kinds: &[&Kind]) -> Option<Sql<Bool>> {
    let user = Bind::Text(caller.user.to_string());
    let mut sees = match &caller.sees {
        Sees::All => return None,
        // Few enough to begin with.
        Sees::Own => {
            let open = "record.id IN (SELECT participant.record_id FROM participant WHERE participant.user_id = ";
            vec![Sql::new(open).bind(user).sql(")")]
        }
        Sees::Organisations(organisations) => {
            let organisations = organisations.iter().map(OrganisationId::as_str);
            // In two steps, so that no team at all is false and not unknown.
            let of_team = sql::among(engine, "record.team_id", caller.teams.iter().map(TeamId::as_str));
            let of_team = Sql::all([Sql::new("record.team_id IS NOT NULL"), of_team]);
            // Looked up for the few that the others leave; who has opened thousands must not have them gathered first.
            let open = "EXISTS (SELECT 1 FROM participant WHERE participant.user_id = ";
            let takes_part = Sql::new(open).bind(user).sql(" AND participant.record_id = record.id)");
            vec![sql::among(engine, "record.organisation_id", organisations), of_team, takes_part]
        }
    };
    let mut public = kinds.iter().filter(|k| k.public).map(|k| k.name).peekable();
    if public.peek().is_some() {
        sees.push(sql::among(engine, "record.kind", public));
    }
    Some(Sql::any(sees))
}

/// Whether the caller sees this record.
pub fn sees(connection: &mut AnyConnection, caller: &Caller, kind: &Kind, place: &Place) -> Result<bool> {
    let by_place = match &caller.sees {
        Sees::All => true,
        Sees::Organisations(organisations) => {
            organisations.contains(&place.organisation_id) || place.team_id.is_some_and(|t| caller.teams.contains(&t))
        }
        Sees::Own => false,
    };
    if by_place || kind.public {
        return Ok(true);
    }
    let parts =
        participant::table.filter(participant::user_id.eq(caller.user)).filter(participant::record_id.eq(place.id));
    Ok(diesel::select(exists(parts)).get_result(connection)?)
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
    let engine = connection.engine();
    let kinds = kernel.practices().iter().map(|p| p.kind());
    let readable = kinds.filter(|k| caller.can(&k.permission("read"))).map(|k| k.name);
    let query = seen(engine, kernel, caller)
        .filter(sql::among(engine, "record.id", ids.iter().map(RecordId::as_str)))
        .filter(sql::among(engine, "record.kind", readable));
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
    let engine = connection.engine();
    let (ids, numbers): (Vec<&str>, Vec<&str>) =
        words.iter().map(String::as_str).partition(|word| word.parse::<RecordId>().is_ok());
    let are = [("record.id", ids), ("record.number", numbers)];
    let are = are.into_iter().filter(|(_, words)| !words.is_empty());
    let are = Sql::any(are.map(|(column, words)| sql::among(engine, column, words)));
    let conditions = [Some(are), condition(engine, caller, &kinds(kernel))];
    let query = Sql::<(Text, Text)>::new("SELECT record.id, record.number FROM record WHERE ");
    let rows: Vec<(String, String)> = Rows(query.then(Sql::all(conditions.into_iter().flatten()))).load(connection)?;
    Ok(rows.into_iter().flat_map(|(id, number)| [id, number]).collect())
}

/// All records that the caller sees.
fn seen<'a>(engine: Engine, kernel: &Kernel, caller: &Caller) -> record::BoxedQuery<'a, Backend> {
    let all = record::table.into_boxed();
    match condition(engine, caller, &kinds(kernel)) {
        Some(sees) => all.filter(sees),
        None => all,
    }
}

fn kinds(kernel: &Kernel) -> Vec<&'static Kind> {
    kernel.practices().iter().map(|p| p.kind()).collect()
}
