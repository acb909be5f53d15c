//! Messages that nodes share among themselves: a node claims one for a minute, and of two that try one wins.
//!
//! **Invariant:** no two nodes that live work on one message at a time. A node that dies loses its claims when their time is over,
//! so a message may be worked on twice, and is never forgotten.

use chrono::TimeDelta;

/// How long a node has for an attempt. After that it is taken for dead.
pub const CLAIM: TimeDelta = TimeDelta::minutes(1);

/// Writes `claim`, `release`, `end` and the condition `is_free` for a table of messages: with `id`, `state`, `why`, `next_at`,
/// `ended_at`, `claimed_by` and `claimed_until`, and the state in which a message waits.
#[macro_export]
macro_rules! claims {
    ($table:ident, $pending:path) => {
        /// Claims messages for a node: gives those that no other has claimed meanwhile.
        pub fn claim(
            connection: &mut $crate::db::AnyConnection,
            ids: &[$crate::id::RowId],
            node: $crate::id::RowId,
            now: $crate::clock::Moment,
        ) -> $crate::error::Result<Vec<$crate::id::RowId>> {
            let mut mine = Vec::new();
            for id in ids {
                let until = now.plus($crate::record::claim::CLAIM);
                let claimed = ($table::claimed_by.eq(node), $table::claimed_until.eq(until));
                // A second node waits for the first one's row, and then finds it claimed.
                let free = $table::table.find(id).filter(is_free(now));
                if diesel::update(free).set(claimed).execute(connection)? == 1 {
                    mine.push(*id);
                }
            }
            Ok(mine)
        }

        /// Gives a message back that was not sent after all; with a moment, it is due then.
        pub fn release(
            connection: &mut $crate::db::AnyConnection,
            id: $crate::id::RowId,
            node: $crate::id::RowId,
            due: Option<$crate::clock::Moment>,
        ) -> $crate::error::Result<()> {
            let mine = || $table::table.find(id).filter($table::claimed_by.eq(node));
            if let Some(due) = due {
                diesel::update(mine()).set($table::next_at.eq(due)).execute(connection)?;
            }
            let nobody = (
                $table::claimed_by.eq(None::<$crate::id::RowId>),
                $table::claimed_until.eq(None::<$crate::clock::Moment>),
            );
            diesel::update(mine()).set(nobody).execute(connection)?;
            Ok(())
        }

        /// Ends a message without an attempt: in which state, and why. False where it is no longer this node's.
        pub fn end(
            connection: &mut $crate::db::AnyConnection,
            id: $crate::id::RowId,
            node: $crate::id::RowId,
            (state, why): (State, &str),
            now: $crate::clock::Moment,
        ) -> $crate::error::Result<bool> {
            let ended = (
                $table::state.eq(state.as_str()),
                $table::why.eq(why),
                $table::ended_at.eq(now),
                $table::next_at.eq(None::<$crate::clock::Moment>),
                $table::claimed_by.eq(None::<$crate::id::RowId>),
                $table::claimed_until.eq(None::<$crate::clock::Moment>),
            );
            let mine = $table::table.find(id).filter($table::claimed_by.eq(node));
            let mine = mine.filter($table::state.eq($pending.as_str()));
            Ok(diesel::update(mine).set(ended).execute(connection)? == 1)
        }

        /// That a message is due and no node that lives works on it.
        #[diesel::dsl::auto_type(no_type_alias)]
        fn is_free(now: $crate::clock::Moment) -> _ {
            let pending: &'static str = $pending.as_str();
            let is_claimed = $table::claimed_until.is_not_null();
            let has_lapsed = $table::claimed_until.le(now).assume_not_null();
            let is_due = $table::next_at.le(now).assume_not_null();
            $table::state.eq(pending).and(is_due).and(diesel::dsl::not(is_claimed).or(has_lapsed))
        }
    };
}
