//! The words for an attempt at a provider.

use serde::{Deserialize, Serialize};

/// What kind of call an attempt made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// A chat completion.
    Chat,
    /// Embeddings.
    Embeddings,
    /// Moderations: verdicts on texts and images.
    Moderations,
}

impl Operation {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Chat => "chat",
            Operation::Embeddings => "embeddings",
            Operation::Moderations => "moderations",
        }
    }
}

/// Why an attempt was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The caller asked for it.
    Base,
    /// The attempt before it failed in a way that may pass.
    Retry,
    /// The answer before it was not what was asked for.
    Repair,
    /// The provider before it could not serve.
    Fallback,
    /// A text of the request had to be embedded.
    Embedding,
    /// An answer was judged.
    Evaluation,
}

impl Cause {
    /// All of them, in the order in which a bill shows them.
    pub const ALL: [Cause; 6] =
        [Cause::Base, Cause::Retry, Cause::Repair, Cause::Fallback, Cause::Embedding, Cause::Evaluation];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Base => "base",
            Cause::Retry => "retry",
            Cause::Repair => "repair",
            Cause::Fallback => "fallback",
            Cause::Embedding => "embedding",
            Cause::Evaluation => "evaluation",
        }
    }

    /// The cause that a word names.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.name() == name)
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// The provider answered to the end.
    Completed,
    /// The provider refused or failed with a status; nothing was billed.
    Rejected,
    /// The answer broke off, stalled or could not be read.
    Broken,
    /// The caller left before the answer ended.
    ClientGone,
    /// The process died while the attempt was open.
    Lost,
}

impl AttemptOutcome {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            AttemptOutcome::Completed => "completed",
            AttemptOutcome::Rejected => "rejected",
            AttemptOutcome::Broken => "broken",
            AttemptOutcome::ClientGone => "client_gone",
            AttemptOutcome::Lost => "lost",
        }
    }
}
