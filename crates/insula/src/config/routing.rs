//! `[routing]`.

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};

use super::{layers::Fault, section::section};

const THREE: NonZeroU32 = NonZeroU32::MIN.saturating_add(2);
const HALF: NonZeroU32 = NonZeroU32::MIN.saturating_add(49);
const TEN: NonZeroUsize = NonZeroUsize::MIN.saturating_add(9);

/// Outcomes of one model that the engine keeps.
const OUTCOMES_KEPT: usize = 128;

/// A number that cannot be zero, from one that is not.
const fn from_one(number: u64) -> NonZeroU64 {
    NonZeroU64::MIN.saturating_add(number - 1)
}

section! {
    /// How failed attempts are followed by others, and which models are not tried at all.
    Routing {
        /// Attempts at one request together, the first included. A tenant may want fewer, never more.
        attempts_max: NonZeroU32 = THREE;
        /// How long after a request arrived another attempt may begin, milliseconds.
        retry_within_ms_max: u64 = 180_000;
        /// How long about a model that failed is left alone before the same request tries it again, milliseconds; each further time twice as long. Another model or provider is tried at once.
        retry_wait_ms_first: NonZeroU64 = from_one(200);
        /// The longest such wait, milliseconds. A provider that asks for more (`retry-after`) is not waited for.
        retry_wait_ms_max: u64 = 10_000;
        /// From which share of failures on a model of a provider is left alone for a while, percent. Only failures of the provider count: not what it refuses, and not its limits on pace.
        circuit_failures_percent: NonZeroU32 = HALF;
        /// From how many outcomes on that is judged; at most 128 of the latest are kept of each tenant.
        circuit_outcomes_min: NonZeroUsize = TEN;
        /// How old an outcome may be to count, milliseconds.
        circuit_window_ms: NonZeroU64 = from_one(30_000);
        /// For how long it is left alone, milliseconds; then one request at a time tries it. Each that fails doubles it, up to 16 times; where it is closed for everybody, each of another tenant than the one before.
        circuit_open_ms: NonZeroU64 = from_one(10_000);
    }
}

impl Routing {
    /// What cannot be.
    pub(super) fn fault(&self) -> Option<Fault> {
        let (percent, outcomes) = (self.circuit_failures_percent.get(), self.circuit_outcomes_min.get());
        if percent > 100 {
            return Some(Fault {
                key: "routing.circuit_failures_percent".into(),
                says: format!("is {percent}, more than all"),
                fix: "write percent from 1 to 100, such as 50".into(),
            });
        }
        (outcomes > OUTCOMES_KEPT).then(|| Fault {
            key: "routing.circuit_outcomes_min".into(),
            says: format!("is {outcomes}, more than are kept"),
            fix: "write a number from 1 to 128, such as 10".into(),
        })
    }
}
