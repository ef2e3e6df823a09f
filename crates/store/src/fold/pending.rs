//! Traces on their way to their tenants' files, gathered so that one commit takes many.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use insula_model::TenantId;

use crate::records::TraceRecord;

/// A tenant's traces are written when there are this many,
pub(super) const TENANT_ROWS_MAX: usize = 64;
/// or this many bytes of them,
pub(super) const TENANT_BYTES_MAX: usize = 256 << 10;
/// or when the first is this old.
pub(super) const AGE_MAX: Duration = Duration::from_secs(30);
/// All tenants' together take at most about this much memory: above it the largest are written.
pub(super) const TOTAL_BYTES_MAX: usize = 64 << 20;
/// A start may hold more: most of what it reads again is in the files already, and nobody is served while it writes.
const START_BYTES_MAX: usize = 256 << 20;
/// How soon a tenant's file that could not be written is tried again.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(30);

/// What a trace takes besides its content, bytes.
const TRACE_BYTES: usize = 512;

/// Traces that were read from the journal and are not known to be in their files. Times are those of the clock's
/// `elapsed`.
pub(super) struct Pending {
    tenants: HashMap<TenantId, Buffer>,
    /// The first record of each buffer, oldest first.
    order: BTreeMap<u64, TenantId>,
    /// The first record of each batch that is being written.
    in_flight: BTreeMap<u64, TenantId>,
    bytes: usize,
    bytes_max: usize,
    /// While a start reads, full buffers are left for later.
    starting: bool,
}

struct Buffer {
    traces: Vec<TraceRecord>,
    first_seq: u64,
    bytes: usize,
    since: Duration,
    /// Set after a failure.
    retry_at: Option<Duration>,
}

/// Traces taken out to be written; they count as pending until [`Pending::written`] or [`Pending::failed`].
pub(super) struct Taken {
    pub(super) tenant: TenantId,
    pub(super) traces: Vec<TraceRecord>,
    first_seq: u64,
    bytes: usize,
    since: Duration,
}

impl Default for Pending {
    fn default() -> Self {
        let (tenants, order, in_flight) = Default::default();
        Self { tenants, order, in_flight, bytes: 0, bytes_max: START_BYTES_MAX, starting: true }
    }
}

impl Pending {
    /// The start is over.
    pub(super) fn started(&mut self) {
        self.starting = false;
        self.bytes_max = TOTAL_BYTES_MAX;
    }

    /// Adds the trace of record `seq`, which is higher than all before. Whether its tenant's should be written now.
    pub(super) fn push(&mut self, trace: TraceRecord, seq: u64, now: Duration) -> bool {
        let bytes = bytes_of(&trace);
        let order = &mut self.order;
        let buffer = self.tenants.entry(trace.tenant).or_insert_with(|| {
            order.insert(seq, trace.tenant);
            Buffer { traces: Vec::new(), first_seq: seq, bytes: 0, since: now, retry_at: None }
        });
        buffer.traces.push(trace);
        buffer.bytes += bytes;
        self.bytes += bytes;
        let full = buffer.traces.len() >= TENANT_ROWS_MAX || buffer.bytes >= TENANT_BYTES_MAX;
        full && !self.starting && buffer.retry_at.is_none_or(|at| at <= now)
    }

    /// Takes out all of a tenant's traces.
    pub(super) fn take(&mut self, tenant: TenantId) -> Option<Taken> {
        let Buffer { traces, first_seq, bytes, since, .. } = self.tenants.remove(&tenant)?;
        self.order.remove(&first_seq);
        self.in_flight.insert(first_seq, tenant);
        Some(Taken { tenant, traces, first_seq, bytes, since })
    }

    /// What was taken is in its file, or not wanted any more.
    pub(super) fn written(&mut self, taken: &Taken) {
        self.in_flight.remove(&taken.first_seq);
        self.bytes -= taken.bytes;
    }

    /// What was taken could not be written: it goes back in front of what came since.
    pub(super) fn failed(&mut self, mut taken: Taken, now: Duration) {
        self.in_flight.remove(&taken.first_seq);
        if let Some(since) = self.tenants.remove(&taken.tenant) {
            self.order.remove(&since.first_seq);
            taken.traces.extend(since.traces);
            taken.bytes += since.bytes;
        }
        self.order.insert(taken.first_seq, taken.tenant);
        let Taken { tenant, traces, first_seq, bytes, since } = taken;
        let retry_at = Some(now + RETRY_AFTER);
        self.tenants.insert(tenant, Buffer { traces, first_seq, bytes, since, retry_at });
    }

    /// Forgets a tenant's traces.
    pub(super) fn forget(&mut self, tenant: TenantId) {
        if let Some(taken) = self.take(tenant) {
            self.written(&taken);
        }
    }

    /// Whether nothing of this tenant is pending or being written.
    pub(super) fn is_clear(&self, tenant: TenantId) -> bool {
        !self.tenants.contains_key(&tenant) && !self.in_flight.values().any(|t| *t == tenant)
    }

    /// The oldest record whose trace may not be in its file yet.
    pub(super) fn oldest_seq(&self) -> Option<u64> {
        let oldest = |map: &BTreeMap<u64, TenantId>| map.first_key_value().map(|(seq, _)| *seq);
        oldest(&self.order).into_iter().chain(oldest(&self.in_flight)).min()
    }

    /// All tenants with traces, oldest first.
    pub(super) fn all(&self) -> Vec<TenantId> {
        self.order.values().copied().collect()
    }

