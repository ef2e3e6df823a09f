//! `[cache]`.

use super::{layers::Fault, section::section};

section! {
    /// What the answer cache may take.
    Cache {
        /// Bytes that all tenants' answers together take in this node's memory; above it the tenant that holds most gives way.
        memory_bytes_max: usize = 256 * 1024 * 1024;
        /// Bytes that one tenant's answers take in this node's memory; above it the answer that was not used for longest leaves.
        tenant_bytes_max: usize = 32 * 1024 * 1024;
        /// Bytes of an answer that is kept, in memory and in Redis; a longer one is not.
        answer_bytes_max: usize = 1024 * 1024;
        /// How long a request waits for the same request that came before it, milliseconds; then it is sent too.
        wait_ms_max: u64 = 60_000;
        /// Requests that wait for one answer at once; further ones are sent too.
        waiters_max: usize = 1_000;
    }
}

impl Cache {
    /// What cannot be.
    pub(super) fn fault(&self) -> Option<Fault> {
        (self.tenant_bytes_max > self.memory_bytes_max).then(|| Fault {
            key: "cache.tenant_bytes_max".into(),
            says: format!("is {}, more than all tenants' together", self.tenant_bytes_max),
            fix: "write at most what `memory_bytes_max` says".into(),
        })
    }
}
