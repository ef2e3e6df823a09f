-- The answer cache: what a tenant wants of it, as JSON, and how often it answered in the place of a provider.

ALTER TABLE insula_control.tenants ADD COLUMN cache TEXT NOT NULL DEFAULT '{}';

CREATE TABLE insula_control.cache_hits (
    tenant BYTEA NOT NULL,
    -- When the hour began.
    hour BIGINT NOT NULL,
    model TEXT NOT NULL,
    -- One run of one process: it alone writes the row, each time with the whole count.
    writer BYTEA NOT NULL,
    hits BIGINT NOT NULL,
    tokens BIGINT NOT NULL,
    -- What the answers had cost.
    saved BIGINT NOT NULL,
    PRIMARY KEY (tenant, hour, model, writer)
);

CREATE INDEX cache_hits_by_hour ON insula_control.cache_hits (hour);

-- DELETE is for the erasure of a tenant.
GRANT SELECT, INSERT, UPDATE, DELETE ON insula_control.cache_hits TO insula_control;
GRANT SELECT ON insula_control.cache_hits TO insula_tenant;

ALTER TABLE insula_control.cache_hits ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY control ON insula_control.cache_hits TO insula_control USING (true) WITH CHECK (true);
CREATE POLICY tenant ON insula_control.cache_hits FOR SELECT TO insula_tenant
    USING (tenant = uuid_send(NULLIF(current_setting('app.current_tenant', true), '')::uuid));
