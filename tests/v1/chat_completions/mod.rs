//! `POST /v1/chat/completions`.

mod bad_input;
mod budget;
mod budget_race;
mod cache;
mod cache_rules;
mod errors;
mod faults;
mod gemini;
mod idempotency;
mod leaving;
mod limits;
mod own_credentials;
mod plain;
mod queue;
mod retrieval;
mod routing;
mod stream;
mod tags;
mod tools;
