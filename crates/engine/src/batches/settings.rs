//! Every bound of batches, by name.

use std::time::Duration;

/// Bounds of batches. All have defaults; each is a key of the configuration reference.
#[derive(Debug, Clone)]
pub struct BatchSettings {
    /// Batches that this node runs at once.
    pub running_max: u32,
    /// Batches of one tenant that run at once, over all nodes.
    pub running_per_tenant_max: u32,
    /// Lines of one batch under way at once; lines that go together in one call count as one.
    pub lines_at_once_max: usize,
    /// Batches of one tenant that are not over.
    pub active_per_tenant_max: u64,
    /// Lines of one batch.
    pub lines_max: u64,
    /// Bytes of one line.
    pub line_bytes_max: usize,
    /// How often a line is sent whose provider fails.
    pub line_attempts_max: u32,
    /// Inputs that lines of embeddings make together in one call.
    pub embedding_inputs_max: u64,
    /// Bytes of text that they make together.
    pub embedding_input_bytes_max: u64,
    /// How long after it was asked for a batch is given up.
    pub window: Duration,
}

impl Default for BatchSettings {
    fn default() -> Self {
        Self {
            running_max: 8,
            running_per_tenant_max: 2,
            lines_at_once_max: 16,
            active_per_tenant_max: 100,
            lines_max: 50_000,
            line_bytes_max: 8 * 1024 * 1024,
            line_attempts_max: 3,
            embedding_inputs_max: 100,
            embedding_input_bytes_max: 300_000,
            window: Duration::from_secs(24 * 60 * 60),
        }
    }
}
