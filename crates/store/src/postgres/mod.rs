//! PostgreSQL: the engine for several nodes.
//!
//! Every transaction begins with whom it acts for: the control role, or one tenant under row-level security. The role that
//! logs in has no right of its own, so that a connection outside such a transaction reads nothing.

mod connect;
mod db;
mod error;
mod examine;
mod grants;
mod lint;
mod listen;
mod migrations;
mod pgvector;
mod pool;
mod roles;
mod schemas;
#[cfg(test)]
pub(crate) mod tests;
mod tx;
mod value;

pub use connect::PostgresUrl;
pub(crate) use db::PgDb;
pub(crate) use error::away;
pub use examine::{Examination, Holds, examine};
pub use lint::{Finding, lint};
pub(crate) use listen::{Listener, Notice};
pub(crate) use migrations::check_steps;
pub use migrations::{Migrated, migrate};
pub(crate) use pgvector::{Extension, check_pgvector};
pub use pgvector::{examine_pgvector, migrate_pgvector};
pub(crate) use pool::{Access, Mode, PgPool, PoolOptions};
pub(crate) use roles::check_login;
pub(crate) use schemas::Schema;
pub(crate) use tx::PgTx;
pub(crate) use value::PgStored;
