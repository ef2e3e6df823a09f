//! Budgets that several nodes share.
//!
//! What a window has left is kept where all nodes see it; each leases of it what it needs. While there is plenty, a node
//! leases a slice and decides from memory; near the end of a budget it leases exactly what its calls hold, and decides as a
//! node that is alone would: under the lock of the window, with everything in view.
//!
//! - [`leases`]: what this node leases and holds;
//! - [`broker`]: whom it asks;
//! - [`reserve`]: what a call takes of what is leased, or joins the line;
//! - [`negotiate`]: how the line of those who wait gets its verdicts;
//! - [`worker`] says when.

pub(super) mod broker;
mod leases;
mod negotiate;
mod reserve;
mod worker;

#[cfg(test)]
mod memory;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub(super) use broker::{Broker, Storage};
pub(super) use leases::{LeaseTable, unit};
pub(super) use worker::Shared;
