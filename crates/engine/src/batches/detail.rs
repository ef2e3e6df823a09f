//! What is kept of a batch in sealed form: words of its tenant.

use std::collections::BTreeMap;

use insula_model::{BatchId, Error, Result};
use insula_store::{BatchRow, TenantSeals};
use serde::{Deserialize, Serialize};

use crate::Engine;

const TABLE: &str = "batch";
const DETAIL: &str = "detail";
const LINE: &str = "line";

/// Something wrong with a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What programs tell it by.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// The field of the line.
    pub param: Option<String>,
    /// The line, from 1.
    pub line: Option<u64>,
}

impl Finding {
    /// About the line with this number, from 0.
    pub(super) fn at(number: u64, code: &str, message: &str, param: Option<&str>) -> Self {
        let (code, message, param) = (code.to_owned(), message.to_owned(), param.map(str::to_owned));
        Self { code, message, param, line: Some(number + 1) }
    }

    /// About the batch as a whole.
    pub(super) fn of_all(code: &str, message: &str) -> Self {
        Self { code: code.to_owned(), message: message.to_owned(), param: None, line: None }
    }
}

/// What its tenant wrote to a batch, and what was found wrong with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Detail {
    /// The caller's notes.
    pub metadata: BTreeMap<String, String>,
    /// Labels for the bill of each line.
    pub tags: BTreeMap<String, String>,
    /// The end user that the caller's token was issued for.
    pub end_user: Option<String>,
    /// What is wrong.
    pub errors: Vec<Finding>,
}

impl Detail {
    /// Seals it for its batch.
    pub fn seal(&self, engine: &Engine, seals: &TenantSeals, batch: BatchId) -> Result<Vec<u8>> {
        let plain = serde_json::to_vec(self).map_err(Error::internal)?;
        Ok(seals.seal(TABLE, DETAIL, batch.as_bytes(), &plain, &*engine.random))
    }

    /// Opens that of a batch.
    pub fn open(seals: &TenantSeals, row: &BatchRow) -> Result<Self> {
        let plain = seals.open(TABLE, DETAIL, row.id.as_bytes(), &row.sealed_detail)?;
        serde_json::from_slice(&plain).map_err(Error::internal)
    }
}

/// Seals what the output says of a line.
pub(super) fn seal_line(engine: &Engine, seals: &TenantSeals, batch: BatchId, number: u64, plain: &[u8]) -> Vec<u8> {
    seals.seal(TABLE, LINE, &place(batch, number), plain, &*engine.random)
}

/// Opens it.
pub(super) fn open_line(seals: &TenantSeals, batch: BatchId, number: u64, sealed: &[u8]) -> Result<Vec<u8>> {
    seals.open(TABLE, LINE, &place(batch, number), sealed)
}

fn place(batch: BatchId, number: u64) -> [u8; 24] {
    let mut place = [0; 24];
    place[..16].copy_from_slice(batch.as_bytes());
    place[16..].copy_from_slice(&number.to_be_bytes());
    place
}
