-- What keeping a tenant apart added to an attempt's input: a part of its tokens, by class, and of its cost.

ALTER TABLE ledger ADD COLUMN isolation_input_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ledger ADD COLUMN isolation_cache_read_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ledger ADD COLUMN isolation_cache_write_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ledger ADD COLUMN isolation_cache_write_1h_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ledger ADD COLUMN isolation_cost INTEGER NOT NULL DEFAULT 0;
