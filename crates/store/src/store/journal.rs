//! Where attempts and traces are noted before anybody else learns of them: this node's own journal file.

use insula_model::{AttemptId, Result};

use crate::{Begin, End, LeaseMove, Seq, TraceRecord, journal::FileJournal};

/// Where attempts and traces are noted. Clones are the same journal.
#[derive(Debug, Clone)]
pub struct Journal(Kind);

#[derive(Debug, Clone)]
enum Kind {
    /// A file of this node's own.
    File(FileJournal),
}

/// Whether an attempt that was noted may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Admitted,
    /// Another node has an attempt under the same `Idempotency-Key` under way. Nothing was noted of this one.
    TwinElsewhere,
}

impl From<FileJournal> for Journal {
    fn from(file: FileJournal) -> Self {
        Self(Kind::File(file))
    }
}

impl Journal {
    /// Notes that an attempt is about to be sent; ask [`Journal::admitted`] before it is. `Unavailable` where nothing can be
    /// noted.
    pub fn begin(&self, begin: &Begin) -> Result<Seq> {
        match &self.0 {
            Kind::File(file) => file.begin(begin),
        }
    }

    /// Returns once the attempt may be sent: with a file at once, because what is written there survives this process.
    pub async fn admitted(&self, _begun: Seq) -> Result<Admission> {
        match &self.0 {
            Kind::File(_) => Ok(Admission::Admitted),
        }
    }

    /// Notes how an attempt ended, what becomes of what was leased for it, and its request's trace.
    pub fn end(&self, end: &End, trace: Option<&TraceRecord>, _moves: &[LeaseMove]) -> Seq {
        match &self.0 {
            Kind::File(file) => file.end(end, trace),
        }
    }

    /// Notes that an attempt never reached its provider: it leaves no row.
    pub fn release(&self, attempt: AttemptId, _moves: &[LeaseMove]) -> Seq {
        match &self.0 {
            Kind::File(file) => file.release(attempt),
        }
    }

    /// Notes a request that is over apart from any attempt.
    pub fn trace(&self, trace: &TraceRecord) -> Seq {
        match &self.0 {
            Kind::File(file) => file.trace(trace),
        }
    }

    /// Whether this record and all before it survive a loss of power.
    pub fn is_synced(&self, seq: Seq) -> bool {
        match &self.0 {
            Kind::File(file) => file.is_synced(seq),
        }
    }

    /// Returns once this record and all before it survive a loss of power.
    pub async fn synced(&self, seq: Seq) {
        match &self.0 {
            Kind::File(file) => file.synced(seq).await,
        }
    }
}
