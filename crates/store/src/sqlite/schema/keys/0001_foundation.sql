-- The tenants' keys, each wrapped by a key that is derived from the root key.

CREATE TABLE tenant_keys (
    tenant BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    wrapped BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Tenants whose key was destroyed. Kept here too, so that a control database restored from before an erasure learns of it.
CREATE TABLE destroyed_keys (
    tenant BLOB NOT NULL PRIMARY KEY,
    destroyed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row: tells whether a root key is the one that wrapped these keys.
CREATE TABLE root (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    fingerprint BLOB NOT NULL
) STRICT;
