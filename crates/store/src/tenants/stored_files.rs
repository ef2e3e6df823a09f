//! A tenant's files as its rows tell of them; their chunks are [`blobs`](super::blobs).
//!
//! A row is written before the first chunk and says that the file is whole behind the last, so that whatever a crash leaves
//! is known, and swept. Until then its bytes are the room that is kept for it.

use insula_model::{Error, ErrorKind, FileId, FilePurpose, FileState, Result, Timestamp};

use super::{BlobReader, BlobWriter, TenantStore};
use crate::{
    query::{Tx, args, rec},
    vectors::spaces::lock_corpus,
};

/// A file that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRow {
    /// Its id.
    pub id: FileId,
    /// What it is for.
    pub purpose: FilePurpose,
    /// Its size, unsealed.
    pub bytes: u64,
    /// How many chunks it is kept in.
    pub chunks: u64,
    /// When it was begun.
    pub created_at: Timestamp,
    /// Its name, sealed for (`file`, `name`, its id).
    pub sealed_name: Vec<u8>,
}

rec!(FileRow { id, purpose, bytes, chunks, created_at, sealed_name });

/// What was written of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Which file.
    pub file: FileId,
    /// Its size, unsealed.
    pub bytes: u64,
    /// How many chunks it is kept in.
    pub chunks: u64,
}

/// Which files of a list.
#[derive(Debug, Clone, Copy, Default)]
pub struct FilePage {
    /// Only those for this.
    pub purpose: Option<FilePurpose>,
    /// From the one behind this on.
    pub after: Option<FileId>,
    /// The oldest first, else the newest.
    pub oldest_first: bool,
    /// How many at most.
    pub limit: u32,
}

/// How much room a file is to have.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Bytes that it needs.
    pub needed: u64,
    /// Bytes that it had better have, so that it need not ask again soon.
    pub wanted: u64,
    /// Bytes of all of the tenant's files of its sort.
    pub bytes_max: u64,
}

struct Own {
    purpose: FilePurpose,
    bytes: u64,
}

rec!(Own { purpose, bytes });

pub(super) struct Held {
    pub files: u64,
    pub bytes: u64,
}

rec!(Held { files, bytes });

struct Id {
    id: FileId,
}

rec!(Id { id });

