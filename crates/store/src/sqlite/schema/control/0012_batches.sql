-- Batches that are not over, for some node to run: up to `claimed_until` nobody else takes one. No content: that is the tenant's.

CREATE TABLE batch_runs (
    batch BLOB NOT NULL PRIMARY KEY,
    tenant BLOB NOT NULL,
    queued_at INTEGER NOT NULL,
    claimed_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX batch_runs_by_tenant ON batch_runs (tenant, batch);
