//! Fields of documents, opened: for what cannot be looked up by hashes, which is whatever has to be compared.
//!
//! What was opened is kept in memory, and brought up to date by the corpus's epoch: only documents that were shown or changed since are
//! opened again.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use hashlink::LinkedHashMap;
use insula_model::{DocumentId, Error, Result, TenantId};
use insula_store::{Knowledge, Opener, SealedDetail};
use parking_lot::Mutex;

use super::{Metadata, detail::Detail};

/// Bytes of all tenants' fields that a node holds in memory; the least recently used tenant's go first.
const FIELDS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Documents that are opened at once.
const PAGE: u32 = 512;

/// The fields of each document that can be found.
pub(super) type Known = HashMap<DocumentId, Arc<Metadata>>;

/// All tenants' fields that are in memory.
#[derive(Default)]
pub(super) struct Fields(Mutex<LinkedHashMap<TenantId, Held>>);

/// One tenant's, as they stood at an epoch.
#[derive(Clone, Default)]
struct Held {
    epoch: u64,
    known: Arc<Known>,
    bytes: usize,
}

impl Fields {
    /// The fields of a tenant's documents, as they stand in this snapshot.
    pub async fn of(&self, tenant: TenantId, knowledge: &mut Knowledge, opener: &Arc<Opener>) -> Result<Arc<Known>> {
        let epoch = knowledge.corpus().await?.epoch;
        let held = self.0.lock().to_back(&tenant).map(|held| held.clone()).unwrap_or_default();
        if held.epoch == epoch {
            return Ok(held.known);
        }
        // The data is older than what is known of it: it was put back.
        let held = if held.epoch > epoch { Held::default() } else { held };
        let known = brought_up(held, knowledge, opener).await?;
        let bytes = known.values().map(|fields| size_of::<DocumentId>() + fields.bytes()).sum();
        let held = Held { epoch, known: Arc::new(known), bytes };
        self.keep(tenant, held.clone());
        Ok(held.known)
    }

    fn keep(&self, tenant: TenantId, held: Held) {
        let mut all = self.0.lock();
        all.insert(tenant, held);
        while all.values().map(|held| held.bytes).sum::<usize>() > FIELDS_BYTES_MAX {
            all.pop_front();
        }
    }

    /// Forgets those of tenants that are not there any more.
    pub fn retain(&self, is_there: impl Fn(TenantId) -> bool) {
        self.0.lock().retain(|tenant, _| is_there(*tenant));
    }
}

async fn brought_up(held: Held, knowledge: &mut Knowledge, opener: &Arc<Opener>) -> Result<Known> {
    let mut known = Arc::unwrap_or_clone(held.known);
    if !known.is_empty() {
        let there: HashSet<DocumentId> = knowledge.published().await?.into_iter().map(|document| document.id).collect();
        known.retain(|id, _| there.contains(id));
    }
    let mut after = DocumentId::from_bytes([0; 16]);
    loop {
        let page = knowledge.details(held.epoch, after, PAGE).await?;
        let is_last = page.len() < PAGE as usize;
        after = page.last().map_or(after, |last| last.id);
        known.extend(opened(page, opener).await?);
        if is_last {
            return Ok(known);
        }
    }
}

/// Opens a page off the runtime's own threads.
async fn opened(page: Vec<SealedDetail>, opener: &Arc<Opener>) -> Result<Known> {
    let opener = Arc::clone(opener);
    let open = move || {
        let opened =
            page.into_iter().map(|row| Ok((row.id, Arc::new(Detail::open(&opener, row.id, &row.sealed_detail)?.metadata))));
        opened.collect()
    };
    tokio::task::spawn_blocking(open).await.map_err(Error::internal)?
}
