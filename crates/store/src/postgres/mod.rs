//! PostgreSQL: the engine for several nodes.
//!
//! Every transaction begins with whom it acts for: the control role, or one tenant under row-level security. The role that
//! logs in has no right of its own, so that a connection outside such a transaction reads nothing.

mod connect;
mod error;
mod grants;
mod lint;
mod migrations;
mod roles;
mod schemas;
#[cfg(test)]
mod tests;

pub use connect::PostgresUrl;
pub use lint::{Finding, lint};
pub(crate) use migrations::check_steps;
pub use migrations::{Migrated, migrate};
pub(crate) use roles::check_login;
pub(crate) use schemas::Schema;
