//! What Qdrant holds, against what the tables say.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use insula_model::{DocumentId, Result, TenantId, VectorCollection};

use super::{
    Qdrant,
    guard::{Guard, Seen, TENANT, Which, count_nobodys, delete_nobodys},
    names::Collection,
    outbox,
    proto::FacetCounts,
    settle,
    wire::Trouble,
};
use crate::{
    TenantStore,
    vectors::audit::{AuditFinding, AuditKind},
};

/// Points that are read at once.
const PAGE: u32 = 1_000;
/// Tenants that a census of a collection tells apart.
const TENANTS_MAX: u64 = 1_000_000;

/// Compares a tenant's points with its tables. Documents that are noted to be brought there are left out.
pub(super) async fn of_tenant(engine: &Qdrant, tenant: &TenantStore) -> Result<Vec<AuditFinding>> {
    let collections: Vec<Collection> = engine.collections().await?;
    let mine = collections.into_iter().filter(|collection| collection.owner.is_none_or(|owner| owner == tenant.tenant));
    // What is there before what should be there: what is published in between is not missing, but noted.
    let mut there = Vec::new();
    for collection in mine {
        there.push((collection, scroll(engine, tenant.tenant, collection).await?));
    }
    let tables = Tables::read(tenant).await?;
    let mut found = Found::default();
    let mut present: HashSet<Seen> = HashSet::new();
    for (collection, points) in there {
        let name = engine.names.of(collection);
        for point in points.into_iter().filter(|point| !tables.noted.contains(&point.document)) {
            let kind = match tables.dimensions.get(&point.space) {
                _ if !tables.expected.contains(&point) => AuditKind::Orphan,
                Some(dimension) if *dimension != collection.dimension => AuditKind::WrongDimension,
                _ if !tables.live.contains(&collection.kind()) => AuditKind::Stray,
                _ => {
                    if tables.serving == Some(collection.kind()) {
                        present.insert(point);
                    }
                    continue;
                }
            };
            found.add(kind, &name, point.document);
        }
    }
    for missing in tables.expected.difference(&present).filter(|point| !tables.noted.contains(&point.document)) {
        let dimension = tables.dimensions.get(&missing.space).copied().unwrap_or_default();
        let kind = tables.serving.unwrap_or(engine.collection);
        let name = engine.names.of(Collection::of(kind, tenant.tenant, dimension));
        found.add(AuditKind::Missing, &name, missing.document);
    }
    Ok(found.told())
}

/// What the tables say of a tenant.
struct Tables {
    expected: HashSet<Seen>,
    noted: HashSet<DocumentId>,
    dimensions: HashMap<u64, u64>,
    live: BTreeSet<VectorCollection>,
    serving: Option<VectorCollection>,
}

impl Tables {
    async fn read(tenant: &TenantStore) -> Result<Self> {
        let mut tx = tenant.home.db().read().await?;
        let home = outbox::home(&mut tx).await?;
        let noted = outbox::noted(&mut tx, u32::MAX).await?.into_iter().map(|noted| noted.document).collect();
        let dimensions = outbox::dimensions(&mut tx).await?.into_iter().collect();
        let mut expected = HashSet::new();
        let mut behind = (0, 0);
        loop {
            let page = outbox::expected(&mut tx, behind, PAGE).await?;
            let Some(last) = page.last() else { break };
            behind = (last.chunk, last.space);
            let is_last = page.len() < PAGE as usize;
            expected.extend(page.into_iter().map(|row| Seen { document: row.document, chunk: row.chunk, space: row.space }));
            if is_last {
                break;
            }
        }
        let live = home.iter().flat_map(|home| [Some(home.collection), home.moving_to]).flatten().collect();
        Ok(Self { expected, noted, dimensions, live, serving: home.map(|home| home.collection) })
    }
}

/// What was found, summed by kind, collection and document.
#[derive(Default)]
struct Found(BTreeMap<(AuditKind, String, DocumentId), u64>);

impl Found {
    fn add(&mut self, kind: AuditKind, place: &str, document: DocumentId) {
        *self.0.entry((kind, place.to_owned(), document)).or_default() += 1;
    }

    fn told(self) -> Vec<AuditFinding> {
        let told = self.0.into_iter().map(|((kind, place, document), count)| AuditFinding {
            kind,
            place,
            document: Some(document),
            tenant: None,
            count,
        });
        told.collect()
    }
}

