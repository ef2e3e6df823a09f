//! Files that come into a store together.

use insula_model::{Error, ErrorKind, FileBatchId, Result, VectorStoreId};
use insula_store::{FileBatchRow, TenantStore, Within};

use super::{
    files::{FilePart, NewStoreFile, attach_all, checked, list_within},
    may_change, open,
    view::{FileBatchView, StoreFileView},
};
use crate::{Engine, directory::TenantCredential};

/// Files of one batch.
const FILES_MAX: usize = 2_000;

/// Puts files into a store, all or none of them.
///
/// # Errors
/// [`ErrorKind::NotFound`] where the tenant has no such store or files; [`ErrorKind::Invalid`] where there are none or too many;
/// [`ErrorKind::TooLarge`] where it has no room for the documents.
pub async fn create_batch(
    engine: &Engine,
    credential: &TenantCredential,
    id: VectorStoreId,
    files: Vec<NewStoreFile>,
    at: &str,
) -> Result<FileBatchView> {
    may_change(credential)?;
    let scope = &credential.scope;
    let (store, now) = (engine.store.tenant(scope).await?, engine.clock.now());
    open(&store, id, now).await?;
    if !(1..=FILES_MAX).contains(&files.len()) {
        return Err(Error::invalid(format!("a batch has 1 to {FILES_MAX} files")).at(at));
    }
    let files = checked(engine, scope, files, at).await?;
    let batch = FileBatchRow { id: engine.ids.file_batch(), vector_store: id, is_cancelled: false, created_at: now };
    attach_all(engine, scope, id, files, Some(&batch)).await?;
    FileBatchView::of(batch, &store).await
}

/// One batch.
///
/// # Errors
/// [`ErrorKind::NotFound`] where the tenant has no such store, or that no such batch.
pub async fn find_batch(
    engine: &Engine,
    credential: &TenantCredential,
    id: VectorStoreId,
    batch: FileBatchId,
) -> Result<FileBatchView> {
    let store = engine.store.tenant(&credential.scope).await?;
    let row = row(engine, &store, id, batch).await?;
    FileBatchView::of(row, &store).await
}

/// Cancels those of its files that are not read yet. One that is over stays as it is.
///
/// # Errors
/// [`ErrorKind::NotFound`] where the tenant has no such store, or that no such batch.
pub async fn cancel(
    engine: &Engine,
    credential: &TenantCredential,
    id: VectorStoreId,
    batch: FileBatchId,
) -> Result<FileBatchView> {
    may_change(credential)?;
    let store = engine.store.tenant(&credential.scope).await?;
    row(engine, &store, id, batch).await?;
    store.cancel_file_batch(batch, engine.clock.now()).await?;
    find_batch(engine, credential, id, batch).await
}

/// Part of the list of its files that this caller may see, and whether it goes on.
///
/// # Errors
/// [`ErrorKind::NotFound`] where the tenant has no such store, or that no such batch.
pub async fn list_batch(
    engine: &Engine,
    credential: &TenantCredential,
    id: VectorStoreId,
    batch: FileBatchId,
    part: &FilePart,
) -> Result<(Vec<StoreFileView>, bool)> {
    row(engine, &engine.store.tenant(&credential.scope).await?, id, batch).await?;
    list_within(engine, credential, id, Within::Batch(batch), part).await
}

async fn row(engine: &Engine, store: &TenantStore, id: VectorStoreId, batch: FileBatchId) -> Result<FileBatchRow> {
    open(store, id, engine.clock.now()).await?;
    store.file_batch(id, batch).await?.ok_or_else(no_such_batch)
}

/// Another's batch, one that never was, and a text that is no id: all the same.
pub fn no_such_batch() -> Error {
    Error::new(ErrorKind::NotFound, "no such batch of files in this vector store")
}
