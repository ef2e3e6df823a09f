//! What was received and what became of it: the truth that a gateway's ledger is checked against.
//!
//! A light record of every request is kept until the reset (about 200 bytes each); bodies are kept in a ring.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::tokens::Usage;

/// Bodies of so many most recent requests are kept.
pub const BODIES_MAX: usize = 16_384;
/// And no more than so many bytes of them; one body of the largest accepted size fits.
pub const BODIES_BYTES_MAX: usize = 64 * 1024 * 1024;

/// One model request, as `GET /_sim/requests` shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RequestRecord {
    /// The header `x-insula-attempt`.
    pub attempt_id: Option<String>,
    /// With which credentials it came: header and last characters, such as `authorization ...a1b2`.
    pub credential: Option<String>,
    /// The path asked for, such as `/v1/chat/completions`.
    pub path: String,
    /// The body as JSON; a string if it is none; null once it left the ring. Absent when only light fields were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// The usage object of the answer, from the moment it began: what an honest provider bills. A fault that hides or
    /// zeroes usage, or cuts the stream, does not change it. `None` when nothing was generated: an error, a reset or
    /// a stall before the answer. Null of a moderation, which counts nothing.
    pub usage: Option<Value>,
    /// Whether the whole answer was written, through `[DONE]` for a stream. An error answer can be finished too.
    pub finished: bool,
}

/// Which members of a [`RequestRecord`] to fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fields {
    All,
    /// Without bodies, so that large runs are cheap to read.
    Light,
}

/// The log's side of one request; outlives a reset, which merely forgets it.
#[derive(Debug)]
pub(crate) struct Record {
    attempt_id: Option<Box<str>>,
    credential: OnceLock<String>,
    path: Cow<'static, str>,
    usage: OnceLock<Usage>,
    finished: AtomicBool,
}

impl Record {
    /// Notes with which credentials it came.
    pub(crate) fn set_credential(&self, shown: String) {
        // A request is received once.
        let _ = self.credential.set(shown);
    }

    /// Notes what the answer costs; the first word stands.
    pub(crate) fn set_usage(&self, usage: Usage) {
        // An answer begins once, so there is no second word to lose.
        let _ = self.usage.set(usage);
    }

    /// Notes that the last byte of the answer went out.
    pub(crate) fn set_finished(&self) {
        self.finished.store(true, Ordering::Release);
    }

    fn show(&self, body: Option<Value>) -> RequestRecord {
        RequestRecord {
            attempt_id: self.attempt_id.as_deref().map(str::to_owned),
            credential: self.credential.get().cloned(),
            path: self.path.clone().into_owned(),
            body,
            usage: self.usage.get().and_then(|usage| serde_json::to_value(usage).ok()),
            finished: self.finished.load(Ordering::Acquire),
        }
    }
}

/// Every request since the last reset.
#[derive(Debug, Default)]
pub(crate) struct Log {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    records: Vec<Arc<Record>>,
    /// The bodies of the last so many records.
    bodies: VecDeque<Bytes>,
    bodies_bytes: usize,
}

impl Log {
    /// Adds a request; returns its ordinal, which counts from 0 at every reset.
    pub(crate) fn add(&self, attempt_id: Option<&str>, path: impl Into<Cow<'static, str>>, body: Bytes) -> (u64, Arc<Record>) {
        let record = Arc::new(Record {
            attempt_id: attempt_id.map(Box::from),
            credential: OnceLock::new(),
            path: path.into(),
            usage: OnceLock::new(),
            finished: AtomicBool::new(false),
        });
        let mut entries = self.entries.lock();
        let ordinal = entries.records.len() as u64;
        entries.records.push(Arc::clone(&record));
        entries.keep(body);
        (ordinal, record)
    }

    /// Requests since the last reset.
    pub(crate) fn count(&self) -> u64 {
        self.entries.lock().records.len() as u64
    }

    /// Forgets everything.
    pub(crate) fn reset(&self) {
        *self.entries.lock() = Entries::default();
    }

