-- What a bill tells besides: for whom, under which plan, with which labels, and how long it waited.

ALTER TABLE insula_control.ledger
    ADD COLUMN end_user BYTEA,
    ADD COLUMN plan TEXT,
    ADD COLUMN tag_set BYTEA,
    ADD COLUMN queued_us BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN entry BIGINT NOT NULL DEFAULT 0;

-- The transaction that wrote a row: an export goes on behind the last of which nothing older can still appear.
ALTER TABLE insula_control.ledger ALTER COLUMN entry SET DEFAULT CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT);

CREATE INDEX ledger_by_entry ON insula_control.ledger (entry, attempt, correction);
CREATE INDEX ledger_by_tenant_entry ON insula_control.ledger (tenant, entry, attempt, correction);

-- Each set of labels once for its tenant, as JSON, under a hash of it.
CREATE TABLE insula_control.tag_sets (
    tenant BYTEA NOT NULL,
    id BYTEA NOT NULL,
    tags TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
);

-- Where a tenant's budget comes from: set for itself, or the default of its plan or segment.
ALTER TABLE insula_control.budgets ADD COLUMN origin TEXT NOT NULL DEFAULT 'own';

ALTER TABLE insula_control.limits
    ADD COLUMN queue_depth_max BIGINT,
    ADD COLUMN queue_wait_ms_max BIGINT,
    ADD COLUMN weight BIGINT,
    ADD COLUMN mode TEXT;

ALTER TABLE insula_control.begun_attempts ADD COLUMN end_user BYTEA;

GRANT SELECT, INSERT, DELETE ON insula_control.tag_sets TO insula_control;
GRANT SELECT ON insula_control.tag_sets TO insula_tenant;

ALTER TABLE insula_control.tag_sets ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY control ON insula_control.tag_sets TO insula_control USING (true) WITH CHECK (true);
CREATE POLICY tenant ON insula_control.tag_sets FOR SELECT TO insula_tenant
    USING (tenant = uuid_send(NULLIF(current_setting('app.current_tenant', true), '')::uuid));
