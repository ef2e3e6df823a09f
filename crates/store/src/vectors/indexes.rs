//! All tenants' vectors in memory, within one bound.

use std::sync::Arc;

use hashlink::LinkedHashMap;
use insula_model::TenantId;
use parking_lot::Mutex;

use super::index::Index;

/// One tenant's index; whoever brings it up to date holds the lock, whoever ranks holds what was in it.
pub(super) type Slot = Arc<tokio::sync::Mutex<Arc<Index>>>;

/// The indexes that are in memory, the least recently used first.
pub(super) struct Indexes {
    bytes_max: u64,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    slots: LinkedHashMap<TenantId, (Slot, u64)>,
    bytes: u64,
}

impl Indexes {
    /// Room for so many bytes.
    pub(super) fn new(bytes_max: u64) -> Self {
        Self { bytes_max, held: Mutex::default() }
    }

    /// A tenant's index, now the most recently used; an empty one where it is not in memory.
    pub(super) fn slot(&self, tenant: TenantId) -> Slot {
        let mut held = self.held.lock();
        let slot = held.slots.entry(tenant).or_insert_with(|| (Slot::default(), 0)).0.clone();
        held.slots.to_back(&tenant);
        slot
    }

    /// Notes what an index takes, and makes room: those that were not used for longest go. One that is larger than all the room goes
    /// too, once its search is over.
    pub(super) fn weigh(&self, tenant: TenantId, slot: &Slot, bytes: u64) {
        let mut held = self.held.lock();
        let Held { slots, bytes: sum } = &mut *held;
        // Forgotten meanwhile: what was made is nobody's.
        let Some((_, weight)) = slots.get_mut(&tenant).filter(|(known, _)| Arc::ptr_eq(known, slot)) else { return };
        *sum = *sum - *weight + bytes;
        *weight = bytes;
        while *sum > self.bytes_max {
            let Some((_, (_, gone))) = slots.pop_front() else { return };
            *sum -= gone;
        }
    }

    /// Forgets those of tenants that are not there any more.
    pub(super) fn retain(&self, is_there: impl Fn(TenantId) -> bool) {
        let known: Vec<TenantId> = self.held.lock().slots.keys().copied().collect();
        known.into_iter().filter(|tenant| !is_there(*tenant)).for_each(|tenant| self.forget(tenant));
    }

    /// Forgets a tenant's.
    pub(super) fn forget(&self, tenant: TenantId) {
        let mut held = self.held.lock();
        if let Some((_, bytes)) = held.slots.remove(&tenant) {
            held.bytes -= bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> TenantId {
        TenantId::from_bytes([n; 16])
    }

    /// Whether the very same slot is still there; looking makes it the most recently used.
    fn stays(indexes: &Indexes, n: u8, slot: &Slot) -> bool {
        Arc::ptr_eq(&indexes.slot(id(n)), slot)
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let indexes = Indexes::new(100);
        let slots: Vec<Slot> = (1..=3).map(|n| indexes.slot(id(n))).collect();
        for (n, slot) in (1..).zip(&slots) {
            indexes.weigh(id(n), slot, 33);
        }
        assert!(stays(&indexes, 1, &slots[0]));
        indexes.weigh(id(1), &slots[0], 60);
        assert!(!stays(&indexes, 2, &slots[1]), "it was used longest ago");
        assert!(stays(&indexes, 3, &slots[2]) && stays(&indexes, 1, &slots[0]));

        // One larger than all the room leaves nothing, not even itself.
        indexes.weigh(id(1), &slots[0], 101);
        assert!(!stays(&indexes, 1, &slots[0]) && !stays(&indexes, 3, &slots[2]));
        assert_eq!(indexes.held.lock().bytes, 0);
    }

    #[test]
    fn what_is_forgotten_weighs_nothing() {
        let indexes = Indexes::new(100);
        let slot = indexes.slot(id(1));
        indexes.weigh(id(1), &slot, 50);
        indexes.forget(id(1));
        indexes.weigh(id(1), &slot, 70);
        assert_eq!(indexes.held.lock().bytes, 0);
        assert!(!stays(&indexes, 1, &slot));

        let slots = [1, 2].map(|n| indexes.slot(id(n)));
        indexes.retain(|tenant| tenant == id(2));
        assert!(!stays(&indexes, 1, &slots[0]) && stays(&indexes, 2, &slots[1]));
    }
}
