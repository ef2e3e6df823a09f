//! Files come into a store, and go.

use std::collections::BTreeSet;

use insula_model::{DocumentStatus, Error, ErrorKind, FileId, Result, RunKind, TenantScope, VectorStoreId};
use insula_store::{Attached, DocumentRow, FileBatchRow, Slice, TenantSeals, TenantStore, Within};

use super::{
    super::{
        Chunking, Metadata,
        detail::{Detail, Passage, Stored},
        documents::taken_away,
        ingest::facets,
        room, settling,
    },
    may_change, no_such_store, open,
    view::StoreFileView,
};
use crate::{
    Engine,
    directory::TenantCredential,
    files::{self, FileView},
};

/// Pieces of a document's text that are read at once.
const PASSAGES_AT_ONCE: u32 = 256;

/// A file that is to come into a store.
#[derive(Debug, Clone, PartialEq)]
pub struct NewStoreFile {
    /// Which file.
    pub file: FileId,
    /// To filter by.
    pub attributes: Metadata,
    /// How it is to be cut, where that is said.
    pub chunking: Option<Chunking>,
    /// The end users who may see it; all where nobody is named.
    pub access: Vec<String>,
}

impl NewStoreFile {
    /// A file as it is.
    pub fn of(file: FileId) -> Self {
        Self { file, attributes: Metadata::default(), chunking: None, access: Vec::new() }
    }
}

/// Which part of a list of files, by their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilePart {
    /// Only those that stand so: `in_progress`, `ready`, `failed` or `cancelled`.
    pub status: Option<&'static str>,
    /// From the one behind this on.
    pub after: Option<FileId>,
    /// Up to the one ahead of this.
    pub before: Option<FileId>,
    /// The oldest first, else the newest.
    pub oldest_first: bool,
    /// How many at most.
    pub limit: u32,
}

/// Files that are there, with what they are called.
pub(super) type Checked = Vec<(NewStoreFile, FileView)>;

/// Looks up files that are to come into a store. `at` is what the caller calls them.
pub(super) async fn checked(engine: &Engine, scope: &TenantScope, new: Vec<NewStoreFile>, at: &str) -> Result<Checked> {
    let mut seen = BTreeSet::new();
    let mut checked = Vec::with_capacity(new.len());
    for file in new {
        if !seen.insert(file.file) {
            return Err(Error::invalid("a file is named twice").at(at));
        }
        let view = files::find(engine, scope, file.file).await.map_err(|error| error.at(at))?;
        checked.push((file, view));
    }
    Ok(checked)
}

/// Puts a file into a store. One that is in it already is read anew.
///
/// # Errors
/// [`ErrorKind::NotFound`] where the tenant has no such store or file; [`ErrorKind::TooLarge`] where it has no room for the document;
/// [`ErrorKind::RateLimited`] where it may have none once others are read.
pub async fn attach(
    engine: &Engine,
    credential: &TenantCredential,
    id: VectorStoreId,
    new: NewStoreFile,
) -> Result<StoreFileView> {
    may_change(credential)?;
    let scope = &credential.scope;
    open(&engine.store.tenant(scope).await?, id, engine.clock.now()).await?;
    let file = new.file;
    let checked = checked(engine, scope, vec![new], "file_id").await?;
    attach_all(engine, scope, id, checked, None).await?;
    find_file(engine, credential, id, file).await
}

/// Puts files into a store, all or none of them, and queues them to be read.
pub(super) async fn attach_all(
    engine: &Engine,
    scope: &TenantScope,
    id: VectorStoreId,
    files: Checked,
    batch: Option<&FileBatchRow>,
) -> Result<()> {
    let (store, seals, now) = (engine.store.tenant(scope).await?, engine.store.seals(scope).await?, engine.clock.now());
    let mut rows = Vec::with_capacity(files.len());
    for (new, view) in files {
        if let Some(earlier) = store.document_of_file(id, new.file).await? {
            gone_is_gone(settling::changing(engine, scope.tenant(), taken_away(engine, scope, &store, earlier.id)).await)?;
        }
        rows.push(row(engine, &seals, id, new, view, batch)?);
    }
    let most = room::most(&engine.settings.knowledge);
    // Noted to be read before they are there: a run without a document is forgotten, a document without a run would wait for good.
    let ids: Vec<[u8; 16]> = rows.iter().map(|row| *row.id.as_bytes()).collect();
    engine.store.control().queue_runs(RunKind::Document, scope.tenant(), &ids, now).await?;
    let attached = store.attach_documents(id, &rows, batch, most, now).await;
    if !matches!(attached, Ok(Attached::Done)) {
        // Whoever is refused again and again must not fill the queue, which is everybody's. After a kill right here they are found to be
        // nothing once they are taken up.
        engine.store.control().forget_runs(&ids).await?;
    }
    match attached {
        Ok(Attached::Done) => {
            engine.knowledge.wake();
            Ok(())
        }
        Ok(Attached::NoStore) => Err(no_such_store()),
        Ok(Attached::NoRoom(lacking)) => Err(room::refusal(lacking, most)),
        Err(error) if *error.kind() == ErrorKind::Conflict => {
            Err(Error::new(ErrorKind::Conflict, "somebody else is putting one of these files into the store; try again"))
        }
        Err(error) => Err(error),
    }
}

