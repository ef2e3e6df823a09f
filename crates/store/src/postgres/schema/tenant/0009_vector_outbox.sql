-- What is known of vectors in an engine that is no part of this database. It is brought to what `vectors` says: each document that is
-- to be brought there is noted by whoever changes it, with the epoch that asked for it.
CREATE TABLE insula_tenant.vector_outbox (
    tenant_id UUID NOT NULL DEFAULT NULLIF(current_setting('app.current_tenant', true), '')::uuid
        REFERENCES insula_tenant.homes (tenant_id) ON DELETE CASCADE,
    document BYTEA NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, document)
);

-- One row of each tenant, from the first time that anything was brought there: which collection is searched, which one is being filled
-- to take its place, and which one is being emptied. `spaces` tells for which spaces
-- all documents were last noted, and which of them is searched; `version` counts the changes.
CREATE TABLE insula_tenant.vector_home (
    tenant_id UUID NOT NULL DEFAULT NULLIF(current_setting('app.current_tenant', true), '')::uuid
        REFERENCES insula_tenant.homes (tenant_id) ON DELETE CASCADE,
    id BIGINT NOT NULL,
    collection TEXT NOT NULL,
    moving_to TEXT,
    leaving TEXT,
    spaces TEXT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON insula_tenant.vector_outbox, insula_tenant.vector_home TO insula_tenant;

ALTER TABLE insula_tenant.vector_outbox ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE insula_tenant.vector_home ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON insula_tenant.vector_outbox TO insula_tenant
    USING (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid);
CREATE POLICY tenant ON insula_tenant.vector_home TO insula_tenant
    USING (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid);
