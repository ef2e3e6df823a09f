//! Writing a file, chunk by chunk.

use std::{sync::Arc, time::Duration};

use insula_model::{Error, ErrorKind, FilePurpose, Random, Result, TenantScope};
use insula_store::{BlobWriter, FileRow, Room, TenantSeals, TenantStore, Written};

use super::{CHUNK, FileView, NAME, TABLE, place};
use crate::Engine;

/// Bytes of a chunk; what is read or written at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// Bytes for which room is kept ahead of what has come.
const AHEAD_BYTES_MAX: u64 = 1024 * 1024;

/// An upload that began so long ago is over, whatever its row says.
const UPLOAD_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Characters of a file's name.
const NAME_CHARS_MAX: usize = 255;

/// Removes what interrupted uploads of a tenant left, so that they keep no room from others. Where one process serves alone, none that began
/// before it did is under way.
pub(crate) async fn sweep(engine: &Engine, store: &TenantStore) -> Result<()> {
    let long_ago = engine.clock.now().minus(UPLOAD_MAX);
    let before = if engine.store.cluster().is_none() { long_ago.max(engine.started_at) } else { long_ago };
    store.sweep_files(before).await
}

/// A file that is being written. Nobody sees it before it is published; dropped before that, what was written is removed.
pub(crate) struct FileWriter {
    store: TenantStore,
    seals: Arc<TenantSeals>,
    random: Arc<dyn Random>,
    row: FileRow,
    /// Taken by the end.
    blob: Option<BlobWriter>,
    filling: Vec<u8>,
    /// Nothing is left to be removed: it is shown, or gone.
    is_published: bool,
    /// Bytes for which there is room.
    kept: u64,
}

impl FileWriter {
    /// Begins a file of a tenant that has fewer than `files_max`.
    pub async fn begin(engine: &Engine, scope: &TenantScope, purpose: FilePurpose, name: &str, files_max: u64) -> Result<Self> {
        let (store, seals) = (engine.store.tenant(scope).await?, engine.store.seals(scope).await?);
        let (id, created_at) = (engine.ids.file(), engine.clock.now());
        let sealed_name = seals.seal(TABLE, NAME, id.as_bytes(), name.as_bytes(), &*engine.random);
        let row = FileRow { id, purpose, bytes: 0, chunks: 0, created_at, sealed_name };
        if !store.begin_file(&row, files_max).await? {
            let message = format!("this tenant has {files_max} files, the most that it may have; delete some");
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let random = Arc::clone(&engine.random);
        let blob = None;
        let mut writer = Self { store, seals, random, row, blob, filling: Vec::new(), is_published: false, kept: 0 };
        writer.blob = Some(writer.store.write_file(id).await?);
        Ok(writer)
    }

    /// What was written so far.
    pub fn bytes(&self) -> u64 {
        self.row.bytes
    }

    /// Sees to it that there is room for so many bytes more, where the tenant's files of this sort may have `bytes_max` together; those
    /// that are being written count too. False where there is none.
    pub async fn make_room(&mut self, more: u64, bytes_max: u64) -> Result<bool> {
        let needed = self.row.bytes.saturating_add(more);
        if needed <= self.kept {
            return Ok(true);
        }
        // Twice as much at first, so that a file asks seldom and keeps little from others.
        let wanted = needed.saturating_add(needed.min(AHEAD_BYTES_MAX));
        let kept = self.store.reserve_file(self.row.id, Room { needed, wanted, bytes_max }).await?;
        self.kept = kept.unwrap_or(self.kept);
        Ok(kept.is_some())
    }

    /// Adds to the file.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.row.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            // A full chunk goes once more follows: the last one is sealed as the last.
            if self.filling.len() == CHUNK_BYTES {
                self.flush(false).await?;
            }
            let taken = bytes.len().min(CHUNK_BYTES - self.filling.len());
            let (now, later) = bytes.split_at(taken);
            self.filling.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// Writes what is left; on return all of it survives a power cut. The file still is to be published.
    pub async fn finish(&mut self) -> Result<Written> {
        self.flush(true).await?;
        if let Some(blob) = self.blob.take() {
            blob.finish().await?;
        }
        Ok(Written { file: self.row.id, bytes: self.row.bytes, chunks: self.row.chunks })
    }

    /// It is shown now: nothing of it is removed.
    pub fn published(&mut self) {
        self.is_published = true;
    }

    async fn flush(&mut self, is_last: bool) -> Result<()> {
        let bound = place(self.row.id, self.row.chunks, is_last);
        let sealed = self.seals.seal(TABLE, CHUNK, &bound, &self.filling, &*self.random);
        self.filling.clear();
        let blob = self.blob.as_mut().ok_or_else(|| Error::internal("a file was written to behind its end"))?;
        blob.append(sealed).await?;
        self.row.chunks += 1;
        Ok(())
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        // Without a runtime the process is stopping, and the sweep finds it.
        let (false, Ok(runtime)) = (self.is_published, tokio::runtime::Handle::try_current()) else { return };
        let (store, file) = (self.store.clone(), self.row.id);
        runtime.spawn(async move {
            if let Err(error) = store.discard_file(file).await {
                tracing::debug!(%file, %error, "an unfinished file is left to the sweep");
            }
        });
    }
}

/// A file that a caller sends.
pub struct Upload {
    writer: FileWriter,
    file_bytes_max: u64,
    tenant_bytes_max: u64,
}

impl Upload {
    /// Begins a file under a caller's name for it.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] where the tenant has as many files as it may have.
    pub async fn begin(engine: &Engine, scope: &TenantScope, name: &str) -> Result<Self> {
        let settings = &engine.settings.files;
        sweep(engine, &engine.store.tenant(scope).await?).await?;
        let name: String = name.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect();
        // What it is for may be said behind it, and is told once it is whole.
        let writer = FileWriter::begin(engine, scope, FilePurpose::Batch, &name, settings.per_tenant_max).await?;
        Ok(Self { writer, file_bytes_max: settings.file_bytes_max, tenant_bytes_max: settings.tenant_bytes_max })
    }

