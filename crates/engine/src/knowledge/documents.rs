//! What a tenant may do with its documents.

use std::{collections::BTreeMap, sync::Arc};

use insula_model::{
    DocumentId, DocumentStatus, EmbeddingWait, Error, ErrorKind, FileId, FilePurpose, Result, RunKind, TenantScope, Timestamp,
    VectorStoreId,
};
use insula_store::{DocumentRow, TenantSeals, TenantStore};
use serde_json::Value;

use super::{
    Metadata, Trouble,
    detail::Detail,
    report::{DocumentReport, Findings},
    room,
    settling::Intent,
};
use crate::{
    Engine,
    files::{self, FileWriter},
};

/// Characters of a document's name, and of its media type.
const NAME_CHARS_MAX: usize = 255;

/// A document, as far as it may be told to anybody who manages its tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentView {
    /// Its id.
    pub id: DocumentId,
    /// How it stands.
    pub status: DocumentStatus,
    /// Why it cannot be searched, where it cannot.
    pub trouble: Option<Trouble>,
    /// Its size, as it was handed in.
    pub bytes: u64,
    /// Its chunks; 0 until they are counted.
    pub chunks_total: u64,
    /// Those that are embedded.
    pub chunks_done: u64,
    /// What the others wait for.
    pub waiting: Option<EmbeddingWait>,
    /// What embedded it.
    pub embedder: Option<String>,
    /// The numbers of each of its vectors.
    pub dimension: Option<u32>,
    /// The vector store that it is in.
    pub vector_store: Option<VectorStoreId>,
    /// The file that it was made of, where it is in one.
    pub file: Option<FileId>,
    /// When it was handed in.
    pub created_at: Timestamp,
    /// When it came to stand as it does.
    pub changed_at: Timestamp,
    /// What only its tenant sees.
    pub content: DocumentContent,
}

/// What its tenant wrote to a document.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentContent {
    /// What it is called.
    pub name: String,
    /// What it is said to be.
    pub media_type: Option<String>,
    /// To filter by.
    pub metadata: BTreeMap<String, Value>,
    /// The end users who may see it; all where nobody is named.
    pub access: Vec<String>,
    /// How well it could be read, once it was.
    pub report: Option<DocumentReport>,
    /// What was found in it.
    pub findings: Findings,
}

impl DocumentView {
    fn open(row: DocumentRow, seals: &TenantSeals) -> Result<Self> {
        let detail = Detail::open(seals, row.id, &row.sealed_detail)?;
        let Detail { name, media_type, metadata, access, trouble, report, findings, .. } = detail;
        Ok(Self {
            id: row.id,
            status: row.status,
            trouble,
            bytes: row.bytes,
            chunks_total: row.chunks_total,
            chunks_done: row.chunks_done,
            waiting: row.waiting,
            embedder: row.embedder,
            dimension: row.dimension,
            vector_store: row.vector_store,
            file: row.file,
            created_at: row.created_at,
            changed_at: row.changed_at,
            content: DocumentContent { name, media_type, metadata: metadata.to_json(), access, report, findings },
        })
    }
}

/// What a new document is to be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewDocument {
    /// What it is called.
    pub name: String,
    /// What its file is called, where that is something else: the ending tells what it is.
    pub file_name: Option<String>,
    /// What it is said to be.
    pub media_type: Option<String>,
    /// To filter by.
    pub metadata: Metadata,
    /// The end users who may see it; all where nobody is named.
    pub access: Vec<String>,
}

/// A document that is being handed in. Dropped before it is finished, nothing of it is kept.
pub struct Handing {
    store: TenantStore,
    seals: Arc<TenantSeals>,
    scope: TenantScope,
    writer: FileWriter,
    document_bytes_max: u64,
    tenant_bytes_max: u64,
}

impl Handing {
    /// Begins to take a document.
    ///
    /// # Errors
    /// When the tenant's own data cannot be reached.
    pub async fn begin(engine: &Engine, scope: &TenantScope) -> Result<Self> {
        let settings = &engine.settings.knowledge;
        let (store, seals) = (engine.store.tenant(scope).await?, engine.store.seals(scope).await?);
        files::sweep(engine, &store).await?;
        // How many a tenant may have is decided when it is whole.
        let writer = FileWriter::begin(engine, scope, FilePurpose::Document, "", u64::MAX).await?;
        let (document_bytes_max, tenant_bytes_max) = (settings.document_bytes_max, settings.tenant_bytes_max);
        Ok(Self { store, seals, scope: *scope, writer, document_bytes_max, tenant_bytes_max })
    }

