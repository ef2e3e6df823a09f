//! Vector stores: documents that were made of a tenant's files, to be searched store by store.

use std::collections::BTreeSet;

use insula_model::{Error, ErrorKind, Result, TenantScope, Timestamp, VectorStoreId};
use insula_store::{TenantStore, VectorStoreRow};

use super::Filter;
use crate::Engine;

/// Stores that one search looks into.
const SEARCHED_MAX: usize = 16;

/// What is in these stores, to be searched: who finds them is a tenant whose they are. It counts as a use of each.
///
/// # Errors
/// [`ErrorKind::NotFound`] where the tenant has no store of such an id; [`ErrorKind::Invalid`] where a store has expired, or they are
/// none or too many.
pub async fn filter(engine: &Engine, scope: &TenantScope, ids: &[VectorStoreId]) -> Result<Filter> {
    let wanted: BTreeSet<VectorStoreId> = ids.iter().copied().collect();
    if !(1..=SEARCHED_MAX).contains(&wanted.len()) {
        return Err(Error::invalid(format!("a search looks into 1 to {SEARCHED_MAX} vector stores")));
    }
    let (store, now) = (engine.store.tenant(scope).await?, engine.clock.now());
    for id in &wanted {
        let row = store.vector_store(*id).await?.ok_or_else(no_such_store)?;
        if is_expired(&row, now) {
            return Err(Error::invalid(format!("the vector store {id} has expired; make a new one of its files")));
        }
        note_use(&store, &row, now).await?;
    }
    Ok(Filter::of_stores(wanted))
}

/// Another tenant's store, one that never was, and a text that is no id: all the same.
pub fn no_such_store() -> Error {
    Error::new(ErrorKind::NotFound, "no such vector store; GET /v1/vector_stores lists them")
}

fn is_expired(row: &VectorStoreRow, now: Timestamp) -> bool {
    row.expires_at.is_some_and(|at| at <= now)
}

/// How much later a use is noted again: searches that follow each other write nothing.
const NOTED_EVERY: std::time::Duration = std::time::Duration::from_secs(60);

async fn note_use(store: &TenantStore, row: &VectorStoreRow, now: Timestamp) -> Result<()> {
    if now < row.active_at.plus(NOTED_EVERY) {
        return Ok(());
    }
    store.use_vector_store(row.id, now).await
}
