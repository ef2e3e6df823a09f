//! What the configuration says of the engine, in its terms.

use std::{num::NonZeroU32, time::Duration};

use insula_engine::{
    CacheSettings, EngineSettings, QueueSettings, ResponsesSettings, RouteSettings, WebhookSettings,
    batches::BatchSettings,
    files::FileSettings,
    knowledge::{KnowledgeSettings, LocalModels, ProviderModel},
};

use insula_ingest::sanitise::{Policy, Severity};

use crate::config::{self, Config, Instructions, Mode};

/// The engine's settings.
pub(crate) fn engine_settings(config: &Config, local_models: LocalModels) -> EngineSettings {
    let (bounds, budgets, queue) = (&config.bounds, &config.budgets, &config.queue);
    EngineSettings {
        inflight_max: bounds.inflight_max,
        answers_bytes_max: bounds.answers_bytes_max,
        queue: QueueSettings {
            depth_max: queue.depth_max,
            wait_max: Duration::from_millis(queue.wait_ms_max.into()),
            waiting_max: queue.waiting_max,
            seats_share_max: queue.seats_share_max.get(),
        },
        routing: route_settings(&config.routing),
        budget_wait_max: Duration::from_millis(budgets.wait_ms_max),
        budget_waiters_max: budgets.waiters_max,
        output_tokens_default: budgets.output_tokens_default,
        output_tokens_floor: budgets.output_tokens_floor,
        drain_max: Duration::from_millis(bounds.abandoned_ms_max),
        drains_per_tenant_max: bounds.abandoned_per_tenant_max,
        header_wait_max: Duration::from_millis(bounds.header_wait_ms_max),
        heartbeat: Duration::from_millis(bounds.heartbeat_ms),
        trace_content_bytes_max: bounds.trace_content_bytes_max,
        idempotency_transcript_bytes_max: bounds.idempotency_transcript_bytes_max,
        idempotency_ttl: Duration::from_secs(bounds.idempotency_ttl_seconds),
        idempotency_wait_max: Duration::from_millis(bounds.idempotency_wait_ms_max),
        responses: ResponsesSettings {
            ttl: Duration::from_secs(bounds.responses_ttl_seconds),
            count_max: bounds.responses_per_tenant_max,
            bytes_max: bounds.responses_bytes_per_tenant_max,
            conversation_bytes_max: bounds.conversation_bytes_max,
        },
        cache: cache_settings(&config.cache),
        sync_before_send: config.durability.mode == Mode::Strict,
        files: file_settings(&config.files),
        batches: batch_settings(&config.batches),
        knowledge: KnowledgeSettings { local_models, ..knowledge_settings(config) },
        webhooks: webhook_settings(&config.webhooks),
    }
}

fn route_settings(routing: &config::Routing) -> RouteSettings {
    RouteSettings {
        attempts_max: routing.attempts_max.get(),
        retry_within: Duration::from_millis(routing.retry_within_ms_max),
        retry_wait_first: Duration::from_millis(routing.retry_wait_ms_first.get()),
        retry_wait_max: Duration::from_millis(routing.retry_wait_ms_max),
        circuit_failures_percent: routing.circuit_failures_percent.get(),
        circuit_outcomes_min: routing.circuit_outcomes_min.get(),
        circuit_window: Duration::from_millis(routing.circuit_window_ms.get()),
        circuit_open: Duration::from_millis(routing.circuit_open_ms.get()),
    }
}

fn cache_settings(cache: &config::Cache) -> CacheSettings {
    CacheSettings {
        memory_bytes_max: cache.memory_bytes_max,
        tenant_bytes_max: cache.tenant_bytes_max,
        answer_bytes_max: cache.answer_bytes_max,
        wait_max: Duration::from_millis(cache.wait_ms_max),
        waiters_max: cache.waiters_max,
    }
}

fn file_settings(files: &config::Files) -> FileSettings {
    FileSettings {
        file_bytes_max: files.file_bytes_max.get(),
        per_tenant_max: files.per_tenant_max.get(),
        tenant_bytes_max: files.tenant_bytes_max,
    }
}

fn batch_settings(batches: &config::Batches) -> BatchSettings {
    BatchSettings {
        running_max: batches.running_max,
        running_per_tenant_max: batches.running_per_tenant_max.get(),
        lines_at_once_max: batches.lines_at_once_max.get() as usize,
        active_per_tenant_max: batches.active_per_tenant_max,
        lines_max: batches.lines_max.get(),
        line_bytes_max: batches.line_bytes_max.get() as usize,
        line_attempts_max: batches.line_attempts_max.get(),
        embedding_inputs_max: batches.embedding_inputs_max.get(),
        embedding_input_bytes_max: batches.embedding_input_bytes_max.get(),
        window: Duration::from_secs(batches.window_seconds.get()),
    }
}

fn knowledge_settings(config: &Config) -> KnowledgeSettings {
    let knowledge = &config.knowledge;
    let models = config.embedders.iter().filter_map(|embedder| {
        let (name, dimensions) = (embedder.name.clone(), embedder.dimensions.map(NonZeroU32::get));
        Some(ProviderModel { name, model: embedder.model.clone()?, dimensions })
    });
    KnowledgeSettings {
        document_bytes_max: knowledge.document_bytes_max.get(),
        documents_per_tenant_max: knowledge.documents_per_tenant_max,
        tenant_bytes_max: knowledge.tenant_bytes_max,
        chunks_per_tenant_max: knowledge.chunks_per_tenant_max,
        chunk_characters_max: knowledge.chunk_characters_max.get() as usize,
        chunk_overlap_characters_max: knowledge.chunk_overlap_characters_max as usize,
        policy: match knowledge.instructions {
            Instructions::Neutralise => Policy::Neutralise,
            Instructions::Quarantine => Policy::Quarantine(Severity::High),
            Instructions::Report => Policy::Report,
        },
        reading_max: knowledge.reading_max,
        reading_per_tenant_max: knowledge.reading_per_tenant_max.get(),
        searches_per_tenant_max: knowledge.searches_per_tenant_max.get(),
        embedder: knowledge.embedder.clone(),
        corpus_embedder: knowledge.corpus_embedder.clone(),
        embedders: models.collect(),
        local_models: LocalModels::default(),
        embedding_anew_max: knowledge.embedding_anew_max,
    }
}

fn webhook_settings(webhooks: &config::Webhooks) -> WebhookSettings {
    WebhookSettings {
        per_owner_max: webhooks.per_owner_max.get(),
        timeout: Duration::from_millis(webhooks.timeout_ms_max.get()),
        attempts_max: webhooks.attempts_max.get(),
        retry_first: Duration::from_millis(webhooks.retry_first_ms.get()),
        answer_bytes_max: webhooks.answer_bytes_max,
        pending_max: webhooks.pending_max.get(),
        log_max: webhooks.log_max.get(),
        retention: Duration::from_secs(webhooks.retention_days.get().saturating_mul(24 * 60 * 60)),
        statement_delay: Duration::from_secs(webhooks.statement_delay_seconds),
        allow_private: webhooks.allow_private.clone(),
        tenants_allow_private: webhooks.tenants_allow_private.clone(),
    }
}
