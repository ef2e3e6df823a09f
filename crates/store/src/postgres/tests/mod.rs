//! The schemas against a real server.

mod examine;
mod isolation;
mod lint;
mod migrations;
mod roles;
pub(crate) mod scratch;
mod tables;
