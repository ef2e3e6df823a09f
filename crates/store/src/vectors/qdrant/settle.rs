//! A tenant's points are brought to what its tables say: document by document, in steps that can all be repeated.
//!
//! Searches go on meanwhile. Points of a document that changed are written before those that it had are removed, and what a search
//! is answered with is held against the tables anyway. Several nodes may do the same at once: points never change once they are
//! written, and whoever finds that a document or the tenant's collection changed under its hands does that document again.
//!
//! A *move* from one collection to another is the same work: while it lasts every document belongs in both, all are noted, and once
//! none is left the searches switch over. Each state stands in the tenant's tables, so a kill at any point loses nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use insula_model::{DocumentId, Error, Result, TenantId, VectorCollection};

use super::{
    Qdrant,
    guard::{But, Documents, Guard, NewPoint, Which},
    names::Collection,
    outbox::{self, ChunkRow, Home, Noted},
    wire::Trouble,
};
use crate::{TenantStore, vectors::spaces::open_vector};

/// Documents that are looked up at once.
const DOCUMENTS_AT_ONCE: u32 = 64;
/// Points that are written at once: of 1,536 numbers each they take about 1.6 MB.
const POINTS_AT_ONCE: u32 = 256;
/// How often a document is done anew because it changed, before it is left for later.
const ROUNDS_MAX: usize = 8;

/// What the tables say of a document.
#[derive(Default)]
struct Truth {
    first: u64,
    end: u64,
    /// Its spaces, by the numbers of their vectors.
    spaces: BTreeMap<u64, BTreeSet<u64>>,
}

/// Brings all points of a tenant to what its tables say, in the collection that is wanted for it.
pub(super) async fn settle(engine: &Qdrant, tenant: &TenantStore, wanted: VectorCollection) -> Result<()> {
    if engine.take_lacking(tenant.tenant) {
        outbox::note_everything(tenant).await?;
    }
    loop {
        let (home, noted, spaces) = {
            let mut tx = tenant.home.db().read().await?;
            let noted = outbox::noted(&mut tx, DOCUMENTS_AT_ONCE).await?;
            (outbox::home(&mut tx).await?, noted, outbox::spaces(&mut tx).await?)
        };
        let Some(home) = home else {
            // What is there was left by another time, when other tables were the truth.
            empty(engine, tenant.tenant, None).await?;
            outbox::settle_in(tenant, wanted).await?;
            continue;
        };
        if home.spaces != spaces {
            clear_gone(engine, tenant.tenant, &home, &spaces).await?;
            outbox::keep_spaces(tenant, &home, &spaces).await?;
        } else if let Some(left) = home.leaving {
            empty(engine, tenant.tenant, Some(left)).await?;
            outbox::left(tenant, &home).await?;
        } else if home.moving_to.unwrap_or(home.collection) != wanted {
            tracing::info!(tenant = %tenant.tenant, to = wanted.name(), "a tenant's vectors move to another collection");
            outbox::begin_move(tenant, &home, wanted).await?;
        } else if !noted.is_empty() {
            for noted in noted {
                document(engine, tenant, noted).await?;
            }
        } else if home.moving_to.is_some() {
            outbox::switch(tenant, &home).await?;
        } else {
            return Ok(());
        }
    }
}

/// Removes a tenant's points in spaces that are gone. No space ever has the number of another, so what a slow node removes is nobody's.
async fn clear_gone(engine: &Qdrant, tenant: TenantId, home: &Home, spaces: &str) -> Result<()> {
    let there = outbox::numbers(spaces);
    let gone: Vec<u64> = outbox::numbers(&home.spaces).difference(&there).copied().collect();
    if gone.is_empty() {
        return Ok(());
    }
    for collection in engine.collections().await? {
        if collection.owner.is_some_and(|owner| owner != tenant) {
            continue;
        }
        for space in &gone {
            let which = Which { space: Some(*space), ..Which::default() };
            present(engine.wire.send(&Guard::of(tenant).delete(engine.names.of(collection), which)).await.map(drop))?;
        }
    }
    Ok(())
}

/// Removes all points of a tenant from the collections of this kind; from all where none is named.
pub(super) async fn empty(engine: &Qdrant, tenant: TenantId, kind: Option<VectorCollection>) -> Result<()> {
    let guard = Guard::of(tenant);
    for collection in engine.collections().await? {
        let is_own = collection.owner == Some(tenant);
        match kind {
            Some(VectorCollection::Own) if !is_own => continue,
            Some(VectorCollection::Shared) if collection.owner.is_some() => continue,
            _ if collection.owner.is_some() && !is_own => continue,
            _ => {}
        }
        if is_own {
            present(engine.wire.send(&guard.drop_own(&engine.names, collection)?).await.map(drop))?;
            continue;
        }
        let name = engine.names.of(collection);
        present(engine.wire.send(&guard.delete(name.clone(), Which::default())).await.map(drop))?;
        // A receipt may hang on it, and points lie there in plain.
        let left = match engine.wire.send(&guard.count(name, Which::default())).await {
            Err(Trouble::Missing) => 0,
            counted => counted?.result.unwrap_or_default().count,
        };
        if left > 0 {
            return Err(Trouble::Away(format!("{left} points are left that were removed")).into());
        }
    }
    Ok(())
}

