//! Counting what was saved: in memory, hour by hour, and written behind the requests.
//!
//! This process writes the whole count of an hour into rows of its own. Writing it again counts nothing twice.

use std::collections::HashMap;

use insula_model::{Random, Result, TenantId, Timestamp, Window};
use insula_store::{CacheHitRow, CacheHits, CacheWriter};
use parking_lot::Mutex;

use super::Made;
use crate::Engine;

/// The hits of this process.
pub(crate) struct Hits {
    writer: CacheWriter,
    counts: Mutex<HashMap<Whose, Count>>,
    /// Held while counts are written, so that none is replaced by an older one.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Whose {
    tenant: TenantId,
    hour: Timestamp,
    model: String,
}

#[derive(Default)]
struct Count {
    hits: CacheHits,
    /// How many of the hits are written.
    written: u64,
}

impl Hits {
    pub fn new(random: &dyn Random) -> Self {
        let mut writer = CacheWriter::default();
        random.fill(&mut writer);
        Self { writer, counts: Mutex::default(), writing: tokio::sync::Mutex::default() }
    }

    /// Counts a hit on an answer.
    pub(super) fn note(&self, tenant: TenantId, now: Timestamp, made: &Made) {
        let whose = Whose { tenant, hour: Window::Hour.span(now).start, model: made.model.clone() };
        let hit = CacheHits { hits: 1, tokens: made.tokens, saved: made.cost };
        self.counts.lock().entry(whose).or_default().hits.add(&hit);
    }

    /// Whether everything is written.
    pub(super) fn is_written(&self) -> bool {
        self.counts.lock().values().all(|count| count.written == count.hits.hits)
    }

    fn unwritten(&self) -> Vec<CacheHitRow> {
        let counts = self.counts.lock();
        let unwritten = counts.iter().filter(|(_, count)| count.written < count.hits.hits);
        let row = |(whose, count): (&Whose, &Count)| CacheHitRow {
            tenant: whose.tenant,
            hour: whose.hour,
            model: whose.model.clone(),
            hits: count.hits,
        };
        let mut rows: Vec<CacheHitRow> = unwritten.map(row).collect();
        // Two nodes with the same ones wait for each other in one order.
        rows.sort_by(|one, other| (one.tenant, one.hour, &one.model).cmp(&(other.tenant, other.hour, &other.model)));
        rows
    }

    /// Notes what is written, and forgets hours that are over.
    fn wrote(&self, rows: Vec<CacheHitRow>, now: Timestamp) {
        let mut counts = self.counts.lock();
        for CacheHitRow { tenant, hour, model, hits } in rows {
            if let Some(count) = counts.get_mut(&Whose { tenant, hour, model }) {
                count.written = hits.hits;
            }
        }
        let hour = Window::Hour.span(now).start;
        counts.retain(|whose, count| whose.hour >= hour || count.written < count.hits.hits);
    }
}

/// Writes what is counted and not written yet.
///
/// # Errors
/// When storage fails; the counts stay for the next time.
pub(crate) async fn write(engine: &Engine) -> Result<()> {
    let hits = &engine.answers.hits;
    let _writing = hits.writing.lock().await;
    let rows = hits.unwritten();
    if !rows.is_empty() {
        engine.store.control().keep_cache_hits(hits.writer, &rows).await?;
    }
    hits.wrote(rows, engine.clock.now());
    Ok(())
}
