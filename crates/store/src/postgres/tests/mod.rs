//! The schemas against a real server.

mod cancelled;
mod examine;
mod isolation;
mod lint;
mod migrations;
mod pgvector;
mod roles;
pub(crate) mod scratch;
mod tables;
