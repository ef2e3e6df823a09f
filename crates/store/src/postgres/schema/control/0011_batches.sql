-- Batches that are not over, for some node to run: up to `claimed_until` nobody else takes one. No content: that is the tenant's.

CREATE TABLE insula_control.batch_runs (
    batch BYTEA NOT NULL PRIMARY KEY,
    tenant BYTEA NOT NULL,
    queued_at BIGINT NOT NULL,
    claimed_until BIGINT NOT NULL
);

CREATE INDEX batch_runs_by_tenant ON insula_control.batch_runs (tenant, batch);

GRANT SELECT, INSERT, UPDATE, DELETE ON insula_control.batch_runs TO insula_control;

ALTER TABLE insula_control.batch_runs ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY control ON insula_control.batch_runs TO insula_control USING (true) WITH CHECK (true);
