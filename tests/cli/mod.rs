//! The command line, from outside: what it prints where, and how it ends.

mod accounts;
mod config;
mod corpus;
mod data_dir;
mod dev;
mod document;
mod exit_codes;
mod export;
mod quickstart;
mod serve;
mod shared;
mod simulator;
mod tenants;
mod webhooks;

use insula_tests::child::Finished;
use serde_json::Value;

/// What a command printed as JSON; panics when it failed, or printed something else to standard output.
#[track_caller]
fn json(finished: &Finished) -> Value {
    assert_eq!(finished.code, 0, "{finished:?}");
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("not one JSON value ({error}): {finished:?}"))
}
