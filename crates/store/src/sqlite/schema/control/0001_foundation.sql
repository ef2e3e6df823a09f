-- Who exists, what they may spend and what they spent. Never content.
-- Times are microseconds since 1970, money is picodollars, ids are sixteen bytes, labels are JSON.

CREATE TABLE tenants (
    id BLOB NOT NULL PRIMARY KEY,
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    external_id TEXT UNIQUE,
    region TEXT,
    placement TEXT NOT NULL,
    tags TEXT NOT NULL,
    state TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    -- 0 until its key and its file exist; a start finishes what was interrupted.
    provisioned INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE keys (
    id BLOB NOT NULL PRIMARY KEY,
    tenant BLOB NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    hash BLOB NOT NULL,
    tags TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX keys_by_tenant ON keys (tenant);

CREATE TABLE operator_keys (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    hash BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;

-- A subject is one byte for its level, then the tenant's id, then the key's.
CREATE TABLE budgets (
    id BLOB NOT NULL PRIMARY KEY,
    subject BLOB NOT NULL,
    tenant BLOB,
    position INTEGER NOT NULL,
    span TEXT NOT NULL,
    unit TEXT NOT NULL,
    cap INTEGER NOT NULL,
    mode TEXT NOT NULL,
    alert_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX budgets_by_subject ON budgets (subject, position);
CREATE INDEX budgets_by_tenant ON budgets (tenant);

CREATE TABLE limits (
    subject BLOB NOT NULL PRIMARY KEY,
    tenant BLOB,
    requests_per_minute INTEGER,
    tokens_per_minute INTEGER,
    concurrency INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX limits_by_tenant ON limits (tenant);

-- One row per attempt at a provider; only ever inserted.
CREATE TABLE ledger (
    attempt BLOB NOT NULL PRIMARY KEY,
    request BLOB NOT NULL,
    tenant BLOB NOT NULL,
    key_id BLOB,
    reserved_at INTEGER NOT NULL,
    operation TEXT NOT NULL,
    cause TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    price_row TEXT NOT NULL,
    reserved INTEGER NOT NULL,
    input_tokens_max INTEGER NOT NULL,
    output_tokens_max INTEGER NOT NULL,
    settled_at INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    input_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    estimated INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The request stands in the index so that the attempts of one are found without reading the rows of all.
CREATE INDEX ledger_by_tenant ON ledger (tenant, reserved_at, request);
CREATE INDEX ledger_by_time ON ledger (reserved_at);

-- The accounts: moved only by rows that were inserted into the ledger, in the same transaction.
CREATE TABLE spend_hour (
    subject BLOB NOT NULL,
    hour INTEGER NOT NULL,
    money INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    PRIMARY KEY (subject, hour)
) STRICT, WITHOUT ROWID;

CREATE INDEX spend_by_hour ON spend_hour (hour);

-- Attempts that were still open when their journal segment was recycled.
CREATE TABLE open_attempts (
    attempt BLOB NOT NULL PRIMARY KEY,
    record BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- One row: up to which record the journal is in this database, up to which its traces are in the tenants' files, and the
-- latest time that was seen.
CREATE TABLE fold (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL,
    traces_seq INTEGER NOT NULL,
    latest_time INTEGER NOT NULL
) STRICT;

INSERT INTO fold (id, seq, traces_seq, latest_time) VALUES (1, 0, 0, 0);

-- Tenants that were or are being erased; a row stays for good, so that a restore can be undone.
CREATE TABLE erasures (
    tenant BLOB NOT NULL PRIMARY KEY,
    begun_at INTEGER NOT NULL,
    erased_at INTEGER
) STRICT, WITHOUT ROWID;
