//! What follows where texts could not be embedded that nobody waits for.

use std::time::Duration;

use insula_model::{EmbeddingWait, Error, ErrorKind};

/// The first pause after a failure of the provider; each further one is twice as long.
const AGAIN_FIRST: Duration = Duration::from_secs(5);
/// The longest pause after a failure.
const AGAIN_MAX: Duration = Duration::from_secs(300);
/// How often it is looked whether a budget has room again.
const AGAIN_WITHOUT_MONEY: Duration = Duration::from_secs(15);
/// How often it is looked whether an operator has helped.
const AGAIN_WITHOUT_EMBEDDER: Duration = Duration::from_secs(30);
/// How often it is looked whether a tenant is resumed.
const AGAIN_WHEN_SUSPENDED: Duration = Duration::from_secs(5);
/// How long a provider is left alone that does not say how long.
const PROVIDER_WAIT: Duration = Duration::from_secs(5);

/// What follows from an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::knowledge) enum Pause {
    /// It is laid down and taken up again after so long.
    For(EmbeddingWait, Duration),
    /// Fewer texts at once may do better; a single one will not.
    Fewer,
    /// It is no matter of embedding.
    Other,
}

/// What follows from an error, the `failures`th in a row.
pub(in crate::knowledge) fn judge(error: &Error, failures: u32) -> Pause {
    match error.kind() {
        ErrorKind::BudgetExceeded(_) => Pause::For(EmbeddingWait::Budget, AGAIN_WITHOUT_MONEY),
        ErrorKind::RateLimited { retry_after } => Pause::For(EmbeddingWait::Pace, *retry_after),
        ErrorKind::ProviderRateLimited { retry_after } => {
            Pause::For(EmbeddingWait::Pace, retry_after.unwrap_or(PROVIDER_WAIT).min(AGAIN_MAX))
        }
        ErrorKind::ProviderFailed | ErrorKind::ProviderTimeout | ErrorKind::Unavailable { .. } => {
            let wait = AGAIN_FIRST.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(AGAIN_MAX);
            Pause::For(EmbeddingWait::Provider, wait)
        }
        ErrorKind::Suspended | ErrorKind::Unauthenticated => Pause::For(EmbeddingWait::Suspended, AGAIN_WHEN_SUSPENDED),
        ErrorKind::ProviderRejected(status) if *status != 404 => Pause::Fewer,
        ErrorKind::TooLarge | ErrorKind::AnswerTooLarge | ErrorKind::Invalid => Pause::Fewer,
        ErrorKind::ProviderRejected(_)
        | ErrorKind::NoRoute
        | ErrorKind::ModelNotFound
        | ErrorKind::UnknownPrice
        | ErrorKind::Unbounded => Pause::For(EmbeddingWait::Embedder, AGAIN_WITHOUT_EMBEDDER),
        _ => Pause::Other,
    }
}

impl Pause {
    /// What there is to wait for where the embedder is not there at all.
    pub fn without_embedder() -> Self {
        Pause::For(EmbeddingWait::Embedder, AGAIN_WITHOUT_EMBEDDER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_that_keeps_failing_is_asked_ever_less() {
        let wait = |failures| match judge(&Error::new(ErrorKind::ProviderFailed, "down"), failures) {
            Pause::For(EmbeddingWait::Provider, wait) => wait.as_secs(),
            other => panic!("{other:?}"),
        };
        assert_eq!([1, 2, 3, 7, 40].map(wait), [5, 10, 20, 300, 300]);
    }

    #[test]
    fn what_may_be_one_text_is_halved_and_the_rest_waits() {
        let of = |kind| judge(&Error::new(kind, ""), 1);
        assert_eq!(of(ErrorKind::ProviderRejected(400)), Pause::Fewer);
        assert_eq!(of(ErrorKind::NoRoute), Pause::without_embedder());
        assert_eq!(of(ErrorKind::Internal), Pause::Other);
    }
}
