//! `[queue]`.

use std::num::NonZeroU32;

use super::{layers::Fault, section::section};

/// Half of what there is.
const HALF: NonZeroU32 = NonZeroU32::MIN.saturating_add(49);

section! {
    /// How requests wait for their turn.
    Queue {
        /// Requests of one tenant that wait at once, unless its limits say otherwise (`queue_depth_max`); a further one answers 429.
        depth_max: u32 = 100;
        /// How long a request waits for its turn, unless its tenant's limits say otherwise (`queue_wait_ms_max`), milliseconds; then it answers 429.
        wait_ms_max: u32 = 30_000;
        /// Requests of all tenants that wait on this node at once; above it callers get 503.
        waiting_max: u32 = 10_000;
        /// The most of a model's seats at its provider, and of this node's (`bounds.inflight_max`), that one tenant holds, percent, rounded up. A tenant with more weight than the others have on average may hold what its weight gives it. The last tenth of the seats is for tenants below their fair share.
        seats_share_max: NonZeroU32 = HALF;
    }
}

impl Queue {
    /// What cannot be.
    pub(super) fn fault(&self) -> Option<Fault> {
        let percent = self.seats_share_max.get();
        (percent > 100).then(|| Fault {
            key: "queue.seats_share_max".into(),
            says: format!("is {percent}, more than all"),
            fix: "write percent from 1 to 100, such as 50".into(),
        })
    }
}
