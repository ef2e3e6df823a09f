-- Where the truth comes after an estimate, a second row holds the differences.

CREATE TABLE corrected_ledger (
    attempt BLOB NOT NULL,
    -- 0 is the attempt's row; 1 holds what to add to its tokens, its cost and its mark as an estimate.
    correction INTEGER NOT NULL,
    request BLOB NOT NULL,
    tenant BLOB NOT NULL,
    key_id BLOB,
    reserved_at INTEGER NOT NULL,
    operation TEXT NOT NULL,
    cause TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    price_row TEXT NOT NULL,
    reserved INTEGER NOT NULL,
    input_tokens_max INTEGER NOT NULL,
    output_tokens_max INTEGER NOT NULL,
    settled_at INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    input_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    estimated INTEGER NOT NULL,
    PRIMARY KEY (attempt, correction)
) STRICT, WITHOUT ROWID;

INSERT INTO corrected_ledger (attempt, correction, request, tenant, key_id, reserved_at, operation, cause, provider, model,
    price_row, reserved, input_tokens_max, output_tokens_max, settled_at, outcome, input_tokens, cache_read_tokens,
    cache_write_tokens, output_tokens, reasoning_tokens, cost, estimated)
SELECT attempt, 0, request, tenant, key_id, reserved_at, operation, cause, provider, model, price_row, reserved,
    input_tokens_max, output_tokens_max, settled_at, outcome, input_tokens, cache_read_tokens, cache_write_tokens,
    output_tokens, reasoning_tokens, cost, estimated
FROM ledger ORDER BY attempt;

DROP TABLE ledger;
ALTER TABLE corrected_ledger RENAME TO ledger;

-- The request stands in the index so that the attempts of one are found without reading the rows of all.
CREATE INDEX ledger_by_tenant ON ledger (tenant, reserved_at, request);
CREATE INDEX ledger_by_time ON ledger (reserved_at);
