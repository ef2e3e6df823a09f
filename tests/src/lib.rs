//! What the black-box tests share: the real binary as a child process, a simulator beside it, and clients that may misbehave.
//!
//! A test starts a [`Node`] or a [`Cluster`] of several, makes a tenant of its own through the operator's key and speaks HTTP. It never sleeps for a
//! fixed time: it polls with a deadline ([`eventually`]). Nothing here knows the server's code; what is sent and expected
//! comes from the contract.
//!
//! The programs in `bin/` use the same parts for work that is too long for a test: `chaos` and `bench`, which
//! `cargo xtask` starts.

pub mod amounts;
pub mod batch;
pub mod beside_nginx;
pub mod bill;
pub mod binary;
pub mod chaos;
pub mod child;
pub mod cluster;
pub mod config;
pub mod corpora;
pub mod database;
pub mod documents;
pub mod files;
pub mod http;
pub mod ledger;
pub mod load;
pub mod memory;
pub mod node;
pub mod raw;
pub mod receiver;
pub mod shared_store;
pub mod sse;
pub mod stores;
pub mod tenant;
pub mod vectors;
mod wait;

pub use amounts::{Prices, usd};
pub use cluster::{Cluster, ClusterSetup};
pub use http::{Caller, Reply};
pub use node::Node;
pub use sse::{Event, EventStream};
pub use tenant::TestTenant;
pub use wait::{eventually, eventually_within, within};
