//! Tenants' files: sealed chunk by chunk as they arrive, never whole in memory.
//!
//! - [`writer`] and [`reader`]: a file as a stream of chunks, each sealed for its place in it;
//! - here: what a tenant's caller may do with its files.

mod reader;
mod settings;
mod writer;

use insula_model::{Error, ErrorKind, FileId, FilePurpose, Result, TenantScope, Timestamp};
pub use insula_store::FilePage;
use insula_store::{FileRow, TenantSeals};

pub use self::{reader::FileReader, settings::FileSettings, writer::Upload};
pub(crate) use writer::{FileWriter, sweep};

use crate::{Engine, directory::TenantCredential};

/// What seals and opens of a file are bound to.
const TABLE: &str = "file";
const NAME: &str = "name";
const CHUNK: &str = "chunk";

/// A file as its tenant sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileView {
    /// Its id.
    pub id: FileId,
    /// What it is for.
    pub purpose: FilePurpose,
    /// Its size.
    pub bytes: u64,
    /// When it was begun.
    pub created_at: Timestamp,
    /// What its tenant calls it.
    pub name: String,
}

impl FileView {
    fn open(row: &FileRow, seals: &TenantSeals) -> Result<Self> {
        let name = seals.open(TABLE, NAME, row.id.as_bytes(), &row.sealed_name)?;
        let name = String::from_utf8(name).map_err(Error::internal)?;
        Ok(Self { id: row.id, purpose: row.purpose, bytes: row.bytes, created_at: row.created_at, name })
    }
}

/// One file.
///
/// # Errors
/// [`ErrorKind::NotFound`] where the tenant has none of this id.
pub async fn find(engine: &Engine, scope: &TenantScope, id: FileId) -> Result<FileView> {
    FileView::open(&row(engine, scope, id).await?, &*engine.store.seals(scope).await?)
}

/// A page of a tenant's files, and whether more follow.
pub async fn list(engine: &Engine, scope: &TenantScope, page: &FilePage) -> Result<(Vec<FileView>, bool)> {
    let (store, seals) = (engine.store.tenant(scope).await?, engine.store.seals(scope).await?);
    let mut rows = store.files(&FilePage { limit: page.limit.saturating_add(1), ..*page }).await?;
    let more = rows.len() > page.limit as usize;
    rows.truncate(page.limit as usize);
    let files = rows.iter().map(|row| FileView::open(row, &seals)).collect::<Result<_>>()?;
    Ok((files, more))
}

/// Opens a file to be read, with what it is.
///
/// # Errors
/// [`ErrorKind::NotFound`] where the tenant has none of this id.
pub async fn read(engine: &Engine, scope: &TenantScope, id: FileId) -> Result<(FileView, FileReader)> {
    let row = row(engine, scope, id).await?;
    let (store, seals) = (engine.store.tenant(scope).await?, engine.store.seals(scope).await?);
    let view = FileView::open(&row, &seals)?;
    Ok((view, FileReader::new(store.read_file(id).await?, seals, &row)))
}

/// Removes a file for good.
///
/// # Errors
/// [`ErrorKind::NotFound`] where the tenant has none of this id; [`ErrorKind::Conflict`] while a batch reads it; [`ErrorKind::Forbidden`] for
/// whoever acts for one end user: files are everybody's of the tenant.
pub async fn remove(engine: &Engine, credential: &TenantCredential, id: FileId) -> Result<()> {
    may_remove(credential)?;
    let removed = engine.store.tenant(&credential.scope).await?.remove_file(id).await;
    removed.map_err(|error| if *error.kind() == ErrorKind::NotFound { no_such_file() } else { error })
}

/// Refuses whoever acts for one end user.
///
/// # Errors
/// [`ErrorKind::Forbidden`].
pub fn may_remove(credential: &TenantCredential) -> Result<()> {
    if credential.end_user.is_none() {
        return Ok(());
    }
    let message = "a token of an end user removes no file; a key does, or a token without an end user";
    Err(Error::new(ErrorKind::Forbidden, message))
}

/// Opens what was handed in as a document.
///
/// # Errors
/// [`ErrorKind::NotFound`] where it is gone.
pub(crate) async fn read_raw(engine: &Engine, scope: &TenantScope, id: FileId) -> Result<FileReader> {
    let (store, seals) = (engine.store.tenant(scope).await?, engine.store.seals(scope).await?);
    let row = store.raw_file(id).await?.ok_or_else(Error::not_found)?;
    Ok(FileReader::new(store.read_file(id).await?, seals, &row))
}

async fn row(engine: &Engine, scope: &TenantScope, id: FileId) -> Result<FileRow> {
    engine.store.tenant(scope).await?.file(id).await?.ok_or_else(no_such_file)
}

/// Bytes of one file.
pub fn upload_bytes_max(engine: &Engine) -> u64 {
    engine.settings.files.file_bytes_max
}

/// Another tenant's file, one that never was, and a text that is no id: all the same.
pub fn no_such_file() -> Error {
    Error::new(ErrorKind::NotFound, "no such file; GET /v1/files lists them")
}

/// What a chunk is sealed for: its file, its place, and whether it is the last, so that none can be missing.
fn place(file: FileId, place: u64, is_last: bool) -> [u8; 25] {
    let mut bound = [0; 25];
    bound[..16].copy_from_slice(file.as_bytes());
    bound[16..24].copy_from_slice(&place.to_be_bytes());
    bound[24] = is_last.into();
    bound
}
