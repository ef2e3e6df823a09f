//! What operators and tenants' admins do: tenants, plans, segments, keys, tokens, budgets, limits, and reading what was used.
//!
//! Every function takes the caller in an authorised form ([`Operator`], [`ManagedTenant`], [`OperatedTenant`],
//! [`ManagedKey`], [`ManagedEndUser`], [`RequestReader`]), so the rights are settled before it is called; only rights that depend on a field
//! of the input are decided here. Each change is stored before it is answered and visible to the next request.
//!
//! A change that was begun must be carried to its end. Call these from a task that is not cancelled half way.
//!
//! [`Operator`]: crate::directory::Operator
//! [`ManagedTenant`]: crate::directory::ManagedTenant
//! [`OperatedTenant`]: crate::directory::OperatedTenant
//! [`ManagedKey`]: crate::directory::ManagedKey
//! [`ManagedEndUser`]: crate::directory::ManagedEndUser
//! [`RequestReader`]: crate::directory::RequestReader

pub mod batches;
pub mod budgets;
pub mod cache;
pub mod catalogue;
pub mod corpora;
pub mod credits;
mod defaults;
pub mod documents;
pub mod effective;
pub mod embedder;
pub mod end_users;
pub mod export;
pub mod keys;
pub mod ledger;
pub mod limits;
pub mod operator_keys;
pub mod page;
pub mod plans;
pub mod profile;
pub mod provider_credentials;
pub mod requests;
pub mod routing;
pub mod segments;
pub mod tags;
pub mod tenants;
pub mod tokens;
pub mod usage;
pub mod vectors;
pub mod webhooks;
