//! `[batches]`.

use std::num::{NonZeroU32, NonZeroU64};

use super::section::section;

section! {
    /// How batches are run.
    Batches {
        /// Batches that this node runs at once; further ones wait.
        running_max: u32 = 8;
        /// Batches of one tenant that run at once, over all nodes; further ones wait.
        running_per_tenant_max: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);
        /// Lines of one batch under way at once; lines that go together in one call count as one.
        lines_at_once_max: NonZeroU32 = NonZeroU32::MIN.saturating_add(15);
        /// Batches of one tenant that are not over; a further one answers 429.
        active_per_tenant_max: u64 = 100;
        /// Lines of one batch; one with more fails.
        lines_max: NonZeroU64 = NonZeroU64::MIN.saturating_add(49_999);
        /// Bytes of one line; a batch with a longer one fails.
        line_bytes_max: NonZeroU32 = NonZeroU32::MIN.saturating_add(8 * 1024 * 1024 - 1);
        /// How often a line is sent whose provider fails, before that is its result.
        line_attempts_max: NonZeroU32 = NonZeroU32::MIN.saturating_add(2);
        /// Inputs that lines of embeddings for one model with the same parameters make together in one call; 1 sends each line alone.
        /// OpenAI takes 2,048, and Gemini never gets more than its 100. After a crash a call whose answer was longer than
        /// `idempotency_transcript_bytes_max` may be paid again.
        embedding_inputs_max: NonZeroU64 = NonZeroU64::MIN.saturating_add(99);
        /// Bytes of text that they make together; a token in a line that has tokens counts as one. No text has more tokens than
        /// bytes, and OpenAI takes 300,000 tokens.
        embedding_input_bytes_max: NonZeroU64 = NonZeroU64::MIN.saturating_add(299_999);
        /// How long after it was asked for a batch expires, seconds. OpenAI's clients ask for 24 hours.
        window_seconds: NonZeroU64 = NonZeroU64::MIN.saturating_add(24 * 60 * 60 - 1);
    }
}
