//! A suspended tenant's documents rest: nothing of them is read or embedded until it is active again. What is deleted is deleted all the
//! same.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use insula_model::{Result, TenantId};
use insula_store::Run;
use tokio::task::JoinHandle;

use crate::{
    Engine,
    directory::TenantEntry,
    runs::{Laid, Stop, Watch},
};

/// How often it is looked whether a tenant was suspended whose document is being read.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Does the work of a run, and lays it down once its tenant is suspended. What begins with it asks whether it is already.
pub(super) async fn until_suspended(
    engine: Arc<Engine>,
    run: Run,
    watch: Watch,
    work: impl AsyncFnOnce(Arc<Engine>, Run, Watch) -> Result<Laid>,
) -> Result<Laid> {
    let _looking = Looking::begin(&engine, run.tenant, watch.clone());
    work(engine, run, watch).await
}

/// A corpus has no tenant that could be.
fn is_suspended(engine: &Engine, home: TenantId) -> bool {
    engine.directory.tenant(home).as_deref().is_some_and(TenantEntry::is_denied)
}

/// Stops the work once its tenant is suspended, until this is dropped.
struct Looking(JoinHandle<()>);

impl Looking {
    fn begin(engine: &Arc<Engine>, home: TenantId, watch: Watch) -> Self {
        Self(tokio::spawn(look(Arc::downgrade(engine), home, watch)))
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn look(engine: Weak<Engine>, home: TenantId, watch: Watch) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(engine) = engine.upgrade() else { return };
        if is_suspended(&engine, home) {
            watch.halt(Stop::Withdrawn);
            return;
        }
    }
}
