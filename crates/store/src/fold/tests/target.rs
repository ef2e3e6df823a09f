//! A ledger and tenants' files in memory that can die at any write.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use insula_model::{AttemptId, Error, RequestId, Result, TenantId};
use parking_lot::Mutex;

use super::super::target::Target;
use crate::{
    control::{FoldBatch, Position},
    records::{Begin, LedgerRow, TraceRecord},
};

#[derive(Clone, Default)]
pub(super) struct TestTarget(Arc<Mutex<State>>);

#[derive(Clone, Default)]
pub(super) struct State {
    pub(super) rows: BTreeMap<AttemptId, LedgerRow>,
    pub(super) traces: BTreeMap<RequestId, TraceRecord>,
    pub(super) carried: BTreeMap<AttemptId, Begin>,
    pub(super) position: Position,
    /// Everything fails after so many more writes, as if the process had died there.
    pub(super) writes_left: Option<u32>,
    /// Tenants whose files cannot be written.
    pub(super) broken: BTreeSet<TenantId>,
    pub(super) ledger_broken: bool,
    /// The sizes of the batches of traces.
    pub(super) trace_batches: Vec<usize>,
    pub(super) row_batches: Vec<usize>,
    /// How many attempts were carried in all.
    pub(super) carried_total: usize,
}

impl TestTarget {
    pub(super) fn with<R>(&self, look: impl FnOnce(&mut State) -> R) -> R {
        look(&mut self.0.lock())
    }

    /// Stops all writes, and returns what a new process finds. Take the disk's copy after this: the old process may still be
    /// working, and must not give up segments on the strength of writes that the new one does not see.
    pub(super) fn after_kill(&self) -> Self {
        let mut state = self.0.lock();
        state.writes_left = Some(0);
        Self(Arc::new(Mutex::new(State { writes_left: None, ..state.clone() })))
    }
}

impl State {
    fn write(&mut self) -> Result<()> {
        match &mut self.writes_left {
            Some(0) => return Err(Error::internal("the process is dead")),
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(())
    }
}

impl Target for TestTarget {
    fn position(&self) -> Result<Position> {
        Ok(self.0.lock().position)
    }

    fn open_attempts(&self) -> Result<Vec<Begin>> {
        Ok(self.0.lock().carried.values().cloned().collect())
    }

    fn apply(&self, batch: &FoldBatch) -> Result<()> {
        let mut state = self.0.lock();
        if state.ledger_broken {
            return Err(Error::internal("no room"));
        }
        state.write()?;
        assert!(batch.position.seq >= state.position.seq && batch.position.traces_seq >= state.position.traces_seq);
        assert!(batch.position.traces_seq <= batch.position.seq);
        for row in &batch.rows {
            state.rows.entry(row.begin.attempt).or_insert_with(|| row.clone());
        }
        state.carried_total += batch.carried.len();
        state.carried.extend(batch.carried.iter().map(|begin| (begin.attempt, begin.clone())));
        for attempt in &batch.closed {
            state.carried.remove(attempt);
        }
        state.row_batches.push(batch.rows.len());
        state.position = batch.position;
        Ok(())
    }

    fn apply_traces(&self, tenant: TenantId, traces: &[TraceRecord]) -> Result<()> {
        let mut state = self.0.lock();
        if state.broken.contains(&tenant) {
            return Err(Error::internal("this file is newer"));
        }
        state.write()?;
        for trace in traces {
            assert_eq!(trace.tenant, tenant);
            state.traces.entry(trace.request).or_insert_with(|| trace.clone());
        }
        state.trace_batches.push(traces.len());
        Ok(())
    }
}
