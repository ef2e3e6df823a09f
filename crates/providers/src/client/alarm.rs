//! What an operator is told of a provider that miscounts.

use insula_model::AttemptId;

/// The attempt that an alarm is about.
#[derive(Debug)]
pub(super) struct Alarm {
    provider: String,
    model: String,
    attempt: AttemptId,
}

impl Alarm {
    pub fn new(provider: &str, model: &str, attempt: AttemptId) -> Self {
        Self { provider: provider.to_owned(), model: model.to_owned(), attempt }
    }

    /// What the provider counted does not add up: nobody knows what it will bill, so the attempt is settled as an estimate.
    pub fn miscounted(&self) {
        let Self { provider, model, attempt } = self;
        tracing::warn!(provider, model, %attempt, "the provider's usage does not add up; the attempt is settled as an estimate");
    }
}
