//! The search: all that count are compared where they are few, else the index is followed.

use insula_model::{DocumentId, Error, Result};
use tokio_postgres::{Row, types::ToSql};

use super::{
    statements::{Filtered, Statements},
    write::number,
};
use crate::{
    postgres::PgTx,
    vectors::{Index, Near, Nearest},
};

/// The index is one for all tenants. It is followed where at least one in so many of its vectors counts: of fewer, those that it
/// finds are too seldom the nearest (measured: recall of 10 at one in 10 is 1.0, at one in 50 0.96; docs/decisions/0009).
const SHARE_ONE_IN: usize = 4;
/// Ways that the index keeps open at once, for each chunk that is wanted; and within which bounds (pgvector takes 1,000).
const OPEN_PER_WANTED: usize = 4;
const OPEN_MIN: usize = 200;
const OPEN_MAX: usize = 1_000;
/// Chunks that are taken from the index for each that is wanted: it gives them in almost the right order.
const TAKEN_PER_WANTED: usize = 2;
/// Vectors that one search may look at in the index before it is content with what it found; then all are compared instead.
const SCAN_TUPLES_MAX: u32 = 40_000;
/// Memory for that, as a multiple of the database's `work_mem`.
const SCAN_MEMORY: u32 = 4;

/// Which documents count, in as few names as may be.
pub(super) enum Counting {
    All,
    Only(Vec<DocumentId>),
    But(Vec<DocumentId>),
}

impl Counting {
    /// The documents of an index that count, and how many chunks they have.
    pub(super) fn of(index: &Index, counts: Option<&[bool]>) -> (Self, usize) {
        let Some(counts) = counts else { return (Self::All, index.entries().len()) };
        let chunks = index.entries().iter().filter(|entry| counts[entry.document as usize]).count();
        let those = |wanted: bool| -> Vec<DocumentId> {
            index.documents().zip(counts).filter(|(_, counts)| **counts == wanted).map(|(id, _)| id).collect()
        };
        let counting = counts.iter().filter(|counts| **counts).count();
        let filter = if counting == counts.len() {
            Self::All
        } else if counting * 2 <= counts.len() {
            Self::Only(those(true))
        } else {
            Self::But(those(false))
        };
        (filter, chunks)
    }

    fn statement(&self, of: &Filtered) -> &'static str {
        match self {
            Self::All => of.all,
            Self::Only(_) => of.only,
            Self::But(_) => of.but,
        }
    }

    fn named(&self) -> &[DocumentId] {
        match self {
            Self::All => &[],
            Self::Only(named) | Self::But(named) => named,
        }
    }
}

/// The nearest chunks that count, the best first.
pub(super) async fn nearest(
    tx: &PgTx,
    statements: &Statements,
    exact_max: usize,
    index: &Index,
    ask: &Nearest,
) -> Result<Vec<Near>> {
    let (counting, chunks) = Counting::of(index, ask.counts.as_deref());
    let limit = ask.limit.min(chunks);
    if limit == 0 {
        return Ok(Vec::new());
    }
    // With the values at hand, each time: what serves one tenant well does not serve the next.
    tx.batch("SET LOCAL plan_cache_mode = force_custom_plan").await?;
    let search = Search { tx, space: index.space(), question: ask.vector.to_vec(), counting };
    if chunks > exact_max
        && let Some(near) = statements.near(search.question.len())
        && is_share(chunks, search.all().await?)
    {
        let found = search.by_index(near, limit).await?;
        if found.len() == limit {
            return Ok(found);
        }
    }
    search.run(&statements.exact, limit).await
}

/// Whether enough of an index's vectors count. Where nobody has counted how many it has, they may be too few: comparing all is right
/// whatever there is.
fn is_share(chunks: usize, all: Option<usize>) -> bool {
    all.is_some_and(|all| chunks.saturating_mul(SHARE_ONE_IN) >= all)
}

struct Search<'a> {
    tx: &'a PgTx,
    space: u64,
    question: Vec<f32>,
    counting: Counting,
}

impl Search<'_> {
    /// How many vectors of all tenants the table holds, roughly: as many to a page as the database has last counted, on as many pages as
    /// there are by now. None where it has not counted yet.
    async fn all(&self) -> Result<Option<usize>> {
        let counted = "SELECT (reltuples / relpages * (pg_catalog.pg_relation_size(oid) / current_setting('block_size')::bigint))::bigint \
                       FROM pg_catalog.pg_class WHERE oid = 'insula_tenant.embeddings'::regclass AND reltuples >= 0 AND relpages > 0";
        let rows = self.tx.rows(counted, &[]).await?;
        Ok(rows.first().and_then(|row| usize::try_from(row.get::<_, i64>(0)).ok()))
    }

    /// What the index finds. A sort is as good as forbidden meanwhile, which leaves the planner no other way.
    async fn by_index(&self, near: &Filtered, limit: usize) -> Result<Vec<Near>> {
        let open = (limit * OPEN_PER_WANTED).clamp(OPEN_MIN, OPEN_MAX);
        let set = format!(
            "SET LOCAL enable_sort = off; SET LOCAL hnsw.iterative_scan = relaxed_order; SET LOCAL hnsw.ef_search = {open}; \
             SET LOCAL hnsw.max_scan_tuples = {SCAN_TUPLES_MAX}; SET LOCAL hnsw.scan_mem_multiplier = {SCAN_MEMORY}"
        );
        self.tx.batch(&set).await?;
        let mut found = self.run(near, limit * TAKEN_PER_WANTED).await?;
        self.tx.batch("SET LOCAL enable_sort = on").await?;
        found.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.chunk.cmp(&b.chunk)));
        found.truncate(limit);
        Ok(found)
    }

    async fn run(&self, of: &Filtered, limit: usize) -> Result<Vec<Near>> {
        let (space, dimension) = (number(self.space)?, number(self.question.len() as u64)?);
        let limit = number(limit as u64)?;
        let named: Vec<&[u8]> = self.counting.named().iter().map(|id| id.as_bytes().as_slice()).collect();
        let mut params: Vec<&(dyn ToSql + Sync)> = vec![&self.question, &space, &dimension, &limit];
        if !matches!(self.counting, Counting::All) {
            params.push(&named);
        }
        let rows = self.tx.rows(self.counting.statement(of), &params).await?;
        rows.iter().map(near).collect()
    }
}

fn near(row: &Row) -> Result<Near> {
    let chunk = u64::try_from(row.get::<_, i64>("chunk")).map_err(Error::internal)?;
    Ok(Near { chunk, score: row.get::<_, f64>("score") as f32 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_followed_where_enough_of_it_counts_and_that_is_known() {
        assert!(is_share(25_000, Some(100_000)) && is_share(25_000, Some(0)));
        assert!(!is_share(24_999, Some(100_000)));
        assert!(!is_share(1_000_000, None), "nobody has counted");
    }
}
