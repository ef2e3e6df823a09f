//! What can go wrong, to whom, and what it does to an answer.
//!
//! Drifts that change what an answer *says* are applied by the endpoint that drafts it; everything that happens to its
//! bytes and its connection is here.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::answer::{EventStream, Form};
use crate::errors::ApiError;
use crate::scenario::Scenario;
use crate::script::{Script, Step};
use crate::seeded;

/// A way to fail, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What happens.
    pub kind: FaultKind,
    /// To what share of the requests, `0.0..=1.0`.
    pub rate: f64,
    /// For faults inside a stream: after how many content events. Half of them by default. `Some(0)` makes `reset` and
    /// `stall` happen before the headers; every other kind strikes the first content event then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_chunks: Option<usize>,
}

impl Fault {
    /// A fault of that kind, in the middle of streams.
    #[must_use]
    pub fn new(kind: FaultKind, rate: f64) -> Fault {
        Fault { kind, rate, after_chunks: None }
    }
}

/// The ways to fail. A kind that has no meaning for a request (`no_done` for one without a stream) leaves it alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// 429 with `retry-after`.
    RateLimit,
    /// 500.
    ServerError,
    /// The TCP connection is reset: before the answer, or in the middle of a stream.
    Reset,
    /// Nothing more is sent until the client leaves: before the headers, or in the middle of a stream.
    Stall,
    /// The answer ends in the middle of an event (of the JSON, without a stream), and HTTP ends it properly.
    TruncatedChunk,
    /// The stream ends properly, but without `[DONE]` or the vendor's last event.
    NoDone,
    /// A text in the answer holds bytes that are not UTF-8.
    BadUtf8,
    /// One event (the body, without a stream) is not JSON.
    MalformedJson,
    /// No usage, although it was asked for.
    MissingUsage,
    /// Usage that says 0 everywhere.
    ZeroUsage,
    /// Usage of a chat whose total is one less than its parts.
    WrongTotal,
    /// Drift: members of the envelope are gone; a structured answer lacks its last property.
    MissingFields,
    /// Drift: unknown members in the envelope, and one in a structured answer.
    ExtraKeys,
    /// Drift: half of the tokens, with `finish_reason` `length`.
    CutOff,
    /// Drift: Markdown where plain text was, a fenced block where JSON was.
    ChangedFormat,
    /// Drift: another `system_fingerprint`.
    ChangedFingerprint,
    /// Drift: `model` names another one than was asked for.
    ChangedModel,
    /// An `{"error":...}` event in the middle of a stream, which ends there.
    ErrorInStream,
    /// An answer to several embedding inputs lacks the vector of the last.
    MissingVector,
}

/// Bytes that no UTF-8 text contains.
const NOT_UTF8: &[u8] = &[0xff, 0xfe];
/// Where to put them: inside the first string that the answer has of these.
const TEXT_STARTS: [&[u8]; 7] = [
    b"\"content\":\"",
    b"\"arguments\":\"",
    b"\"text\":\"",
    b"\"thinking\":\"",
    b"\"partial_json\":\"",
    b"\"model\":\"",
    b"\"modelVersion\":\"",
];
/// What an event's JSON comes after.
const EVENT_PREFIX: &[u8] = b"data: ";

/// The fault of the `ordinal`th request: the first whose roll falls below its rate. Rolls are hashes, so that the same
/// seed fails the same requests.
pub(crate) fn choose(scenario: &Scenario, ordinal: u64) -> Option<Fault> {
    scenario.faults.iter().enumerate().find_map(|(index, fault)| {
        let roll = seeded::hash(scenario.seed, [ordinal.to_le_bytes(), (index as u64).to_le_bytes()].as_flattened());
        (seeded::unit(roll) < fault.rate).then_some(*fault)
    })
}

/// What is left of an answer.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Something to send, whole or not.
    Play(Script),
    /// An error in its place.
    Refuse(ApiError),
    /// No headers: the connection breaks.
    Reset,
    /// No headers, ever.
    Stall,
}

/// Lets a fault strike an answer. `gap` is the wait between content events.
pub(crate) fn strike(fault: Option<Fault>, form: Form, gap: Duration) -> Outcome {
    let before_headers = match &form {
        Form::Json(_) => true,
        Form::Stream(_) => fault.is_some_and(|fault| fault.after_chunks == Some(0)),
    };
    match (fault.map(|fault| fault.kind), form) {
        (Some(FaultKind::RateLimit), _) => Outcome::Refuse(ApiError::rate_limit()),
        (Some(FaultKind::ServerError), _) => Outcome::Refuse(ApiError::server_error()),
        (Some(FaultKind::Reset), _) if before_headers => Outcome::Reset,
        (Some(FaultKind::Stall), _) if before_headers => Outcome::Stall,
        (kind, Form::Json(body)) => Outcome::Play(strike_json(kind, body)),
        (_, Form::Stream(stream)) => Outcome::Play(strike_stream(fault, stream, gap)),
    }
}

