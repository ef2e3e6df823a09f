//! `[bounds]`.

use super::section::section;

section! {
    /// The most of everything.
    Bounds {
        /// Connections open at once; further ones wait until one closes.
        connections_max: usize = 20_000;
        /// How long a connection may take to send a request's head; also how long an idle one is kept, milliseconds.
        header_read_ms_max: u64 = 30_000;
        /// How long a request's body may stand still before it is given up, milliseconds.
        body_idle_ms_max: u64 = 30_000;
        /// Bytes of a request's body on the data plane; a longer one answers 413.
        body_bytes_max: usize = 32 * 1024 * 1024;
        /// Bytes that all large request bodies together may hold in memory; above it callers get 503.
        bodies_bytes_max: u64 = 1024 * 1024 * 1024;
        /// Bytes that all large whole answers together may hold in memory until their callers have taken them, those of one tenant a quarter
        /// of it; above it callers get 503. Keep it above four times the largest `response_bytes_max`.
        answers_bytes_max: u64 = 1024 * 1024 * 1024;
        /// How long a peer may take nothing of its answer before its connection is given up, milliseconds.
        write_idle_ms_max: u64 = 30_000;
        /// Requests under way on this node at once, open streams included; further ones wait in the queue.
        inflight_max: u32 = 10_000;
        /// How long an answer whose caller left is read on for its true usage, milliseconds.
        abandoned_ms_max: u64 = 2_000;
        /// How many such answers of one tenant are read on at once.
        abandoned_per_tenant_max: usize = 8;
        /// How long the response headers of a stream wait for its first content, milliseconds.
        header_wait_ms_max: u64 = 2_000;
        /// After how long a silent stream gets a comment, milliseconds.
        heartbeat_ms: u64 = 10_000;
        /// Bytes of the request and of the answer that a trace keeps, each.
        trace_content_bytes_max: usize = 64 * 1024;
        /// Bytes of an answer that are kept for replay under an `Idempotency-Key`; a longer one answers 409.
        idempotency_transcript_bytes_max: usize = 4 * 1024 * 1024;
        /// How long an answer is kept for replay, seconds.
        idempotency_ttl_seconds: u64 = 24 * 60 * 60;
        /// How long a request waits for its twin with the same `Idempotency-Key`, milliseconds.
        idempotency_wait_ms_max: u64 = 60_000;
        /// How long a response of `/v1/responses` is kept, to be asked for and gone on from, seconds.
        responses_ttl_seconds: u64 = 30 * 24 * 60 * 60;
        /// Responses of one tenant that are kept; of more the oldest are forgotten.
        responses_per_tenant_max: u64 = 100_000;
        /// Bytes of one tenant's responses that are kept, their requests included; of more the oldest are forgotten.
        responses_bytes_per_tenant_max: u64 = 1024 * 1024 * 1024;
        /// Bytes of a request with all that `previous_response_id` puts in front of it; a longer one answers 413.
        conversation_bytes_max: usize = 32 * 1024 * 1024;
    }
}
