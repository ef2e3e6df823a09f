//! What every engine must do, case by case.
//!
//! A case knows only [`Store`](crate::Store). Each is run on every engine, and a case about a tenant's own data is run
//! twice: as its owner, who sees exactly what was written, and as another tenant of the same store, who sees nothing. Where
//! nodes share a database, another node must see the same.
//!
//! What an engine has for itself stands in [`differences`].

mod backup;
mod batches;
mod cache_hits;
mod control;
mod corpora;
pub(crate) mod differences;
mod end_users;
mod erasure;
mod export;
mod knowledge;
mod ledger;
mod nodes;
mod opening;
mod plans;
mod provider_credentials;
mod responses;
mod samples;
mod spaces;
mod statement;
mod tenant;
mod vector_stores;
mod webhooks;
pub(crate) mod world;
