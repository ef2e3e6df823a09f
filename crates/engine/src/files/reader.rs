//! Reading a file, chunk by chunk.

use std::sync::Arc;

use bytes::Bytes;
use insula_model::{Error, FileId, Result};
use insula_store::{BlobReader, FileRow, TenantSeals};

use super::{CHUNK, TABLE, place};

/// A file that is being read.
pub struct FileReader {
    blob: BlobReader,
    seals: Arc<TenantSeals>,
    file: FileId,
    chunks: u64,
    next: u64,
}

impl FileReader {
    pub(super) fn new(blob: BlobReader, seals: Arc<TenantSeals>, row: &FileRow) -> Self {
        Self { blob, seals, file: row.id, chunks: row.chunks, next: 0 }
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// When a chunk is missing, or is not the one that was written there.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        if self.next == self.chunks {
            return Ok(None);
        }
        let sealed = self.blob.next().await?.ok_or_else(|| Error::internal("a chunk of a file is missing"))?;
        let bound = place(self.file, self.next, self.next + 1 == self.chunks);
        let plain = self.seals.open(TABLE, CHUNK, &bound, &sealed)?;
        self.next += 1;
        Ok(Some(plain.into()))
    }
}
