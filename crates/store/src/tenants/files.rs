//! All tenants' files: which are open, and who makes room for whom.

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use hashlink::LinkedHashMap;
use insula_model::{Error, ErrorKind, Result, TenantId};
use parking_lot::Mutex;
use tokio::{sync::OwnedMutexGuard, task::JoinSet};

use super::{
    place::Place,
    slot::{Pin, Slot, State},
    traces::put_traces,
};
use crate::{
    TraceRecord,
    control::stopped,
    query::{block_on, waiting},
};

/// How many files are closed at the same time when the store is.
const CLOSING_AT_ONCE_MAX: usize = 16;

/// How much may be open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Files; at most this many, whatever happens.
    pub(crate) files_max: usize,
    /// Memory of all open files together, in bytes. Passed only where every open file is pinned.
    pub(crate) bytes_max: u64,
}

/// What the fold still holds back for a tenant. It is asked when the tenant's file is about to be closed, because writing
/// now is cheaper than opening the file again.
pub(crate) trait PendingTraces: Send + Sync {
    /// Hands what is pending for `tenant` to `write`, and forgets it once that succeeded.
    fn write_out(&self, tenant: TenantId, write: &mut dyn FnMut(&[TraceRecord]) -> Result<()>) -> Result<()>;

    /// Forgets what is pending for a tenant that is erased.
    fn forget(&self, tenant: TenantId);
}

/// All tenants' files.
pub(crate) struct TenantFiles {
    place: Place,
    bounds: Bounds,
    slots: Mutex<Slots>,
    pending: OnceLock<Arc<dyn PendingTraces>>,
}

/// Never locked while anything waits.
#[derive(Default)]
struct Slots {
    /// The least recently used first.
    by_tenant: LinkedHashMap<TenantId, Arc<Slot>>,
    open: usize,
    bytes: u64,
    erased: HashSet<TenantId>,
    stopped: bool,
}

impl TenantFiles {
    /// Prepares the directory `root`; no file is opened yet. Waits for the disk.
    pub(crate) fn new(root: PathBuf, bounds: Bounds) -> Result<Self> {
        let place = Place::new(root)?;
        Ok(Self { place, bounds, slots: Mutex::default(), pending: OnceLock::new() })
    }

    /// Names who holds traces back; once, before the first file is opened.
    pub(crate) fn set_pending(&self, pending: Arc<dyn PendingTraces>) {
        // A second call changes nothing: there is one fold.
        let _ = self.pending.set(pending);
    }

    /// Makes a tenant's file, unless it has one.
    pub(crate) async fn create(self: &Arc<Self>, tenant: TenantId) -> Result<()> {
        let files = self.clone();
        waiting(move || files.place.create(tenant)).await
    }

    /// Where the tenant's blobs lie; it need not exist yet.
    pub(crate) fn blob_directory(&self, tenant: TenantId) -> PathBuf {
        self.place.blobs(tenant)
    }

    /// Opens a tenant's file, if it is not open, and pins it. `NotFound` once erased; `Unavailable` where the file is newer than
    /// this program or every file that may be open is in use.
    pub(crate) async fn pin(self: &Arc<Self>, tenant: TenantId) -> Result<Pin> {
        let slot = self.slot(tenant)?;
        let state = slot.state().await;
        match &*state {
            State::Open(db) => return Ok(Pin { db: db.clone(), slot }),
            State::Erased => return Err(Error::not_found()),
            State::Closed => {}
        }
        // The lock moves along: should this future be dropped, nobody opens a second time before the first is through.
        let files = self.clone();
        waiting(move || files.open(slot, state)).await
    }

    /// Refuses a tenant that is being erased or was erased: for good, and first of all calls.
    pub(crate) fn refuse(&self, tenant: TenantId) {
        self.slots.lock().erased.insert(tenant);
    }

    /// Closes the file of a tenant that is refused, whoever uses it, and forgets what the fold holds back for it.
    pub(crate) async fn drain(&self, tenant: TenantId) -> Result<()> {
        let slot = self.slots.lock().by_tenant.remove(&tenant);
        if let Some(slot) = slot {
            let mut state = slot.state().await;
            if let State::Open(db) = std::mem::replace(&mut *state, State::Erased) {
                self.closed(&slot);
                // Waits for the transaction under way, if there is one.
                db.close(Error::not_found).await?;
            }
        }
        if let Some(pending) = self.pending.get() {
            pending.forget(tenant);
        }
        Ok(())
    }

    /// Removes everything of a tenant whose file is closed and stays so: one that was drained, or never came to be.
    pub(crate) async fn remove(self: &Arc<Self>, tenant: TenantId) -> Result<()> {
        let files = self.clone();
        waiting(move || files.place.remove(tenant)).await
    }

    /// Whether anything of a tenant is on the disk.
    pub(crate) async fn holds(self: &Arc<Self>, tenant: TenantId) -> Result<bool> {
        let files = self.clone();
        waiting(move || files.place.holds(tenant)).await
    }

    /// Writes finished requests into their tenant's file; durable on return. Those of an erased tenant are dropped: nobody could
    /// open them.
    pub(crate) async fn apply_traces(self: &Arc<Self>, tenant: TenantId, traces: &[TraceRecord]) -> Result<()> {
        let pin = match self.pin(tenant).await {
            Err(error) if *error.kind() == ErrorKind::NotFound => return Ok(()),
            pinned => pinned?,
        };
        match put_traces(&pin.db, traces).await {
            Err(error) if *error.kind() == ErrorKind::NotFound => return Ok(()),
            put => put?,
        }
        // The file may have grown.
        if let Ok(bytes) = pin.db.memory_bytes().await {
            self.weigh(&pin.slot, bytes);
        }
        Ok(())
    }

