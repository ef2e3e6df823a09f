//! What is kept of a document in sealed form: words of its tenant.

use std::ops::Range;

use insula_ingest::{Place, sanitise::OffsetMap};
use insula_model::{DocumentId, Error, Result};
use insula_store::TenantSeals;
use serde::{Deserialize, Serialize};

use super::{
    Metadata,
    report::{DocumentReport, Findings},
};
use crate::Engine;

const DOCUMENTS: &str = "documents";
const DETAIL: &str = "detail";
const CHUNKS: &str = "chunks";
const TEXT: &str = "text";

/// Why a document cannot be searched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What programs tell it by.
    pub code: String,
    /// What is wrong, and what to do about it. It holds nothing of the document.
    pub message: String,
}

/// What its tenant calls a document and wrote to it, and what came of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Detail {
    /// What it is called.
    pub name: String,
    /// What its file is called, where that is not what it is called itself.
    pub file_name: Option<String>,
    /// What whoever handed it in says that it is.
    pub media_type: Option<String>,
    /// To filter by.
    pub metadata: Metadata,
    /// The end users who may see it; all where nobody is named.
    pub access: Vec<String>,
    /// Why it cannot be searched, where it cannot.
    pub trouble: Option<Trouble>,
    /// How well it could be read, once it was.
    pub report: Option<DocumentReport>,
    /// What was found in it.
    pub findings: Findings,
}

impl Detail {
    /// Seals it for its document.
    pub fn seal(&self, engine: &Engine, seals: &TenantSeals, document: DocumentId) -> Result<Vec<u8>> {
        let plain = serde_json::to_vec(self).map_err(Error::internal)?;
        Ok(seals.seal(DOCUMENTS, DETAIL, document.as_bytes(), &plain, &*engine.random))
    }

    /// Opens that of a document.
    pub fn open(seals: &TenantSeals, document: DocumentId, sealed: &[u8]) -> Result<Self> {
        let plain = seals.open(DOCUMENTS, DETAIL, document.as_bytes(), sealed)?;
        serde_json::from_slice(&plain).map_err(Error::internal)
    }
}

/// A piece of a document's text as it is kept: without what was taken out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Passage {
    /// Where it stands in the text as it is kept, in bytes.
    pub span: Range<usize>,
    /// What stands there.
    pub text: String,
    /// What it is to be read with: the headings above it, and the names of its columns.
    pub lead: String,
    /// From there back to the text as it was read.
    pub map: OffsetMap,
    /// Where it begins in the document.
    pub place: Place,
}

impl Passage {
    /// What it is found by: its lead and itself.
    pub fn searched(&self) -> String {
        if self.lead.is_empty() { self.text.clone() } else { format!("{}\n{}", self.lead, self.text) }
    }

    /// Where a part of it stands in the text as it was read, before anything was taken out.
    pub fn original(&self, part: Range<usize>) -> Range<usize> {
        self.map.original(self.span.start + part.start..self.span.start + part.end)
    }

    /// Seals it for its place in its document.
    pub fn seal(&self, engine: &Engine, seals: &TenantSeals, document: DocumentId, place: u64) -> Result<Vec<u8>> {
        let plain = postcard::to_allocvec(self).map_err(Error::internal)?;
        Ok(seals.seal(CHUNKS, TEXT, &row(document, place), &plain, &*engine.random))
    }

    /// Opens that of a place.
    pub fn open(seals: &TenantSeals, document: DocumentId, place: u64, sealed: &[u8]) -> Result<Self> {
        postcard::from_bytes(&seals.open(CHUNKS, TEXT, &row(document, place), sealed)?).map_err(Error::internal)
    }
}

fn row(document: DocumentId, place: u64) -> [u8; 24] {
    let mut row = [0; 24];
    row[..16].copy_from_slice(document.as_bytes());
    row[16..].copy_from_slice(&place.to_be_bytes());
    row
}