fn row(
    engine: &Engine,
    seals: &TenantSeals,
    store: VectorStoreId,
    new: NewStoreFile,
    view: FileView,
    batch: Option<&FileBatchRow>,
) -> Result<DocumentRow> {
    let NewStoreFile { file, attributes: metadata, chunking, access } = new;
    let (id, now) = (engine.ids.document(), engine.clock.now());
    let stored = Some(Stored { store, file, chunking });
    let detail = Detail { name: view.name, metadata, access, stored, ..Detail::default() };
    Ok(DocumentRow {
        id,
        status: DocumentStatus::Queued,
        // A name for a copy that is not there yet: the run makes it.
        raw_file: engine.ids.file(),
        bytes: view.bytes,
        chunks_total: 0,
        chunks_done: 0,
        waiting: None,
        published: None,
        embedder: None,
        dimension: None,
        vector_store: Some(store),
        file: Some(file),
        file_batch: batch.map(|batch| batch.id),
        created_at: now,
        changed_at: now,
        sealed_detail: detail.seal(engine, seals, id)?,
    })
}

/// A document in a store, opened, that this caller may see.
async fn seen(
    engine: &Engine,
    credential: &TenantCredential,
    id: VectorStoreId,
    file: FileId,
) -> Result<(TenantStore, DocumentRow, Detail)> {
    let scope = &credential.scope;
    let (store, seals) = (engine.store.tenant(scope).await?, engine.store.seals(scope).await?);
    open(&store, id, engine.clock.now()).await?;
    let row = store.document_of_file(id, file).await?.ok_or_else(no_such_store_file)?;
    let detail = Detail::open(&seals, row.id, &row.sealed_detail)?;
    if !is_visible(credential, &detail) {
        return Err(no_such_store_file());
    }
    Ok((store, row, detail))
}

/// One file of a store.
///
/// # Errors
/// [`ErrorKind::NotFound`] where the tenant has no such store, or that no such file that this caller may see.
pub async fn find_file(
    engine: &Engine,
    credential: &TenantCredential,
    id: VectorStoreId,
    file: FileId,
) -> Result<StoreFileView> {
    let (_, row, detail) = seen(engine, credential, id, file).await?;
    StoreFileView::of(engine, credential, &row, &detail).ok_or_else(no_such_store_file)
}

/// Part of the list of a store's files that this caller may see, and whether it goes on.
///
/// # Errors
/// [`ErrorKind::NotFound`] where the tenant has no such store; [`ErrorKind::Invalid`] where it has expired, or the list is to begin at a
/// file that is not in it.
pub async fn list_files(
    engine: &Engine,
    credential: &TenantCredential,
    id: VectorStoreId,
    part: &FilePart,
) -> Result<(Vec<StoreFileView>, bool)> {
    list_within(engine, credential, id, Within::Store(id), part).await
}

/// Part of a list of files of this store.
pub(super) async fn list_within(
    engine: &Engine,
    credential: &TenantCredential,
    id: VectorStoreId,
    within: Within,
    part: &FilePart,
) -> Result<(Vec<StoreFileView>, bool)> {
    let scope = &credential.scope;
    let (store, seals) = (engine.store.tenant(scope).await?, engine.store.seals(scope).await?);
    open(&store, id, engine.clock.now()).await?;
    let mut slice = Slice {
        after: cursor(credential, &store, &seals, id, part.after, "after").await?,
        before: cursor(credential, &store, &seals, id, part.before, "before").await?,
        oldest_first: part.oldest_first,
        limit: part.limit.saturating_add(1),
    };
    let mut views = Vec::new();
    // Those that this caller may not see make no page shorter.
    while views.len() <= part.limit as usize {
        let rows = store.documents_within(within, part.status, &slice).await?;
        let (is_last, last) = (rows.len() < slice.limit as usize, rows.last().map(|row| *row.id.as_bytes()));
        for row in rows {
            let detail = Detail::open(&seals, row.id, &row.sealed_detail)?;
            if is_visible(credential, &detail) {
                views.extend(StoreFileView::of(engine, credential, &row, &detail));
            }
        }
        if is_last {
            break;
        }
        slice.go_on(last);
    }
    let more = Slice { limit: part.limit, ..slice }.cut(&mut views);
    Ok((views, more))
}

