//! The schemas against a real server.

mod isolation;
mod lint;
mod migrations;
mod roles;
pub(crate) mod scratch;
mod tables;
