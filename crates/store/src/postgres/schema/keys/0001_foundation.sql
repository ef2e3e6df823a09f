-- The tenants' keys, each wrapped by a key that is derived from the root key. May stand in a database of its own.

CREATE SCHEMA insula_keys;
GRANT USAGE ON SCHEMA insula_keys TO insula_keys;

-- Which steps this schema has taken.
CREATE TABLE insula_keys.schema_steps (
    name TEXT NOT NULL PRIMARY KEY,
    taken_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE TABLE insula_keys.tenant_keys (
    tenant BYTEA NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    wrapped BYTEA NOT NULL
);

-- Tenants whose key was destroyed. Kept here too, so that a control schema restored from before an erasure learns of it.
CREATE TABLE insula_keys.destroyed_keys (
    tenant BYTEA NOT NULL PRIMARY KEY,
    destroyed_at BIGINT NOT NULL
);

-- One row: tells whether a root key is the one that wrapped these keys.
CREATE TABLE insula_keys.root (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    fingerprint BYTEA NOT NULL
);

-- A key that was destroyed stays in the table's file until it is vacuumed: that happens soon, however few they are.
ALTER TABLE insula_keys.tenant_keys SET (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0);

-- What the role may do, and nothing else. That a key was destroyed is never forgotten.
GRANT SELECT ON insula_keys.schema_steps TO insula_keys;
GRANT SELECT, INSERT, DELETE ON insula_keys.tenant_keys TO insula_keys;
GRANT SELECT, INSERT ON insula_keys.destroyed_keys, insula_keys.root TO insula_keys;

ALTER TABLE insula_keys.tenant_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE insula_keys.destroyed_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY keys ON insula_keys.tenant_keys TO insula_keys USING (true) WITH CHECK (true);
CREATE POLICY keys ON insula_keys.destroyed_keys TO insula_keys USING (true) WITH CHECK (true);
