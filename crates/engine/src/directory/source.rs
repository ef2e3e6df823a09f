//! What a node must ask the others for: which changes there are, and who has seen them.
//!
//! A trait, so that the rules of `sync.rs` are tested without any shared storage.

use std::pin::Pin;

use insula_model::Result;
use insula_store::Changes;
use tokio::sync::watch;

/// A question under way.
pub(crate) type Asked<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

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
