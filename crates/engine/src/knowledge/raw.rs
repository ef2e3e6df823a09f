//! What was handed in. For a file in a vector store that is a copy, which is made when the document is read for the first time.

use insula_model::{ErrorKind, FileId, FilePurpose, Result, TenantScope};
use insula_store::{DocumentRow, TenantStore};

use super::{Trouble, detail::Detail};
use crate::{
    Engine,
    files::{self, FileReader, FileWriter},
};

/// What there is to read.
pub(super) enum Raw {
    /// This.
    There(FileReader),
    /// Nothing, and why.
    Missing(Trouble),
    /// Nothing any more: the document is gone, or over.
    Gone,
}

/// Opens what was handed in as a document.
pub(super) async fn open(
    engine: &Engine,
    scope: &TenantScope,
    store: &TenantStore,
    row: &mut DocumentRow,
    detail: &Detail,
) -> Result<Raw> {
    match files::read_raw(engine, scope, row.raw_file).await {
        Ok(reader) => return Ok(Raw::There(reader)),
        Err(error) if *error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let Some(stored) = detail.stored else { return Ok(missing()) };
    let (file, reader) = match files::read(engine, scope, stored.file).await {
        Err(error) if *error.kind() == ErrorKind::NotFound => return Ok(missing()),
        opened => opened?,
    };
    let most = engine.settings.knowledge.document_bytes_max;
    if file.bytes > most {
        let message = format!("the file is larger than {most} bytes, the most that a document may have; split it");
        return Ok(Raw::Missing(Trouble { code: "too_large".to_owned(), message }));
    }
    match copied(engine, scope, store, row, reader).await? {
        Some(copy) => {
            row.raw_file = copy;
            Ok(Raw::There(files::read_raw(engine, scope, copy).await?))
        }
        None => Ok(Raw::Gone),
    }
}

/// The document's own copy of a file; `None` where the document is gone, or over.
async fn copied(
    engine: &Engine,
    scope: &TenantScope,
    store: &TenantStore,
    row: &DocumentRow,
    mut reader: FileReader,
) -> Result<Option<FileId>> {
    // How many a tenant may have was decided when the file came into the store.
    let mut writer = FileWriter::begin(engine, scope, FilePurpose::Document, "", u64::MAX).await?;
    while let Some(piece) = reader.next().await? {
        writer.write(&piece).await?;
    }
    let written = writer.finish().await?;
    if !store.keep_raw(row.id, written).await? {
        return Ok(None);
    }
    writer.published();
    Ok(Some(written.file))
}

fn missing() -> Raw {
    let message = "what was handed in is gone; hand it in again".to_owned();
    Raw::Missing(Trouble { code: "file_missing".to_owned(), message })
}
