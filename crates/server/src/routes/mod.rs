//! The management API: an operation's input, answer, errors and handler on one page, a file per noun.

pub(crate) mod budgets;
pub(crate) mod catalogue;
pub(crate) mod export;
pub(crate) mod health;
pub(crate) mod keys;
pub(crate) mod ledger;
pub(crate) mod limits;
pub(crate) mod operator_keys;
pub(crate) mod requests;
pub(crate) mod tenants;
pub(crate) mod tokens;
pub(crate) mod usage;
