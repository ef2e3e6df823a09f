//! Records as columns: one statement writes a whole batch.

use std::collections::BTreeMap;

use insula_model::{Result, TokenCounts};

use crate::{
    control::{TagSet, kept},
    postgres::PgTx,
    query::{Field, Val},
    records::{Begin, End},
};

/// A row for the ledger.
pub(super) struct Entry<'a> {
    pub(super) begin: &'a Begin,
    pub(super) end: &'a End,
    /// What it adds to its attempt.
    pub(super) amounts: Amounts,
    /// Whether it corrects the attempt's row.
    pub(super) is_correction: bool,
}

/// What a ledger row adds up to: an attempt's amounts, or the differences between two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Amounts {
    pub(super) tokens: [i64; 6],
    pub(super) cost: i64,
    pub(super) estimated: i64,
    /// What of the tokens kept the tenant apart: input, cache reads, writes, and writes for an hour.
    pub(super) isolation: [i64; 4],
    pub(super) isolation_cost: i64,
}

impl Amounts {
    /// Those of an attempt.
    pub(super) fn of(end: &End) -> Self {
        let TokenCounts { input, cache_read, cache_write, cache_write_1h, output, reasoning } = kept(&end.tokens);
        let tokens = [input, cache_read, cache_write, output, reasoning, cache_write_1h].map(|count| int(&count));
        let TokenCounts { input, cache_read, cache_write, cache_write_1h, .. } = kept(&end.isolation.tokens);
        Self {
            tokens,
            cost: int(&end.cost),
            estimated: i64::from(end.estimated),
            isolation: [input, cache_read, cache_write, cache_write_1h].map(|count| int(&count)),
            isolation_cost: int(&end.isolation.cost),
        }
    }

    /// What is to be added to `other` to make it this.
    pub(super) fn less(&self, other: &Self) -> Self {
        let (mut tokens, mut isolation) = (self.tokens, self.isolation);
        tokens.iter_mut().zip(other.tokens).for_each(|(count, other)| *count = count.saturating_sub(other));
        isolation.iter_mut().zip(other.isolation).for_each(|(count, other)| *count = count.saturating_sub(other));
        Self {
            tokens,
            cost: self.cost.saturating_sub(other.cost),
            estimated: self.estimated - other.estimated,
            isolation,
            isolation_cost: self.isolation_cost.saturating_sub(other.isolation_cost),
        }
    }

    /// Tokens of all classes.
    pub(super) fn tokens_total(&self) -> i64 {
        self.tokens.iter().sum()
    }
}

pub(super) const INSERT: &str = "INSERT INTO ledger (attempt, correction, request, tenant, key_id, reserved_at, operation, cause, provider, \
    model, price_row, reserved, input_tokens_max, output_tokens_max, settled_at, outcome, input_tokens, cache_read_tokens, \
    cache_write_tokens, output_tokens, reasoning_tokens, cost, estimated, end_user, plan, tag_set, queued_us, \
    cache_write_1h_tokens, isolation_input_tokens, isolation_cache_read_tokens, isolation_cache_write_tokens, \
    isolation_cache_write_1h_tokens, isolation_cost, credential) SELECT * FROM unnest($1::bytea[], $2::bigint[], \
    $3::bytea[], $4::bytea[], $5::bytea[], $6::bigint[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], \
    $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::text[], $17::bigint[], $18::bigint[], $19::bigint[], \
    $20::bigint[], $21::bigint[], $22::bigint[], $23::bigint[], $24::bytea[], $25::text[], $26::bytea[], $27::bigint[], $28::bigint[], \
    $29::bigint[], $30::bigint[], $31::bigint[], $32::bigint[], $33::bigint[], $34::text[]) ON CONFLICT DO NOTHING";

