-- Vectors of documents that are not shown yet, as they come: what was paid for is not paid for again. `text_key` is a keyed hash of
-- what was embedded.
CREATE TABLE insula_tenant.staged_vectors (
    tenant_id UUID NOT NULL DEFAULT NULLIF(current_setting('app.current_tenant', true), '')::uuid
        REFERENCES insula_tenant.homes (tenant_id) ON DELETE CASCADE,
    document BYTEA NOT NULL,
    space BIGINT NOT NULL,
    place BIGINT NOT NULL,
    text_key BIGINT NOT NULL,
    sealed_vector BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, document, space, place)
);

-- What a document's chunks wait for, and those of a space that is being filled.
ALTER TABLE insula_tenant.documents ADD COLUMN waiting TEXT;
ALTER TABLE insula_tenant.corpus ADD COLUMN next_waiting TEXT;

-- The last number that a space was given: none is given twice. All that were there before this step are numbered 1.
ALTER TABLE insula_tenant.corpus ADD COLUMN last_space BIGINT NOT NULL DEFAULT 1;
ALTER TABLE insula_tenant.corpus ALTER COLUMN last_space SET DEFAULT 0;

-- Whether a document is noted for spaces alone that are not searched yet.
ALTER TABLE insula_tenant.vector_outbox ADD COLUMN is_ahead BIGINT NOT NULL DEFAULT 0;

-- What is sealed does not compress.
ALTER TABLE insula_tenant.staged_vectors ALTER COLUMN sealed_vector SET STORAGE EXTERNAL;

GRANT SELECT, INSERT, UPDATE, DELETE ON insula_tenant.staged_vectors TO insula_tenant;

ALTER TABLE insula_tenant.staged_vectors ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON insula_tenant.staged_vectors TO insula_tenant
    USING (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid);
