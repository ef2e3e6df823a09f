-- Writes to a provider's cache that keep it for an hour have a price of their own.

ALTER TABLE ledger ADD COLUMN cache_write_1h_tokens INTEGER NOT NULL DEFAULT 0;
