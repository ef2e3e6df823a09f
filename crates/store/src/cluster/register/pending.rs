//! Finished requests that wait to be written, tenant by tenant.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use insula_model::TenantId;
use tokio::time::Instant;

use crate::{journal::without_content, records::TraceRecord};

/// What all traces that wait take together, bytes: above it they lose their content,
const BYTES_MAX: usize = 64 << 20;
/// and above this many those that no attempt waits for are dropped.
const COUNT_MAX: usize = 200_000;
/// One tenant that was put back gets this part of both, so that it costs no other tenant's traces their content.
const PUT_BACK_SHARE: usize = 8;
/// How soon the traces of a tenant that took too long are tried again; twice as long after each time, up to the last.
const PUT_BACK: Duration = Duration::from_secs(1);
const PUT_BACK_MAX: Duration = Duration::from_secs(32);

/// What a trace takes besides its content, bytes.
const TRACE_BYTES: usize = 512;

/// Traces of one tenant, with their numbers.
#[derive(Default)]
pub(super) struct Part {
    pub(super) traces: Vec<TraceRecord>,
    pub(super) seqs: Vec<u64>,
}

impl Part {
    pub(super) fn bytes(&self) -> usize {
        self.traces.iter().map(bytes_of).sum()
    }
}

/// A tenant that took too long, on its own.
struct PutBack {
    due: Instant,
    failures: u32,
    /// What of its waits, bytes.
    bytes: usize,
    /// The numbers of what is being written.
    writing: Option<Vec<u64>>,
}

#[derive(Default)]
pub(super) struct Pending {
    by_tenant: BTreeMap<TenantId, Part>,
    put_back: BTreeMap<TenantId, PutBack>,
    /// Whose traces are being written, up to which number.
    writing: BTreeMap<TenantId, u64>,
    /// With those that are being written.
    count: usize,
    bytes: usize,
    /// The number of the last one.
    pub(super) last: u64,
    /// Some lost their content, or were dropped, since the last time that there was room.
    is_full: bool,
}

impl Pending {
    /// Adds a trace. Numbers rise.
    pub(super) fn push(&mut self, trace: &TraceRecord, seq: u64) {
        self.last = seq;
        let size = bytes_of(trace);
        let (mut is_large, mut is_many) = (self.bytes + size > BYTES_MAX, self.count >= COUNT_MAX);
        if let Some(put_back) = self.put_back.get(&trace.tenant) {
            is_large |= put_back.bytes + size > BYTES_MAX / PUT_BACK_SHARE;
            let count = self.by_tenant.get(&trace.tenant).map_or(0, |part| part.traces.len());
            is_many |= count >= COUNT_MAX / PUT_BACK_SHARE;
        }
        // Attempts that wait for a tenant which was put back are bounded too: they count among the open ones of the node.
        let is_dropped = is_many && (trace.idempotency.is_none() || self.count < COUNT_MAX);
        if (is_large || is_dropped) && !std::mem::replace(&mut self.is_full, true) {
            tracing::error!(waiting = self.count, "too many traces wait for shared storage: their content is dropped");
        }
        if is_dropped {
            return;
        }
        let kept = if is_large { without_content(trace) } else { trace.clone() };
        let size = bytes_of(&kept);
        self.count += 1;
        self.bytes += size;
        if let Some(put_back) = self.put_back.get_mut(&kept.tenant) {
            put_back.bytes += size;
        }
        let part = self.by_tenant.entry(kept.tenant).or_default();
        part.traces.push(kept);
        part.seqs.push(seq);
    }

    /// The number of a tenant's last trace that is not written; none where all are.
    pub(super) fn last_of(&self, tenant: TenantId) -> Option<u64> {
        let waiting = self.by_tenant.get(&tenant).and_then(|part| part.seqs.last().copied());
        waiting.max(self.writing.get(&tenant).copied())
    }

    /// How many are not written yet.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Whether anything waits that was not put back.
    pub(super) fn is_ready(&self) -> bool {
        self.by_tenant.keys().any(|tenant| !self.put_back.contains_key(tenant))
    }

    /// Everything but what was put back, and the last number.
    pub(super) fn take(&mut self) -> (u64, Vec<(TenantId, Part)>) {
        let put_back = &self.put_back;
        let taken: Vec<_> = self.by_tenant.extract_if(.., |tenant, _| !put_back.contains_key(tenant)).collect();
        taken.iter().for_each(|(tenant, part)| self.begun(*tenant, part));
        (self.last, taken)
    }

    /// Of those that were put back, what is due; or when the next one is.
    pub(super) fn take_due(&mut self, now: Instant) -> Result<(TenantId, Part, u32), Option<Instant>> {
        let next = self
            .put_back
            .iter_mut()
            .filter(|(_, put_back)| put_back.writing.is_none())
            .min_by_key(|(_, put_back)| put_back.due);
        let Some((tenant, put_back)) = next else { return Err(None) };
        if put_back.due > now {
            return Err(Some(put_back.due));
        }
        let part = self.by_tenant.remove(tenant).unwrap_or_default();
        put_back.writing = Some(part.seqs.clone());
        let (tenant, failures) = (*tenant, put_back.failures);
        self.begun(tenant, &part);
        Ok((tenant, part, failures))
    }

