-- What a tenant says of itself, sealed: what holds for it above what stands in reference corpora.

CREATE TABLE insula_tenant.profile (
    tenant_id UUID NOT NULL DEFAULT NULLIF(current_setting('app.current_tenant', true), '')::uuid
        REFERENCES insula_tenant.homes (tenant_id) ON DELETE CASCADE,
    id BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    sealed_profile BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON insula_tenant.profile TO insula_tenant;

ALTER TABLE insula_tenant.profile ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON insula_tenant.profile TO insula_tenant
    USING (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid);
