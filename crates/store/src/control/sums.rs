//! Turns for long sums over the ledger.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use insula_model::{Error, ErrorKind, Result, TenantId, TenantScope};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Long sums at once, over all tenants.
const SUMS_MAX: usize = 3;

/// Long sums of one tenant at once: its patience must not be everybody's.
const SUMS_OF_TENANT_MAX: usize = 1;

/// How long a sum waits for its turn.
const SUM_WAIT_MAX: Duration = Duration::from_secs(30);

/// How many long sums may run at once, so that they leave connections to everything else.
#[derive(Clone)]
pub(super) struct SumTurns {
    all: Arc<Semaphore>,
    /// Those of tenants that sum or wait for it; who does neither any more is forgotten.
    own: Arc<Mutex<HashMap<TenantId, Weak<Semaphore>>>>,
}

/// The turn of a long sum, until it is dropped.
pub(super) struct SumTurn {
    _own: Option<OwnedSemaphorePermit>,
    _any: OwnedSemaphorePermit,
}

impl Default for SumTurns {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(SUMS_MAX)), own: Arc::default() }
    }
}

impl SumTurns {
    /// Waits for the turn of a long sum over one tenant, or over all. `Unavailable` where too many wait.
    pub(super) async fn take(&self, tenant: Option<&TenantScope>) -> Result<SumTurn> {
        let turn = tokio::time::timeout(SUM_WAIT_MAX, self.wait(tenant)).await;
        let busy = || {
            let kind = ErrorKind::Unavailable { retry_after: SUM_WAIT_MAX };
            Error::new(kind, "too many sums over the ledger are asked for at once; try again, with a shorter span")
        };
        turn.map_err(|_| busy())?
    }

    async fn wait(&self, tenant: Option<&TenantScope>) -> Result<SumTurn> {
        // Its own first: a tenant that waits for itself takes no place from others.
        let own = match tenant {
            Some(scope) => Some(self.of(scope.tenant()).acquire_owned().await.map_err(Error::internal)?),
            None => None,
        };
        let any = self.all.clone().acquire_owned().await.map_err(Error::internal)?;
        Ok(SumTurn { _own: own, _any: any })
    }

    fn of(&self, tenant: TenantId) -> Arc<Semaphore> {
        let mut own = self.own.lock();
        own.retain(|_, turns| turns.strong_count() > 0);
        if let Some(turns) = own.get(&tenant).and_then(Weak::upgrade) {
            return turns;
        }
        let turns = Arc::new(Semaphore::new(SUMS_OF_TENANT_MAX));
        own.insert(tenant, Arc::downgrade(&turns));
        turns
    }
}

#[cfg(test)]
mod tests {
    use insula_model::ScopeSource;

    use super::*;

    fn scope(n: u8) -> TenantScope {
        TenantScope::mint(TenantId::from_bytes([n; 16]), ScopeSource::Job("test"))
    }

    #[tokio::test]
    async fn a_tenant_has_one_turn_and_leaves_the_others() {
        let turns = SumTurns::default();
        let waits = async |tenant: Option<TenantScope>| {
            let turn = tokio::time::timeout(Duration::from_millis(20), turns.take(tenant.as_ref())).await;
            turn.is_err()
        };
        let first = turns.take(Some(&scope(1))).await.unwrap();
        assert!(waits(Some(scope(1))).await);
        let (_second, third) = (turns.take(Some(&scope(2))).await.unwrap(), turns.take(None).await.unwrap());
        assert!(waits(Some(scope(3))).await && waits(None).await, "three at once are the most");
        drop(third);
        assert!(!waits(Some(scope(3))).await);
        drop(first);
        assert!(!waits(Some(scope(1))).await);
        assert!(turns.own.lock().len() <= 2, "who sums no more is forgotten with the next");
    }
}
