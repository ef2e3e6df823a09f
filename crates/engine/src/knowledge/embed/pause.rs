//! What follows where texts could not be embedded that nobody waits for.

use std::time::Duration;

use insula_model::{EmbeddingWait, Error, ErrorKind, Result};

use super::{Embedder, Errand, Side};

/// The first pause after a failure of the provider; each further one is twice as long.
const AGAIN_FIRST: Duration = Duration::from_secs(5);
/// The longest pause after a failure: a provider that is back, and an embedder that was changed meanwhile, are seen within it.
const AGAIN_MAX: Duration = Duration::from_secs(60);
/// How often it is looked whether a budget has room again.
pub(in crate::knowledge) const AGAIN_WITHOUT_MONEY: Duration = Duration::from_secs(15);
/// How often it is looked whether an operator has helped.
const AGAIN_WITHOUT_EMBEDDER: Duration = Duration::from_secs(30);
/// How often it is looked whether a tenant is resumed.
pub(in crate::knowledge) const AGAIN_WHEN_SUSPENDED: Duration = Duration::from_secs(5);
/// How long a provider is left alone that does not say how long.
const PROVIDER_WAIT: Duration = Duration::from_secs(5);

/// The longest pause that is waited out by whoever has the texts at hand.
const IN_PLACE_MAX: Duration = Duration::from_secs(10);
/// How many pauses in a row.
const IN_PLACE_TIMES_MAX: u32 = 6;

/// What became of texts.
#[derive(Debug, PartialEq)]
pub(in crate::knowledge) enum Came {
    /// The first so many of them have their vectors.
    Vectors(Vec<Vec<f32>>),
    /// They wait for this, and are tried again after so long.
    Later(EmbeddingWait, Duration),
    /// The embedder refuses the first of them as it is.
    Refused,
}

/// Embeds the first of some texts: as many as go together, and fewer where so many are refused. At least one text is given.
pub(in crate::knowledge) async fn embed_some(
    embedder: &dyn Embedder,
    errand: &Errand,
    texts: &[String],
    failures: u32,
) -> Result<Came> {
    let mut patience = IN_PLACE_TIMES_MAX;
    let mut some = embedder.room(errand).takes(texts.iter().map(String::len)).min(texts.len());
    loop {
        let error = match embedder.embed(errand, Side::Document, texts[..some].to_vec()).await {
            Ok(vectors) if vectors.len() == some => return Ok(Came::Vectors(vectors)),
            Ok(vectors) => return Err(Error::internal(format!("{} vectors came of {some} texts", vectors.len()))),
            Err(error) => error,
        };
        match judge(&error, failures + 1) {
            // A budget that is too small for many texts may have room for one.
            Pause::Fewer | Pause::For(EmbeddingWait::Budget, _) if some > 1 => some = some.div_ceil(2),
            Pause::Fewer => return Ok(Came::Refused),
            Pause::For(EmbeddingWait::Pace, wait) if wait <= IN_PLACE_MAX && patience > 0 => {
                patience -= 1;
                tokio::time::sleep(wait).await;
            }
            Pause::For(what, wait) => {
                tracing::info!(embedder = embedder.name(), waits = what.name(), %error, "texts wait to be embedded");
                return Ok(Came::Later(what, wait));
            }
            Pause::Other => return Err(error),
        }
    }
}

/// What follows from an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pause {
    /// It is laid down and taken up again after so long.
    For(EmbeddingWait, Duration),
    /// Fewer texts at once may do better; a single one will not.
    Fewer,
    /// It is no matter of embedding.
    Other,
}

/// What follows from an error, the `failures`th in a row.
fn judge(error: &Error, failures: u32) -> Pause {
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

impl Came {
    /// Where the embedder is not there at all.
    pub fn without_embedder() -> Self {
        Came::Later(EmbeddingWait::Embedder, AGAIN_WITHOUT_EMBEDDER)
    }

    /// Where there is no prospect of money.
    pub fn without_money() -> Self {
        Came::Later(EmbeddingWait::Budget, AGAIN_WITHOUT_MONEY)
    }

    /// Where nothing may be sent in the tenant's name.
    pub fn suspended() -> Self {
        Came::Later(EmbeddingWait::Suspended, AGAIN_WHEN_SUSPENDED)
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
        assert_eq!([1, 2, 3, 7, 40].map(wait), [5, 10, 20, 60, 60]);
    }

    #[test]
    fn what_may_be_one_text_is_halved_and_the_rest_waits() {
        let of = |kind| judge(&Error::new(kind, ""), 1);
        assert_eq!(of(ErrorKind::ProviderRejected(400)), Pause::Fewer);
        assert_eq!(of(ErrorKind::NoRoute), Pause::For(EmbeddingWait::Embedder, AGAIN_WITHOUT_EMBEDDER));
        assert_eq!(of(ErrorKind::Internal), Pause::Other);
    }
}