fn strike_json(kind: Option<FaultKind>, body: Bytes) -> Script {
    match kind {
        Some(FaultKind::TruncatedChunk) => Script::json(half(&body), false),
        Some(FaultKind::BadUtf8) => Script::json(bad_utf8(&body), true),
        Some(FaultKind::MalformedJson) => Script::json(malformed(&body), true),
        _ => Script::json(body, true),
    }
}

fn strike_stream(fault: Option<Fault>, stream: EventStream, gap: Duration) -> Script {
    let EventStream { mut events, content_from, content_count, terminator, error } = stream;
    let after = fault.and_then(|fault| fault.after_chunks).unwrap_or(content_count / 2);
    // A finish event follows the content, so there is an event to strike even after all of it.
    let at = content_from + after.min(content_count);

    let mut last = Some(Step::Send(terminator));
    match fault.map(|fault| fault.kind) {
        Some(FaultKind::BadUtf8) => events[at] = bad_utf8(&events[at]),
        Some(FaultKind::MalformedJson) => events[at] = malformed(&events[at]),
        Some(FaultKind::NoDone) => last = None,
        Some(FaultKind::TruncatedChunk) => {
            events.truncate(at + 1);
            events[at] = half(&events[at]);
            last = None;
        }
        Some(FaultKind::ErrorInStream) => {
            events.truncate(at);
            events.push(error);
            last = None;
        }
        Some(FaultKind::Reset) => {
            events.truncate(at);
            last = Some(Step::Reset);
        }
        Some(FaultKind::Stall) => {
            events.truncate(at);
            last = Some(Step::Stall);
        }
        _ => {}
    }
    let complete = matches!(last, Some(Step::Send(_)));

    let paced = content_from + 1..content_from + content_count;
    let mut steps = Vec::with_capacity(2 * events.len() + 1);
    for (index, event) in events.into_iter().enumerate() {
        if !gap.is_zero() && paced.contains(&index) {
            steps.push(Step::Wait(gap));
        }
        steps.push(Step::Send(event));
    }
    steps.extend(last);
    Script::events(steps, complete)
}

fn half(bytes: &Bytes) -> Bytes {
    bytes.slice(..bytes.len() / 2)
}

/// Puts the bytes inside a text, so that only a decoder of text can find them.
fn bad_utf8(bytes: &Bytes) -> Bytes {
    let at = TEXT_STARTS.iter().find_map(|start| {
        let found = bytes.windows(start.len()).position(|window| window == *start)?;
        Some(found + start.len())
    });
    let (before, after) = bytes.split_at(at.unwrap_or(0));
    [before, NOT_UTF8, after].concat().into()
}

/// Spoils the first colon after `data: `; no key of ours contains one, so it stands outside of strings.
fn malformed(bytes: &Bytes) -> Bytes {
    let prefix = bytes.windows(EVENT_PREFIX.len()).position(|window| window == EVENT_PREFIX);
    let from = prefix.map_or(0, |at| at + EVENT_PREFIX.len());
    let mut spoilt = bytes.to_vec();
    if let Some(colon) = spoilt[from..].iter_mut().find(|byte| **byte == b':') {
        *colon = b';';
    }
    spoilt.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(scenario: &Scenario) -> Vec<bool> {
        (0..1000).map(|ordinal| choose(scenario, ordinal).is_some()).collect()
    }

    fn scenario(rate: f64, seed: u64) -> Scenario {
        Scenario { faults: vec![Fault::new(FaultKind::Reset, rate)], seed, ..Scenario::default() }
    }

    #[test]
    fn the_seed_decides_who_is_hit() {
        assert_eq!(hit(&scenario(0.3, 7)), hit(&scenario(0.3, 7)));
        assert_ne!(hit(&scenario(0.3, 7)), hit(&scenario(0.3, 8)));
        let hits = hit(&scenario(0.3, 7)).iter().filter(|hit| **hit).count();
        assert!((240..360).contains(&hits), "{hits} of 1000");
        assert!(hit(&scenario(1.0, 7)).iter().all(|hit| *hit));
        assert!(hit(&scenario(0.0, 7)).iter().all(|hit| !*hit));
    }

    #[test]
    fn faults_roll_independently_and_the_first_wins() {
        let faults = vec![Fault::new(FaultKind::RateLimit, 0.5), Fault::new(FaultKind::ServerError, 1.0)];
        let scenario = Scenario { faults, ..Scenario::default() };
        let kinds: Vec<_> = (0..1000).filter_map(|ordinal| choose(&scenario, ordinal)).map(|fault| fault.kind).collect();
        assert_eq!(kinds.len(), 1000);
        let first = kinds.iter().filter(|kind| **kind == FaultKind::RateLimit).count();
        assert!((420..580).contains(&first), "{first} of 1000");
    }

    #[test]
    fn spoilt_bytes_are_spoilt() {
        let event = Bytes::from_static(b"data: {\"id\":\"x\",\"content\":\"hello\"}\n\n");
        assert!(str::from_utf8(&bad_utf8(&event)).is_err());
        assert_eq!(malformed(&event), "data: {\"id\";\"x\",\"content\":\"hello\"}\n\n");
        assert!(!half(&event).ends_with(b"\n"));
    }
}
