//! One error for every refusal and failure: a kind, a message for the caller, and a private source for the log.

use std::time::Duration;

use crate::{BudgetLevel, Timestamp, Window};

/// The result of anything that can be refused.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// What went wrong, in the caller's terms. One place in `server` maps each kind to a status and a code.
#[derive(Debug, Clone, PartialEq)]
pub enum ErrorKind {
    /// The request cannot be understood or is not allowed as it stands.
    Invalid,
    /// A body, header or other input is over its bound.
    TooLarge,
    /// No credential, or one that opens nothing.
    Unauthenticated,
    /// The credential is genuine but not enough.
    Forbidden,
    /// It does not exist, or not for this caller: the two look the same.
    NotFound,
    /// No such model, or not for this caller.
    ModelNotFound,
    /// It clashes with what exists or is under way.
    Conflict,
    /// `If-Match` names an older version.
    PreconditionFailed,
    /// An `Idempotency-Key` came back with another body.
    IdempotencyMismatch,
    /// The tenant is suspended.
    Suspended,
    /// A pace or concurrency limit; try again after this long.
    RateLimited {
        /// How long to wait.
        retry_after: Duration,
    },
    /// The caller wants nothing but a kept answer, and there is none.
    NotCached,
    /// A hard budget stands in the way.
    BudgetExceeded(Box<BudgetRefusal>),
    /// The call has no upper bound on its cost, so a hard budget cannot cover it.
    Unbounded,
    /// No price is known for the model.
    UnknownPrice,
    /// Nothing that serves the model may serve this request for this tenant: residency, capability and the like.
    NoRoute,
    /// The answer came from another version of the model than was approved.
    VersionMismatch,
    /// The answer is over a bound of ours: the same request would only get another such answer.
    AnswerTooLarge,
    /// The provider refused the request as the caller wrote it, with this status.
    ProviderRejected(u16),
    /// The provider is limiting this platform; try again after this long.
    ProviderRateLimited {
        /// How long to wait, where the provider said so.
        retry_after: Option<Duration>,
    },
    /// The provider failed or could not be reached.
    ProviderFailed,
    /// The provider took too long.
    ProviderTimeout,
    /// Not now: starting, stopping, out of room; try again after this long.
    Unavailable {
        /// How long to wait.
        retry_after: Duration,
    },
    /// Our own fault.
    Internal,
}

impl ErrorKind {
    /// One word for it, without anything that the caller wrote: for traces that operators read too.
    pub fn name(&self) -> &'static str {
        match self {
            ErrorKind::Invalid => "invalid",
            ErrorKind::TooLarge => "too_large",
            ErrorKind::Unauthenticated => "unauthenticated",
            ErrorKind::Forbidden => "forbidden",
            ErrorKind::NotFound => "not_found",
            ErrorKind::ModelNotFound => "model_not_found",
            ErrorKind::Conflict => "conflict",
            ErrorKind::PreconditionFailed => "precondition_failed",
            ErrorKind::IdempotencyMismatch => "idempotency_mismatch",
            ErrorKind::Suspended => "suspended",
            ErrorKind::RateLimited { .. } => "rate_limited",
            ErrorKind::NotCached => "not_cached",
            ErrorKind::BudgetExceeded(_) => "budget_exceeded",
            ErrorKind::Unbounded => "cost_unbounded",
            ErrorKind::UnknownPrice => "unknown_price",
            ErrorKind::NoRoute => "no_route",
            ErrorKind::VersionMismatch => "version_mismatch",
            ErrorKind::AnswerTooLarge => "answer_too_large",
            ErrorKind::ProviderRejected(_) => "provider_rejected",
            ErrorKind::ProviderRateLimited { .. } => "provider_rate_limited",
            ErrorKind::ProviderFailed => "provider_failed",
            ErrorKind::ProviderTimeout => "provider_timeout",
            ErrorKind::Unavailable { .. } => "unavailable",
            ErrorKind::Internal => "internal",
        }
    }
}

/// The budget that refused, as the contract shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct BudgetRefusal {
    /// At which level.
    pub level: BudgetLevel,
    /// In which window.
    pub window: Window,
    /// `usd` or `tokens`; `percent` for who may not know the amounts.
    pub unit: &'static str,
    /// What is settled, as a decimal string or a count.
    pub used: String,
    /// The cap, as a decimal string or a count.
    pub limit: String,
    /// How much of the cap is settled, in whole percent.
    pub used_percent: u64,
    /// When the window ends.
    pub resets_at: Timestamp,
}

impl BudgetRefusal {
    /// The same without its amounts.
    pub fn in_percent(self) -> Self {
        Self { unit: "percent", used: self.used_percent.to_string(), limit: "100".to_owned(), ..self }
    }
}

/// A refusal or failure. `Display` is the public message: it names what to do next and holds no secret.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: String,
    param: Option<String>,
    #[source]
    source: Option<Source>,
}

impl Error {
    /// An error of this kind with its public message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), param: None, source: None }
    }

    /// The caller's input is wrong; the message says how to mend it.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// It does not exist for this caller. Always the same words, so that nothing can be told apart by them.
    pub fn not_found() -> Self {
        Self::new(ErrorKind::NotFound, "not found")
    }

    /// Our own fault; the caller learns only that.
    pub fn internal(detail: impl Into<Source>) -> Self {
        Self::new(ErrorKind::Internal, "internal error; the log has the details under this request id").caused_by(detail)
    }

    /// Names the field that is wrong.
    pub fn at(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Names the field around the one that is wrong.
    pub fn within(mut self, outer: &str) -> Self {
        let inner = self.param.take().unwrap_or_default();
        let joint = if inner.is_empty() || inner.starts_with('[') { "" } else { "." };
        self.param = Some(format!("{outer}{joint}{inner}"));
        self
    }

    /// Adds what is for the log only.
    pub fn caused_by(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// The public message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The field that is wrong, if one is.
    pub fn param(&self) -> Option<&str> {
        self.param.as_deref()
    }

    /// The cause, for the log only.
    pub fn private_source(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.source.as_deref()
    }
}
