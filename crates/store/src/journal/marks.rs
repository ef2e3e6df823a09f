//! Where each tenant's latest trace stands, roughly: so that a read knows whether there is anything to wait for.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use insula_model::TenantId;

const MARKS: usize = 1024;

/// For each tenant a number not below its latest trace's. Tenants share marks by chance; that costs a read a needless
/// wait and nothing else.
pub(super) struct Marks(Vec<AtomicU64>);

impl Default for Marks {
    fn default() -> Self {
        Self((0..MARKS).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Marks {
    /// A trace of `tenant` was written as record `seq` or before it.
    pub(super) fn raise(&self, tenant: TenantId, seq: u64) {
        self.mark(tenant).fetch_max(seq, SeqCst);
    }

    /// Traces of `tenant` stand at this record or before it.
    pub(super) fn latest(&self, tenant: TenantId) -> u64 {
        self.mark(tenant).load(SeqCst)
    }

    fn mark(&self, tenant: TenantId) -> &AtomicU64 {
        // The last bytes of an id are chance.
        let [.., a, b] = *tenant.as_bytes();
        &self.0[usize::from(u16::from_be_bytes([a, b])) % MARKS]
    }
}
