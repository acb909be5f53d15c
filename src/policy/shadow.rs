//! Versions that run beside the live one, without effect: how they fare, and when they are let go of.

use diesel::prelude::*;

use super::store::{PolicyRow, VersionRow, state};
use crate::{
    db::{AnyConnection, JsonText},
    error::{Code, Error, Result},
    id::RowId,
    record::{decide::DecisionRow, store::Desk},
    schema::decision,
};

/// How many of the latest evaluations are looked at.
pub const SAMPLE: i64 = 1_000;
/// So many evaluations are waited for before errors count.
const ENOUGH: usize = 20;
/// The share of evaluations that fail, in per cent, beyond which a version is let go of.
pub const ERRORS_PERCENT: usize = 5;

/// How a version in the shadow fares, over its latest evaluations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// How many evaluations there are, [`SAMPLE`] at most.
    pub evaluations: usize,
    /// How many of them failed or went over a limit.
    pub errors: usize,
    /// With how many of them the decision would have come out otherwise.
    pub different: usize,
}

impl Figures {
    /// Of a version.
    pub fn of(connection: &mut AnyConnection, version: &VersionRow) -> Result<Figures> {
        let mine = decision::table
            .filter(decision::policy_id.eq(version.policy_id))
            .filter(decision::policy_version.eq(version.number))
            .filter(decision::mode.eq(state::SHADOW));
        let latest = mine.order(decision::id.desc()).limit(SAMPLE).select((decision::outcome, decision::differs));
        let rows: Vec<(String, Option<JsonText>)> = latest.load(connection)?;
        Ok(Figures {
            evaluations: rows.len(),
            errors: rows.iter().filter(|(outcome, _)| matches!(outcome.as_str(), "error" | "limit")).count(),
            different: rows.iter().filter(|(_, differs)| differs.is_some()).count(),
        })
    }

    /// Whether so many fail that it is of no use to go on.
    pub fn are_hopeless(&self) -> bool {
        self.evaluations >= ENOUGH && self.errors * 100 > self.evaluations * ERRORS_PERCENT
    }
}

/// The evaluations of a version in the shadow with which a decision would have come out otherwise, before `below`, the newest
/// first.
pub fn divergences(
    connection: &mut AnyConnection,
    version: &VersionRow,
    below: Option<RowId>,
    limit: i64,
) -> Result<Vec<DecisionRow>> {
    let mut rows = decision::table
        .filter(decision::policy_id.eq(version.policy_id))
        .filter(decision::policy_version.eq(version.number))
        .filter(decision::differs.is_not_null())
        .into_boxed::<crate::db::Backend>();
    if let Some(below) = below {
        rows = rows.filter(decision::id.lt(below));
    }
    Ok(rows.order(decision::id.desc()).limit(limit).load(connection)?)
}

/// Lets a version run in the shadow, in place of another of the same policy.
///
/// # Errors
/// [`Code::Conflict`] where it is live or in the shadow already.
pub fn start(desk: &mut Desk<'_, '_>, mut policy: PolicyRow, mut version: VersionRow) -> Result<VersionRow> {
    if [state::ACTIVE, state::SHADOW].contains(&version.state.as_str()) {
        return Err(Error::new(Code::Conflict, format!("It is {} already.", version.state)));
    }
    let connection = desk.unit.connection()?;
    for mut before in VersionRow::shadows_of(connection, policy.id)? {
        before.leave_shadow(connection)?;
    }
    version.enter_shadow(connection)?;
    policy.touch(connection, desk.cause.at)?;
    Ok(version)
}

/// Lets it run no more: it is as before it did.
///
/// # Errors
/// [`Code::Conflict`] where it is not in the shadow.
pub fn stop(desk: &mut Desk<'_, '_>, mut policy: PolicyRow, mut version: VersionRow) -> Result<VersionRow> {
    if version.state != state::SHADOW {
        return Err(Error::new(Code::Conflict, format!("It is {}, not in the shadow.", version.state)));
    }
    let connection = desk.unit.connection()?;
    version.leave_shadow(connection)?;
    policy.touch(connection, desk.cause.at)?;
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_errors_among_many_are_borne() {
        for (evaluations, errors, hopeless) in
            [(0, 0, false), (19, 19, false), (20, 1, false), (20, 2, true), (1_000, 50, false), (1_000, 51, true)]
        {
            let figures = Figures { evaluations, errors, different: 0 };
            assert_eq!(figures.are_hopeless(), hopeless, "{figures:?}");
        }
    }
}
