-- One tenant's own data. What a person wrote or a model said is only in the sealed columns.
-- No table names the tenant: the file is the tenant's.

CREATE TABLE requests (
    request BLOB NOT NULL PRIMARY KEY,
    key_id BLOB,
    started_at INTEGER NOT NULL,
    duration_us INTEGER NOT NULL,
    operation TEXT NOT NULL,
    model TEXT NOT NULL,
    status INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    sealed_detail BLOB
) STRICT;

CREATE TABLE idempotency (
    key_hash BLOB NOT NULL PRIMARY KEY,
    request BLOB NOT NULL,
    body_hash BLOB NOT NULL,
    state TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    sealed_transcript BLOB
) STRICT;

CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);
