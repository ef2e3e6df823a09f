//! A row of the ledger as JSON.

use std::collections::BTreeMap;

use insula_engine::manage::export::LedgerEntry;
use serde::Serialize;

use crate::wire::{Moment, Usd};

/// What an attempt's row is called.
const ATTEMPT: &str = "insula.attempt";
/// What a row with differences to an attempt's is called.
const CORRECTION: &str = "insula.attempt.correction";

/// A row on a line of its own.
#[derive(Serialize)]
pub(super) struct Line<'a> {
    /// The attempt's id, or that with `.correction` behind it: no other row has it.
    pub(super) id: String,
    /// `insula.attempt` or `insula.attempt.correction`.
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    /// When the attempt was reserved, which decides the month that it belongs to.
    pub(super) time: Moment,
    #[serde(flatten)]
    pub(super) data: Data<'a>,
}

/// What is known of an attempt; a correction has differences in its numbers.
#[derive(Serialize)]
pub(super) struct Data<'a> {
    pub(super) tenant: String,
    /// The key that asked; null for a tenant token.
    pub(super) key: Option<String>,
    pub(super) end_user: Option<String>,
    pub(super) plan: Option<&'a str>,
    pub(super) request: String,
    pub(super) attempt: String,
    pub(super) operation: &'static str,
    pub(super) cause: &'static str,
    pub(super) provider: &'a str,
    pub(super) model: &'a str,
    pub(super) price_row: &'a str,
    pub(super) tokens: Tokens,
    pub(super) cost_usd: Usd,
    /// 1 where the tokens are our estimate; -1 in the correction that takes it back.
    pub(super) estimated: i64,
    pub(super) outcome: &'static str,
    pub(super) queued_ms: f64,
    pub(super) settled_at: Moment,
    pub(super) tags: &'a BTreeMap<String, String>,
    /// How many of the input tokens keep its tenant apart, how many of these came from the provider's cache, and what they cost: a part
    /// of the figures above.
    pub(super) isolation_tokens: i64,
    pub(super) isolation_cached_tokens: i64,
    pub(super) isolation_usd: Usd,
    /// By whose account at the provider: `platform` or `tenant`.
    pub(super) credential: &'static str,
}

/// Tokens by class.
#[derive(Serialize)]
pub(super) struct Tokens {
    pub(super) input: i64,
    pub(super) cache_read: i64,
    pub(super) cache_write: i64,
    pub(super) cache_write_1h: i64,
    pub(super) output: i64,
    pub(super) reasoning: i64,
}

/// A row in the envelope of CloudEvents 1.0: <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>.
#[derive(Serialize)]
pub(super) struct Event<'a> {
    specversion: &'static str,
    id: String,
    source: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    /// The tenant's id: its slug may change hands.
    subject: String,
    time: Moment,
    datacontenttype: &'static str,
    data: Data<'a>,
}

impl<'a> Line<'a> {
    pub(super) fn of(entry: &'a LedgerEntry) -> Self {
        let (begin, tokens) = (&entry.begin, &entry.tokens);
        let (is_correction, attempt) = (entry.is_correction(), begin.attempt.to_string());
        // A wait is told once, with the attempt.
        let queued_us = if is_correction { 0 } else { begin.attribution.queued_us };
        let data = Data {
            tenant: begin.tenant.to_string(),
            key: begin.key.map(|key| key.to_string()),
            end_user: begin.attribution.end_user.map(|end_user| end_user.to_string()),
            plan: begin.attribution.plan.as_deref(),
            request: begin.request.to_string(),
            attempt: attempt.clone(),
            operation: begin.operation.name(),
            cause: begin.cause.name(),
            provider: &begin.provider,
            model: &begin.model,
            price_row: &begin.price_row,
            tokens: Tokens {
                input: tokens.input,
                cache_read: tokens.cache_read,
                cache_write: tokens.cache_write,
                cache_write_1h: tokens.cache_write_1h,
                output: tokens.output,
                reasoning: tokens.reasoning,
            },
            cost_usd: Usd(entry.cost),
            estimated: entry.estimated,
            outcome: entry.outcome.name(),
            queued_ms: queued_us as f64 / 1_000.0,
            settled_at: Moment(entry.settled_at),
            tags: &begin.attribution.tags,
            isolation_tokens: entry.isolation.tokens.input_total(),
            isolation_cached_tokens: entry.isolation.tokens.cache_read,
            isolation_usd: Usd(entry.isolation.cost),
            credential: begin.attribution.credential.name(),
        };
        let (id, kind) = if is_correction { (attempt + ".correction", CORRECTION) } else { (attempt, ATTEMPT) };
        Self { id, kind, time: Moment(begin.reserved_at), data }
    }
}

impl<'a> Event<'a> {
    pub(super) fn of(entry: &'a LedgerEntry) -> Self {
        let Line { id, kind, time, data } = Line::of(entry);
        Self {
            specversion: "1.0",
            id,
            source: "insula",
            kind,
            subject: data.tenant.clone(),
            time,
            datacontenttype: "application/json",
            data,
        }
    }
}
