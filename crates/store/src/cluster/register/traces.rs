//! Finished requests on their way to their tenants' tables.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use insula_model::TenantId;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{Shared, persist::persist, progress::Progress, tenant_rows};
use crate::{journal::without_content, postgres::PgPool, records::TraceRecord};

/// How long a trace waits for others.
const AGE_MAX: Duration = Duration::from_millis(200);
/// What all traces that wait take together, bytes: above it they lose their content,
const BYTES_MAX: usize = 64 << 20;
/// and above this many those that no attempt waits for are dropped.
const COUNT_MAX: usize = 200_000;
/// Bytes, and tenants, in one transaction.
const CHUNK_BYTES: usize = 8 << 20;
const CHUNK_TENANTS: usize = 256;

/// What a trace takes besides its content, bytes.
const TRACE_BYTES: usize = 512;

/// Traces that are not written.
pub(super) struct Traces {
    pool: PgPool,
    pending: Mutex<Pending>,
    done: Progress,
    wanted: Notify,
    hurried: Notify,
}

#[derive(Default)]
struct Pending {
    by_tenant: BTreeMap<TenantId, Vec<TraceRecord>>,
    /// Whose traces are being written.
    writing: BTreeSet<TenantId>,
    /// With those that are being written.
    count: usize,
    bytes: usize,
    /// The number of the last one.
    last: u64,
    /// Some lost their content, or were dropped, since the last time that there was room.
    is_full: bool,
}

/// Traces of one tenant.
type Part = (TenantId, Vec<TraceRecord>);

impl Traces {
    pub(super) fn new(pool: PgPool) -> Self {
        Self { pool, pending: Mutex::default(), done: Progress::default(), wanted: Notify::new(), hurried: Notify::new() }
    }

    /// Up to which number traces are written.
    pub(super) fn done(&self) -> &Progress {
        &self.done
    }

    /// Adds a trace. Numbers rise.
    pub(super) fn push(&self, trace: &TraceRecord, seq: u64) {
        let mut pending = self.pending.lock();
        let pending = &mut *pending;
        pending.last = seq;
        let is_large = pending.bytes + bytes_of(trace) > BYTES_MAX;
        let is_dropped = pending.count >= COUNT_MAX && trace.idempotency.is_none();
        if (is_large || is_dropped) && !std::mem::replace(&mut pending.is_full, true) {
            tracing::error!(waiting = pending.count, "too many traces wait for shared storage: their content is dropped");
        }
        if !is_dropped {
            let kept = if is_large { without_content(trace) } else { trace.clone() };
            pending.count += 1;
            pending.bytes += bytes_of(&kept);
            pending.by_tenant.entry(kept.tenant).or_default().push(kept);
        }
        self.wanted.notify_one();
    }

    /// Whether anything of a tenant is not written yet.
    pub(super) fn holds(&self, tenant: TenantId) -> bool {
        let pending = self.pending.lock();
        pending.by_tenant.contains_key(&tenant) || pending.writing.contains(&tenant)
    }

    /// How many are not written yet.
    pub(super) fn count(&self) -> usize {
        self.pending.lock().count
    }

    /// Has everything written now; the last number.
    pub(super) fn hurry(&self) -> u64 {
        let last = self.pending.lock().last;
        if self.done.done() < last {
            self.hurried.notify_one();
        }
        last
    }

    /// Returns once everything up to a number is written, without waiting for more.
    pub(super) async fn written(&self, seq: u64) {
        if self.done.done() < seq {
            self.hurried.notify_one();
            self.done.reached(seq).await;
        }
    }

    fn take(&self) -> (u64, Vec<Part>) {
        let mut pending = self.pending.lock();
        let taken = std::mem::take(&mut pending.by_tenant);
        pending.writing = taken.keys().copied().collect();
        (pending.last, taken.into_iter().collect())
    }

    fn written_out(&self, parts: &[Part]) {
        let mut pending = self.pending.lock();
        pending.writing.clear();
        pending.count -= parts.iter().map(|(_, traces)| traces.len()).sum::<usize>();
        pending.bytes -= parts.iter().map(part_bytes).sum::<usize>();
        pending.is_full &= pending.bytes > BYTES_MAX / 2 || pending.count > COUNT_MAX / 2;
    }
}

/// Writes what has gathered, again and again.
pub(super) async fn run(shared: Arc<Shared>) {
    let traces = &shared.traces;
    loop {
        if traces.done.done() >= traces.pending.lock().last {
            traces.wanted.notified().await;
        }
        // Somebody may wait for it; otherwise it waits for others.
        let _ = tokio::time::timeout(AGE_MAX, traces.hurried.notified()).await;
        let (last, parts) = traces.take();
        let mut rest = &parts[..];
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(chunk_length(rest));
            write(&traces.pool, chunk).await;
            rest = after;
        }
        traces.written_out(&parts);
        traces.done.advance(last);
    }
}

/// How many tenants' traces go into one transaction.
fn chunk_length(parts: &[Part]) -> usize {
    let mut bytes = 0;
    let fits = parts.iter().take(CHUNK_TENANTS).take_while(|part| {
        bytes += part_bytes(part);
        bytes <= CHUNK_BYTES
    });
    fits.count().max(1)
}

/// Writes traces, whatever it takes.
async fn write(pool: &PgPool, chunk: &[Part]) {
    let whole: Vec<(TenantId, &[TraceRecord])> = chunk.iter().map(|(tenant, traces)| (*tenant, &traces[..])).collect();
    let mut parts = vec![whole];
    while let Some(part) = parts.pop() {
        let Err(error) = persist!("finished requests", tenant_rows::write(pool, &part)) else { continue };
        // One of them is refused by the tables; the others must not wait for it.
        match &part[..] {
            [(tenant, [trace])] => {
                let cause = error.private_source().map(ToString::to_string);
                tracing::error!(%tenant, request = %trace.request, cause, "a trace is refused by the tables and is dropped");
            }
            [(tenant, traces)] => {
                let (first, second) = traces.split_at(traces.len() / 2);
                parts.extend([vec![(*tenant, second)], vec![(*tenant, first)]]);
            }
            _ => {
                let (first, second) = part.split_at(part.len() / 2);
                parts.extend([second.to_vec(), first.to_vec()]);
            }
        }
    }
}

fn part_bytes((_, traces): &Part) -> usize {
    traces.iter().map(bytes_of).sum()
}

fn bytes_of(trace: &TraceRecord) -> usize {
    let transcript = trace.idempotency.as_ref().and_then(|entry| entry.sealed_transcript.as_ref()).map_or(0, Vec::len);
    TRACE_BYTES + trace.model.len() + trace.sealed_detail.len() + transcript
}
