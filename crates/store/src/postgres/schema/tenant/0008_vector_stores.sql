-- Vector stores: documents that were made of a tenant's files. What a store is called and said to be is sealed.

-- `state` is `active` or `removing`; one that is being removed is nobody's any more, and its documents are going.
CREATE TABLE insula_tenant.vector_stores (
    tenant_id UUID NOT NULL DEFAULT NULLIF(current_setting('app.current_tenant', true), '')::uuid
        REFERENCES insula_tenant.homes (tenant_id) ON DELETE CASCADE,
    id BYTEA NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    active_at BIGINT NOT NULL,
    expires_days BIGINT,
    expires_at BIGINT,
    sealed_detail BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

-- Files that came into a store together. `state` is `active` or `cancelled`.
CREATE TABLE insula_tenant.file_batches (
    tenant_id UUID NOT NULL DEFAULT NULLIF(current_setting('app.current_tenant', true), '')::uuid
        REFERENCES insula_tenant.homes (tenant_id) ON DELETE CASCADE,
    id BYTEA NOT NULL,
    vector_store BYTEA NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE INDEX file_batches_by_store ON insula_tenant.file_batches (tenant_id, vector_store);

-- The store that a document is in, the file it was made of, and those it came with. `amended` is the epoch in which its fields
-- were last changed after it was shown.
ALTER TABLE insula_tenant.documents ADD COLUMN vector_store BYTEA;
ALTER TABLE insula_tenant.documents ADD COLUMN file BYTEA;
ALTER TABLE insula_tenant.documents ADD COLUMN file_batch BYTEA;
ALTER TABLE insula_tenant.documents ADD COLUMN amended BIGINT;

CREATE UNIQUE INDEX documents_by_store ON insula_tenant.documents (tenant_id, vector_store, file);
CREATE INDEX documents_by_batch ON insula_tenant.documents (tenant_id, file_batch);

GRANT SELECT, INSERT, UPDATE, DELETE ON insula_tenant.vector_stores, insula_tenant.file_batches TO insula_tenant;

ALTER TABLE insula_tenant.vector_stores ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE insula_tenant.file_batches ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON insula_tenant.vector_stores TO insula_tenant
    USING (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid);
CREATE POLICY tenant ON insula_tenant.file_batches TO insula_tenant
    USING (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid);
