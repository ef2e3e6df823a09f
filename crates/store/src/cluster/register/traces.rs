//! Finished requests on their way to their tenants' tables.
//!
//! Many tenants' go together. Where that takes longer than a statement may, they are written apart, and a tenant that takes
//! too long by itself is put back: it is tried again on its own, at times of its own, while the others' go on. What has
//! expired is forgotten behind all that, a bounded number of rows at a time.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use insula_model::{Error, Result, TenantId, Timestamp};
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};
use tokio_postgres::error::SqlState;

use super::{
    Shared,
    pending::{Part, Pending},
    persist::persist,
    progress::Progress,
    tenant_rows,
};
use crate::{postgres::PgPool, records::TraceRecord};

/// How long a trace waits for others.
const AGE_MAX: Duration = Duration::from_millis(200);
/// Bytes, and tenants, in one transaction.
const CHUNK_BYTES: usize = 8 << 20;
const CHUNK_TENANTS: usize = 256;

/// Traces that are not written.
pub(super) struct Traces {
    pool: PgPool,
    pending: Mutex<Pending>,
    /// Who may have rows that expired before a moment.
    expired: Mutex<BTreeMap<TenantId, Timestamp>>,
    done: Progress,
    wanted: Notify,
    hurried: Notify,
    put_back: Notify,
    forget: Notify,
}

impl Traces {
    pub(super) fn new(pool: PgPool) -> Self {
        Self {
            pool,
            pending: Mutex::default(),
            expired: Mutex::default(),
            done: Progress::default(),
            wanted: Notify::new(),
            hurried: Notify::new(),
            put_back: Notify::new(),
            forget: Notify::new(),
        }
    }

    /// Up to which number traces are written, but those of tenants that were put back.
    pub(super) fn done(&self) -> &Progress {
        &self.done
    }

    /// Adds a trace. Numbers rise.
    pub(super) fn push(&self, trace: &TraceRecord, seq: u64) {
        self.pending.lock().push(trace, seq);
        self.wanted.notify_one();
    }

    /// The number of a tenant's last trace that is not written yet; none where all are.
    pub(super) fn last_of(&self, tenant: TenantId) -> Option<u64> {
        self.pending.lock().last_of(tenant)
    }

    /// How many are not written yet.
    pub(super) fn count(&self) -> usize {
        self.pending.lock().count()
    }

    /// Returns once everything that there is now is written, of every tenant.
    pub(super) async fn flushed(&self) {
        let last = {
            let mut pending = self.pending.lock();
            pending.hurry(Instant::now());
            pending.last
        };
        self.put_back.notify_one();
        self.passed(last).await;
        while let Some(held) = self.done.first_held().filter(|held| *held <= last) {
            self.done.reached(held).await;
        }
    }

    /// Returns once this one is written, without waiting for more.
    pub(super) async fn written(&self, seq: u64) {
        self.passed(seq).await;
        self.done.reached(seq).await;
    }

    /// Returns once everything up to a number is written, or put back, without waiting for more.
    pub(super) async fn passed(&self, seq: u64) {
        if self.done.done() < seq {
            self.hurried.notify_one();
            self.done.passed(seq).await;
        }
    }

    /// A tenant's part is written, or was refused.
    fn written_out(&self, tenant: TenantId, part: &Part) {
        self.pending.lock().written(tenant, part, Instant::now());
        if let Some(latest) = tenant_rows::latest(&part.traces) {
            self.expired.lock().insert(tenant, latest);
            self.forget.notify_one();
        }
    }

    fn put_back(&self, tenant: TenantId, part: Part) {
        let count = part.traces.len();
        if self.pending.lock().put_back(tenant, part, Instant::now()) {
            tracing::warn!(%tenant, count, "a tenant's finished requests take too long to write: they wait, and others' go on");
        }
        self.put_back.notify_one();
    }
}

/// Writes what has gathered, again and again.
pub(super) async fn run(shared: Arc<Shared>) {
    tokio::join!(write_all(&shared), write_put_back(&shared), forget_expired(&shared.traces));
}

async fn write_all(shared: &Shared) {
    let traces = &shared.traces;
    loop {
        let is_idle = {
            let pending = traces.pending.lock();
            !pending.is_ready() && traces.done.done() >= pending.last
        };
        if is_idle {
            traces.wanted.notified().await;
            continue;
        }
        // Somebody may wait for it; otherwise it waits for others.
        let _ = tokio::time::timeout(AGE_MAX, traces.hurried.notified()).await;
        let (last, parts) = traces.pending.lock().take();
        let mut late = Vec::new();
        let mut rest = &parts[..];
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(chunk_length(rest));
            late.extend(write(&traces.pool, chunk).await);
            rest = after;
        }
        let mut done = Vec::new();
        for (tenant, part) in parts {
            if late.contains(&tenant) {
                traces.put_back(tenant, part);
            } else {
                traces.written_out(tenant, &part);
                done.extend(part.seqs);
            }
        }
        let held = traces.pending.lock().put_back_seqs();
        traces.done.advance_but(last, held);
        // Those among them that came behind what was put back.
        traces.done.release(&done);
        shared.ends_wanted.notify_one();
    }
}

