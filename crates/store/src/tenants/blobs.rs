//! The chunks of a tenant's files, sealed by whoever writes them: a file for each beside the tenant's database, or rows.
//!
//! In a file each chunk stands behind its length (four bytes, little endian). That a chunk is missing is noticed by who reads:
//! its place is sealed in, and the file's row says how many there are.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{ErrorKind as IoErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use insula_model::{Error, FileId, Result};

use super::place::refused;
use crate::{
    lock::sync_dir,
    query::{Db, args, rec, waiting},
};

/// The longest chunk that is read: what is longer was not written by us.
const CHUNK_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Where a tenant's chunks lie.
#[derive(Clone)]
pub(crate) enum Blobs {
    /// A file for each, in this directory.
    Directory(PathBuf),
    /// Rows beside the tenant's others.
    Rows(Db),
}

/// A blob that is being written, chunk by chunk. Dropped before [`BlobWriter::finish`] it leaves what was written behind, for
/// the sweep.
pub struct BlobWriter(Writing);

enum Writing {
    File(File),
    Rows { db: Db, file: FileId, place: u64 },
}

/// A blob that is being read, chunk by chunk.
pub struct BlobReader(Reading);

enum Reading {
    File(File),
    Rows { db: Db, file: FileId, place: u64 },
}

impl Blobs {
    /// Begins a blob.
    pub(super) async fn write(&self, file: FileId) -> Result<BlobWriter> {
        Ok(BlobWriter(match self {
            Blobs::Rows(db) => Writing::Rows { db: db.clone(), file, place: 0 },
            Blobs::Directory(dir) => {
                let dir = dir.clone();
                Writing::File(waiting(move || create(&dir, file).map_err(refused)).await?)
            }
        }))
    }

    /// Opens a blob. `NotFound` where there is none.
    pub(super) async fn read(&self, file: FileId) -> Result<BlobReader> {
        Ok(BlobReader(match self {
            Blobs::Rows(db) => Reading::Rows { db: db.clone(), file, place: 0 },
            Blobs::Directory(dir) => {
                let path = dir.join(file.bare());
                Reading::File(waiting(move || File::open(path).map_err(missing)).await?)
            }
        }))
    }

    /// Removes a blob, if it is there. Rows go with the file's own.
    pub(super) async fn remove(&self, file: FileId) -> Result<()> {
        let Blobs::Directory(dir) = self else { return Ok(()) };
        let path = dir.join(file.bare());
        waiting(move || match fs::remove_file(path) {
            Err(error) if error.kind() != IoErrorKind::NotFound => Err(Error::internal(error)),
            _ => Ok(()),
        })
        .await
    }
}

/// Makes an empty file for a blob; its name survives a power cut.
fn create(dir: &Path, file: FileId) -> std::io::Result<File> {
    // Its parent is never made here: that of an erased tenant must not come back.
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() == IoErrorKind::AlreadyExists => {}
        made => made?,
    }
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(dir.join(file.bare()))?;
    sync_dir(dir)?;
    Ok(created)
}

fn missing(error: std::io::Error) -> Error {
    if error.kind() == IoErrorKind::NotFound { Error::not_found() } else { Error::internal(error) }
}

impl BlobWriter {
    /// Writes the next chunk.
    ///
    /// # Errors
    /// `Unavailable` when the disk is full; `NotFound` or `Conflict` once the tenant or the file is gone.
    pub async fn append(&mut self, sealed: Vec<u8>) -> Result<()> {
        match &mut self.0 {
            Writing::File(file) => {
                let mut file = file.try_clone().map_err(Error::internal)?;
                let mut write = move || {
                    let length = u32::try_from(sealed.len()).map_err(std::io::Error::other)?;
                    file.write_all(&length.to_le_bytes())?;
                    file.write_all(&sealed)
                };
                waiting(move || write().map_err(refused)).await
            }
            Writing::Rows { db, file, place } => {
                let mut tx = db.write().await?;
                let insert = "INSERT INTO file_chunks (file, place, sealed) VALUES ($1, $2, $3)";
                tx.exec(insert, args![*file, *place, sealed]).await?;
                *place += 1;
                tx.commit().await
            }
        }
    }

    /// On return everything that was written survives a power cut.
    pub async fn finish(self) -> Result<()> {
        match self.0 {
            Writing::File(file) => waiting(move || file.sync_all().map_err(refused)).await,
            Writing::Rows { .. } => Ok(()),
        }
    }
}

impl BlobReader {
    /// The next chunk; `None` behind the last.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        match &mut self.0 {
            Reading::File(file) => {
                let mut file = file.try_clone().map_err(Error::internal)?;
                waiting(move || read_chunk(&mut file).map_err(Error::internal)).await
            }
            Reading::Rows { db, file, place } => {
                struct Chunk {
                    sealed: Vec<u8>,
                }
                rec!(Chunk { sealed });

                let select = "SELECT sealed FROM file_chunks WHERE file = $1 AND place = $2";
                let chunk: Option<Chunk> = db.read().await?.optional(select, args![*file, *place]).await?;
                *place += 1;
                Ok(chunk.map(|chunk| chunk.sealed))
            }
        }
    }
}

fn read_chunk(reader: &mut impl Read) -> std::io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match reader.read_exact(&mut length) {
        Err(error) if error.kind() == IoErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > CHUNK_BYTES_MAX {
        return Err(std::io::Error::other("a chunk is longer than any that was written"));
    }
    let mut sealed = vec![0; length];
    reader.read_exact(&mut sealed)?;
    Ok(Some(sealed))
}
