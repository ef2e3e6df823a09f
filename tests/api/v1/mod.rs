//! `/api/v1`.

mod budgets;
mod keys;
mod ledger;
mod limits;
mod requests;
mod tenants;
mod tokens;
mod usage;
