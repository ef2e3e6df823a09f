//! The `insula` program: configuration, command line, and the wiring of everything else.
//!
//! `main.rs` is three lines; this library exists so that tests can start a [`node::Node`] in their own process, with
//! another clock or disk. [`wire`] is the only place that chooses engines, [`config`] the only one that knows keys and
//! defaults, [`cli`] has one file per command.
//!
//! This crate holds no rule of the business: what may be spent, seen or sent is decided in `engine`.

pub mod cli;
pub mod config;
mod engine_settings;
pub mod finding;
mod local_models;
pub mod logging;
pub mod node;
mod private_file;
mod server_file;
pub mod wire;
