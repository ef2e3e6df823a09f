//! Counting the input of a chat that is not sent.

use std::sync::Arc;

use insula_model::Result;
use insula_providers::ChatRequest;

use crate::{
    Call, Engine, limits, reserve,
    route::{self, Candidate, Stated},
    work::Work,
};

impl Engine {
    /// How many input tokens the chat has: an estimate that is seldom too low. Counted where the model's tokenizer is known here and
    /// has a place for it in time, else the bound by which budgets hold it. It costs nothing but the caller's pace in requests.
    ///
    /// # Errors
    /// A limit on pace, or no such model for this caller.
    pub async fn count_tokens(self: &Arc<Self>, call: &Call, request: ChatRequest) -> Result<u64> {
        let work = Arc::new(Work::chat(request));
        limits::charge_requests(self, call.limited_subjects(), 1).await?;
        // By whom it would be tried first.
        let Candidate { route, .. } =
            route::plan(self, &call.credential.tenant, &work, Stated::by(call)).candidates?.swap_remove(0);
        match reserve::counted(self, call, &work, &route).await {
            Some(tokens) => Ok(tokens),
            // What has no bound counts by its bytes, as it does without a hard budget.
            None => Ok(work.input_tokens_max(&route.card).unwrap_or(work.sent_bytes() as u64)),
        }
    }
}
