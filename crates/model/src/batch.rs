//! Files of tenants, and batches: many requests in one file, answered in another.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Timestamp;

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FilePurpose {
    /// The requests of a batch, as its tenant sent them.
    Batch,
    /// What a batch wrote: answers, or what became of requests without one.
    BatchOutput,
    /// What a vector store may be made of.
    Assistants,
    /// Whatever its tenant wants to keep; a vector store may be made of it.
    UserData,
    /// Pictures.
    Vision,
    /// Data to evaluate models with.
    Evals,
    /// A document as its tenant handed it in. It is not among the files under `/v1`: it comes and goes with the document.
    Document,
}

impl FilePurpose {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            FilePurpose::Batch => "batch",
            FilePurpose::BatchOutput => "batch_output",
            FilePurpose::Assistants => "assistants",
            FilePurpose::UserData => "user_data",
            FilePurpose::Vision => "vision",
            FilePurpose::Evals => "evals",
            FilePurpose::Document => "document",
        }
    }

    /// What a caller may upload files for.
    pub const UPLOADS: [Self; 5] = [Self::Batch, Self::Assistants, Self::UserData, Self::Vision, Self::Evals];
}

/// How a file stands. Only a ready one is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileState {
    /// Its chunks are being written.
    Uploading,
    /// It is whole.
    Ready,
    /// It was deleted, and its chunks are going.
    Removing,
}

impl FileState {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            FileState::Uploading => "uploading",
            FileState::Ready => "ready",
            FileState::Removing => "removing",
        }
    }
}

/// How a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BatchStatus {
    /// Its lines are being checked.
    Validating,
    /// Its file was refused, or it could not be carried on.
    Failed,
    /// Its lines are being executed.
    InProgress,
    /// Its output is being written.
    Finalizing,
    /// Its output can be read.
    Completed,
    /// Its time ran out; the output holds what was done by then.
    Expired,
    /// It was cancelled, and lines under way are coming to their end.
    Cancelling,
    /// It was cancelled; the output holds what was done by then.
    Cancelled,
}

impl BatchStatus {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            BatchStatus::Validating => "validating",
            BatchStatus::Failed => "failed",
            BatchStatus::InProgress => "in_progress",
            BatchStatus::Finalizing => "finalizing",
            BatchStatus::Completed => "completed",
            BatchStatus::Expired => "expired",
            BatchStatus::Cancelling => "cancelling",
            BatchStatus::Cancelled => "cancelled",
        }
    }

    /// Whether nothing follows.
    pub fn is_over(self) -> bool {
        matches!(self, BatchStatus::Failed | BatchStatus::Completed | BatchStatus::Expired | BatchStatus::Cancelled)
    }
}

/// What a batch waits for, where it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BatchWait {
    /// A budget is used up: for its next window, or for a larger cap.
    Budget,
    /// A limit on pace, its own or the provider's.
    Pace,
    /// Its tenant is suspended.
    Suspended,
    /// This platform takes nothing new at the moment.
    Unavailable,
}

impl BatchWait {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            BatchWait::Budget => "budget",
            BatchWait::Pace => "pace",
            BatchWait::Suspended => "suspended",
            BatchWait::Unavailable => "unavailable",
        }
    }
}

/// When a batch came to stand as it did; absent where it never did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BatchTimes {
    /// Its lines were found right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_progress_at: Option<Timestamp>,
    /// All of its lines were done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finalizing_at: Option<Timestamp>,
    /// Its output could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// It was refused, or could not be carried on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<Timestamp>,
    /// Its time ran out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expired_at: Option<Timestamp>,
    /// It was asked to stop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancelling_at: Option<Timestamp>,
    /// It stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancelled_at: Option<Timestamp>,
}