/// Writes the traces of those that were put back, each alone, when they are due.
async fn write_put_back(shared: &Shared) {
    let traces = &shared.traces;
    loop {
        let due = traces.pending.lock().take_due(Instant::now());
        let (tenant, part, failures) = match due {
            Ok(due) => due,
            Err(next) => {
                let next = next.map(tokio::time::sleep_until);
                tokio::select! {
                    () = traces.put_back.notified() => {}
                    Some(()) = async { Some(next?.await) } => {}
                }
                continue;
            }
        };
        // It may be that these are too many for one statement.
        let size = (part.traces.len() >> failures.min(16)).max(1);
        let mut is_late = false;
        for piece in part.traces.chunks(size) {
            is_late = is_late || !write_parts(&traces.pool, &[(tenant, piece)]).await.is_empty();
        }
        if is_late {
            traces.put_back(tenant, part);
            continue;
        }
        traces.written_out(tenant, &part);
        tracing::info!(%tenant, "the finished requests that took too long are written");
        traces.done.release(&part.seqs);
        traces.wanted.notify_one();
        shared.ends_wanted.notify_one();
    }
}

/// Forgets what has expired, tenant by tenant and a bounded number of rows each: nobody waits for it.
async fn forget_expired(traces: &Traces) {
    loop {
        let next = traces.expired.lock().pop_first();
        let Some((tenant, latest)) = next else {
            traces.forget.notified().await;
            continue;
        };
        if let Err(error) = tenant_rows::forget_expired(&traces.pool, tenant, latest).await {
            let cause = error.private_source().map(ToString::to_string);
            tracing::debug!(%tenant, cause, "expired rows stay until the tenant's next request");
        }
    }
}

/// How many tenants' traces go into one transaction.
fn chunk_length(parts: &[(TenantId, Part)]) -> usize {
    let mut bytes = 0;
    let fits = parts.iter().take(CHUNK_TENANTS).take_while(|(_, part)| {
        bytes += part.bytes();
        bytes <= CHUNK_BYTES
    });
    fits.count().max(1)
}

/// Writes traces, whatever it takes; whose took too long.
async fn write(pool: &PgPool, chunk: &[(TenantId, Part)]) -> Vec<TenantId> {
    let parts: Vec<_> = chunk.iter().map(|(tenant, part)| (*tenant, &part.traces[..])).collect();
    write_parts(pool, &parts).await
}

async fn write_parts(pool: &PgPool, whole: &[(TenantId, &[TraceRecord])]) -> Vec<TenantId> {
    let mut late = Vec::new();
    // The larger parts first: those that are well do not wait until the one that is not is found.
    let mut parts = VecDeque::from([whole.to_vec()]);
    while let Some(part) = parts.pop_front() {
        let result = persist!("finished requests", in_time(pool, &part));
        let error = match result {
            Ok(true) => continue,
            Ok(false) => None,
            Err(error) => Some(error),
        };
        match (&part[..], error) {
            ([(tenant, _)], None) => late.push(*tenant),
            // One of them is refused by the tables; the others must not wait for it.
            ([(tenant, [trace])], Some(error)) => {
                let cause = error.private_source().map(ToString::to_string);
                tracing::error!(%tenant, request = %trace.request, cause, "a trace is refused by the tables and is dropped");
            }
            ([(tenant, traces)], Some(_)) => {
                let (first, second) = traces.split_at(traces.len() / 2);
                // One after the other, and before others': a request may have several.
                parts.push_front(vec![(*tenant, second)]);
                parts.push_front(vec![(*tenant, first)]);
            }
            _ => {
                let (first, second) = part.split_at(part.len() / 2);
                parts.extend([first.to_vec(), second.to_vec()]);
            }
        }
    }
    late
}

/// Writes traces; false where that took longer than a statement may.
async fn in_time(pool: &PgPool, parts: &[(TenantId, &[TraceRecord])]) -> Result<bool> {
    match tenant_rows::write(pool, parts).await {
        Err(error) if took_too_long(&error) => Ok(false),
        result => result.map(|()| true),
    }
}

/// Whether a statement took longer than it may, by itself or waiting for a lock.
fn took_too_long(error: &Error) -> bool {
    let code = error.private_source().and_then(|source| source.downcast_ref::<tokio_postgres::Error>()?.code());
    code.is_some_and(|code| [SqlState::QUERY_CANCELED, SqlState::LOCK_NOT_AVAILABLE].contains(code))
}
