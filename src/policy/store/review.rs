//! What was said of versions of policies.

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::VersionRow;
use crate::{
    clock::Moment,
    db::AnyConnection,
    error::Result,
    id::{RowId, UserId},
    schema::policy_review,
};

/// What somebody said of a version.
#[derive(Clone, Debug, Queryable, Insertable)]
#[diesel(table_name = policy_review, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct ReviewRow {
    pub id: RowId,
    pub policy_id: RowId,
    pub number: i32,
    pub reviewer_id: UserId,
    pub approves: bool,
    pub comment: String,
    pub created_at: Moment,
}

impl ReviewRow {
    /// Keeps it.
    pub fn insert(&self, connection: &mut AnyConnection) -> Result<()> {
        diesel::insert_into(policy_review::table).values(self).execute(connection)?;
        Ok(())
    }
}

impl VersionRow {
    /// What was said of it, oldest first.
    pub fn reviews(&self, connection: &mut AnyConnection) -> Result<Vec<ReviewRow>> {
        let mine = policy_review::table.filter(policy_review::policy_id.eq(self.policy_id));
        Ok(mine.filter(policy_review::number.eq(self.number)).order(policy_review::id).load(connection)?)
    }

    /// How many approve of it, and how many do not: others than its author whose last word it was.
    pub fn opinions(&self, connection: &mut AnyConnection) -> Result<(usize, usize)> {
        let said = self.reviews(connection)?.into_iter().map(|review| (review.reviewer_id, review.approves));
        let mut last: BTreeMap<UserId, bool> = said.collect();
        last.retain(|who, _| Some(*who) != self.author_id);
        let approve = last.values().filter(|approves| **approves).count();
        Ok((approve, last.len() - approve))
    }

    /// How many approve of it.
    pub fn approvals(&self, connection: &mut AnyConnection) -> Result<usize> {
        Ok(self.opinions(connection)?.0)
    }
}
