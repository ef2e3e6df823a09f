-- All tenants' own data, each tenant's rows apart. What a person wrote or a model said is only in the sealed columns.
-- No query names the tenant: the transaction says once for whom it acts, every row is written with that and only such rows are
-- seen. Every key, index and foreign key begins with the tenant, so that none tells of another's values.

CREATE SCHEMA insula_tenant;
GRANT USAGE ON SCHEMA insula_tenant TO insula_tenant;

-- Which steps this schema has taken.
CREATE TABLE insula_tenant.schema_steps (
    name TEXT NOT NULL PRIMARY KEY,
    taken_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- A tenant that may have data here. Erasing a tenant deletes its row, and with it all others of the tenant.
CREATE TABLE insula_tenant.homes (
    tenant_id UUID NOT NULL DEFAULT NULLIF(current_setting('app.current_tenant', true), '')::uuid PRIMARY KEY
);

CREATE TABLE insula_tenant.requests (
    tenant_id UUID NOT NULL DEFAULT NULLIF(current_setting('app.current_tenant', true), '')::uuid
        REFERENCES insula_tenant.homes (tenant_id) ON DELETE CASCADE,
    request BYTEA NOT NULL,
    key_id BYTEA,
    started_at BIGINT NOT NULL,
    duration_us BIGINT NOT NULL,
    operation TEXT NOT NULL,
    model TEXT NOT NULL,
    status BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    sealed_detail BYTEA,
    PRIMARY KEY (tenant_id, request)
);

CREATE TABLE insula_tenant.idempotency (
    tenant_id UUID NOT NULL DEFAULT NULLIF(current_setting('app.current_tenant', true), '')::uuid
        REFERENCES insula_tenant.homes (tenant_id) ON DELETE CASCADE,
    key_hash BYTEA NOT NULL,
    request BYTEA NOT NULL,
    body_hash BYTEA NOT NULL,
    state TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    sealed_transcript BYTEA,
    PRIMARY KEY (tenant_id, key_hash)
);

CREATE INDEX idempotency_by_expiry ON insula_tenant.idempotency (tenant_id, expires_at);

-- What is sealed does not compress.
ALTER TABLE insula_tenant.requests ALTER COLUMN sealed_detail SET STORAGE EXTERNAL;
ALTER TABLE insula_tenant.idempotency ALTER COLUMN sealed_transcript SET STORAGE EXTERNAL;

-- What the role may do, and nothing else.
GRANT SELECT ON insula_tenant.schema_steps TO insula_tenant;
GRANT SELECT, INSERT, DELETE ON insula_tenant.homes TO insula_tenant;
GRANT SELECT, INSERT, UPDATE ON insula_tenant.requests TO insula_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON insula_tenant.idempotency TO insula_tenant;

ALTER TABLE insula_tenant.homes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE insula_tenant.requests ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE insula_tenant.idempotency ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON insula_tenant.homes TO insula_tenant
    USING (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid);
CREATE POLICY tenant ON insula_tenant.requests TO insula_tenant
    USING (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid);
CREATE POLICY tenant ON insula_tenant.idempotency TO insula_tenant
    USING (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid);
