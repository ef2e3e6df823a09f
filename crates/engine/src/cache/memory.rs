//! Answers in this node's memory: a shelf for each tenant, the least lately used answer leaves first.
//!
//! A tenant that puts up more than its bound displaces its own answers. Where all shelves together hold too much, the fullest
//! one gives way: nobody displaces a tenant that holds less.

use std::{
    collections::{BTreeSet, HashMap},
    hash::Hash,
    sync::Arc,
};

use hashlink::LruCache;
use insula_model::TenantId;

use super::Kept;

/// About what an answer takes beside its body.
const ANSWER_BYTES: usize = 512;

/// All answers of this node, by the keys of their questions.
pub(super) struct Memory<K> {
    bytes_max: usize,
    tenant_bytes_max: usize,
    bytes: usize,
    shelves: HashMap<TenantId, Shelf<K>>,
    /// The shelves by what they hold.
    by_size: BTreeSet<(usize, TenantId)>,
}

/// One tenant's answers.
struct Shelf<K> {
    /// The version of the tenant that all of them were kept for.
    version: u64,
    bytes: usize,
    answers: LruCache<K, Arc<Kept>>,
}

impl Kept {
    fn bytes(&self) -> usize {
        self.transcript.body.len() + self.made.model.len() + ANSWER_BYTES
    }
}

impl<K: Eq + Hash> Shelf<K> {
    fn put(&mut self, key: K, kept: Arc<Kept>) {
        self.bytes += kept.bytes();
        if let Some(before) = self.answers.insert(key, kept) {
            self.bytes -= before.bytes();
        }
    }

    /// Displaces the answer that was not used for longest; false where there is none.
    fn displace(&mut self) -> bool {
        let Some((_, kept)) = self.answers.remove_lru() else { return false };
        self.bytes -= kept.bytes();
        true
    }
}

impl<K: Eq + Hash> Memory<K> {
    pub fn new(bytes_max: usize, tenant_bytes_max: usize) -> Self {
        Self { bytes_max, tenant_bytes_max, bytes: 0, shelves: HashMap::new(), by_size: BTreeSet::new() }
    }

    /// The answer under a key; from now on it is the one that was used last.
    pub fn find(&mut self, tenant: TenantId, key: &K) -> Option<Arc<Kept>> {
        self.shelves.get_mut(&tenant)?.answers.get(key).cloned()
    }

    /// Keeps an answer of a tenant in this version, in the place of one that is there.
    pub fn put(&mut self, tenant: TenantId, version: u64, key: K, kept: Arc<Kept>) {
        // Nothing can be found any more that was kept before the tenant changed.
        match self.shelves.get(&tenant).map(|shelf| shelf.version) {
            Some(newer) if newer > version => return,
            Some(older) if older < version => self.forget(tenant),
            _ => {}
        }
        let shelf =
            self.shelves.entry(tenant).or_insert_with(|| Shelf { version, bytes: 0, answers: LruCache::new_unbounded() });
        let before = shelf.bytes;
        shelf.put(key, kept);
        while shelf.bytes > self.tenant_bytes_max && shelf.displace() {}
        self.resized(tenant, before);
        while self.bytes > self.bytes_max
            && let Some((before, fullest)) = self.by_size.last().copied()
        {
            self.shelves.get_mut(&fullest).map(Shelf::displace);
            self.resized(fullest, before);
        }
    }

    /// Forgets all answers of tenants that are in another version than `current` says, or not served any more.
    pub fn sweep(&mut self, current: impl Fn(TenantId) -> Option<u64>) {
        let stale = self.shelves.iter().filter(|(id, shelf)| current(**id) != Some(shelf.version)).map(|(id, _)| *id);
        for id in stale.collect::<Vec<_>>() {
            self.forget(id);
        }
    }

    /// Forgets a tenant's answers that were made of documents.
    pub fn drop_grounded(&mut self, tenant: TenantId) {
        let Some(shelf) = self.shelves.get_mut(&tenant) else { return };
        let before = shelf.bytes;
        let mut dropped = 0;
        shelf.answers.retain(|_, kept| {
            let stays = kept.transcript.documents.is_empty();
            dropped += if stays { 0 } else { kept.bytes() };
            stays
        });
        shelf.bytes -= dropped;
        self.resized(tenant, before);
    }

    /// The same of all tenants.
    pub fn drop_all_grounded(&mut self) {
        for tenant in self.shelves.keys().copied().collect::<Vec<_>>() {
            self.drop_grounded(tenant);
        }
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.shelves.is_empty()
    }

    fn forget(&mut self, id: TenantId) {
        if let Some(shelf) = self.shelves.remove(&id) {
            self.by_size.remove(&(shelf.bytes, id));
            self.bytes -= shelf.bytes;
        }
    }

