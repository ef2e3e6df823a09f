//! Every bound of the request path, by name.

use std::time::Duration;

use crate::{
    WebhookSettings, batches::BatchSettings, cache::CacheSettings, files::FileSettings, knowledge::KnowledgeSettings,
    queue::QueueSettings, route::RouteSettings,
};

/// Bounds of the request path. All have defaults; each is a key of the configuration reference.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// Requests under way on this node at once; further ones queue.
    pub inflight_max: u32,
    /// Bytes that all large whole answers together may hold in memory.
    pub answers_bytes_max: u64,
    /// How long a line may be, and how much one tenant may hold.
    pub queue: QueueSettings,
    /// How failed attempts are followed by others, and what is not tried at all.
    pub routing: RouteSettings,
    /// How long a request waits for money that others hold.
    pub budget_wait_max: Duration,
    /// How many requests of one tenant wait for money at once.
    pub budget_waiters_max: usize,
    /// Output tokens per choice reserved under a hard budget when the caller states no maximum.
    pub output_tokens_default: u64,
    /// The fewest output tokens per choice that are worth sending under a hard budget.
    pub output_tokens_floor: u64,
    /// How long an answer whose caller left is drained for its true usage.
    pub drain_max: Duration,
    /// How many such answers of one tenant are drained at once.
    pub drains_per_tenant_max: usize,
    /// How long response headers of a stream wait for its first content.
    pub header_wait_max: Duration,
    /// After how long a silent stream gets a comment.
    pub heartbeat: Duration,
    /// Bytes of request and of answer that a trace keeps, each.
    pub trace_content_bytes_max: usize,
    /// Bytes of an answer that are kept for replay under an `Idempotency-Key`.
    pub idempotency_transcript_bytes_max: usize,
    /// How long an answer is kept for replay.
    pub idempotency_ttl: Duration,
    /// How long a request waits for its twin with the same `Idempotency-Key`.
    pub idempotency_wait_max: Duration,
    /// Bounds of the answer cache.
    pub cache: CacheSettings,
    /// Whether an attempt waits for its record to reach the disk before it is sent, not only before it is answered.
    pub sync_before_send: bool,
    /// Bounds of tenants' files.
    pub files: FileSettings,
    /// Bounds of batches.
    pub batches: BatchSettings,
    /// Bounds of documents and searches.
    pub knowledge: KnowledgeSettings,
    /// Bounds of webhooks.
    pub webhooks: WebhookSettings,
    /// Bounds of responses that are kept.
    pub responses: ResponsesSettings,
}

/// How much is kept of responses, and for how long.
#[derive(Debug, Clone)]
pub struct ResponsesSettings {
    /// How long one is kept.
    pub ttl: Duration,
    /// How many of a tenant are kept; the oldest go first.
    pub count_max: u64,
    /// How many bytes of them, requests and answers together.
    pub bytes_max: u64,
    /// How large a request may become with all that was said before in front of it.
    pub conversation_bytes_max: usize,
}

impl Default for ResponsesSettings {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(30 * 24 * 60 * 60),
            count_max: 100_000,
            bytes_max: 1024 * 1024 * 1024,
            conversation_bytes_max: 32 * 1024 * 1024,
        }
    }
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            inflight_max: 10_000,
            answers_bytes_max: 1024 * 1024 * 1024,
            queue: QueueSettings::default(),
            routing: RouteSettings::default(),
            budget_wait_max: Duration::from_secs(30),
            budget_waiters_max: 1_000,
            output_tokens_default: 4_096,
            output_tokens_floor: 256,
            drain_max: Duration::from_secs(2),
            drains_per_tenant_max: 8,
            header_wait_max: Duration::from_secs(2),
            heartbeat: Duration::from_secs(10),
            trace_content_bytes_max: 64 * 1024,
            idempotency_transcript_bytes_max: 4 * 1024 * 1024,
            idempotency_ttl: Duration::from_secs(24 * 60 * 60),
            idempotency_wait_max: Duration::from_secs(60),
            cache: CacheSettings::default(),
            sync_before_send: false,
            files: FileSettings::default(),
            batches: BatchSettings::default(),
            knowledge: KnowledgeSettings::default(),
            webhooks: WebhookSettings::default(),
            responses: ResponsesSettings::default(),
        }
    }
}