async fn scroll(engine: &Qdrant, tenant: TenantId, collection: Collection) -> Result<Vec<Seen>> {
    let guard = Guard::of(tenant);
    let (mut seen, mut offset) = (Vec::new(), None);
    loop {
        let call = guard.scroll(engine.names.of(collection), Which::default(), offset, PAGE);
        let page = match engine.wire.send(&call).await {
            Err(Trouble::Missing) => return Ok(seen),
            page => page?,
        };
        for point in page.result {
            seen.push(guard.seen(&point.payload)?);
        }
        offset = page.next;
        if offset.is_none() {
            return Ok(seen);
        }
    }
}

/// Has a tenant's documents that were found wanting brought there anew.
pub(super) async fn repair(tenant: &TenantStore, findings: &[AuditFinding]) -> Result<()> {
    let documents: BTreeSet<DocumentId> = findings.iter().filter_map(|finding| finding.document).collect();
    if documents.is_empty() {
        return Ok(());
    }
    outbox::note_again(tenant, &documents.into_iter().collect::<Vec<_>>()).await
}

/// Points and collections of tenants that do not exist, points of a tenant in another's collection, and points of nobody.
pub(super) async fn census(engine: &Qdrant, known: &HashSet<TenantId>) -> Result<Vec<AuditFinding>> {
    let mut found = Vec::new();
    for collection in engine.collections().await? {
        let place = engine.names.of(collection);
        let mut add = |tenant: Option<TenantId>, count: u64| {
            if count > 0 {
                found.push(AuditFinding { kind: AuditKind::Stray, place: place.clone(), document: None, tenant, count });
            }
        };
        let (tenants, unread) = count_by_tenant(engine, &place).await?;
        for (tenant, count) in tenants {
            add(Some(tenant), if belongs(known, collection, tenant) { 0 } else { count });
        }
        let nobodys = match engine.wire.send(&count_nobodys(place.clone())).await {
            Err(Trouble::Missing) => 0,
            counted => counted?.result.unwrap_or_default().count,
        };
        add(None, nobodys + unread);
        if let Some(owner) = collection.owner.filter(|owner| !known.contains(owner)) {
            // Even where it is empty.
            add(Some(owner), 1);
        }
    }
    Ok(found)
}

/// Whether a tenant may have points in a collection.
fn belongs(known: &HashSet<TenantId>, collection: Collection, tenant: TenantId) -> bool {
    known.contains(&tenant) && collection.owner.is_none_or(|owner| owner == tenant)
}

/// Removes what a census found.
pub(super) async fn clear(engine: &Qdrant, known: &HashSet<TenantId>, findings: &[AuditFinding]) -> Result<()> {
    for finding in findings {
        let Some(collection) = engine.names.read(&finding.place) else { continue };
        // Made since the census looked at who there is.
        if finding.tenant.is_some_and(|tenant| belongs(known, collection, tenant)) {
            continue;
        }
        let place = finding.place.clone();
        let cleared = match (finding.tenant, collection.owner) {
            (Some(tenant), Some(owner)) if tenant == owner && !known.contains(&owner) => {
                engine.wire.send(&Guard::of(owner).drop_own(&engine.names, collection)?).await.map(drop)
            }
            (Some(tenant), _) => engine.wire.send(&Guard::of(tenant).delete(place, Which::default())).await.map(drop),
            (None, _) => engine.wire.send(&delete_nobodys(place)).await.map(drop),
        };
        settle::present(cleared)?;
    }
    Ok(())
}

/// How many points each tenant has in a collection, and how many name a tenant that is no id.
async fn count_by_tenant(engine: &Qdrant, place: &str) -> Result<(Vec<(TenantId, u64)>, u64)> {
    let key = TENANT.to_owned();
    let facet = FacetCounts { collection: place.to_owned(), key, limit: Some(TENANTS_MAX), exact: Some(true) };
    let answer = match engine.wire.administer(&facet).await {
        Err(Trouble::Missing) => return Ok((Vec::new(), 0)),
        answer => answer?,
    };
    let (mut tenants, mut unread) = (Vec::new(), 0);
    for hit in answer.hits {
        match hit.value.and_then(|value| TenantId::from_bare(&value.text?)) {
            Some(tenant) => tenants.push((tenant, hit.count)),
            None => unread += hit.count,
        }
    }
    Ok((tenants, unread))
}

/// How many points of a document a tenant has in a collection: what tests ask.
#[cfg(test)]
pub(super) async fn count_of(engine: &Qdrant, tenant: TenantId, collection: Collection, document: DocumentId) -> Result<u64> {
    let documents = [document];
    let which = Which { documents: super::guard::Documents::Any(&documents), ..Which::default() };
    let counted = engine.wire.send(&Guard::of(tenant).count(engine.names.of(collection), which)).await;
    match counted {
        Err(Trouble::Missing) => Ok(0),
        counted => Ok(counted?.result.unwrap_or_default().count),
    }
}