/// Inserts rows; how many were not there yet.
pub(super) async fn insert(tx: &PgTx, entries: &[Entry<'_>]) -> Result<u64> {
    if entries.is_empty() {
        return Ok(0);
    }
    let begins = || entries.iter().map(|entry| entry.begin);
    let attributions = || begins().map(|begin| &begin.attribution);
    let ends = || entries.iter().map(|entry| entry.end);
    let ints = |of: fn(&Entry<'_>) -> i64| entries.iter().map(of).collect::<Vec<i64>>();
    let texts = |of: fn(&Begin) -> &str| begins().map(|begin| text(of(begin))).collect::<Vec<String>>();
    let outcomes: Vec<&str> = ends().map(|end| end.outcome.name()).collect();
    tx.run(
        INSERT,
        &[
            &begins().map(|begin| begin.attempt.as_bytes().as_slice()).collect::<Vec<_>>(),
            &ints(|entry| i64::from(entry.is_correction)),
            &begins().map(|begin| begin.request.as_bytes().as_slice()).collect::<Vec<_>>(),
            &begins().map(|begin| begin.tenant.as_bytes().as_slice()).collect::<Vec<_>>(),
            &begins().map(|begin| begin.key.as_ref().map(|key| key.as_bytes().as_slice())).collect::<Vec<_>>(),
            &ints(|entry| entry.begin.reserved_at.micros()),
            &begins().map(|begin| begin.operation.name()).collect::<Vec<_>>(),
            &begins().map(|begin| begin.cause.name()).collect::<Vec<_>>(),
            &texts(|begin| &begin.provider),
            &texts(|begin| &begin.model),
            &texts(|begin| &begin.price_row),
            &ints(|entry| int(&entry.begin.reserved)),
            &ints(|entry| int(&entry.begin.input_tokens_max)),
            &ints(|entry| int(&entry.begin.output_tokens_max)),
            &ints(|entry| entry.end.settled_at.micros()),
            &outcomes,
            &ints(|entry| entry.amounts.tokens[0]),
            &ints(|entry| entry.amounts.tokens[1]),
            &ints(|entry| entry.amounts.tokens[2]),
            &ints(|entry| entry.amounts.tokens[3]),
            &ints(|entry| entry.amounts.tokens[4]),
            &ints(|entry| entry.amounts.cost),
            &ints(|entry| entry.amounts.estimated),
            &attributions().map(|of| of.end_user.as_ref().map(|user| user.as_bytes().as_slice())).collect::<Vec<_>>(),
            &attributions().map(|of| of.plan.as_deref().map(text)).collect::<Vec<_>>(),
            &attributions().map(|of| TagSet::of(&of.tags).map(|set| set.id.to_vec())).collect::<Vec<_>>(),
            &ints(|entry| int(&entry.begin.attribution.queued_us)),
            &ints(|entry| entry.amounts.tokens[5]),
            &ints(|entry| entry.amounts.isolation[0]),
            &ints(|entry| entry.amounts.isolation[1]),
            &ints(|entry| entry.amounts.isolation[2]),
            &ints(|entry| entry.amounts.isolation[3]),
            &ints(|entry| entry.amounts.isolation_cost),
            &attributions().map(|of| of.credential.name()).collect::<Vec<_>>(),
        ],
    )
    .await
}

pub(super) const KEEP_TAGS: &str = "INSERT INTO tag_sets (tenant, id, tags) \
    SELECT s.tenant, s.id, s.tags FROM unnest($1::bytea[], $2::bytea[], $3::text[]) WITH ORDINALITY \
    AS s (tenant, id, tags, place) WHERE EXISTS (SELECT 1 FROM tenants t WHERE t.id = s.tenant) ORDER BY s.place \
    ON CONFLICT DO NOTHING";

/// Keeps the sets of labels that rows point to, in the order of their keys: two nodes with the same sets wait for each other in
/// one order.
pub(super) async fn keep_tags(tx: &PgTx, entries: &[Entry<'_>]) -> Result<()> {
    let set = |entry: &Entry<'_>| {
        let begin = entry.begin;
        TagSet::of(&begin.attribution.tags).map(|set| ((*begin.tenant.as_bytes(), set.id), text(&set.text)))
    };
    let sets: BTreeMap<_, _> = entries.iter().filter_map(set).collect();
    if sets.is_empty() {
        return Ok(());
    }
    let tenants: Vec<&[u8]> = sets.keys().map(|(tenant, _)| tenant.as_slice()).collect();
    let ids: Vec<&[u8]> = sets.keys().map(|(_, id)| id.as_slice()).collect();
    let texts: Vec<&str> = sets.values().map(String::as_str).collect();
    tx.run(KEEP_TAGS, &[&tenants, &ids, &texts]).await.map(drop)
}

/// A number as its column holds it.
pub(super) fn int(value: &impl Field) -> i64 {
    match value.bind() {
        Val::Int(Some(int)) => int,
        _ => 0,
    }
}

/// Text as a column can hold it: PostgreSQL's has no zero characters.
pub(super) fn text(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use insula_model::{Money, Overhead};

    use super::*;
    use crate::journal::tests::samples;

    #[test]
    fn differences_add_up() {
        let mut real = samples::end(1);
        real.isolation = Overhead { tokens: TokenCounts { input: 2, ..TokenCounts::default() }, cost: Money::from_pico(4) };
        let (real, lost) = (real, crate::fold::lost::end(&samples::begin(1), samples::time(9)));
        let (real, lost) = (Amounts::of(&real), Amounts::of(&lost));
        let difference = real.less(&lost);
        let tokens = [10 - 100, 0, 0, 20 - 200, 0, 0];
        let want = Amounts { tokens, cost: 50 - 1_000, estimated: -1, isolation: [2, 0, 0, 0], isolation_cost: 4 };
        assert_eq!(difference, want);
        assert_eq!(lost.tokens_total() + difference.tokens_total(), real.tokens_total());
    }
}
