//! The management API: an operation's input, answer, errors and handler on one page, a file per noun.

pub(crate) mod batches;
pub(crate) mod budgets;
pub(crate) mod cache;
pub(crate) mod catalogue;
pub(crate) mod credits;
pub(crate) mod documents;
pub(crate) mod effective;
pub(crate) mod embedder;
pub(crate) mod end_users;
pub(crate) mod export;
pub(crate) mod health;
pub(crate) mod keys;
pub(crate) mod ledger;
pub(crate) mod limits;
pub(crate) mod operator_keys;
pub(crate) mod plans;
pub(crate) mod provider_credentials;
pub(crate) mod requests;
pub(crate) mod routing;
pub(crate) mod search;
pub(crate) mod segments;
pub(crate) mod statements;
pub(crate) mod tenants;
pub(crate) mod tokens;
pub(crate) mod usage;
pub(crate) mod webhooks;