    /// Adds to it.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] once it is larger than a document may be, or than the tenant has room for.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let size = self.writer.bytes().saturating_add(bytes.len() as u64);
        if size > self.document_bytes_max {
            let message = format!("the document is larger than {} bytes; hand it in in parts", self.document_bytes_max);
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        if !self.writer.make_room(bytes.len() as u64, self.tenant_bytes_max).await? {
            let message = format!(
                "the documents kept here would be larger than {} bytes together, those that are being handed in included; remove some",
                self.tenant_bytes_max
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        self.writer.write(bytes).await
    }

    /// Ends it, and queues it to be read.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] where it has no name; [`ErrorKind::TooLarge`] where the tenant has no room for it;
    /// [`ErrorKind::RateLimited`] where it may have none once others are read.
    pub async fn finish(mut self, engine: &Engine, new: NewDocument) -> Result<DocumentView> {
        if !new.access.is_empty() && engine.directory.is_corpus(self.scope.tenant()) {
            let message = "a corpus is read by whole tenants, not by some of their end users; leave `access` out";
            return Err(Error::invalid(message).at("access"));
        }
        let detail = detail(new)?;
        let written = self.writer.finish().await?;
        let (id, now) = (engine.ids.document(), engine.clock.now());
        let row = DocumentRow {
            id,
            status: DocumentStatus::Queued,
            raw_file: written.file,
            bytes: written.bytes,
            chunks_total: 0,
            chunks_done: 0,
            waiting: None,
            published: None,
            embedder: None,
            dimension: None,
            vector_store: None,
            file: None,
            file_batch: None,
            created_at: now,
            changed_at: now,
            sealed_detail: detail.seal(engine, &self.seals, id)?,
        };
        let (most, control) = (room::most(&engine.settings.knowledge), engine.store.control());
        // Noted to be read before it is there: a run without a document is forgotten, a document without a run would wait for good.
        control.queue_run(RunKind::Document, self.scope.tenant(), *id.as_bytes(), now).await?;
        if let Some(lacking) = self.store.insert_document(&row, written, most).await? {
            control.forget_run(*id.as_bytes()).await?;
            return Err(room::refusal(lacking, most));
        }
        self.writer.published();
        engine.knowledge.wake();
        DocumentView::open(row, &self.seals)
    }
}

fn detail(new: NewDocument) -> Result<Detail> {
    let plain = |text: &str| text.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect::<String>();
    let name = plain(new.name.trim());
    if name.is_empty() {
        return Err(Error::invalid("give the document a name").at("name"));
    }
    let media_type = new.media_type.as_deref().map(plain);
    let file_name = new.file_name.as_deref().map(plain).filter(|file| !file.is_empty() && *file != name);
    Ok(Detail { name, file_name, media_type, metadata: new.metadata, access: new.access, ..Detail::default() })
}

/// One document.
///
/// # Errors
/// [`ErrorKind::NotFound`] where the tenant has none of this id.
pub async fn find(engine: &Engine, scope: &TenantScope, id: DocumentId) -> Result<DocumentView> {
    let row = engine.store.tenant(scope).await?.document(id).await?.ok_or_else(no_such_document)?;
    DocumentView::open(row, &*engine.store.seals(scope).await?)
}

/// At most `limit` of a tenant's documents, the newest first, from the one behind `after` on; and whether more follow.
pub async fn list(
    engine: &Engine,
    scope: &TenantScope,
    after: Option<DocumentId>,
    limit: u32,
) -> Result<(Vec<DocumentView>, bool)> {
    let (store, seals) = (engine.store.tenant(scope).await?, engine.store.seals(scope).await?);
    let mut rows = store.documents(after, limit.saturating_add(1)).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let documents = rows.into_iter().map(|row| DocumentView::open(row, &seals)).collect::<Result<_>>()?;
    Ok((documents, more))
}

/// Removes a document with everything that was made of it. From then on no search finds it, on any node.
///
/// # Errors
/// [`ErrorKind::NotFound`] where the tenant has none of this id.
pub async fn remove(engine: &Arc<Engine>, scope: &TenantScope, id: DocumentId) -> Result<()> {
    let store = engine.store.tenant(scope).await?;
    let intent = Intent::note(engine, scope.tenant()).await?;
    let removed = taken_away(engine, scope, &store, id).await;
    if let Some(intent) = intent {
        intent.fulfil_soon(engine, *scope).await;
    }
    removed.map_err(|error| if *error.kind() == ErrorKind::NotFound { no_such_document() } else { error })
}

/// Removes a document's rows, the answers in memory that were made of documents, and its turn to be read: the next one need not wait for
/// anybody to find that it is gone. Whoever calls it has noted what follows for its vectors.
///
/// # Errors
/// [`ErrorKind::NotFound`] where the tenant has none of this id.
pub(super) async fn taken_away(engine: &Engine, scope: &TenantScope, store: &TenantStore, id: DocumentId) -> Result<()> {
    let removed = store.remove_document(id).await;
    match engine.directory.is_corpus(scope.tenant()) {
        true => engine.answers.forget_all_grounded(),
        false => engine.answers.forget_grounded(scope.tenant()),
    }
    removed?;
    engine.store.control().forget_run(*id.as_bytes()).await
}

/// Another tenant's document, one that never was, and a text that is no id: all the same.
pub fn no_such_document() -> Error {
    Error::new(ErrorKind::NotFound, "no such document; GET .../documents lists them")
}
