-- What a tenant was given back; only ever inserted.

CREATE TABLE insula_control.credits (
    id BYTEA NOT NULL PRIMARY KEY,
    tenant BYTEA NOT NULL,
    -- The first moment of the month on whose statement it stands.
    month_at BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    reason TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    -- The operator's key that gave it.
    by_key BYTEA NOT NULL
);

CREATE INDEX credits_by_tenant ON insula_control.credits (tenant, month_at);

-- DELETE is for the erasure of a tenant.
GRANT SELECT, INSERT, DELETE ON insula_control.credits TO insula_control;
GRANT SELECT ON insula_control.credits TO insula_tenant;

ALTER TABLE insula_control.credits ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY control ON insula_control.credits TO insula_control USING (true) WITH CHECK (true);
CREATE POLICY tenant ON insula_control.credits FOR SELECT TO insula_tenant
    USING (tenant = uuid_send(NULLIF(current_setting('app.current_tenant', true), '')::uuid));