/// Brings a document's points to what the tables say, as often as it changes meanwhile.
async fn document(engine: &Qdrant, tenant: &TenantStore, mut noted: Noted) -> Result<()> {
    for _ in 0..ROUNDS_MAX {
        let Some(home) = outbox::home(&mut tenant.home.db().read().await?).await? else { return Ok(()) };
        if !bring(engine, tenant, noted.document, &home).await? || outbox::done(tenant, noted, &home).await? {
            return Ok(());
        }
        // It changed, or somebody else was faster: what was written here may be of an earlier state.
        let mut tx = tenant.home.db().read().await?;
        let again = outbox::note_of(&mut tx, noted.document).await?;
        let (published, now) = (outbox::published(&mut tx, noted.document).await?, outbox::home(&mut tx).await?);
        drop(tx);
        let Some(again) = again else {
            let Some(now) = now else { return Ok(()) };
            if !bring(engine, tenant, noted.document, &now).await? {
                // Whoever gave it that space has noted it again.
                return Ok(());
            }
            let mut tx = tenant.home.db().read().await?;
            if outbox::published(&mut tx, noted.document).await? == published
                && outbox::home(&mut tx).await?.as_ref() == Some(&now)
            {
                return Ok(());
            }
            continue;
        };
        noted = again;
    }
    Ok(())
}

/// Writes the points that a document has, and removes all others of it, wherever they are. False where it has some in a space of which the
/// tenant's home does not tell yet: none is written before that can be found again once it is gone.
async fn bring(engine: &Qdrant, tenant: &TenantStore, document: DocumentId, home: &Home) -> Result<bool> {
    let (guard, told) = (Guard::of(tenant.tenant), outbox::numbers(&home.spaces));
    let mut truth = Truth::default();
    let mut behind = (0, 0);
    loop {
        let rows = {
            let mut tx = tenant.home.db().read().await?;
            outbox::of_document(&mut tx, document, behind, POINTS_AT_ONCE).await?
        };
        let Some(last) = rows.last() else { break };
        if rows.iter().any(|row| !told.contains(&row.space)) {
            return Ok(false);
        }
        behind = (last.chunk, last.space);
        let is_last = rows.len() < POINTS_AT_ONCE as usize;
        let mut by_dimension: BTreeMap<u64, Vec<NewPoint>> = BTreeMap::new();
        for point in open(tenant, document, rows).await? {
            if truth.spaces.is_empty() {
                truth.first = point.chunk;
            }
            truth.end = point.chunk + 1;
            let dimension = point.vector.len() as u64;
            truth.spaces.entry(dimension).or_default().insert(point.space);
            by_dimension.entry(dimension).or_default().push(point);
        }
        for (dimension, points) in by_dimension {
            for kind in [Some(home.collection), home.moving_to].into_iter().flatten() {
                write(engine, tenant.tenant, kind, dimension, points.clone()).await?;
            }
        }
        if is_last {
            break;
        }
    }
    for collection in engine.collections().await? {
        if collection.owner.is_some_and(|owner| owner != tenant.tenant) {
            continue;
        }
        let is_live = home.is_live(collection.kind());
        let spaces: Vec<u64> = truth.spaces.get(&collection.dimension).into_iter().flatten().copied().collect();
        let but = (is_live && !spaces.is_empty()).then_some(But { first: truth.first, end: truth.end, spaces: &spaces });
        let documents = [document];
        let which = Which { documents: Documents::Any(&documents), but, space: None };
        present(engine.wire.send(&guard.delete(engine.names.of(collection), which)).await.map(drop))?;
    }
    Ok(true)
}

/// Writes points into a collection, which is made where it is not there.
async fn write(engine: &Qdrant, tenant: TenantId, kind: VectorCollection, dimension: u64, points: Vec<NewPoint>) -> Result<()> {
    let collection = Collection::of(kind, tenant, dimension);
    let call = Guard::of(tenant).upsert(engine.names.of(collection), points);
    match engine.wire.send(&call).await {
        Err(Trouble::Missing) => {
            engine.make(collection).await?;
            engine.wire.send(&call).await?;
        }
        written => {
            written?;
        }
    }
    Ok(())
}

/// Opens vectors, off the runtime's own threads.
async fn open(tenant: &TenantStore, document: DocumentId, rows: Vec<ChunkRow>) -> Result<Vec<NewPoint>> {
    let seals = Arc::clone(&tenant.seals);
    let open = move || {
        let points = rows.into_iter().map(|ChunkRow { chunk, place, space, sealed_vector }| {
            let vector = open_vector(&seals, space, document, place, &sealed_vector)?;
            Ok(NewPoint { space, document, place, chunk, vector })
        });
        points.collect()
    };
    tokio::task::spawn_blocking(open).await.map_err(Error::internal)?
}

/// A collection that is not there holds nothing that would have to go.
pub(super) fn present(done: Result<(), Trouble>) -> Result<()> {
    match done {
        Err(Trouble::Missing) => Ok(()),
        done => Ok(done?),
    }
}