    /// Adds to the file.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] once it is larger than a file may be, or than the tenant has room for.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let size = self.writer.row.bytes.saturating_add(bytes.len() as u64);
        if size > self.file_bytes_max {
            let message = format!("the file is larger than {} bytes", self.file_bytes_max);
            return Err(Error::new(ErrorKind::TooLarge, message).at("file"));
        }
        if !self.writer.make_room(bytes.len() as u64, self.tenant_bytes_max).await? {
            return Err(self.no_room());
        }
        self.writer.write(bytes).await
    }

    /// Removes what there is of a file that is refused: before its caller hears of it, so that it counts for nothing any more.
    pub async fn give_up(mut self) {
        self.writer.blob = None;
        match self.writer.store.discard_file(self.writer.row.id).await {
            Ok(()) => self.writer.is_published = true,
            Err(error) => tracing::debug!(file = %self.writer.row.id, %error, "a refused file is tried again to be removed"),
        }
    }

    /// Ends the file and shows it, for this purpose.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] where the tenant has no room for it.
    pub async fn finish(mut self, purpose: FilePurpose) -> Result<FileView> {
        let written = self.writer.finish().await?;
        if !self.writer.store.publish_file(written, purpose, self.tenant_bytes_max).await? {
            let refusal = self.no_room();
            self.give_up().await;
            return Err(refusal);
        }
        self.writer.published();
        self.writer.row.purpose = purpose;
        FileView::open(&self.writer.row, &self.writer.seals)
    }

    fn no_room(&self) -> Error {
        let message = format!(
            "the files of this tenant would be larger than {} bytes together, those that are being uploaded included; delete some",
            self.tenant_bytes_max
        );
        Error::new(ErrorKind::TooLarge, message).at("file")
    }
}
