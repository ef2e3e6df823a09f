-- Tenants' documents, each tenant's rows apart, and what is searched of them. Content is only in the sealed columns; tokens and
-- the values of fields are hashes keyed with a secret of their tenant's.

-- One row of each tenant: what a search must know of all documents together. `epoch` counts what was published and removed.
CREATE TABLE insula_tenant.corpus (
    tenant_id UUID NOT NULL DEFAULT NULLIF(current_setting('app.current_tenant', true), '')::uuid
        REFERENCES insula_tenant.homes (tenant_id) ON DELETE CASCADE,
    id BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    chunks BIGINT NOT NULL,
    tokens BIGINT NOT NULL,
    next_chunk BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

-- `published` is the epoch that showed a document as it stands; absent while it is not to be found.
CREATE TABLE insula_tenant.documents (
    tenant_id UUID NOT NULL DEFAULT NULLIF(current_setting('app.current_tenant', true), '')::uuid
        REFERENCES insula_tenant.homes (tenant_id) ON DELETE CASCADE,
    id BYTEA NOT NULL,
    status TEXT NOT NULL,
    raw_file BYTEA NOT NULL,
    bytes BIGINT NOT NULL,
    chunks_total BIGINT NOT NULL,
    chunks_done BIGINT NOT NULL,
    published BIGINT,
    embedder TEXT,
    dimension BIGINT,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    sealed_detail BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE insula_tenant.chunks (
    tenant_id UUID NOT NULL DEFAULT NULLIF(current_setting('app.current_tenant', true), '')::uuid
        REFERENCES insula_tenant.homes (tenant_id) ON DELETE CASCADE,
    chunk BIGINT NOT NULL,
    document BYTEA NOT NULL,
    place BIGINT NOT NULL,
    tokens BIGINT NOT NULL,
    sealed_text BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, chunk)
);

CREATE UNIQUE INDEX chunks_by_document ON insula_tenant.chunks (tenant_id, document, place);

CREATE TABLE insula_tenant.vectors (
    tenant_id UUID NOT NULL DEFAULT NULLIF(current_setting('app.current_tenant', true), '')::uuid
        REFERENCES insula_tenant.homes (tenant_id) ON DELETE CASCADE,
    chunk BIGINT NOT NULL,
    sealed_vector BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, chunk)
);

-- How often a chunk has a token.
CREATE TABLE insula_tenant.postings (
    tenant_id UUID NOT NULL DEFAULT NULLIF(current_setting('app.current_tenant', true), '')::uuid
        REFERENCES insula_tenant.homes (tenant_id) ON DELETE CASCADE,
    token BIGINT NOT NULL,
    chunk BIGINT NOT NULL,
    frequency BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, token, chunk) INCLUDE (frequency)
);

CREATE INDEX postings_by_chunk ON insula_tenant.postings (tenant_id, chunk);

-- Which documents have a value in a field, and who may see which.
CREATE TABLE insula_tenant.facets (
    tenant_id UUID NOT NULL DEFAULT NULLIF(current_setting('app.current_tenant', true), '')::uuid
        REFERENCES insula_tenant.homes (tenant_id) ON DELETE CASCADE,
    facet BIGINT NOT NULL,
    document BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, facet, document)
);

CREATE INDEX facets_by_document ON insula_tenant.facets (tenant_id, document);

-- What is sealed does not compress.
ALTER TABLE insula_tenant.chunks ALTER COLUMN sealed_text SET STORAGE EXTERNAL;
ALTER TABLE insula_tenant.vectors ALTER COLUMN sealed_vector SET STORAGE EXTERNAL;

GRANT SELECT, INSERT, UPDATE ON insula_tenant.corpus TO insula_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON insula_tenant.documents TO insula_tenant;
GRANT SELECT, INSERT, DELETE ON insula_tenant.chunks, insula_tenant.vectors, insula_tenant.postings, insula_tenant.facets
    TO insula_tenant;

ALTER TABLE insula_tenant.corpus ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE insula_tenant.documents ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE insula_tenant.chunks ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE insula_tenant.vectors ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE insula_tenant.postings ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE insula_tenant.facets ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON insula_tenant.corpus TO insula_tenant
    USING (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid);
CREATE POLICY tenant ON insula_tenant.documents TO insula_tenant
    USING (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid);
CREATE POLICY tenant ON insula_tenant.chunks TO insula_tenant
    USING (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid);
CREATE POLICY tenant ON insula_tenant.vectors TO insula_tenant
    USING (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid);
CREATE POLICY tenant ON insula_tenant.postings TO insula_tenant
    USING (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid);
CREATE POLICY tenant ON insula_tenant.facets TO insula_tenant
    USING (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid);
