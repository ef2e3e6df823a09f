-- A tenant's own credentials at providers, sealed. The tenant's record says which of them counts.

CREATE TABLE insula_tenant.provider_credentials (
    tenant_id UUID NOT NULL DEFAULT NULLIF(current_setting('app.current_tenant', true), '')::uuid
        REFERENCES insula_tenant.homes (tenant_id) ON DELETE CASCADE,
    credential BYTEA NOT NULL,
    provider TEXT NOT NULL,
    stored_at BIGINT NOT NULL,
    sealed_secret BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, credential)
);

GRANT SELECT, INSERT, DELETE ON insula_tenant.provider_credentials TO insula_tenant;

ALTER TABLE insula_tenant.provider_credentials ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON insula_tenant.provider_credentials TO insula_tenant
    USING (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid);
