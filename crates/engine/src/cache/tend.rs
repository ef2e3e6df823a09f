//! What is done behind the requests: counts are written, and answers of tenants that have changed or are not served any more are forgotten.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use insula_model::TenantState;

use super::{AnswerCache, hits};
use crate::Engine;

/// How often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Sees to it that somebody looks, until there is nothing left to look after.
pub(super) fn start(engine: &Arc<Engine>) {
    let mut is_tended = engine.answers.is_tended.lock();
    // Without a runtime the process is stopping.
    if !*is_tended && let Ok(runtime) = tokio::runtime::Handle::try_current() {
        *is_tended = true;
        runtime.spawn(tend(Arc::downgrade(engine)));
    }
}

async fn tend(engine: Weak<Engine>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        // Held no longer than a look takes: the task must not keep alive what it serves.
        let Some(engine) = engine.upgrade() else { return };
        let current = |tenant| {
            let tenant = engine.directory.tenant(tenant)?;
            (tenant.record.state == TenantState::Active).then_some(tenant.record.version)
        };
        engine.answers.memory.lock().sweep(current);
        if let Err(error) = hits::write(&engine).await {
            tracing::warn!(%error, "hits of the answer cache cannot be written; it is tried again");
        }
        if engine.answers.rests() {
            return;
        }
    }
}

impl AnswerCache {
    /// Whether nothing is left to look after; then nobody does until it is started again.
    fn rests(&self) -> bool {
        let mut is_tended = self.is_tended.lock();
        *is_tended = !(self.memory.lock().is_empty() && self.hits.is_written());
        !*is_tended
    }
}
