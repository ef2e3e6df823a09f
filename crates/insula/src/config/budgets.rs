//! `[budgets]`.

use super::section::section;

section! {
    /// How spending is reserved.
    Budgets {
        /// How long a request waits for money that others' open requests hold, milliseconds.
        wait_ms_max: u64 = 30_000;
        /// How many requests of one tenant wait for money at once.
        waiters_max: usize = 1_000;
        /// Output tokens a choice that are reserved under a hard budget when the caller states no maximum.
        output_tokens_default: u64 = 4_096;
        /// The fewest output tokens a choice that are worth sending under a hard budget.
        output_tokens_floor: u64 = 256;
    }
}
