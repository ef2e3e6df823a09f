//! Why nothing could be read of a document.

use serde::{Deserialize, Serialize};

/// Why a document has no reading. Each says what whoever uploaded it can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Unreadable {
    /// There are no bytes, or nothing but blanks.
    #[error("the document is empty")]
    Empty,
    /// Above `source_bytes_max`.
    #[error("the document has {bytes} bytes, at most {max} are read: split it")]
    TooLarge {
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        max: usize,
    },
    /// Of a kind that is not read.
    #[error("this is {what}, which is not read: {advice}")]
    Unsupported {
        /// What it is.
        what: String,
        /// What to upload instead.
        advice: String,
    },
    /// Protected by a password.
    #[error("the document is protected by a password: save it without one")]
    Protected,
    /// Of a known kind, but broken so that nothing of it can be read.
    #[error("the document is damaged ({what}): save it anew and try again")]
    Damaged {
        /// What is wrong.
        what: String,
    },
    /// It unpacks to more than it may.
    #[error("the document unpacks to more than `{bound}` allows")]
    Bomb {
        /// The bound, a field of [`crate::Bounds`].
        bound: String,
    },
    /// Reading took longer than it may.
    #[error("reading took longer than {ms_max} ms and was stopped: split the document")]
    TimedOut {
        /// How long it may take.
        ms_max: u64,
    },
    /// Reading needed more memory than it may.
    #[error("reading needed more than {bytes_max} bytes of memory and was stopped: split the document")]
    OutOfMemory {
        /// How much it may need.
        bytes_max: u64,
    },
    /// Reading broke off.
    #[error("reading broke off ({how}): save the document anew, or in another format")]
    Crashed {
        /// How it ended.
        how: String,
    },
    /// The process that reads could not be run.
    #[error("the reader could not be started ({why})")]
    NotStarted {
        /// What the system said.
        why: String,
    },
}

impl Unreadable {
    /// Its name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLarge { .. } => "too_large",
            Self::Unsupported { .. } => "unsupported",
            Self::Protected => "protected",
            Self::Damaged { .. } => "damaged",
            Self::Bomb { .. } => "bomb",
            Self::TimedOut { .. } => "timed_out",
            Self::OutOfMemory { .. } => "out_of_memory",
            Self::Crashed { .. } => "crashed",
            Self::NotStarted { .. } => "not_started",
        }
    }

    pub(crate) fn damaged(what: impl std::fmt::Display) -> Self {
        Self::Damaged { what: what.to_string() }
    }
}
