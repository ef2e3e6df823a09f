//! SQLite: the embedded engine.
//!
//! The library is the bundled one (the system's may carry the WAL-reset bug). A statement takes microseconds and runs
//! inline, on the thread of the task that asked; opening and committing wait for the disk and move aside.
//! Nobody touches a live database file with `std::fs`: closing such a descriptor would drop SQLite's locks.

mod connection;
mod db;
mod error;
mod migrations;

pub(crate) use connection::{open_control, open_keys, open_tenant, tenant_template};
pub(crate) use db::{SqliteDb, SqliteTx};

#[cfg(test)]
pub(crate) use connection::in_memory;
