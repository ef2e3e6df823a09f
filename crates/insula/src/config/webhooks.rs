//! `[webhooks]`.

use std::num::{NonZeroU32, NonZeroU64};

use insula_gate::AddressRange;

use super::{layers::Fault, section::section};

section! {
    /// How products are told what happens.
    Webhooks {
        /// Webhooks of one tenant, and of the platform.
        per_owner_max: NonZeroU64 = NonZeroU64::MIN.saturating_add(31);
        /// How long one sending may take, from the name to the end of the answer, milliseconds.
        timeout_ms_max: NonZeroU64 = NonZeroU64::MIN.saturating_add(14_999);
        /// How often a delivery is sent before it is given up. Ten times are about three days.
        attempts_max: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);
        /// The pause before a delivery is sent a second time, milliseconds. The pauses after it are 60, 360, 1,440 times as long, and so on to 17,280.
        retry_first_ms: NonZeroU64 = NonZeroU64::MIN.saturating_add(4_999);
        /// Bytes of a receiver's answer that are read, and thrown away.
        answer_bytes_max: usize = 16 * 1024;
        /// Deliveries that wait for one webhook; what comes on top it is not told.
        pending_max: NonZeroU64 = NonZeroU64::MIN.saturating_add(9_999);
        /// Deliveries of one webhook that its log keeps.
        log_max: NonZeroU64 = NonZeroU64::MIN.saturating_add(9_999);
        /// How long events are kept, for the log and to be replayed, days.
        retention_days: NonZeroU64 = NonZeroU64::MIN.saturating_add(29);
        /// How long after the end of a month its statement is announced, so that late settlements are in it, seconds.
        statement_delay_seconds: u64 = 10 * 60;
        /// Ranges of addresses beyond the public internet in which the platform's own webhooks may lie, such as `["10.0.0.0/8"]`.
        allow_private: Vec<AddressRange> = Vec::new();
        /// The same for tenants' webhooks: whatever lies there can be reached by every tenant, also without TLS.
        tenants_allow_private: Vec<AddressRange> = Vec::new();
    }
}

/// The longest that events are kept, in days.
const RETENTION_DAYS_MAX: u64 = 400;

impl Webhooks {
    /// What cannot be.
    pub(super) fn fault(&self) -> Option<Fault> {
        let days = self.retention_days.get();
        (days > RETENTION_DAYS_MAX).then(|| Fault {
            key: "webhooks.retention_days".into(),
            says: format!("is {days}, at most {RETENTION_DAYS_MAX}"),
            fix: "keep events for a shorter time; the ledger keeps what was spent for good".into(),
        })
    }
}
