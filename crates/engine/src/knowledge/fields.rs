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
/// Bytes of one tenant's. Where it has more, they are looked through page by page, and none is kept.
const OF_ONE_BYTES_MAX: usize = FIELDS_BYTES_MAX / 4;

/// Documents that are opened at once.
const PAGE: u32 = 512;

/// The fields of each document that can be found.
type Known = HashMap<DocumentId, Arc<Metadata>>;

/// All tenants' fields that are in memory.
#[derive(Default)]
pub(super) struct Fields(Mutex<LinkedHashMap<TenantId, Held>>);

/// One tenant's, as they stood at an epoch.
#[derive(Clone, Default)]
struct Held {
    epoch: u64,
    known: Arc<Known>,
    bytes: usize,
    /// Whether there were too many to be held.
    is_too_large: bool,
}

impl Fields {
    /// Those of a tenant's documents for whose fields all of this holds, in this snapshot; of those that are `among`, where any are named.
    pub async fn that_hold(
        &self,
        tenant: TenantId,
        knowledge: &mut Knowledge,
        opener: &Arc<Opener>,
        among: Option<HashSet<DocumentId>>,
        holds: impl Fn(&Metadata) -> bool + Send + Sync + 'static,
    ) -> Result<HashSet<DocumentId>> {
        let wanted = Arc::new(move |(id, fields): (&DocumentId, &Arc<Metadata>)| {
            let counts = among.as_ref().is_none_or(|among| among.contains(id));
            (counts && holds(fields)).then_some(*id)
        });
        // Off the runtime's own threads: it may be many values of many documents.
        let those_wanted = async |known: Arc<Known>| {
            let wanted = Arc::clone(&wanted);
            let look = move || known.iter().filter_map(&*wanted).collect::<HashSet<_>>();
            tokio::task::spawn_blocking(look).await.map_err(Error::internal)
        };
        if let Some(known) = self.known(tenant, knowledge, opener).await? {
            return those_wanted(known).await;
        }
        let (mut found, mut bytes, mut after) = (HashSet::new(), 0, DocumentId::from_bytes([0; 16]));
        while let Some(page) = page(knowledge, opener, 0, &mut after).await? {
            bytes += bytes_of(&page);
            found.extend(those_wanted(Arc::new(page)).await?);
        }
        if bytes <= OF_ONE_BYTES_MAX {
            // Some are gone since: the next search holds the rest.
            self.0.lock().remove(&tenant);
        }
        Ok(found)
    }

    /// The fields of all of a tenant's documents, as they stand in this snapshot; nothing where they are too many to be held.
    async fn known(&self, tenant: TenantId, knowledge: &mut Knowledge, opener: &Arc<Opener>) -> Result<Option<Arc<Known>>> {
        let epoch = knowledge.corpus().await?.epoch;
        let held = self.0.lock().to_back(&tenant).map(|held| held.clone()).unwrap_or_default();
        if held.is_too_large {
            return Ok(None);
        }
        if held.epoch == epoch {
            return Ok(Some(held.known));
        }
        // The data is older than what is known of it: it was put back.
        let held = if held.epoch > epoch { Held::default() } else { held };
        let known = brought_up(held, knowledge, opener).await?.map(Arc::new);
        let bytes = known.as_ref().map_or(0, |known| bytes_of(known));
        let (is_too_large, held) = (known.is_none(), known.clone().unwrap_or_default());
        self.keep(tenant, Held { epoch, known: held, bytes, is_too_large });
        Ok(known)
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

fn bytes_of(known: &Known) -> usize {
    known.values().map(|fields| size_of::<DocumentId>() + fields.bytes()).sum()
}

/// What is known, with all that changed since; nothing once it is more than one tenant may hold.
async fn brought_up(held: Held, knowledge: &mut Knowledge, opener: &Arc<Opener>) -> Result<Option<Known>> {
    let mut known = Arc::unwrap_or_clone(held.known);
    if !known.is_empty() {
        let there: HashSet<DocumentId> = knowledge.published().await?.into_iter().map(|document| document.id).collect();
        known.retain(|id, _| there.contains(id));
    }
    let (mut bytes, mut after) = (bytes_of(&known), DocumentId::from_bytes([0; 16]));
    while let Some(page) = page(knowledge, opener, held.epoch, &mut after).await? {
        // Those that are known already count twice, which is few.
        bytes += bytes_of(&page);
        if bytes > OF_ONE_BYTES_MAX {
            return Ok(None);
        }
        known.extend(page);
    }
    Ok(Some(known))
}

/// The next documents that changed since an epoch; nothing behind the last.
async fn page(knowledge: &mut Knowledge, opener: &Arc<Opener>, since: u64, after: &mut DocumentId) -> Result<Option<Known>> {
    let page = knowledge.details(since, *after, PAGE).await?;
    let Some(last) = page.last() else { return Ok(None) };
    *after = last.id;
    opened(page, opener).await.map(Some)
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
