//! `/api/v1`.

mod budgets;
mod cache;
mod end_users;
mod export;
mod keys;
mod ledger;
mod limits;
mod operator_keys;
mod plans;
mod plans_that_sell;
mod requests;
mod statements;
mod tenants;
mod tokens;
mod usage;
mod webhooks;
