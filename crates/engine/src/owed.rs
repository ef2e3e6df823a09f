//! Who gets an answer beside its caller: twins under its `Idempotency-Key`, and the cache with those who asked the same.

use std::sync::Arc;

use insula_store::{IdempotencyMark, Seq};

use crate::{
    CacheView, Engine,
    cache::{Ended, Fill},
    idempotency::Claim,
};

/// What an answer that is under way is owed to.
pub(crate) struct Owed {
    pub claim: Claim,
    pub fill: Fill,
}

impl Owed {
    /// The mark for the journal, where the caller sent an `Idempotency-Key`.
    pub fn mark(&self) -> Option<IdempotencyMark> {
        self.claim.mark()
    }

    /// Whether somebody wants the answer even if its caller leaves.
    pub fn is_awaited(&self) -> bool {
        self.claim.mark().is_some() || self.fill.is_awaited()
    }

    /// How many bytes of the answer are to be kept; `None` where nobody wants them.
    pub fn transcript_bytes_max(&self, engine: &Engine) -> Option<usize> {
        let replay = self.claim.mark().map(|_| engine.settings.idempotency_transcript_bytes_max);
        replay.max(self.fill.is_wanted().then(|| engine.answers.answer_bytes_max()))
    }

    /// What the caller is told of the cache.
    pub fn view(&self) -> Option<CacheView> {
        self.fill.view()
    }

    /// The answer is finished, or came to nothing.
    pub fn resolve(mut self, engine: &Arc<Engine>, finished: Option<Ended<'_>>, ended: Seq) {
        self.claim.resolve(finished.as_ref().map(|finished| finished.transcript.clone()), ended);
        if let Some(finished) = finished {
            self.fill.finish(engine, finished);
        }
    }
}
