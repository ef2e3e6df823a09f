-- Vectors of one embedder can be compared with each other alone: each set of them is a space. `corpus.space` is the one that is
-- searched, `corpus.next_space` one that is being filled to take its place.
CREATE TABLE insula_tenant.spaces (
    tenant_id UUID NOT NULL DEFAULT NULLIF(current_setting('app.current_tenant', true), '')::uuid
        REFERENCES insula_tenant.homes (tenant_id) ON DELETE CASCADE,
    space BIGINT NOT NULL,
    embedder TEXT NOT NULL,
    dimension BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, space)
);

ALTER TABLE insula_tenant.corpus ADD COLUMN space BIGINT;
ALTER TABLE insula_tenant.corpus ADD COLUMN next_space BIGINT;

ALTER TABLE insula_tenant.vectors ADD COLUMN space BIGINT NOT NULL DEFAULT 1;
ALTER TABLE insula_tenant.vectors ALTER COLUMN space DROP DEFAULT;
ALTER TABLE insula_tenant.vectors DROP CONSTRAINT vectors_pkey;
ALTER TABLE insula_tenant.vectors ADD PRIMARY KEY (tenant_id, chunk, space);

-- Whoever owns the tables is held to row-level security too, and this step concerns every tenant.
ALTER TABLE insula_tenant.corpus NO FORCE ROW LEVEL SECURITY;
ALTER TABLE insula_tenant.documents NO FORCE ROW LEVEL SECURITY;
INSERT INTO insula_tenant.spaces (tenant_id, space, embedder, dimension)
    SELECT DISTINCT ON (tenant_id) tenant_id, 1, embedder, dimension FROM insula_tenant.documents
    WHERE published IS NOT NULL ORDER BY tenant_id, id;
UPDATE insula_tenant.corpus SET space = 1 WHERE tenant_id IN (SELECT tenant_id FROM insula_tenant.spaces);
ALTER TABLE insula_tenant.corpus FORCE ROW LEVEL SECURITY;
ALTER TABLE insula_tenant.documents FORCE ROW LEVEL SECURITY;

GRANT SELECT, INSERT, DELETE ON insula_tenant.spaces TO insula_tenant;
ALTER TABLE insula_tenant.spaces ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON insula_tenant.spaces TO insula_tenant
    USING (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid);
