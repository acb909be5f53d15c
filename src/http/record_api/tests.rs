//! The generic endpoints through the router, on a database of their own.

mod bench;
mod files;
mod live;
mod many;
mod notes;
mod relations;
