-- Tenants' files and batches, each tenant's rows apart. Names and chunks are sealed.

CREATE TABLE insula_tenant.files (
    tenant_id UUID NOT NULL DEFAULT NULLIF(current_setting('app.current_tenant', true), '')::uuid
        REFERENCES insula_tenant.homes (tenant_id) ON DELETE CASCADE,
    id BYTEA NOT NULL,
    purpose TEXT NOT NULL,
    state TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    chunks BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    sealed_name BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE insula_tenant.file_chunks (
    tenant_id UUID NOT NULL DEFAULT NULLIF(current_setting('app.current_tenant', true), '')::uuid
        REFERENCES insula_tenant.homes (tenant_id) ON DELETE CASCADE,
    file BYTEA NOT NULL,
    place BIGINT NOT NULL,
    sealed BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, file, place),
    FOREIGN KEY (tenant_id, file) REFERENCES insula_tenant.files (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE insula_tenant.batches (
    tenant_id UUID NOT NULL DEFAULT NULLIF(current_setting('app.current_tenant', true), '')::uuid
        REFERENCES insula_tenant.homes (tenant_id) ON DELETE CASCADE,
    id BYTEA NOT NULL,
    operation TEXT NOT NULL,
    status TEXT NOT NULL,
    waiting TEXT,
    input_file BYTEA NOT NULL,
    output_file BYTEA,
    error_file BYTEA,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    times TEXT NOT NULL,
    total BIGINT NOT NULL,
    completed BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    key_id BYTEA,
    behind BYTEA,
    sealed_detail BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

-- Lines that are done, until the output is written.
CREATE TABLE insula_tenant.batch_lines (
    tenant_id UUID NOT NULL DEFAULT NULLIF(current_setting('app.current_tenant', true), '')::uuid
        REFERENCES insula_tenant.homes (tenant_id) ON DELETE CASCADE,
    batch BYTEA NOT NULL,
    line BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    sealed_result BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, batch, line),
    FOREIGN KEY (tenant_id, batch) REFERENCES insula_tenant.batches (tenant_id, id) ON DELETE CASCADE
);

-- What is sealed does not compress.
ALTER TABLE insula_tenant.file_chunks ALTER COLUMN sealed SET STORAGE EXTERNAL;
ALTER TABLE insula_tenant.batch_lines ALTER COLUMN sealed_result SET STORAGE EXTERNAL;

GRANT SELECT, INSERT, UPDATE, DELETE ON insula_tenant.files TO insula_tenant;
GRANT SELECT, INSERT, DELETE ON insula_tenant.file_chunks, insula_tenant.batch_lines TO insula_tenant;
GRANT SELECT, INSERT, UPDATE ON insula_tenant.batches TO insula_tenant;

ALTER TABLE insula_tenant.files ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE insula_tenant.file_chunks ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE insula_tenant.batches ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE insula_tenant.batch_lines ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON insula_tenant.files TO insula_tenant
    USING (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid);
CREATE POLICY tenant ON insula_tenant.file_chunks TO insula_tenant
    USING (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid);
CREATE POLICY tenant ON insula_tenant.batches TO insula_tenant
    USING (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid);
CREATE POLICY tenant ON insula_tenant.batch_lines TO insula_tenant
    USING (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid);