    /// Closes all files, the pinned ones too; nothing is opened from now on.
    pub(crate) async fn close(self: &Arc<Self>) -> Result<()> {
        let slots: Vec<Arc<Slot>> = {
            let mut slots = self.slots.lock();
            slots.stopped = true;
            slots.by_tenant.values().cloned().collect()
        };
        // Several at once, because a disk syncs many files in hardly more time than one.
        let mut closing = JoinSet::new();
        for slot in slots {
            if closing.len() >= CLOSING_AT_ONCE_MAX {
                closing.join_next().await;
            }
            let files = self.clone();
            closing.spawn(async move {
                let state = slot.state().await;
                waiting(move || {
                    files.close_slot(&slot, state);
                    Ok(())
                })
                .await
            });
        }
        while let Some(closed) = closing.join_next().await {
            closed.map_err(Error::internal)??;
        }
        Ok(())
    }

    /// The tenant's slot, now the most recently used.
    fn slot(&self, tenant: TenantId) -> Result<Arc<Slot>> {
        let mut slots = self.slots.lock();
        if slots.stopped {
            return Err(stopped());
        }
        if slots.erased.contains(&tenant) {
            return Err(Error::not_found());
        }
        let slot = slots.by_tenant.entry(tenant).or_insert_with(|| Arc::new(Slot::new(tenant))).clone();
        slots.by_tenant.to_back(&tenant);
        Ok(slot)
    }

    /// Opens the file of a closed slot. Waits for the disk.
    fn open(&self, slot: Arc<Slot>, mut state: OwnedMutexGuard<State>) -> Result<Pin> {
        let opened = self.make_room().and_then(|()| {
            let opened = self.place.open(slot.tenant).and_then(|db| Ok((block_on(db.memory_bytes())?, db)));
            opened.inspect_err(|_| self.slots.lock().open -= 1)
        });
        match opened {
            Ok((bytes, db)) => {
                *state = State::Open(db.clone());
                let mut slots = self.slots.lock();
                slots.bytes += bytes;
                slot.set_bytes(bytes);
                drop(slots);
                Ok(Pin { db, slot })
            }
            Err(error) => {
                drop(state);
                self.retire(&slot);
                Err(error)
            }
        }
    }

    /// Notes what an open file takes in memory now.
    fn weigh(&self, slot: &Slot, bytes: u64) {
        let mut slots = self.slots.lock();
        // Closed meanwhile, where the tenant is being erased.
        if slot.bytes() > 0 {
            slots.bytes = slots.bytes - slot.set_bytes(bytes) + bytes;
        }
    }

    /// Notes that a file is no longer open; its state is still locked.
    fn closed(&self, slot: &Slot) {
        let mut slots = self.slots.lock();
        slots.open -= 1;
        slots.bytes -= slot.set_bytes(0);
    }

    /// Closes files nobody uses, the least recently used first, until one more fits, and counts that one as open.
    fn make_room(&self) -> Result<()> {
        loop {
            let victim = {
                let mut slots = self.slots.lock();
                let full = slots.open >= self.bounds.files_max;
                if !full && slots.bytes <= self.bounds.bytes_max {
                    slots.open += 1;
                    return Ok(());
                }
                // Only the map holds it, so nobody works on it; and only through the map, which is locked, could anybody begin to.
                let idle = |slot: &&Arc<Slot>| Arc::strong_count(slot) == 1 && slot.bytes() > 0;
                match slots.by_tenant.values().find(idle).cloned() {
                    Some(slot) => slot,
                    None if full => {
                        let retry_after = Duration::from_secs(1);
                        return Err(Error::new(ErrorKind::Unavailable { retry_after }, "too many tenants are in use at once"));
                    }
                    None => {
                        slots.open += 1;
                        return Ok(());
                    }
                }
            };
            // Whoever asked for it meanwhile is opening or has opened it: it is no longer idle, the next round finds another.
            if let Some(state) = victim.try_state() {
                self.close_slot(&victim, state);
            }
        }
    }

    /// Writes out what is pending for a slot and closes its file. Waits for the disk.
    fn close_slot(&self, slot: &Arc<Slot>, mut state: OwnedMutexGuard<State>) {
        let State::Open(db) = std::mem::replace(&mut *state, State::Closed) else { return };
        let tenant = slot.tenant;
        if let Some(pending) = self.pending.get() {
            // What cannot be written now stays with the fold, which tries again.
            if let Err(error) = pending.write_out(tenant, &mut |traces| block_on(put_traces(&db, traces))) {
                tracing::warn!(%tenant, %error, source = ?error.private_source(), "traces wait for the next fold");
            }
        }
        if let Err(error) = block_on(db.close(stopped)) {
            tracing::warn!(%tenant, %error, source = ?error.private_source(), "a tenant's file did not close cleanly");
        }
        self.closed(slot);
        drop(state);
        self.retire(slot);
    }

    /// Forgets a slot that is neither open nor wanted by anyone else.
    fn retire(&self, slot: &Arc<Slot>) {
        let mut slots = self.slots.lock();
        // Two: the map and our caller.
        if Arc::strong_count(slot) == 2 && slot.bytes() == 0 {
            slots.by_tenant.remove(&slot.tenant);
        }
    }

    /// The tenants whose files are open, the least recently used first.
    #[cfg(test)]
    pub(super) fn open_tenants(&self) -> Vec<TenantId> {
        let slots = self.slots.lock();
        let open: Vec<TenantId> = slots.by_tenant.values().filter(|slot| slot.bytes() > 0).map(|slot| slot.tenant).collect();
        assert_eq!(slots.bytes, slots.by_tenant.values().map(|slot| slot.bytes()).sum::<u64>());
        assert!(open.len() <= slots.open);
        open
    }
}
