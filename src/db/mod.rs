//! The store: connections, transactions, the writer that commits in groups, and migrations.
//!
//! `backend` is the only folder that knows which of the two databases it speaks to.
//!
//! **Invariant:** every change of a record goes through [`writer::Writer`]; readers never write.

#[expect(missing_docs, reason = "the derive writes items of its own")]
pub mod backend;
mod checkpoint;
pub mod epoch;
pub mod json;
pub mod migrate;
pub mod pool;
pub mod sql;
pub mod writer;

pub use backend::{AnyConnection, Engine};
pub use epoch::Epoch;
pub use json::JsonText;
pub use pool::Database;

/// The backend type of [`AnyConnection`], named once.
pub type Backend = backend::MultiBackend;

/// A condition on table `T`, ready to be put into a query.
pub type Condition<T> = Box<dyn diesel::BoxableExpression<T, Backend, SqlType = diesel::sql_types::Bool>>;
