//! Sending an attempt, and waiting for the first of its answer.

use std::{borrow::Cow, sync::Arc, time::Duration};

use insula_model::{AttemptOutcome, Error, ErrorKind, Result};
use insula_providers::{JsonAnswer, SendFailure, Sent};

use crate::{
    Call, LiveStream, RateView,
    attempts::{Attempts, Next},
    flight::{Flight, Landing, Left},
    pipeline::{Answer, Presence, withdrawn},
    queue::Latency,
    responses::Keeping,
};

/// Sends the attempt, and where it fails the next. A whole answer is settled here; a stream settles itself.
pub(crate) async fn send(
    mut flight: Flight,
    mut attempts: Box<Attempts>,
    call: &Call,
    rates: Vec<RateView>,
    mut presence: Presence,
) -> Result<Answer> {
    let (engine, cache) = (flight.engine.clone(), flight.cache_view());
    loop {
        if engine.settings.sync_before_send {
            engine.store.journal().synced(flight.begun).await;
        }
        if flight.work.is_stream() {
            return Ok(Answer::Stream { stream: LiveStream::open(flight, attempts, presence).await?, rates, cache });
        }
        let left = match whole(flight, &mut attempts, &mut presence).await? {
            Whole::Answer(body) => return Ok(Answer::Json { body, rates, cache }),
            Whole::Onward(left) => left,
        };
        match attempts.next(*left, presence.lost()).await? {
            Next::Flight(next, more) => (flight, attempts) = (*next, more),
            Next::Replay(transcript) => return call.still_admitted().map(|()| Answer::Replay(transcript)),
        }
    }
}

/// What came of an attempt at a whole answer.
enum Whole {
    Answer(bytes::Bytes),
    /// It failed, and another attempt follows.
    Onward(Box<Left>),
}

async fn whole(mut flight: Flight, attempts: &mut Attempts, presence: &mut Presence) -> Result<Whole> {
    let engine = flight.engine.clone();
    let begun = engine.clock.elapsed();
    let sent = flight.send();
    let sent = tokio::select! {
        sent = sent => sent,
        () = until_withdrawn(&flight) => Err(SendFailure::Broken { error: withdrawn() }),
        () = nobody_waits(&flight, presence) => Err(SendFailure::Broken { error: client_gone() }),
    };
    let result = match sent {
        Ok(Sent::Json(answer)) => Ok(answer),
        Ok(Sent::Stream(_)) => Err(SendFailure::Broken {
            error: Error::new(ErrorKind::ProviderFailed, "the provider streamed an answer that was asked for whole"),
        }),
        Err(failure) => Err(failure),
    };
    let came = match result {
        Ok(answer) => {
            // Before its caller can ask for it.
            if let Some(keeping) = Keeping::of(&flight) {
                keeping.keep(answer.body.clone()).await;
            }
            land_whole(&mut flight, begun, answer).map(Whole::Answer)
        }
        Err(failure) => failed(&mut flight, attempts, begun, failure).map(|left| Whole::Onward(Box::new(left))),
    };
    // No byte reaches the caller before the attempt's record would survive a power cut.
    if !matches!(came, Ok(Whole::Onward(_))) {
        engine.store.journal().synced(flight.begun).await;
    }
    came
}

/// Settles a whole answer; refuses one of another version than was approved, and one of which nobody can tell whose it is.
fn land_whole(flight: &mut Flight, begun: Duration, answer: JsonAnswer) -> Result<bytes::Bytes> {
    let checked = flight.check_version(answer.model.as_deref(), answer.fingerprint.as_deref());
    let checked = checked.and_then(|()| flight.work.check_answer(&answer.body));
    note(flight, begun, checked.as_ref().err());
    flight.heed(&answer.allowance);
    let took = flight.engine.clock.elapsed().saturating_sub(begun);
    let output_tokens = answer.usage.map_or(0, |usage| usage.output_total());
    let body = answer.body;
    let landing = Landing {
        outcome: AttemptOutcome::Completed,
        usage: answer.usage,
        output_bytes: (!flight.route.card.reasons_unseen).then_some(body.len() as u64),
        latency: Some(Latency::Whole { took, output_tokens }),
        response_model: answer.model,
        fingerprint: answer.fingerprint,
    };
    match checked {
        Ok(()) => {
            if let Some(trace) = flight.trace() {
                trace.answer(&body);
            }
            flight.land(landing, Ok(Some(flight.transcript(false, body.clone()))));
            Ok(body)
        }
        Err(error) => {
            flight.land(landing, Err(&error));
            Err(error)
        }
    }
}

/// Ends an attempt whose send failed: makes way for the next one, or lands for good.
///
/// # Errors
/// What it failed with, where no other attempt follows.
pub(crate) fn failed(flight: &mut Flight, attempts: &mut Attempts, begun: Duration, failure: SendFailure) -> Result<Left> {
    let (outcome, error) = match failure {
        SendFailure::NotSent(error) => (None, error),
        SendFailure::Rejected { error } => (Some(AttemptOutcome::Rejected), error),
        SendFailure::Broken { error } if is_client_gone(&error) => (Some(AttemptOutcome::ClientGone), error),
        SendFailure::Broken { error } => (Some(AttemptOutcome::Broken), error),
    };
    note(flight, begun, Some(&error));
    let left = match (attempts.may_follow(&error), outcome) {
        (true, None) => flight.stand_back(Some(&error)),
        (true, Some(outcome)) => flight.make_way(&Landing::blind(outcome), &error),
        (false, None) => {
            flight.never_sent(&error);
            None
        }
        (false, Some(outcome)) => {
            flight.land(Landing::blind(outcome), Err(&error));
            None
        }
    };
    let Some(left) = left else { return Err(error) };
    attempts.failed(error);
    Ok(left)
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
async fn nobody_waits(flight: &Flight, presence: &mut Presence) {
    presence.lost().await;
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
