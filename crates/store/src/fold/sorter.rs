//! Decides where each record goes.

use insula_model::{AttemptId, Timestamp};

use super::open_attempts::OpenAttempts;
use crate::{
    control::{FoldBatch, Position},
    journal::{Kind, RawRecord, decode},
    records::{Begin, End, FirstBegin, FirstEnd, SecondBegin, SecondEnd, TraceRecord},
};

/// Gathers rows for the ledger from records in their order.
pub(super) struct Sorter {
    pub(super) open: OpenAttempts,
    /// What is in the ledger and in the tenants' files. Records up to here are read again after a start: their BEGINs may
    /// be open, and their traces may be missing.
    pub(super) applied: Position,
    /// What is to be applied next.
    pub(super) batch: FoldBatch,
    /// The latest time in any record.
    pub(super) latest: Timestamp,
}

impl Sorter {
    /// Takes one record in. Returns a trace that is to go to its tenant's file.
    pub(super) fn take(&mut self, record: &RawRecord<'_>) -> postcard::Result<Option<TraceRecord>> {
        match record.kind {
            Kind::Opened => {}
            Kind::FirstBegin => self.begin(decode::<FirstBegin>(record.payload)?.into(), record.seq),
            Kind::SecondBegin => self.begin(decode::<SecondBegin>(record.payload)?.into(), record.seq),
            Kind::Begin => self.begin(decode(record.payload)?, record.seq),
            Kind::FirstEnd => self.end(decode::<FirstEnd>(record.payload)?.into(), record.seq),
            Kind::SecondEnd => self.end(decode::<SecondEnd>(record.payload)?.into(), record.seq),
            Kind::End => self.end(decode(record.payload)?, record.seq),
            Kind::Release => {
                let attempt: AttemptId = decode(record.payload)?;
                if self.open.release(attempt) {
                    self.batch.closed.push(attempt);
                }
            }
            Kind::Trace => return self.trace(record),
        }
        Ok(None)
    }

    fn begin(&mut self, begin: Begin, seq: u64) {
        self.seen(begin.reserved_at);
        self.open.begin(begin, seq);
    }

    fn end(&mut self, end: End, seq: u64) {
        self.seen(end.settled_at);
        let attempt = end.attempt;
        let Some((row, closed)) = self.open.end(end) else {
            // Behind the position its BEGIN was in a segment that is gone, and its row is in the ledger.
            if seq > self.applied.seq {
                tracing::error!(%attempt, seq, "an attempt ended that is not open: its END is passed over");
            }
            return;
        };
        if closed {
            self.batch.closed.push(attempt);
        }
        if seq > self.applied.seq {
            self.batch.rows.push(row);
        }
    }

    fn trace(&mut self, record: &RawRecord<'_>) -> postcard::Result<Option<TraceRecord>> {
        let is_new = record.seq > self.applied.traces_seq;
        if !is_new && !self.open.wants_traces() {
            return Ok(None);
        }
        let trace: TraceRecord = decode(record.payload)?;
        self.seen(trace.started_at);
        self.batch.closed.extend(self.open.traced(&trace));
        Ok(is_new.then_some(trace))
    }

    fn seen(&mut self, time: Timestamp) {
        self.latest = self.latest.max(time);
    }
}

#[cfg(test)]
mod tests {
    use insula_model::Overhead;

    use super::*;
    use crate::journal::tests::samples;

    fn empty() -> Sorter {
        let (applied, latest) = (Position::default(), Timestamp::default());
        Sorter { open: OpenAttempts::default(), applied, batch: FoldBatch::default(), latest }
    }

    /// The row that comes of a BEGIN and an END in these bytes.
    fn row(kind: Kind, end: &[u8]) -> End {
        let begin = postcard::to_stdvec(&samples::begin(1)).unwrap();
        let mut sorter = empty();
        for (seq, kind, payload) in [(1, Kind::Begin, &begin[..]), (2, kind, end)] {
            assert_eq!(sorter.take(&RawRecord { seq, kind, payload }).unwrap(), None);
        }
        sorter.batch.rows.remove(0).end
    }

    #[test]
    fn ends_of_every_kind_become_rows() {
        let end = End { isolation: Overhead::default(), ..samples::end(1) };
        // The fields of each kind, in their order.
        let End { attempt, settled_at, outcome, tokens, cost, estimated, .. } = end.clone();
        let first = (tokens.input, tokens.cache_read, tokens.cache_write, tokens.output, tokens.reasoning);
        let first = postcard::to_stdvec(&(attempt, settled_at, outcome, first, cost, estimated)).unwrap();
        let second = postcard::to_stdvec(&(attempt, settled_at, outcome, tokens, cost, estimated)).unwrap();
        assert_eq!(row(Kind::FirstEnd, &first), end);
        assert_eq!(row(Kind::SecondEnd, &second), end);
        let now = samples::end(1);
        assert_eq!(row(Kind::End, &postcard::to_stdvec(&now).unwrap()), now);
    }
}
