//! Approvals: others agree that a record goes on as it is, before it does.
//!
//! An approval has *stages* in order; in each, people are asked ([`voters`]): by name, as members of a team, as holders of a
//! role, as owners of what is affected, as the requester's manager. A stage is decided by its *quorum* ([`quorum`]), or by
//! its due time, which is a timer of the record. Who is asked is found out when a stage opens; that its quorum can be
//! reached, when the approval is asked for, and again when the stage opens.
//!
//! What happens to an approval is a change of its record beside its fields (`store::beside`): the record's version rises, and
//! history, audit and events tell of it. A change of a field that the approval covers makes it void, and asks again ([`again`]).
//!
//! **Invariant:** neither who asked, nor the record's requester and opener, nor who works on it ([`duty`]) counts, neither
//! for themselves nor in the name of another.
//! **Invariant:** in a stage each person is asked once and decides once, be it for themselves or for one who is absent
//! ([`delegate`]).
//! **Invariant:** an approval is seen by those who see its record, who asked for it, and who are or were asked or stand in for them
//! ([`sight`]). Those who don't see the record learn its number and title, and nothing else of it.

pub mod again;
pub mod ask;
pub mod case;
pub mod delegate;
pub mod duty;
pub mod link;
pub mod policy;
pub mod quorum;
pub mod row;
pub mod shown;
pub mod sight;
pub mod stage;
pub mod vote;
pub mod voters;

/// What an approval is called among the changes of a record.
pub const BESIDE: &str = "approval";
