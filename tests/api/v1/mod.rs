//! `/api/v1`.

mod budgets;
mod keys;
mod ledger;
mod limits;
mod operator_keys;
mod requests;
mod tenants;
mod tokens;
mod usage;
mod webhooks;
