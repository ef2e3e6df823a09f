//! Batches: many requests in a file, each sent through the ordinary pipeline when nobody else wants its turn.
//!
//! - [`service`]: what a tenant's caller may do with batches;
//! - [`run`]: one batch, from where it stands as far as it gets;
//! - [`validate`]: its file is right, or what is wrong with it;
//! - [`execute`]: its lines, several at once; [`groups`]: which of them go together;
//! - [`together`]: lines in one call; [`line`]: one alone; [`sender`]: either of them on its way; [`output`]: what is said of each;
//! - [`finish`]: its output.
//!
//! The control database knows which batches are not over, and whose turn each is; everything else is the tenant's own. A line
//! that is done is stored, sealed, before it counts. Each call has an idempotency key of its own, made from batch, its lines
//! and try: whoever goes on after a crash gets the answer that was kept, and where none was the next try is a new attempt.

mod detail;
mod execute;
mod finish;
mod groups;
mod line;
mod lines;
mod output;
mod run;
mod sender;
mod service;
mod settings;
mod together;
mod validate;

use std::sync::Arc;

use insula_model::{Error, RequestId};
use insula_store::RunsMax;

pub use detail::Finding;
pub use lines::{endpoint, operation_of};
pub use service::{BatchView, NewBatch, cancel, create, find, list, no_such_batch};
pub use settings::BatchSettings;

pub(crate) use groups::embedding_room;
pub(crate) use sender::{LEFT_TO_OTHERS, wait_for_room};

use crate::Engine;

impl Engine {
    /// Starts to run batches, for as long as the engine lives. A process that only runs a command does not.
    pub fn start_batches(self: &Arc<Self>, dialect: ErrorDialect) {
        let settings = &self.settings.batches;
        let most = RunsMax { runs: settings.running_max, per_tenant: settings.running_per_tenant_max };
        self.batches.start(self, most, run::perform(dialect));
    }
}

/// How errors look in a batch's output: as a caller of the line itself would have seen them.
#[derive(Debug, Clone, Copy)]
pub struct ErrorDialect {
    /// The status.
    pub status_of: fn(&Error) -> u16,
    /// The body, as JSON.
    pub body_of: fn(&Error, RequestId) -> Vec<u8>,
}
