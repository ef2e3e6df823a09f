//! Every bound of telling webhooks, by name.

use std::time::Duration;

use insula_gate::AddressRange;

/// Bounds of webhooks. All have defaults; each is a key of the configuration reference.
#[derive(Debug, Clone)]
pub struct WebhookSettings {
    /// Webhooks of one tenant, and of the platform.
    pub per_owner_max: u64,
    /// How long one sending may take.
    pub timeout: Duration,
    /// How often a delivery is sent before it is given up.
    pub attempts_max: u32,
    /// The pause before the second sending; later ones grow from it.
    pub retry_first: Duration,
    /// Bytes of a receiver's answer that are read.
    pub answer_bytes_max: usize,
    /// Deliveries that wait for one webhook; what comes on top is not told.
    pub pending_max: u64,
    /// Deliveries of one webhook that the log keeps.
    pub log_max: u64,
    /// How long events are kept.
    pub retention: Duration,
    /// How long after its end a month's statement is announced, so that late settlements are in it.
    pub statement_delay: Duration,
    /// Ranges beyond the public internet in which the platform's webhooks may lie.
    pub allow_private: Vec<AddressRange>,
    /// The same of tenants' webhooks.
    pub tenants_allow_private: Vec<AddressRange>,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self {
            per_owner_max: 32,
            timeout: Duration::from_secs(15),
            attempts_max: 10,
            retry_first: Duration::from_secs(5),
            answer_bytes_max: 16 * 1024,
            pending_max: 10_000,
            log_max: 10_000,
            retention: Duration::from_secs(30 * 24 * 60 * 60),
            statement_delay: Duration::from_secs(10 * 60),
            allow_private: Vec::new(),
            tenants_allow_private: Vec::new(),
        }
    }
}