    fn begun(&mut self, tenant: TenantId, part: &Part) {
        if let Some(last) = part.seqs.last() {
            self.writing.insert(tenant, *last);
        }
    }

    /// A tenant's part was written, or is refused. Who was put back stays so until it has caught up.
    pub(super) fn written(&mut self, tenant: TenantId, part: &Part, now: Instant) {
        self.writing.remove(&tenant);
        if let Some(later) = self.by_tenant.get(&tenant)
            && let Some(put_back) = self.put_back.get_mut(&tenant)
        {
            *put_back = PutBack { due: now, failures: 0, bytes: later.bytes(), writing: None };
        } else {
            self.put_back.remove(&tenant);
        }
        self.count -= part.traces.len();
        self.bytes -= part.bytes();
        self.is_full &= self.bytes > BYTES_MAX / 2 || self.count > COUNT_MAX / 2;
    }

    /// A tenant's part took too long: it waits in front of what came meanwhile. True for the first time in a row.
    pub(super) fn put_back(&mut self, tenant: TenantId, mut part: Part, now: Instant) -> bool {
        self.writing.remove(&tenant);
        if let Some(later) = self.by_tenant.remove(&tenant) {
            part.traces.extend(later.traces);
            part.seqs.extend(later.seqs);
        }
        let failures = self.put_back.get(&tenant).map_or(0, |put_back| put_back.failures + 1);
        let pause = (PUT_BACK * 2_u32.pow(failures.min(10))).min(PUT_BACK_MAX);
        let put_back = PutBack { due: now + pause, failures, bytes: part.bytes(), writing: None };
        self.put_back.insert(tenant, put_back);
        self.by_tenant.insert(tenant, part);
        failures == 0
    }

    /// The numbers of what was put back, and of what came behind it.
    pub(super) fn put_back_seqs(&self) -> BTreeSet<u64> {
        let behind = self.put_back.keys().filter_map(|tenant| self.by_tenant.get(tenant)).flat_map(|part| &part.seqs);
        let writing = self.put_back.values().filter_map(|put_back| put_back.writing.as_ref()).flatten();
        behind.chain(writing).copied().collect()
    }

    /// What was put back is due now.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.put_back.values_mut().for_each(|put_back| put_back.due = now);
    }
}

fn bytes_of(trace: &TraceRecord) -> usize {
    let transcript = trace.idempotency.as_ref().and_then(|entry| entry.sealed_transcript.as_ref()).map_or(0, Vec::len);
    TRACE_BYTES + trace.model.len() + trace.sealed_detail.len() + transcript
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::tests::world::{tenant, trace};

    #[test]
    fn who_is_put_back_waits_alone_and_later_and_later() {
        let (mut pending, start) = (Pending::default(), Instant::now());
        pending.push(&trace(0, None), 4);
        pending.push(&trace(1, None), 8);
        let (last, mut parts) = pending.take();
        assert_eq!((last, parts.len(), pending.is_ready()), (8, 2, false));
        let (slow, part) = parts.remove(0);
        assert!(pending.put_back(slow, part, start));
        pending.written(parts[0].0, &parts[0].1, start);
        pending.push(&trace(3, None), 12);
        assert!(!pending.is_ready(), "what comes later waits behind it");
        assert_eq!(pending.put_back_seqs(), BTreeSet::from([4, 12]));
        assert_eq!((pending.last_of(slow), pending.last_of(tenant(1)), pending.count()), (Some(12), None, 2));

        assert_eq!(pending.take_due(start).err(), Some(Some(start + PUT_BACK)));
        let (_, part, failures) = pending.take_due(start + PUT_BACK).ok().unwrap();
        assert_eq!((part.seqs.clone(), failures), (vec![4, 12], 0));
        pending.push(&trace(6, None), 16);
        assert_eq!(pending.put_back_seqs(), BTreeSet::from([4, 12, 16]), "with what is being written");
        assert!(!pending.put_back(slow, part, start + PUT_BACK));
        assert_eq!(pending.take_due(start + PUT_BACK).err(), Some(Some(start + PUT_BACK * 3)));

        pending.hurry(start);
        let (_, part, failures) = pending.take_due(start).ok().unwrap();
        assert_eq!((part.seqs.clone(), failures), (vec![4, 12, 16], 1));
        pending.push(&trace(9, None), 20);
        pending.written(slow, &part, start);
        let (_, part, _) = pending.take_due(start).ok().expect("it has not caught up");
        pending.written(slow, &part, start);
        pending.push(&trace(12, None), 24);
        assert!(pending.is_ready());
        assert_eq!((pending.count(), pending.put_back_seqs().len()), (1, 0));
    }

    #[test]
    fn who_is_put_back_costs_others_nothing() {
        let (mut pending, now) = (Pending::default(), Instant::now());
        let large = |n| TraceRecord { sealed_detail: vec![1; 1 << 20], ..trace(n, None) };
        pending.push(&large(0), 4);
        let (_, mut parts) = pending.take();
        let (slow, part) = parts.remove(0);
        pending.put_back(slow, part, now);
        (0..100).for_each(|n| pending.push(&large(n * 3), 8 + n * 4));
        assert!(pending.bytes < BYTES_MAX / PUT_BACK_SHARE + (1 << 20), "{}", pending.bytes);
        pending.push(&large(1), 1_000);
        assert!(pending.take().1[0].1.bytes() > 1 << 20, "another's keeps its content");
    }
}
