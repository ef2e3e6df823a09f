//! Where the fold writes: the seam at which a test can fail or crash.

use std::sync::Arc;

use insula_model::{Result, TenantId};

use crate::{
    Control,
    control::{FoldBatch, Position},
    query::block_on,
    records::{Begin, TraceRecord},
    tenants::TenantFiles,
};

/// What keeps folded records. Every function blocks until what it wrote is durable.
pub(super) trait Target: Send + Sync + 'static {
    /// Up to where records are folded.
    fn position(&self) -> Result<Position>;

    /// Attempts that were open when their segment was recycled.
    fn open_attempts(&self) -> Result<Vec<Begin>>;

    /// Applies a batch with its position, whole or not at all. Rows that exist already are passed over.
    fn apply(&self, batch: &FoldBatch) -> Result<()>;

    /// Writes traces into their tenant's file; those that are there already are passed over, and so are all of a tenant
    /// that was erased.
    fn apply_traces(&self, tenant: TenantId, traces: &[TraceRecord]) -> Result<()>;
}

/// The control database and the tenants' files.
pub(super) struct Databases {
    pub(super) control: Control,
    pub(super) tenants: Arc<TenantFiles>,
}

impl Target for Databases {
    fn position(&self) -> Result<Position> {
        block_on(self.control.fold_position())
    }

    fn open_attempts(&self) -> Result<Vec<Begin>> {
        block_on(self.control.open_attempts())
    }

    fn apply(&self, batch: &FoldBatch) -> Result<()> {
        block_on(self.control.apply_fold(batch))
    }

    fn apply_traces(&self, tenant: TenantId, traces: &[TraceRecord]) -> Result<()> {
        block_on(self.tenants.apply_traces(tenant, traces))
    }
}
