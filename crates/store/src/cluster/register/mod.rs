//! The register: this node's attempts in shared storage, what the journal's file is on a node alone.
//!
//! An attempt is noted in `begun_attempts` before a provider hears of it ([`Register::begin`], [`Register::admitted`]), and
//! taken out of there when it ends, in the transaction that moves every account. Whoever deletes that row settles the attempt,
//! this node or, once it is declared dead, the [sweeper](super::sweeper): so it ends exactly once, whatever breaks in between.
//!
//! Calls only queue; three tasks write, each what has gathered while it wrote the batch before:
//! - [`begins`] notes attempts and tells whose may be sent. What fails is refused.
//! - [`ends`] settles attempts. What fails is kept and tried again until it is written. [`late`] corrects what others had to
//!   estimate meanwhile.
//! - [`traces`] writes finished requests into their tenants' tables. A tenant whose take too long is put back, with its ENDs
//!   that wait for them, and holds up nobody else. One that carries an `Idempotency-Key`'s answer is written
//!   before its attempt ends, because the open attempt is what keeps twins on other nodes away.
//!
//! Locks are taken in one order by all who settle: the ledger's lock, the node's row, `begun_attempts`, `ledger`,
//! `spend_hour` and `budget_windows` in the order of their keys, `budget_leases`.

mod begins;
mod ends;
mod late;
mod pending;
mod persist;
mod progress;
mod rows;
mod settlement;
mod state;
mod tenant_rows;
mod traces;

use std::{sync::Arc, time::Duration};

use insula_model::{AttemptId, Error, ErrorKind, Result, TenantId};
use parking_lot::Mutex;
use tokio::{sync::Notify, task::AbortHandle};

use self::{
    progress::Progress,
    state::{Refusal, State},
    traces::Traces,
};
pub(super) use self::{settlement::Settlement, tenant_rows::write as write_traces};
use super::{Cluster, LeaseMove};
use crate::{
    journal::Seq,
    postgres::{PgPool, away},
    records::{Begin, End, TraceRecord},
    store::Admission,
};

/// Attempts that are open or whose end is not written yet. Above it no BEGIN is taken: what they end with must be kept in
/// memory while shared storage is away.
const ATTEMPTS_MAX: usize = 100_000;
/// BEGINs that wait for their lane.
const BEGINS_WAITING_MAX: usize = 20_000;
/// How long a read waits for what is still on its way.
const FLUSH_MAX: Duration = Duration::from_secs(5);
/// How long [`Register::close`] waits for shared storage.
const CLOSE_MAX: Duration = Duration::from_secs(30);

/// The low bits of a number say which lane writes it.
const LANE_MASK: u64 = 3;
const BEGINS: u64 = 0;
const ENDS: u64 = 1;
const TRACES: u64 = 2;

/// What the register asks of this node's place among the others.
pub(crate) trait Standing: Send + Sync + 'static {
    /// This node's id.
    fn node(&self) -> [u8; 16];

    /// Under which epoch it writes.
    fn epoch(&self) -> u64;

    /// Refuses while the node cannot know that it still counts as alive.
    fn may_spend(&self) -> Result<()>;
}

impl Standing for Cluster {
    fn node(&self) -> [u8; 16] {
        self.node()
    }

    fn epoch(&self) -> u64 {
        self.epoch()
    }

    fn may_spend(&self) -> Result<()> {
        self.may_spend()
    }
}

/// This node's attempts in shared storage. Clones are the same; when the last is gone, its tasks end at once, as if the process
/// were killed.
#[derive(Clone)]
pub(crate) struct Register(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    tasks: Vec<AbortHandle>,
}

/// What the tasks share.
struct Shared {
    pool: PgPool,
    standing: Arc<dyn Standing>,
    node: [u8; 16],
    state: Mutex<State>,
    traces: Traces,
    begins_done: Progress,
    ends_done: Progress,
    begins_wanted: Notify,
    ends_wanted: Notify,
}

impl Register {
    /// Starts the tasks, on connections of `pool`.
    pub(crate) fn start(pool: PgPool, standing: Arc<dyn Standing>) -> Self {
        let shared = Arc::new(Shared {
            pool: pool.clone(),
            node: standing.node(),
            standing,
            state: Mutex::default(),
            traces: Traces::new(pool),
            begins_done: Progress::default(),
            ends_done: Progress::default(),
            begins_wanted: Notify::new(),
            ends_wanted: Notify::new(),
        });
        let tasks = [
            tokio::spawn(begins::run(shared.clone())).abort_handle(),
            tokio::spawn(ends::run(shared.clone())).abort_handle(),
            tokio::spawn(traces::run(shared.clone())).abort_handle(),
        ];
        Self(Arc::new(Handle { shared, tasks: tasks.into() }))
    }

    /// Queues an attempt that is about to be sent. [`Register::admitted`] says whether it may be; whatever that says, the
    /// attempt ends with [`Register::end`] or [`Register::release`].
    ///
    /// # Errors
    /// `Unavailable` while this node has no standing, is stopping, or too much waits for shared storage already.
    pub(crate) fn begin(&self, begin: &Begin) -> Result<Seq> {
        let shared = &self.0.shared;
        shared.standing.may_spend()?;
        let epoch = shared.standing.epoch();
        let mut state = shared.state.lock();
        if state.closed {
            return Err(crate::control::stopped());
        }
        if state.held() >= ATTEMPTS_MAX || state.begins_waiting() >= BEGINS_WAITING_MAX {
            return Err(away());
        }
        let seq = state.begin(begin, epoch);
        drop(state);
        shared.begins_wanted.notify_one();
        Ok(Seq::at(seq))
    }

