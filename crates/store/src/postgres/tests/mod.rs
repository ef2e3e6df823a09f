//! The schemas against a real server.

mod examine;
mod isolation;
mod lint;
mod migrations;
mod roles;
mod scratch;
mod tables;
