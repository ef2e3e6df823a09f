//! Vector stores: documents that were made of a tenant's files, to be searched store by store.
//!
//! A file in a store is a document like any other, with a copy of that file: whichever of the two is removed, the other stays.
//!
//! - [`manage`]: a store is made, changed and removed; [`view`]: how it is told of;
//! - [`files`] and [`batches`]: files come into it, one by one or together, and go;
//! - [`search`]: what is found in it;
//! - [`emptying`]: what is removed, or whose time has come, goes document by document;
//! - here: which documents count when stores are searched, for whoever searches.

mod batches;
mod emptying;
mod files;
mod manage;
mod search;
mod view;

use std::{collections::BTreeSet, time::Duration};

use insula_model::{Error, ErrorKind, Result, TenantScope, Timestamp, VectorStoreId};
use insula_store::{TenantStore, VectorStoreRow};

pub use self::{
    batches::{cancel, create_batch, find_batch, list_batch, no_such_batch},
    files::{FilePart, NewStoreFile, amend, attach, content, detach, find_file, list_files, no_such_store_file},
    manage::{Change, NewStore, change, create, find, list, remove},
    search::{StoreAsk, search},
    view::{FileBatchView, FileCounts, StoreFileView, StoreView},
};
pub(crate) use emptying::perform;
pub use insula_store::Slice;

use super::Filter;
use crate::{Engine, directory::TenantCredential};

/// Stores that one search looks into.
const SEARCHED_MAX: usize = 16;

/// How much later a use is noted again: searches that follow each other write nothing.
const NOTED_EVERY: Duration = Duration::from_secs(60);

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
        let row = open(&store, *id, now).await?;
        if now >= row.active_at.plus(NOTED_EVERY) {
            store.use_vector_store(row.id, now).await?;
        }
    }
    Ok(Filter::of_stores(wanted))
}

/// Another tenant's store, one that never was, and a text that is no id: all the same.
pub fn no_such_store() -> Error {
    Error::new(ErrorKind::NotFound, "no such vector store; GET /v1/vector_stores lists them")
}

/// A store that is there, whether its time has come or not.
async fn there(store: &TenantStore, id: VectorStoreId) -> Result<VectorStoreRow> {
    store.vector_store(id).await?.ok_or_else(no_such_store)
}

/// A store that can be used.
async fn open(store: &TenantStore, id: VectorStoreId, now: Timestamp) -> Result<VectorStoreRow> {
    let row = there(store, id).await?;
    if is_expired(&row, now) { Err(expired()) } else { Ok(row) }
}

fn is_expired(row: &VectorStoreRow, now: Timestamp) -> bool {
    row.expires_at.is_some_and(|at| at <= now)
}

fn expired() -> Error {
    Error::invalid("the vector store has expired, and what was in it is gone; make a new one")
}

/// Refuses whoever acts for one end user: stores are everybody's of the tenant.
fn may_change(credential: &TenantCredential) -> Result<()> {
    if credential.end_user.is_none() {
        return Ok(());
    }
    let message = "a token of an end user reads and searches vector stores; what is in them a key changes, or a token without an end user";
    Err(Error::new(ErrorKind::Forbidden, message))
}
