//! Sending an attempt, and waiting for the first of its answer.

use std::{borrow::Cow, sync::Arc, time::Duration};

use insula_model::{AttemptOutcome, Error, ErrorKind, Operation, Result};
use insula_providers::{JsonAnswer, SendFailure, Sent};
use tokio::sync::oneshot;

use crate::{
    LiveStream, RateView, Transcript,
    flight::{Flight, Landing},
    pipeline::{Answer, withdrawn},
    queue::Latency,
};

/// Sends the attempt. A whole answer is settled here; a stream settles itself.
pub(crate) async fn send(flight: Flight, rates: Vec<RateView>, gone: oneshot::Receiver<()>) -> Result<Answer> {
    if flight.engine.settings.sync_before_send {
        flight.engine.store.journal().synced(flight.begun).await;
    }
    let cache = flight.cache_view();
    if flight.work.is_stream() {
        return Ok(Answer::Stream { stream: LiveStream::open(flight, gone).await?, rates, cache });
    }
    let body = whole(flight, gone).await?;
    Ok(Answer::Json { body, rates, cache })
}

async fn whole(mut flight: Flight, gone: oneshot::Receiver<()>) -> Result<bytes::Bytes> {
    let engine = flight.engine.clone();
    let begun = engine.clock.elapsed();
    let body = flight.upstream_body();
    let provider = flight.route.provider.clone();
    let (attempt, operation) = (flight.attempt, flight.work.operation());
    let sent = async {
        match operation {
            Operation::Chat => provider.chat(attempt, body, false, false).await,
            Operation::Embeddings => provider.embeddings(attempt, body).await,
        }
    };
    let sent = tokio::select! {
        sent = sent => sent,
        () = until_withdrawn(&flight) => Err(SendFailure::Broken { error: withdrawn() }),
        () = nobody_waits(&flight, gone) => Err(SendFailure::Broken { error: client_gone() }),
    };
    let result = match sent {
        Ok(Sent::Json(answer)) => Ok(answer),
        Ok(Sent::Stream(_)) => Err(SendFailure::Broken {
            error: Error::new(ErrorKind::ProviderFailed, "the provider streamed an answer that was asked for whole"),
        }),
        Err(failure) => Err(failure),
    };
    let body = match result {
        Ok(answer) => {
            let body = answer.body.clone();
            land_whole(&mut flight, begun, answer);
            Ok(body)
        }
        Err(failure) => Err(failed(&mut flight, begun, failure)),
    };
    // No byte reaches the caller before the attempt's record would survive a power cut.
    engine.store.journal().synced(flight.begun).await;
    body
}

fn land_whole(flight: &mut Flight, begun: Duration, answer: JsonAnswer) {
    note(flight, begun, None);
    flight.heed(&answer.allowance);
    if let Some(trace) = flight.trace() {
        trace.answer(&answer.body);
    }
    let took = flight.engine.clock.elapsed().saturating_sub(begun);
    let output_tokens = answer.usage.map_or(0, |usage| usage.output_total());
    let landing = Landing {
        outcome: AttemptOutcome::Completed,
        usage: answer.usage,
        output_bytes: (!flight.route.card.reasons_unseen).then_some(answer.body.len() as u64),
        latency: Some(Latency::Whole { took, output_tokens }),
        response_model: answer.model,
        fingerprint: answer.fingerprint,
    };
    flight.land(landing, Ok(Some(Transcript { is_stream: false, body: answer.body })));
}

/// Lands a flight whose send failed, and says with what.
pub(crate) fn failed(flight: &mut Flight, begun: Duration, failure: SendFailure) -> Error {
    let (outcome, error) = match failure {
        SendFailure::NotSent(error) => (None, error),
        SendFailure::Rejected { error } => (Some(AttemptOutcome::Rejected), error),
        SendFailure::Broken { error } if is_client_gone(&error) => (Some(AttemptOutcome::ClientGone), error),
        SendFailure::Broken { error } => (Some(AttemptOutcome::Broken), error),
    };
    note(flight, begun, Some(&error));
    match outcome {
        None => flight.never_sent(&error),
        Some(outcome) => flight.land(Landing::blind(outcome), Err(&error)),
    }
    error
}

/// Notes the `send` stage that began at `begun`.
pub(crate) fn note(flight: &mut Flight, begun: Duration, error: Option<&Error>) {
    let engine = Arc::clone(&flight.engine);
    if let Some(trace) = flight.trace() {
        let (outcome, reason) = error.map_or(("ok", None), |error| ("failed", Some(error.kind().name())));
        trace.note(&engine, "send", begun, outcome, reason.map(Cow::Borrowed));
    }
}

/// How often a call that waits for its provider looks whether its credential still stands.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Resolves when the credential of the call was withdrawn.
async fn until_withdrawn(flight: &Flight) {
    while !flight.is_withdrawn() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Resolves when the caller has left and its answer is not worth waiting for any longer. A caller with an
/// `Idempotency-Key` comes back for the answer, so that is waited for to its end.
async fn nobody_waits(flight: &Flight, gone: oneshot::Receiver<()>) {
    let _ = gone.await;
    if flight.is_awaited() {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(flight.engine.settings.drain_max).await;
}

const CLIENT_GONE: &str = "the caller left before the answer ended";

/// The caller left; nobody sees this error but the trace.
pub(crate) fn client_gone() -> Error {
    Error::new(ErrorKind::Unavailable { retry_after: Duration::ZERO }, CLIENT_GONE)
}

fn is_client_gone(error: &Error) -> bool {
    error.message() == CLIENT_GONE
}
