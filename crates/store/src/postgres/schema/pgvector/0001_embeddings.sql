-- Where pgvector searches: what was embedded of tenants' chunks, unsealed, each tenant's rows apart. Everything here is made from the
-- sealed vectors and can be made again. `{vector}` is the schema that the extension is in.

-- `dimension` is that of the vector: the indexes below are for one each.
CREATE TABLE insula_tenant.embeddings (
    tenant_id UUID NOT NULL DEFAULT NULLIF(current_setting('app.current_tenant', true), '')::uuid
        REFERENCES insula_tenant.homes (tenant_id) ON DELETE CASCADE,
    space BIGINT NOT NULL,
    chunk BIGINT NOT NULL,
    document BYTEA NOT NULL,
    dimension BIGINT NOT NULL,
    embedding {vector}.vector NOT NULL,
    PRIMARY KEY (tenant_id, space, chunk)
);

CREATE INDEX embeddings_by_document ON insula_tenant.embeddings (tenant_id, document, space);

-- Up to which epoch of the corpus `embeddings` has every chunk of a space.
CREATE TABLE insula_tenant.embeddings_kept (
    tenant_id UUID NOT NULL DEFAULT NULLIF(current_setting('app.current_tenant', true), '')::uuid
        REFERENCES insula_tenant.homes (tenant_id) ON DELETE CASCADE,
    space BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, space)
);

-- In the row itself, where a comparison of all reads them, for as long as the row fits a page.
ALTER TABLE insula_tenant.embeddings ALTER COLUMN embedding SET STORAGE MAIN;

-- An index has one dimension, and 2,000 at most; above that numbers of half the size. Of another dimension all are compared.
CREATE INDEX embeddings_near_256 ON insula_tenant.embeddings
    USING hnsw ((embedding::{vector}.vector(256)) {vector}.vector_ip_ops) WHERE dimension = 256;
CREATE INDEX embeddings_near_384 ON insula_tenant.embeddings
    USING hnsw ((embedding::{vector}.vector(384)) {vector}.vector_ip_ops) WHERE dimension = 384;
CREATE INDEX embeddings_near_512 ON insula_tenant.embeddings
    USING hnsw ((embedding::{vector}.vector(512)) {vector}.vector_ip_ops) WHERE dimension = 512;
CREATE INDEX embeddings_near_768 ON insula_tenant.embeddings
    USING hnsw ((embedding::{vector}.vector(768)) {vector}.vector_ip_ops) WHERE dimension = 768;
CREATE INDEX embeddings_near_1024 ON insula_tenant.embeddings
    USING hnsw ((embedding::{vector}.vector(1024)) {vector}.vector_ip_ops) WHERE dimension = 1024;
CREATE INDEX embeddings_near_1536 ON insula_tenant.embeddings
    USING hnsw ((embedding::{vector}.vector(1536)) {vector}.vector_ip_ops) WHERE dimension = 1536;
CREATE INDEX embeddings_near_3072 ON insula_tenant.embeddings
    USING hnsw ((embedding::{vector}.halfvec(3072)) {vector}.halfvec_ip_ops) WHERE dimension = 3072;

GRANT SELECT, INSERT, DELETE ON insula_tenant.embeddings TO insula_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON insula_tenant.embeddings_kept TO insula_tenant;

ALTER TABLE insula_tenant.embeddings ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE insula_tenant.embeddings_kept ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON insula_tenant.embeddings TO insula_tenant
    USING (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid);
CREATE POLICY tenant ON insula_tenant.embeddings_kept TO insula_tenant
    USING (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid);
