//! Who calls, and what they may do and see.
//!
//! Owns: passwords and their hashing, signing keys, access and refresh tokens, personal tokens, throttling of logins, the
//! table of permissions, the shipped roles, and loading a `Caller` from the directory. Knows no HTTP and no practice.
//!
//! Functions that write take the connection of a write job. A job that answers with an error is rolled back, so **a refusal
//! that must be remembered** (a counted failure, a revoked family) **is a value, never an error**: see [`login::Outcome`] and
//! [`session::Refreshed`], which turn into an error after the commit.
//!
//! **Invariant:** of every secret that is handed out, only a hash is stored.
//! **Invariant:** the answer to a failed login does not tell whether the account exists, is disabled or has no password.

pub mod account;
pub mod caller;
pub mod directory;
pub mod gate;
pub mod hasher;
pub mod horizon;
pub mod key;
pub mod link_token;
pub mod login;
pub mod password;
pub mod permission;
pub mod personal;
pub mod role;
pub mod secret;
pub mod session;
mod shipped;
pub mod throttle;
pub mod token;

#[cfg(test)]
mod bench;

pub use gate::Gate;
pub use hasher::{Hasher, stand_back};
pub use key::KeyRing;
pub use token::Issuer;
