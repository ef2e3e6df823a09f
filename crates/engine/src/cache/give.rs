//! Giving an answer again: it is traced and counted, and costs nothing.

use std::sync::Arc;

use insula_model::Result;

use super::{Kept, tend};
use crate::{
    Answer, Call, Engine, RateView,
    idempotency::{self, Claim},
    trace::Trace,
};

/// Answers with what was kept. Under an `Idempotency-Key` it is stored for a replay like any first answer.
///
/// # Errors
/// Those of an outcome that another node has stored under the same `Idempotency-Key` meanwhile.
pub(crate) async fn give(
    engine: &Arc<Engine>,
    call: &Call,
    mut trace: Trace,
    mut claim: Claim,
    kept: Arc<Kept>,
    rates: Vec<RateView>,
) -> Result<Answer> {
    let journal = engine.store.journal();
    // No byte reaches a caller before the record of the attempt behind it would survive a power cut.
    if let Some(record) = kept.record {
        journal.synced(record).await;
    }
    trace.answer(&kept.transcript.body);
    let entry = claim.entry(engine, &trace, Some(&kept.transcript));
    let noted = journal.trace(&trace.close(engine, 200, true, entry));
    engine.answers.hits.note(call.credential.scope.tenant(), engine.clock.now(), &kept.made);
    tend::start(engine);
    if claim.mark().is_some() {
        journal.synced(noted).await;
        if let Some(stored) = idempotency::recheck(engine, call, &claim).await? {
            claim.resolve(Some(stored.clone()), noted);
            return Ok(Answer::Cached { transcript: stored, rates, age: kept.age(engine.clock.now()) });
        }
    }
    claim.resolve(Some(kept.transcript.clone()), noted);
    Ok(Answer::Cached { transcript: kept.transcript.clone(), rates, age: kept.age(engine.clock.now()) })
}
