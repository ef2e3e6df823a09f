//! `/api/v1`.

mod budgets;
mod export;
mod keys;
mod ledger;
mod limits;
mod operator_keys;
mod requests;
mod tenants;
mod tokens;
mod usage;