    /// Returns once it is known whether the attempt may be sent.
    ///
    /// # Errors
    /// `Unavailable` when shared storage did not take it, or this node lost its standing.
    pub(crate) async fn admitted(&self, begun: Seq) -> Result<Admission> {
        let shared = &self.0.shared;
        shared.begins_done.reached(begun.get()).await;
        match shared.state.lock().refusal(begun.get()) {
            None => Ok(Admission::Admitted),
            Some(Refusal::Twin) => Ok(Admission::TwinElsewhere),
            Some(Refusal::NoStanding) => Err(no_standing()),
            Some(Refusal::Away | Refusal::InDoubt) => Err(away()),
        }
    }

    /// Queues the end of an attempt that was admitted, with its request's trace and with what moves of this node's leases.
    pub(crate) fn end(&self, end: &End, trace: Option<&TraceRecord>, moves: &[LeaseMove]) -> Seq {
        let behind = trace.map_or(0, |trace| {
            let seq = self.trace(trace).get();
            if trace.idempotency.is_some() { seq } else { 0 }
        });
        self.ended(end.attempt, Some(end.clone()), moves, behind)
    }

    /// Queues that an attempt never reached its provider, whether it was admitted or not.
    pub(crate) fn release(&self, attempt: AttemptId, moves: &[LeaseMove]) -> Seq {
        self.ended(attempt, None, moves, 0)
    }

    fn ended(&self, attempt: AttemptId, end: Option<End>, moves: &[LeaseMove], behind: u64) -> Seq {
        let shared = &self.0.shared;
        let epoch = shared.standing.epoch();
        let seq = shared.state.lock().end(attempt, end, moves, behind, epoch);
        shared.ends_wanted.notify_one();
        Seq::at(seq)
    }

    /// Queues the trace of a request.
    pub(crate) fn trace(&self, trace: &TraceRecord) -> Seq {
        let shared = &self.0.shared;
        let mut state = shared.state.lock();
        let seq = state.number(TRACES);
        // Under both locks, so that traces stand in the order of their numbers.
        shared.traces.push(trace, seq);
        Seq::at(seq)
    }

    /// Whether this is written, or decided against.
    pub(crate) fn is_synced(&self, seq: Seq) -> bool {
        self.lane(seq).is_done(seq.get())
    }

    /// Returns once this is written, or decided against.
    pub(crate) async fn synced(&self, seq: Seq) {
        self.lane(seq).reached(seq.get()).await;
    }

    fn lane(&self, seq: Seq) -> &Progress {
        let shared = &self.0.shared;
        match seq.get() & LANE_MASK {
            BEGINS => &shared.begins_done,
            ENDS => &shared.ends_done,
            _ => shared.traces.done(),
        }
    }

    /// Takes no more BEGINs.
    pub(crate) fn refuse(&self) {
        self.0.shared.state.lock().closed = true;
    }

    /// Returns once everything that ended so far is in the ledger, but what waits for a tenant that was put back.
    pub(crate) async fn flush_ends(&self) -> Result<()> {
        let last = self.0.shared.state.lock().last_end;
        within(FLUSH_MAX, self.0.shared.ends_done.passed(last)).await
    }

    /// Returns once every trace of a tenant that was queued so far is in its tables.
    pub(crate) async fn flush_tenant(&self, tenant: TenantId) -> Result<()> {
        let traces = &self.0.shared.traces;
        match traces.last_of(tenant) {
            Some(last) => within(FLUSH_MAX, traces.written(last)).await,
            None => Ok(()),
        }
    }

    /// Returns once everything that was queued so far is written.
    pub(crate) async fn flush(&self) -> Result<()> {
        within(FLUSH_MAX, self.all_written()).await
    }

    async fn all_written(&self) {
        let Shared { state, traces, ends_done, .. } = &*self.0.shared;
        let last_end = state.lock().last_end;
        traces.flushed().await;
        ends_done.passed(last_end).await;
        while let Some(held) = ends_done.first_held().filter(|held| *held <= last_end) {
            ends_done.reached(held).await;
        }
    }

    /// Takes no more BEGINs, waits a bounded time for what is on its way, and ends the tasks. Attempts that are still open then
    /// are left to the other nodes, which settle them as estimates.
    pub(crate) async fn close(&self) {
        self.refuse();
        let Shared { state, traces, .. } = &*self.0.shared;
        let in_time = tokio::time::timeout(CLOSE_MAX, self.all_written()).await.is_ok();
        self.0.stop();
        let state = state.lock();
        let (open, ends, traces) = (state.open_count(), state.ends_waiting(), traces.count());
        if !in_time || open + ends + traces > 0 {
            tracing::error!(open, ends, traces, "stopped before everything was written: other nodes settle it as estimates");
        }
    }
}

impl Handle {
    fn stop(&self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn within(max: Duration, work: impl Future<Output = ()>) -> Result<()> {
    tokio::time::timeout(max, work).await.map_err(|late| away().caused_by(late))
}

fn no_standing() -> Error {
    let kind = ErrorKind::Unavailable { retry_after: Duration::from_secs(2) };
    Error::new(kind, "this node lost touch with the others and is joining them again; try again in a moment")
}