    /// Keeps the sums once a shelf is changed that held `before`; an empty one is taken down.
    fn resized(&mut self, id: TenantId, before: usize) {
        self.by_size.remove(&(before, id));
        let after = self.shelves.get(&id).map_or(0, |shelf| shelf.bytes);
        self.bytes = self.bytes - before + after;
        if self.shelves.get(&id).is_some_and(|shelf| shelf.answers.is_empty()) {
            self.shelves.remove(&id);
        } else {
            self.by_size.insert((after, id));
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use insula_model::{Money, Timestamp};
    use proptest::prelude::*;

    use super::*;
    use crate::{Origin, Transcript, cache::Made};

    fn kept(bytes: usize) -> Arc<Kept> {
        let made = Made { at: Timestamp::default(), model: String::new(), tokens: 1, cost: Money::ZERO };
        let body = Bytes::from(vec![b'x'; bytes - ANSWER_BYTES]);
        Arc::new(Kept {
            transcript: Arc::new(Transcript { is_stream: false, body, documents: Vec::new() }),
            made,
            record: None,
        })
    }

    fn tenant(n: u8) -> TenantId {
        TenantId::from_bytes([n; 16])
    }

    #[test]
    fn a_tenant_displaces_its_own() {
        let mut memory = Memory::new(100_000, 3_000);
        memory.put(tenant(1), 1, 1, kept(1_000));
        for n in 2..=9 {
            memory.put(tenant(2), 1, n, kept(1_000));
            assert!(memory.find(tenant(2), &2).is_some(), "it was used last but one");
        }
        assert!(memory.find(tenant(1), &1).is_some(), "another tenant's stays");
        let left: Vec<u8> = (1..=9).filter(|n| memory.find(tenant(2), n).is_some()).collect();
        assert_eq!(left, [2, 8, 9]);
        memory.put(tenant(2), 1, 1, kept(5_000));
        assert!(memory.find(tenant(2), &1).is_none(), "larger than all that it may have");
        assert_eq!(memory.bytes, 1_000);
    }

    #[test]
    fn the_fullest_gives_way() {
        let mut memory = Memory::new(10_000, 9_000);
        for n in 0..8 {
            memory.put(tenant(1), 1, n, kept(1_000));
        }
        for n in 0..5 {
            memory.put(tenant(2), 1, n, kept(1_000));
        }
        let of = |memory: &mut Memory<u8>, t| (0..8).filter(|n| memory.find(tenant(t), n).is_some()).count();
        assert_eq!((of(&mut memory, 1), of(&mut memory, 2)), (5, 5));
        memory.put(tenant(3), 1, 0, kept(2_000));
        assert_eq!((of(&mut memory, 1) + of(&mut memory, 2), of(&mut memory, 3)), (8, 1));
    }

    #[test]
    fn what_was_kept_for_an_older_version_is_forgotten() {
        let mut memory = Memory::new(10_000, 9_000);
        memory.put(tenant(1), 2, 1, kept(1_000));
        memory.put(tenant(1), 1, 2, kept(1_000));
        assert!(memory.find(tenant(1), &2).is_none(), "it comes too late");
        memory.put(tenant(1), 3, 3, kept(1_000));
        assert!(memory.find(tenant(1), &1).is_none());
        memory.put(tenant(2), 7, 1, kept(1_000));
        memory.sweep(|id| (id == tenant(1)).then_some(3));
        assert!(memory.find(tenant(1), &3).is_some());
        assert!(memory.find(tenant(2), &1).is_none());
        memory.sweep(|_| None);
        assert!(memory.is_empty() && memory.by_size.is_empty());
        assert_eq!(memory.bytes, 0);
    }

    #[test]
    fn what_was_made_of_documents_is_forgotten_alone() {
        let mut memory = Memory::new(10_000, 9_000);
        let made = Made { at: Timestamp::default(), model: String::new(), tokens: 1, cost: Money::ZERO };
        let documents = vec![Origin { corpus: None, document: insula_model::DocumentId::from_bytes([7; 16]) }];
        let transcript = Arc::new(Transcript { is_stream: false, body: Bytes::from_static(b"{}"), documents });
        let grounded = Arc::new(Kept { transcript, made, record: None });
        memory.put(tenant(1), 1, 1, grounded.clone());
        memory.put(tenant(1), 1, 2, kept(1_000));
        memory.put(tenant(2), 1, 1, grounded.clone());
        memory.drop_grounded(tenant(1));
        assert!(memory.find(tenant(1), &1).is_none() && memory.find(tenant(1), &2).is_some());
        assert!(memory.find(tenant(2), &1).is_some(), "another tenant's stays");
        memory.drop_all_grounded();
        assert_eq!((memory.bytes, memory.shelves.len()), (1_000, 1));
    }

    proptest! {
        #[test]
        fn the_bounds_hold(puts in prop::collection::vec((0..4u8, 1..3u64, 0..6u8, ANSWER_BYTES..3_000), 0..80)) {
            let mut memory = Memory::<u8>::new(8_000, 5_000);
            for (id, version, question, bytes) in puts {
                memory.put(tenant(id), version, question, kept(bytes));
                prop_assert!(memory.bytes <= 8_000);
                let held = |shelf: &Shelf<u8>| shelf.answers.iter().map(|(_, kept)| kept.bytes()).sum::<usize>();
                prop_assert!(memory.shelves.values().all(|shelf| shelf.bytes <= 5_000 && shelf.bytes == held(shelf)));
                prop_assert_eq!(memory.bytes, memory.shelves.values().map(|shelf| shelf.bytes).sum::<usize>());
                let sizes: BTreeSet<_> = memory.shelves.iter().map(|(id, shelf)| (shelf.bytes, *id)).collect();
                prop_assert_eq!(&memory.by_size, &sizes);
            }
        }
    }
}
