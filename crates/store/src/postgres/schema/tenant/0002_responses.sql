-- Responses that callers may ask for again and go on from. `bytes` is what the sealed columns take.

CREATE TABLE insula_tenant.responses (
    tenant_id UUID NOT NULL DEFAULT NULLIF(current_setting('app.current_tenant', true), '')::uuid
        REFERENCES insula_tenant.homes (tenant_id) ON DELETE CASCADE,
    response BYTEA NOT NULL,
    previous BYTEA,
    end_user BYTEA,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    sealed_input BYTEA NOT NULL,
    sealed_response BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, response)
);

CREATE INDEX responses_by_expiry ON insula_tenant.responses (tenant_id, expires_at);

-- What is sealed does not compress.
ALTER TABLE insula_tenant.responses ALTER COLUMN sealed_input SET STORAGE EXTERNAL;
ALTER TABLE insula_tenant.responses ALTER COLUMN sealed_response SET STORAGE EXTERNAL;

GRANT SELECT, INSERT, DELETE ON insula_tenant.responses TO insula_tenant;

ALTER TABLE insula_tenant.responses ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON insula_tenant.responses TO insula_tenant
    USING (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid);
