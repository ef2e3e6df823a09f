//! What several operations of vector stores read and write.

use std::collections::BTreeMap;

use insula_engine::knowledge::{
    Chunking, Metadata,
    stores::{FileCounts, FilePart},
};
use insula_model::{Error, FileId, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// Items on a page, where the caller does not say, and at most.
const PAGE_DEFAULT: u32 = 20;
const PAGE_MAX: u32 = 100;
/// Attributes of a file.
const ATTRIBUTES_MAX: usize = 16;

/// How files are cut.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChunkingStrategy {
    /// `auto`, which leaves it to Insula, or `static`.
    #[serde(rename = "type")]
    kind: String,
    /// How, where it is `static`.
    #[serde(rename = "static", skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    bounds: Option<StaticChunking>,
}

/// Bounds of chunks; for a token four characters are taken.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StaticChunking {
    /// Tokens of a chunk.
    #[schema(minimum = 100, maximum = 4096)]
    max_chunk_size_tokens: u32,
    /// Tokens of a chunk's end that are said again at the beginning of the next; at most half of the others.
    chunk_overlap_tokens: u32,
}

impl ChunkingStrategy {
    /// What is asked for; nothing where that is left to Insula.
    pub fn read(self) -> Result<Option<Chunking>> {
        match (self.kind.as_str(), self.bounds) {
            ("auto", None) => Ok(None),
            ("static", Some(StaticChunking { max_chunk_size_tokens, chunk_overlap_tokens })) => {
                Chunking::new(max_chunk_size_tokens, chunk_overlap_tokens).map(Some)
            }
            _ => {
                let message = "write {\"type\": \"auto\"}, or {\"type\": \"static\", \"static\": {\"max_chunk_size_tokens\", \
                               \"chunk_overlap_tokens\"}}";
                Err(Error::invalid(message).at("chunking_strategy"))
            }
        }
    }
}

impl From<Chunking> for ChunkingStrategy {
    fn from(Chunking { tokens_max, overlap_tokens }: Chunking) -> Self {
        let bounds = StaticChunking { max_chunk_size_tokens: tokens_max, chunk_overlap_tokens: overlap_tokens };
        Self { kind: "static".to_owned(), bounds: Some(bounds) }
    }
}

/// Reads what a file is to be filtered by: up to 16 fields, each with one value.
pub(super) fn attributes(given: Option<BTreeMap<String, Value>>) -> Result<Metadata> {
    let given = given.unwrap_or_default();
    if given.len() > ATTRIBUTES_MAX {
        return Err(Error::invalid(format!("`attributes` takes at most {ATTRIBUTES_MAX} fields")).at("attributes"));
    }
    if let Some((name, _)) = given.iter().find(|(_, value)| !(value.is_string() || value.is_number() || value.is_boolean())) {
        let at = format!("attributes.{}", name.chars().take(64).collect::<String>());
        return Err(Error::invalid("an attribute is text, a number, true or false").at(at));
    }
    Metadata::parse(&given).map_err(|error| {
        let at = error.param().unwrap_or_default().replacen("metadata", "attributes", 1);
        error.at(at)
    })
}

/// How files stand, counted.
#[derive(Serialize, ToSchema)]
#[schema(as = VectorStoreFileCounts)]
pub struct Counts {
    /// Those that wait, or are being read.
    in_progress: u64,
    /// Those that can be searched.
    completed: u64,
    /// Those that cannot be read.
    failed: u64,
    /// Those that were cancelled before they were read.
    cancelled: u64,
    /// All of them.
    total: u64,
}

impl From<FileCounts> for Counts {
    fn from(counts: FileCounts) -> Self {
        let FileCounts { in_progress, completed, failed, cancelled } = counts;
        Self { in_progress, completed, failed, cancelled, total: counts.total() }
    }
}

/// Which files of a store or a batch.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StoreFilesQuery {
    /// Only those that stand so: `in_progress`, `completed`, `failed` or `cancelled`.
    filter: Option<String>,
    /// The last file of the page before.
    after: Option<String>,
    /// The first file of the page behind.
    before: Option<String>,
    /// Files on the page; 20 where absent.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `desc` for the newest first, which is the default, or `asc`.
    order: Option<String>,
}

impl StoreFilesQuery {
    pub(super) fn read(&self) -> Result<FilePart> {
        let status = match self.filter.as_deref() {
            None => None,
            Some("in_progress") => Some("in_progress"),
            Some("completed") => Some("ready"),
            Some("failed") => Some("failed"),
            Some("cancelled") => Some("cancelled"),
            Some(_) => {
                return Err(Error::invalid("`filter` is `in_progress`, `completed`, `failed` or `cancelled`").at("filter"));
            }
        };
        let file = |text: &Option<String>, at: &str| -> Result<Option<FileId>> {
            let parsed = text.as_deref().map(str::parse).transpose();
            parsed.map_err(|_| Error::invalid(format!("`{at}` is the id of a file in this store")).at(at))
        };
        Ok(FilePart {
            status,
            after: file(&self.after, "after")?,
            before: file(&self.before, "before")?,
            oldest_first: oldest_first(self.order.as_deref())?,
            limit: limit(self.limit)?,
        })
    }
}

/// How many a page has.
pub(super) fn limit(limit: Option<u32>) -> Result<u32> {
    let limit = limit.unwrap_or(PAGE_DEFAULT);
    if (1..=PAGE_MAX).contains(&limit) {
        return Ok(limit);
    }
    Err(Error::invalid(format!("a page has 1 to {PAGE_MAX} items")).at("limit"))
}

/// In which order.
pub(super) fn oldest_first(order: Option<&str>) -> Result<bool> {
    match order {
        None | Some("desc") => Ok(false),
        Some("asc") => Ok(true),
        Some(_) => Err(Error::invalid("`order` is `asc` or `desc`").at("order")),
    }
}