    /// Tenants whose traces are old enough.
    pub(super) fn due(&self, now: Duration) -> Vec<TenantId> {
        let old = self.by_age().take_while(|(_, buffer)| buffer.since + AGE_MAX <= now);
        old.filter(|(_, buffer)| buffer.retry_at.is_none_or(|at| at <= now)).map(|(tenant, _)| tenant).collect()
    }

    /// When the next tenant's traces are old enough.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let mut earliest = None::<Duration>;
        for (_, buffer) in self.by_age() {
            let due = (buffer.since + AGE_MAX).max(buffer.retry_at.unwrap_or_default());
            earliest = Some(earliest.map_or(due, |e| e.min(due)));
            // Those behind it are younger.
            if buffer.retry_at.is_none() {
                break;
            }
        }
        earliest
    }

    /// If all together are over the bound: the tenants with the most bytes, enough of them to go a quarter below it.
    pub(super) fn largest(&self) -> Vec<TenantId> {
        if self.bytes <= self.bytes_max {
            return Vec::new();
        }
        let mut by_size: Vec<_> = self.tenants.iter().map(|(tenant, buffer)| (buffer.bytes, *tenant)).collect();
        by_size.sort_unstable_by(|a, b| b.cmp(a));
        let mut excess = self.bytes - self.bytes_max / 4 * 3;
        let enough = by_size.into_iter().take_while(|(bytes, _)| {
            let wanted = excess > 0;
            excess = excess.saturating_sub(*bytes);
            wanted
        });
        enough.map(|(_, tenant)| tenant).collect()
    }

    /// Whether all together are over the bound.
    pub(super) fn is_over_bound(&self) -> bool {
        self.bytes > self.bytes_max
    }

    /// Tenants that hold up records up to `seq` because their files could not be written.
    pub(super) fn failing_up_to(&self, seq: u64) -> Vec<TenantId> {
        let old = self.order.range(..=seq).map(|(_, tenant)| *tenant);
        old.filter(|tenant| self.tenants.get(tenant).is_some_and(|buffer| buffer.retry_at.is_some())).collect()
    }

    fn by_age(&self) -> impl Iterator<Item = (TenantId, &Buffer)> {
        self.order.values().filter_map(|tenant| Some((*tenant, self.tenants.get(tenant)?)))
    }
}

fn bytes_of(trace: &TraceRecord) -> usize {
    let transcript = trace.idempotency.as_ref().and_then(|entry| entry.sealed_transcript.as_ref()).map_or(0, Vec::len);
    TRACE_BYTES + trace.sealed_detail.len() + transcript
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::tests::samples;

    fn started() -> Pending {
        let mut pending = Pending::default();
        pending.started();
        pending
    }

    const NOW: Duration = Duration::from_secs(100);

    #[test]
    fn what_failed_goes_back_in_front_and_waits() {
        let mut pending = started();
        pending.push(samples::trace(3, 10), 5, NOW);
        pending.push(samples::trace(4, 10), 6, NOW);
        let taken = pending.take(samples::tenant(0)).unwrap();
        assert_eq!(pending.oldest_seq(), Some(5), "not written yet");
        assert!(!pending.is_clear(samples::tenant(0)));
        pending.push(samples::trace(6, 10), 9, NOW);
        pending.failed(taken, NOW);
        assert_eq!(pending.oldest_seq(), Some(5));
        assert_eq!(pending.failing_up_to(5), [samples::tenant(0)]);

        let later = NOW + AGE_MAX - Duration::from_secs(1);
        assert!(pending.due(later).is_empty());
        let next = pending.next_due().unwrap();
        assert_eq!(next, NOW + AGE_MAX);
        assert_eq!(pending.due(next), [samples::tenant(0), samples::tenant(1)]);
        let taken = pending.take(samples::tenant(0)).unwrap();
        assert_eq!(taken.traces, [samples::trace(3, 10), samples::trace(6, 10)]);
        pending.written(&taken);
        assert_eq!((pending.oldest_seq(), pending.is_clear(samples::tenant(0))), (Some(6), true));
        pending.forget(samples::tenant(1));
        assert_eq!((pending.oldest_seq(), pending.bytes, pending.next_due()), (None, 0, None));
    }

    #[test]
    fn full_by_rows_or_by_bytes() {
        let mut pending = started();
        let full = (0..TENANT_ROWS_MAX as u64).filter(|n| pending.push(samples::trace(3 * n, 10), *n, NOW)).count();
        assert_eq!(full, 1, "only the last");
        assert!(pending.push(samples::trace(1, TENANT_BYTES_MAX), 1_000, NOW));

        let mut starting = Pending::default();
        assert!(!starting.push(samples::trace(1, TENANT_BYTES_MAX), 1, NOW));
    }

    #[test]
    fn the_largest_make_room() {
        let mut pending = started();
        let mut times = 0;
        for n in 0..3u64 {
            for i in 0..10 * (n + 1) {
                pending.push(samples::trace(3 * i + n, 1 << 20), 100 * n + i, NOW);
                if pending.is_over_bound() {
                    let largest = pending.largest();
                    assert_eq!(largest, [samples::tenant(n)]);
                    pending.forget(largest[0]);
                    times += 1;
                }
            }
        }
        assert_eq!(times, 1);
        assert!(pending.bytes <= TOTAL_BYTES_MAX);
        assert!(pending.largest().is_empty());
    }
}
