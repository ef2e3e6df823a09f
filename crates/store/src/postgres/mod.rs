//! PostgreSQL: the engine for several nodes.
//!
//! Every transaction begins with whom it acts for: the control role, or one tenant under row-level security. The role that
//! logs in has no right of its own, so that a connection outside such a transaction reads nothing.

mod connect;
mod db;
mod error;
mod listen;
mod pool;
mod tx;
mod value;

pub use connect::PostgresUrl;
pub(crate) use db::PgDb;
pub(crate) use error::away;
pub(crate) use listen::{Listener, Notice};
pub(crate) use pool::{Access, Mode, PgPool, PoolOptions};
pub(crate) use tx::PgTx;
pub(crate) use value::PgStored;