impl TenantStore {
    /// Begins a file, which nobody sees before it is whole. False where the tenant has `files_max` of them. Documents and other files
    /// are counted apart.
    pub async fn begin_file(&self, file: &FileRow, files_max: u64) -> Result<bool> {
        let mut tx = self.home.db().write().await?;
        if held(&mut tx, file.purpose).await?.files >= files_max {
            return Ok(false);
        }
        tx.exec(
            "INSERT INTO files (id, purpose, state, bytes, chunks, created_at, sealed_name) VALUES ($1, $2, $3, 0, 0, $4, $5)",
            args![file.id, file.purpose, FileState::Uploading, file.created_at, file.sealed_name],
        )
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Keeps room for a file that is being written, among all others of its sort, those under way included. How many bytes it may have
    /// now; `None` where there is not as much room as it needs.
    pub async fn reserve_file(&self, file: FileId, room: Room) -> Result<Option<u64>> {
        let mut tx = self.home.db().write().await?;
        // Whoever writes beside this one waits here, so that both together keep no more than there is.
        lock_corpus(&mut tx).await?;
        let own: Option<Own> =
            tx.optional("SELECT purpose, bytes FROM files WHERE id = $1 AND state = 'uploading'", args![file]).await?;
        let own = own.ok_or_else(swept)?;
        let others = held(&mut tx, own.purpose).await?.bytes.saturating_sub(own.bytes);
        let free = room.bytes_max.saturating_sub(others);
        if room.needed > free {
            return Ok(None);
        }
        let kept = room.wanted.clamp(room.needed, free);
        tx.exec("UPDATE files SET bytes = $2 WHERE id = $1", args![file, kept]).await?;
        tx.commit().await?;
        Ok(Some(kept))
    }

    /// Opens a file that was begun, to be written.
    pub async fn write_file(&self, file: FileId) -> Result<BlobWriter> {
        self.blobs.write(file).await
    }

    /// Shows a file that is whole and no document's, for this purpose. False where the tenant's files would have more than `bytes_max`
    /// with it.
    pub async fn publish_file(&self, written: Written, purpose: FilePurpose, bytes_max: u64) -> Result<bool> {
        let mut tx = self.home.db().write().await?;
        lock_corpus(&mut tx).await?;
        let own: Option<Own> = tx.optional("SELECT purpose, bytes FROM files WHERE id = $1", args![written.file]).await?;
        let others = held(&mut tx, FilePurpose::Batch).await?.bytes.saturating_sub(own.map_or(0, |own| own.bytes));
        if others.saturating_add(written.bytes) > bytes_max {
            return Ok(false);
        }
        publish(&mut tx, written).await?;
        tx.exec("UPDATE files SET purpose = $2 WHERE id = $1", args![written.file, purpose]).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// One file that is no document's.
    pub async fn file(&self, id: FileId) -> Result<Option<FileRow>> {
        let find = "SELECT id, purpose, bytes, chunks, created_at, sealed_name FROM files WHERE id = $1 AND state = 'ready' \
                    AND purpose <> 'document'";
        self.home.db().read().await?.optional(find, args![id]).await
    }

    /// A page of its files; documents are listed as such.
    pub async fn files(&self, page: &FilePage) -> Result<Vec<FileRow>> {
        let newest = "SELECT id, purpose, bytes, chunks, created_at, sealed_name FROM files WHERE state = 'ready' AND purpose <> 'document' \
                      AND purpose = COALESCE($1, purpose) AND id < $2 ORDER BY id DESC LIMIT $3";
        let oldest = "SELECT id, purpose, bytes, chunks, created_at, sealed_name FROM files WHERE state = 'ready' AND purpose <> 'document' \
                      AND purpose = COALESCE($1, purpose) AND id > $2 ORDER BY id LIMIT $3";
        let (sql, end) = if page.oldest_first { (oldest, [0; 16]) } else { (newest, [0xff; 16]) };
        let after = page.after.unwrap_or(FileId::from_bytes(end));
        self.home.db().read().await?.all(sql, args![page.purpose, after, page.limit]).await
    }

    /// Opens a file to be read. `NotFound` where it is gone.
    pub async fn read_file(&self, id: FileId) -> Result<BlobReader> {
        self.blobs.read(id).await
    }

    /// Removes a file. `NotFound` where there is none; `Conflict` while a batch that is not over reads it.
    pub async fn remove_file(&self, id: FileId) -> Result<()> {
        let mut tx = self.home.db().write().await?;
        let read = "SELECT input_file AS id FROM batches WHERE input_file = $1 \
                    AND status IN ('validating', 'in_progress', 'finalizing', 'cancelling')";
        if tx.optional::<Id>(read, args![id]).await?.is_some() {
            return Err(Error::new(ErrorKind::Conflict, "a batch that is not over reads this file; cancel it first"));
        }
        let marked = "UPDATE files SET state = 'removing' WHERE id = $1 AND state = 'ready' AND purpose <> 'document'";
        if tx.exec(marked, args![id]).await? == 0 {
            return Err(Error::not_found());
        }
        tx.commit().await?;
        self.discard(id).await
    }

    /// Removes a file that never came to be whole.
    pub async fn discard_file(&self, id: FileId) -> Result<()> {
        let mut tx = self.home.db().write().await?;
        tx.exec("UPDATE files SET state = 'removing' WHERE id = $1 AND state = 'uploading'", args![id]).await?;
        let gone: Option<Id> = tx.optional("SELECT id FROM files WHERE id = $1 AND state = 'removing'", args![id]).await?;
        tx.commit().await?;
        // One that was shown after all stays.
        if gone.is_some() { self.discard(id).await } else { Ok(()) }
    }

    /// Removes what interrupted uploads and deletions left behind; uploads that began at `before` or later may be under way.
    pub async fn sweep_files(&self, before: Timestamp) -> Result<()> {
        let left = "SELECT id FROM files WHERE state = 'removing' OR (state = 'uploading' AND created_at < $1)";
        let left: Vec<Id> = self.home.db().read().await?.all(left, args![before]).await?;
        for Id { id } in left {
            self.discard_file(id).await?;
        }
        Ok(())
    }

    /// First the chunks: as long as they are there, the row says so.
    pub(super) async fn discard(&self, id: FileId) -> Result<()> {
        self.blobs.remove(id).await?;
        let mut tx = self.home.db().write().await?;
        tx.exec("DELETE FROM files WHERE id = $1 AND state = 'removing'", args![id]).await?;
        tx.commit().await
    }
}

/// Shows a file that is whole.
pub(super) async fn publish(tx: &mut Tx, Written { file, bytes, chunks }: Written) -> Result<()> {
    let shown = "UPDATE files SET state = 'ready', bytes = $2, chunks = $3 WHERE id = $1 AND state = 'uploading'";
    if tx.exec(shown, args![file, bytes, chunks]).await? == 0 {
        return Err(swept());
    }
    Ok(())
}

fn swept() -> Error {
    Error::internal("a file was swept while it was written")
}

/// What the tenant has of documents, or of all other files.
pub(super) async fn held(tx: &mut Tx, purpose: FilePurpose) -> Result<Held> {
    let held = "SELECT COUNT(*) AS files, CAST(COALESCE(SUM(bytes), 0) AS BIGINT) AS bytes FROM files \
                WHERE (purpose = 'document') = ($1 = 'document')";
    tx.one(held, args![purpose]).await
}
