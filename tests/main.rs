//! Black-box tests against the real binary. Folders mirror URLs; `openapi` and `isolation` cut across them.
#![cfg_attr(test, recursion_limit = "256")]

mod api;
mod boundaries;
mod cli;
mod cluster;
mod isolation;
mod openapi;
mod v1;
mod vectors;
