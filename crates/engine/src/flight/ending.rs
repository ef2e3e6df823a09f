//! What the end of an attempt says.

use std::borrow::Cow;

use insula_model::{AttemptOutcome, Overhead, TokenCounts};
use insula_store::End;

use super::{
    Flight,
    landing::{Landing, estimate},
};
use crate::{accounts::Hold, trace::AttemptRecord};

impl Flight {
    /// The end of an attempt that used these tokens.
    pub(super) fn end(&self, hold: &Hold, outcome: AttemptOutcome, tokens: TokenCounts, estimated: bool) -> End {
        // A cost too large to store can only be nonsense usage; a hold is never that large.
        let (tokens, cost, estimated) = match self.route.price_row.price.cost(&tokens) {
            Ok(cost) => (tokens, cost, estimated),
            Err(_) => (estimate(hold, None), hold.amounts().money, true),
        };
        if cost > hold.amounts().money {
            tracing::warn!(attempt = %self.attempt, %cost, held = %hold.amounts().money, "usage above its reservation, settled in full");
        }
        // What keeps the tenant apart stands in front of its prompt.
        let isolation = Overhead::in_front(self.isolation_tokens, &tokens, &self.route.price_row.price);
        End { attempt: self.attempt, settled_at: self.engine.clock.now(), outcome, tokens, cost, estimated, isolation }
    }

    /// The same as its trace has it.
    pub(super) fn record(&self, hold: &Hold, end: &End, landing: &Landing) -> AttemptRecord {
        AttemptRecord {
            id: self.attempt.to_string(),
            cause: Cow::Borrowed(self.cause.name()),
            provider: self.route.card.provider.clone(),
            model: self.route.card.name.clone(),
            price_row: self.route.price_row.id.clone(),
            outcome: Cow::Borrowed(end.outcome.name()),
            tokens: end.tokens,
            cost: end.cost,
            reserved: hold.amounts().money,
            output_tokens_max: hold.output_tokens_max,
            estimated: end.estimated,
            response_model: landing.response_model.clone(),
            fingerprint: landing.fingerprint.clone(),
        }
    }
}