    /// What there is to show now; the lock is free again before anything is rendered.
    pub(crate) fn snapshot(&self, fields: Fields) -> Snapshot {
        let entries = self.entries.lock();
        let bodies = match fields {
            Fields::All => entries.bodies.clone(),
            Fields::Light => VecDeque::new(),
        };
        Snapshot { fields, records: entries.records.clone(), bodies }
    }
}

/// The log at one moment. Serialises as the list of its records, made one at a time: a million take little memory.
#[derive(Debug)]
pub(crate) struct Snapshot {
    fields: Fields,
    records: Vec<Arc<Record>>,
    bodies: VecDeque<Bytes>,
}

impl Snapshot {
    /// The records in order of arrival.
    pub(crate) fn iter(&self) -> impl Iterator<Item = RequestRecord> {
        let bodies_from = self.records.len() - self.bodies.len();
        let body = move |index: usize| match self.fields {
            Fields::All => {
                let kept = index.checked_sub(bodies_from).and_then(|kept| self.bodies.get(kept));
                Some(kept.map_or(Value::Null, parse))
            }
            Fields::Light => None,
        };
        self.records.iter().enumerate().map(move |(index, record)| record.show(body(index)))
    }
}

impl Serialize for Snapshot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl Entries {
    fn keep(&mut self, body: Bytes) {
        self.bodies_bytes += body.len();
        self.bodies.push_back(body);
        while self.bodies.len() > BODIES_MAX || self.bodies_bytes > BODIES_BYTES_MAX {
            let Some(oldest) = self.bodies.pop_front() else { break };
            self.bodies_bytes -= oldest.len();
        }
    }
}

fn parse(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::EmbeddingsUsage;

    fn shown(log: &Log, fields: Fields) -> Vec<RequestRecord> {
        log.snapshot(fields).iter().collect()
    }

    #[test]
    fn a_record_tells_what_became_of_it() {
        let log = Log::default();
        let (ordinal, record) = log.add(Some("att_1"), "/v1/embeddings", Bytes::from_static(b"{\"a\":1}"));
        assert_eq!(ordinal, 0);
        record.set_usage(Usage::Embeddings(EmbeddingsUsage::new(3)));
        let shown = shown(&log, Fields::All).remove(0);
        assert_eq!(shown.attempt_id.as_deref(), Some("att_1"));
        assert_eq!(shown.body.as_ref().unwrap()["a"], 1);
        assert_eq!(shown.usage.as_ref().unwrap()["total_tokens"], 3);
        assert!(!shown.finished);
        record.set_finished();
        let light = self::shown(&log, Fields::Light).remove(0);
        assert!(light.finished);
        assert_eq!(light.body, None);
    }

    #[test]
    fn records_outlive_their_bodies() {
        let log = Log::default();
        for _ in 0..=BODIES_MAX {
            log.add(None, "/v1/embeddings", Bytes::from_static(b"not json"));
        }
        let shown = shown(&log, Fields::All);
        assert_eq!(shown.len(), BODIES_MAX + 1);
        assert_eq!(shown[0].body, Some(Value::Null));
        assert_eq!(shown[1].body, Some(Value::String("not json".to_owned())));
    }

    #[test]
    fn bodies_are_bounded_in_bytes() {
        let log = Log::default();
        for _ in 0..3 {
            log.add(None, "/v1/embeddings", Bytes::from(vec![b' '; BODIES_BYTES_MAX / 2]));
        }
        assert_eq!(log.entries.lock().bodies.len(), 2);
        assert_eq!(log.entries.lock().bodies_bytes, BODIES_BYTES_MAX);
    }

    #[test]
    fn a_reset_starts_the_ordinals_again() {
        let log = Log::default();
        let (_, record) = log.add(None, "/v1/embeddings", Bytes::new());
        log.reset();
        record.set_finished();
        assert_eq!(log.count(), 0);
        assert_eq!(log.add(None, "/v1/embeddings", Bytes::new()).0, 0);
    }
}
