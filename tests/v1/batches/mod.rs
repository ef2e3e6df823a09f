//! `/v1/batches`.

mod killed;
mod running;
mod shared;
mod stopped;
mod validation;
