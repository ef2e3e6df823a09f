//! What a node must ask the others for: which changes there are, and who has seen them.
//!
//! A trait, so that the rules of `sync.rs` are tested without any shared storage.

use std::{collections::BTreeSet, pin::Pin};

use insula_model::{Result, TenantId};
use tokio::sync::watch;

/// A question under way.
pub(crate) type Asked<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What must be read again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// Up to which change this tells; never less than what was asked from.
    pub(crate) generation: u64,
    /// Tenants of which something changed.
    pub(crate) tenants: BTreeSet<TenantId>,
    /// Whether something of the platform changed: its operators' keys, its budgets.
    pub(crate) platform: bool,
    /// Whether it is no longer known what changed, so that everything must be read again.
    pub(crate) all: bool,
}

/// The list of changes that all nodes share. Every stored change has its place in it before the write returns.
pub(crate) trait ChangeSource: Send + Sync + 'static {
    /// The place of the latest change.
    fn latest(&self) -> Asked<'_, Result<u64>>;

    /// What changed after `generation`.
    fn since(&self, generation: u64) -> Asked<'_, Result<Changes>>;

    /// Notes that this node shows every change up to `generation`.
    fn acknowledge(&self, generation: u64) -> Asked<'_, Result<()>>;

    /// Whether every live node has acknowledged `generation`.
    fn all_have_seen(&self, generation: u64) -> Asked<'_, Result<bool>>;

    /// Tells all nodes that something changed. May get lost: they look by themselves before long.
    fn push(&self) -> Asked<'_, ()>;

    /// Changes whenever a node told that something changed.
    fn pushes(&self) -> watch::Receiver<u64>;
}
