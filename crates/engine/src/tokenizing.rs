//! Counting texts by a tokenizer: work for the CPU, which a caller at the end of its budget must not buy for nothing.
//!
//! What is short is counted at once. Of longer texts few are counted at the same time, and of each tenant one: those of one tenant
//! never stand before another's. Who gets no place in time has to do with what the bytes say.

use std::{collections::HashMap, sync::Arc, time::Duration};

use insula_model::TenantId;
use parking_lot::Mutex;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
    time::timeout,
};

/// How many long texts are counted at once.
const PLACES_MAX: usize = 2;
/// Bytes of what is counted without a place.
const FREE_BYTES_MAX: usize = 4 * 1024;
/// How long a text waits for a place.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Where long texts are counted.
pub(crate) struct Tokenizing {
    places: Arc<Semaphore>,
    /// One place for each tenant that counts or waits.
    tenants: Mutex<HashMap<TenantId, Arc<Semaphore>>>,
}

/// Kept until the counting is over, also where nobody waits for it any more.
struct Place {
    _own: OwnedSemaphorePermit,
    _shared: OwnedSemaphorePermit,
}

impl Default for Tokenizing {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(PLACES_MAX)), tenants: Mutex::default() }
    }
}

impl Tokenizing {
    /// Counts what has so many bytes, off the async threads; `None` where no place came free in time.
    pub async fn count(&self, tenant: TenantId, bytes: usize, count: impl FnOnce() -> u64 + Send + 'static) -> Option<u64> {
        let place = match bytes > FREE_BYTES_MAX {
            true => Some(timeout(WAIT_MAX, self.place(tenant)).await.ok()??),
            false => None,
        };
        let counted = spawn_blocking(move || {
            let tokens = count();
            drop(place);
            tokens
        });
        counted.await.ok()
    }

    /// The tenant's own place first: so only one of its texts stands in the line that all share.
    async fn place(&self, tenant: TenantId) -> Option<Place> {
        let own = self.own(tenant).acquire_owned().await.ok()?;
        let shared = self.places.clone().acquire_owned().await.ok()?;
        Some(Place { _own: own, _shared: shared })
    }

    fn own(&self, tenant: TenantId) -> Arc<Semaphore> {
        let mut tenants = self.tenants.lock();
        // Nobody counts there or waits.
        tenants.retain(|_, place| Arc::strong_count(place) > 1);
        tenants.entry(tenant).or_insert_with(|| Arc::new(Semaphore::new(1))).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: usize = FREE_BYTES_MAX + 1;

    fn tenant(n: u8) -> TenantId {
        TenantId::from_bytes([n; 16])
    }

    /// A long text of a tenant, counted until it is told to end.
    async fn busy(tokenizing: &Arc<Tokenizing>, tenant: TenantId) -> mpsc::Sender<()> {
        let (end, ended) = mpsc::channel();
        let (begin, begun) = tokio::sync::oneshot::channel();
        let tokenizing = tokenizing.clone();
        tokio::spawn(async move {
            let count = move || {
                let _ = begin.send(());
                ended.recv().map_or(1, |()| 1)
            };
            tokenizing.count(tenant, LONG, count).await
        });
        begun.await.unwrap();
        end
    }

    #[tokio::test]
    async fn one_tenant_leaves_a_place_to_others() {
        let tokenizing = Arc::new(Tokenizing::default());
        let end = busy(&tokenizing, tenant(1)).await;
        let second = tokio::spawn({
            let tokenizing = tokenizing.clone();
            async move { tokenizing.count(tenant(1), LONG, || 2).await }
        });
        tokio::task::yield_now().await;
        assert_eq!(tokenizing.count(tenant(2), LONG, || 3).await, Some(3));
        assert!(!second.is_finished());
        drop(end);
        assert_eq!(second.await.unwrap(), Some(2));
    }

    #[tokio::test(start_paused = true)]
    async fn who_gets_no_place_in_time_is_told_and_what_is_short_needs_none() {
        let tokenizing = Arc::new(Tokenizing::default());
        let ends = [busy(&tokenizing, tenant(1)).await, busy(&tokenizing, tenant(2)).await];
        let third = tokio::spawn({
            let tokenizing = tokenizing.clone();
            async move { tokenizing.count(tenant(3), LONG, || 4).await }
        });
        tokio::task::yield_now().await;
        let short = Duration::from_millis(1);
        tokio::time::advance(WAIT_MAX - short).await;
        assert!(!third.is_finished());
        tokio::time::advance(2 * short).await;
        assert_eq!(third.await.unwrap(), None);
        for taken in 1..=3 {
            assert_eq!(tokenizing.count(tenant(taken), FREE_BYTES_MAX, || 5).await, Some(5));
        }
        drop(ends);
        assert_eq!(tokenizing.count(tenant(3), LONG, || 6).await, Some(6));
    }

    #[tokio::test]
    async fn a_place_is_kept_while_the_cpu_is_used_and_forgotten_after() {
        let tokenizing = Arc::new(Tokenizing::default());
        let (end, ended) = mpsc::channel::<()>();
        let (begin, begun) = tokio::sync::oneshot::channel();
        let gone = tokio::spawn({
            let tokenizing = tokenizing.clone();
            async move {
                let count = move || {
                    let _ = begin.send(());
                    ended.recv().map_or(0, |()| 0)
                };
                tokenizing.count(tenant(1), LONG, count).await
            }
        });
        begun.await.unwrap();
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        // Its caller has left, but the counting goes on.
        assert_eq!(tokenizing.places.available_permits(), PLACES_MAX - 1);
        drop(end);
        assert_eq!(tokenizing.count(tenant(1), LONG, || 1).await, Some(1));
        assert_eq!(tokenizing.count(tenant(2), LONG, || 1).await, Some(1));
        assert_eq!(tokenizing.tenants.lock().len(), 1);
    }
}
