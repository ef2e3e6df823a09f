//! Corrections for tests: as a node writes them whose attempt was given up for lost.

use insula_model::{Result, Window};

use super::{Control, accounts};
use crate::{End, LedgerRow, query::args};

impl Control {
    /// Writes what `real` differs in from the row that stands, and moves the accounts by that.
    pub(crate) async fn correct(&self, row: &LedgerRow, real: &End) -> Result<()> {
        let (begin, end) = (&row.begin, &row.end);
        let less = |real: u64, estimate: u64| real as i64 - estimate as i64;
        let (now, was) = (&real.tokens, &end.tokens);
        let (apart, was_apart) = (&real.isolation, &end.isolation);
        let cost = (real.cost - end.cost).pico() as i64;
        let mut tx = self.db.write().await?;
        tx.exec(
            "INSERT INTO ledger (attempt, correction, request, tenant, key_id, reserved_at, operation, cause, provider, model, \
             price_row, reserved, input_tokens_max, output_tokens_max, settled_at, outcome, input_tokens, cache_read_tokens, \
             cache_write_tokens, output_tokens, reasoning_tokens, cost, estimated, entry, queued_us, \
             cache_write_1h_tokens, isolation_input_tokens, isolation_cache_read_tokens, isolation_cache_write_tokens, \
             isolation_cache_write_1h_tokens, isolation_cost, credential) VALUES ($1, 1, $2, $3, $4, $5, $6, $7, $8, $9, \
             $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, (SELECT MAX(entry) + 1 FROM ledger), 0, $23, $24, $25, $26, $27, $28, $29)",
            args![
                begin.attempt,
                begin.request,
                begin.tenant,
                begin.key,
                begin.reserved_at,
                begin.operation,
                begin.cause,
                begin.provider,
                begin.model,
                begin.price_row,
                begin.reserved,
                begin.input_tokens_max,
                begin.output_tokens_max,
                real.settled_at,
                real.outcome,
                less(now.input, was.input),
                less(now.cache_read, was.cache_read),
                less(now.cache_write, was.cache_write),
                less(now.output, was.output),
                less(now.reasoning, was.reasoning),
                cost,
                i64::from(real.estimated) - i64::from(end.estimated),
                less(now.cache_write_1h, was.cache_write_1h),
                less(apart.tokens.input, was_apart.tokens.input),
                less(apart.tokens.cache_read, was_apart.tokens.cache_read),
                less(apart.tokens.cache_write, was_apart.tokens.cache_write),
                less(apart.tokens.cache_write_1h, was_apart.tokens.cache_write_1h),
                (apart.cost - was_apart.cost).pico() as i64,
                begin.attribution.credential,
            ],
        )
        .await?;
        let hour = Window::Hour.span(begin.reserved_at).start;
        let tokens = less(now.total(), was.total());
        for subject in accounts(begin) {
            let moved = "UPDATE spend_hour SET money = money + $3, tokens = tokens + $4 WHERE subject = $1 AND hour = $2";
            tx.exec(moved, args![subject, hour, cost, tokens]).await?;
        }
        tx.commit().await
    }
}
