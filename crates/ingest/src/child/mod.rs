//! Reading in a process of its own, so that nothing that a parser does to itself is done to the server.
//!
//! The parent ([`Reader`]) starts a given command, hands it the document and waits no longer than it may. The child ([`serve`])
//! takes its limits first, and locks itself up ([`Confinement`]), then the document. Both sides speak postcard.

mod confinement;
mod parent;
mod serve;

use serde::{Deserialize, Serialize};

pub use confinement::{Confinement, Files};
pub use parent::Reader;
pub use serve::serve;

use crate::{Bounds, Reading, Unreadable};

/// What the child may take, unit last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Time from start to answer.
    pub wall_ms_max: u64,
    /// Processor time.
    pub cpu_seconds_max: u64,
    /// Memory that it may have mapped for data.
    pub memory_bytes_max: u64,
    /// Size of the answer.
    pub answer_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall_ms_max: 60_000,
            cpu_seconds_max: 60,
            memory_bytes_max: 1024 * 1024 * 1024,
            answer_bytes_max: 128 * 1024 * 1024,
        }
    }
}

/// What stands before the document: everything but its bytes.
#[derive(Debug, Serialize, Deserialize)]
struct Request {
    name: String,
    media_type: Option<String>,
    bounds: Bounds,
    limits: Limits,
}

/// What the child says.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    confined: Confinement,
    reading: Result<Reading, Unreadable>,
}

/// A longer request is none of ours.
const REQUEST_BYTES_MAX: usize = 64 * 1024;
/// What stands before an answer, so that what a library prints is not taken for one.
const MARK: &[u8; 8] = b"reading\x01";
