-- What keeping a tenant apart added to an attempt's input: a part of its tokens, by class, and of its cost.

ALTER TABLE insula_control.ledger
    ADD COLUMN isolation_input_tokens BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN isolation_cache_read_tokens BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN isolation_cache_write_tokens BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN isolation_cache_write_1h_tokens BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN isolation_cost BIGINT NOT NULL DEFAULT 0;
