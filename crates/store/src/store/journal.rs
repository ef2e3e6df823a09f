//! Where attempts and traces are noted before anybody else learns of them: a journal file of this node's own, or a register
//! that several nodes share.

use insula_model::{AttemptId, Result};

use crate::{Begin, End, LeaseMove, Seq, TraceRecord, cluster::register::Register, journal::FileJournal};

/// Where attempts and traces are noted. Clones are the same journal.
#[derive(Clone)]
pub struct Journal(Kind);

#[derive(Clone)]
enum Kind {
    /// A file of this node's own.
    File(FileJournal),
    /// A database that several nodes share.
    Shared(Register),
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

impl From<Register> for Journal {
    fn from(register: Register) -> Self {
        Self(Kind::Shared(register))
    }
}

impl Journal {
    /// Notes that an attempt is about to be sent; ask [`Journal::admitted`] before it is. `Unavailable` where nothing can be
    /// noted.
    pub fn begin(&self, begin: &Begin) -> Result<Seq> {
        match &self.0 {
            Kind::File(file) => file.begin(begin),
            Kind::Shared(register) => register.begin(begin),
        }
    }

    /// Returns once the attempt may be sent: with a file at once, because what is written there survives this process; in a
    /// cluster when it is committed, because other nodes settle it if this one dies. `Unavailable` where that failed: then release
    /// the attempt, for it may be committed all the same.
    pub async fn admitted(&self, begun: Seq) -> Result<Admission> {
        match &self.0 {
            Kind::File(_) => Ok(Admission::Admitted),
            Kind::Shared(register) => register.admitted(begun).await,
        }
    }

    /// Notes how an attempt ended, what becomes of what was leased for it, and its request's trace.
    pub fn end(&self, end: &End, trace: Option<&TraceRecord>, moves: &[LeaseMove]) -> Seq {
        match &self.0 {
            Kind::File(file) => file.end(end, trace),
            Kind::Shared(register) => register.end(end, trace, moves),
        }
    }

    /// Notes that an attempt never reached its provider: it leaves no row.
    pub fn release(&self, attempt: AttemptId, moves: &[LeaseMove]) -> Seq {
        match &self.0 {
            Kind::File(file) => file.release(attempt),
            Kind::Shared(register) => register.release(attempt, moves),
        }
    }

    /// Notes a request that is over apart from any attempt.
    pub fn trace(&self, trace: &TraceRecord) -> Seq {
        match &self.0 {
            Kind::File(file) => file.trace(trace),
            Kind::Shared(register) => register.trace(trace),
        }
    }

    /// Whether other nodes note their attempts in the same place, so that a twin of an attempt may be under way on one of them.
    pub fn is_shared(&self) -> bool {
        matches!(self.0, Kind::Shared(_))
    }

    /// Whether this record and all before it survive a loss of power.
    pub fn is_synced(&self, seq: Seq) -> bool {
        match &self.0 {
            Kind::File(file) => file.is_synced(seq),
            Kind::Shared(register) => register.is_synced(seq),
        }
    }

    /// Returns once this record and all before it survive a loss of power.
    pub async fn synced(&self, seq: Seq) {
        match &self.0 {
            Kind::File(file) => file.synced(seq).await,
            Kind::Shared(register) => register.synced(seq).await,
        }
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Kind::File(file) => file.fmt(f),
            Kind::Shared(_) => f.write_str("Journal(shared)"),
        }
    }
}