/// Where in the order of a list a file stands. One that this caller may not see is none.
async fn cursor(
    credential: &TenantCredential,
    store: &TenantStore,
    seals: &TenantSeals,
    id: VectorStoreId,
    file: Option<FileId>,
    at: &str,
) -> Result<Option<[u8; 16]>> {
    let Some(file) = file else { return Ok(None) };
    let wrong = || Error::invalid(format!("`{at}` is the id of a file in this store")).at(at);
    let row = store.document_of_file(id, file).await?.ok_or_else(wrong)?;
    let detail = Detail::open(seals, row.id, &row.sealed_detail)?;
    if !is_visible(credential, &detail) {
        return Err(wrong());
    }
    Ok(Some(*row.id.as_bytes()))
}

/// Whether this caller may see a document.
fn is_visible(credential: &TenantCredential, detail: &Detail) -> bool {
    credential.end_user.as_deref().is_none_or(|reader| detail.may_be_seen_by(reader))
}

/// Changes what a file in a store can be filtered by.
///
/// # Errors
/// [`ErrorKind::NotFound`] where the tenant has no such store, or that no such file; [`ErrorKind::Conflict`] while the file is being read.
pub async fn amend(
    engine: &Engine,
    credential: &TenantCredential,
    id: VectorStoreId,
    file: FileId,
    attributes: Metadata,
) -> Result<StoreFileView> {
    may_change(credential)?;
    let seals = engine.store.seals(&credential.scope).await?;
    let (store, row, detail) = seen(engine, credential, id, file).await?;
    let detail = Detail { metadata: attributes, ..detail };
    let sealed = detail.seal(engine, &seals, row.id)?;
    if !store.amend_document(row.id, &row.sealed_detail, &sealed, &facets(&detail, &seals)).await? {
        let message = "the file is being read; change its attributes once its status is not `in_progress` any more";
        return Err(Error::new(ErrorKind::Conflict, message));
    }
    StoreFileView::of(engine, credential, &row, &detail).ok_or_else(no_such_store_file)
}

/// Takes a file out of a store. From then on no search finds it there; the file itself stays.
///
/// # Errors
/// [`ErrorKind::NotFound`] where the tenant has no such store, or that no such file.
pub async fn detach(engine: &Engine, credential: &TenantCredential, id: VectorStoreId, file: FileId) -> Result<()> {
    may_change(credential)?;
    let (store, row, _) = seen(engine, credential, id, file).await?;
    let scope = &credential.scope;
    let removed = settling::changing(engine, scope.tenant(), taken_away(engine, scope, &store, row.id)).await;
    removed.map_err(|error| if *error.kind() == ErrorKind::NotFound { no_such_store_file() } else { error })
}

/// The text of a file in a store, piece by piece as it is searched.
///
/// # Errors
/// [`ErrorKind::NotFound`] where the tenant has no such store, or that no such file that this caller may see; [`ErrorKind::Invalid`]
/// where it is not read, or could not be.
pub async fn content(engine: &Engine, credential: &TenantCredential, id: VectorStoreId, file: FileId) -> Result<Vec<String>> {
    let seals = engine.store.seals(&credential.scope).await?;
    let (store, row, _) = seen(engine, credential, id, file).await?;
    if row.status != DocumentStatus::Ready {
        return Err(Error::invalid("the file has no text yet, or none that could be read: see its `status` and `last_error`"));
    }
    let mut texts = Vec::new();
    loop {
        let page = store.passages(row.id, texts.len() as u64, PASSAGES_AT_ONCE).await?;
        let is_last = page.len() < PASSAGES_AT_ONCE as usize;
        for passage in page {
            texts.push(Passage::open(&seals, row.id, passage.place, &passage.sealed_text)?.text);
        }
        if is_last {
            return Ok(texts);
        }
    }
}

/// Another's file, one that is not in the store, and a text that is no id: all the same.
pub fn no_such_store_file() -> Error {
    Error::new(ErrorKind::NotFound, "no such file in this vector store; GET /v1/vector_stores/{id}/files lists them")
}

/// What is to be removed may be gone already.
pub(super) fn gone_is_gone(removed: Result<()>) -> Result<()> {
    match removed {
        Err(error) if *error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
