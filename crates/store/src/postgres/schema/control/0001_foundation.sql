-- Who exists, what they may spend, what they spent, and which nodes there are. Never content.
-- Times are microseconds since 1970, money is picodollars, ids are sixteen bytes, labels are JSON.
--
-- Tables that carry a tenant are under row-level security, their owner included: the control role works for all tenants, and
-- the tenant role reads what is its tenant's, where it may read at all. A later step that changes rows first lifts FORCE from
-- its table and puts it back, in its own transaction.

CREATE SCHEMA insula_control;
GRANT USAGE ON SCHEMA insula_control TO insula_control, insula_tenant;

-- Which steps this schema has taken.
CREATE TABLE insula_control.schema_steps (
    name TEXT NOT NULL PRIMARY KEY,
    taken_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE TABLE insula_control.tenants (
    id BYTEA NOT NULL PRIMARY KEY,
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    external_id TEXT UNIQUE,
    region TEXT,
    placement TEXT NOT NULL,
    tags TEXT NOT NULL,
    state TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    -- 1 once its key and its home exist, 0 until then, -1 while it is taken back; what was interrupted is finished later.
    provisioned BIGINT NOT NULL
);

CREATE TABLE insula_control.keys (
    id BYTEA NOT NULL PRIMARY KEY,
    tenant BYTEA NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    hash BYTEA NOT NULL,
    tags TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);

CREATE INDEX keys_by_tenant ON insula_control.keys (tenant);

CREATE TABLE insula_control.operator_keys (
    id BYTEA NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    hash BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);

-- A subject is one byte for its level, then the tenant's id, then the key's.
CREATE TABLE insula_control.budgets (
    id BYTEA NOT NULL PRIMARY KEY,
    subject BYTEA NOT NULL,
    tenant BYTEA,
    position BIGINT NOT NULL,
    span TEXT NOT NULL,
    unit TEXT NOT NULL,
    cap BIGINT NOT NULL,
    mode TEXT NOT NULL,
    alert_at TEXT NOT NULL
);

CREATE INDEX budgets_by_subject ON insula_control.budgets (subject, position);
CREATE INDEX budgets_by_tenant ON insula_control.budgets (tenant);

CREATE TABLE insula_control.limits (
    subject BYTEA NOT NULL PRIMARY KEY,
    tenant BYTEA,
    requests_per_minute BIGINT,
    tokens_per_minute BIGINT,
    concurrency BIGINT
);

CREATE INDEX limits_by_tenant ON insula_control.limits (tenant);

-- One row per attempt at a provider, and one with the differences where the truth came after an estimate; only ever inserted.
CREATE TABLE insula_control.ledger (
    attempt BYTEA NOT NULL,
    -- 0 is the attempt's row; 1 holds what to add to its tokens, its cost and its mark as an estimate.
    correction BIGINT NOT NULL,
    request BYTEA NOT NULL,
    tenant BYTEA NOT NULL,
    key_id BYTEA,
    reserved_at BIGINT NOT NULL,
    operation TEXT NOT NULL,
    cause TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    price_row TEXT NOT NULL,
    reserved BIGINT NOT NULL,
    input_tokens_max BIGINT NOT NULL,
    output_tokens_max BIGINT NOT NULL,
    settled_at BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    input_tokens BIGINT NOT NULL,
    cache_read_tokens BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    estimated BIGINT NOT NULL,
    PRIMARY KEY (attempt, correction)
);

-- The request stands in the index so that the attempts of one are found without reading the rows of all.
CREATE INDEX ledger_by_tenant ON insula_control.ledger (tenant, reserved_at, request);
CREATE INDEX ledger_by_time ON insula_control.ledger (reserved_at);

-- The accounts: moved only by rows that were inserted into the ledger, in the same transaction. Room in each page keeps an
-- account that moves all the time where it is.
CREATE TABLE insula_control.spend_hour (
    subject BYTEA NOT NULL,
    hour BIGINT NOT NULL,
    money BIGINT NOT NULL,
    tokens BIGINT NOT NULL,
    PRIMARY KEY (subject, hour)
) WITH (fillfactor = 70);

CREATE INDEX spend_by_hour ON insula_control.spend_hour (hour);

-- Tenants that were or are being erased; a row stays for good, so that a restore can be undone.
CREATE TABLE insula_control.erasures (
    tenant BYTEA NOT NULL PRIMARY KEY,
    begun_at BIGINT NOT NULL,
    erased_at BIGINT
);

-- The nodes that run, by this database's own clock. A higher epoch fences what a node wrote under a lower one.
CREATE TABLE insula_control.nodes (
    id BYTEA NOT NULL PRIMARY KEY,
    epoch BIGINT NOT NULL,
    beat_at TIMESTAMPTZ NOT NULL,
    -- The last change that this node acts on.
    generation BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    -- Up to which epoch what it left behind is cleared away.
    swept_epoch BIGINT NOT NULL
) WITH (fillfactor = 50);

-- What every node must read again, in the order in which it was changed; without a tenant: what belongs to the platform.
CREATE TABLE insula_control.changes (
    generation BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant BYTEA
);

-- Attempts under way, noted before a provider hears of them.
CREATE TABLE insula_control.begun_attempts (
    attempt BYTEA NOT NULL PRIMARY KEY,
    node BYTEA NOT NULL,
    epoch BIGINT NOT NULL,
    tenant BYTEA NOT NULL,
    key_id BYTEA,
    reserved_at BIGINT NOT NULL,
    reserved BIGINT NOT NULL,
    tokens_max BIGINT NOT NULL,
    idempotency BYTEA,
    record BYTEA NOT NULL
);

-- One attempt at a time under an Idempotency-Key, whichever node has it.
CREATE UNIQUE INDEX begun_attempts_by_idempotency ON insula_control.begun_attempts (tenant, idempotency)
    WHERE idempotency IS NOT NULL;
CREATE INDEX begun_attempts_by_node ON insula_control.begun_attempts (node);

-- Every attempt leaves a dead row: they are vacuumed by their number, however few are open.
ALTER TABLE insula_control.begun_attempts SET (autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0);

-- Hard budgets, window by window: what is settled and what the nodes hold together never passes the cap, but by what a
-- provider charged beyond its reservation.
CREATE TABLE insula_control.budget_windows (
    subject BYTEA NOT NULL,
    span TEXT NOT NULL,
    unit TEXT NOT NULL,
    starts_at BIGINT NOT NULL,
    cap BIGINT NOT NULL,
    settled BIGINT NOT NULL,
    leased BIGINT NOT NULL,
    overdrawn BIGINT NOT NULL,
    PRIMARY KEY (subject, span, unit, starts_at),
    CHECK (leased >= 0),
    CHECK (overdrawn >= 0),
    CHECK (settled + leased <= cap + overdrawn)
) WITH (fillfactor = 50);

-- Which node holds how much of a window.
CREATE TABLE insula_control.budget_leases (
    node BYTEA NOT NULL,
    subject BYTEA NOT NULL,
    span TEXT NOT NULL,
    unit TEXT NOT NULL,
    starts_at BIGINT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount >= 0),
    PRIMARY KEY (node, subject, span, unit, starts_at)
) WITH (fillfactor = 50);

-- What each role may do, and nothing else. Ledger rows are never changed and never removed.
GRANT SELECT ON insula_control.schema_steps TO insula_control;
GRANT SELECT, INSERT, UPDATE, DELETE ON insula_control.tenants, insula_control.keys, insula_control.budgets,
    insula_control.limits, insula_control.nodes, insula_control.begun_attempts, insula_control.budget_windows,
    insula_control.budget_leases TO insula_control;
GRANT SELECT, INSERT, UPDATE ON insula_control.operator_keys, insula_control.spend_hour, insula_control.erasures
    TO insula_control;
GRANT SELECT, INSERT, DELETE ON insula_control.changes TO insula_control;
GRANT SELECT, INSERT ON insula_control.ledger TO insula_control;
GRANT SELECT ON insula_control.ledger, insula_control.spend_hour TO insula_tenant;
-- All but the hash.
GRANT SELECT (id, tenant, name, role, tags, created_at, expires_at, revoked_at) ON insula_control.keys TO insula_tenant;

ALTER TABLE insula_control.tenants ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE insula_control.keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE insula_control.budgets ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE insula_control.limits ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE insula_control.ledger ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE insula_control.spend_hour ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE insula_control.erasures ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE insula_control.changes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE insula_control.begun_attempts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE insula_control.budget_windows ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE insula_control.budget_leases ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY control ON insula_control.tenants TO insula_control USING (true) WITH CHECK (true);
CREATE POLICY control ON insula_control.keys TO insula_control USING (true) WITH CHECK (true);
CREATE POLICY control ON insula_control.budgets TO insula_control USING (true) WITH CHECK (true);
CREATE POLICY control ON insula_control.limits TO insula_control USING (true) WITH CHECK (true);
CREATE POLICY control ON insula_control.ledger TO insula_control USING (true) WITH CHECK (true);
CREATE POLICY control ON insula_control.spend_hour TO insula_control USING (true) WITH CHECK (true);
CREATE POLICY control ON insula_control.erasures TO insula_control USING (true) WITH CHECK (true);
CREATE POLICY control ON insula_control.changes TO insula_control USING (true) WITH CHECK (true);
CREATE POLICY control ON insula_control.begun_attempts TO insula_control USING (true) WITH CHECK (true);
CREATE POLICY control ON insula_control.budget_windows TO insula_control USING (true) WITH CHECK (true);
CREATE POLICY control ON insula_control.budget_leases TO insula_control USING (true) WITH CHECK (true);

-- On a tenant's behalf: what is its own, read only. Without a tenant the setting is empty or absent, and nothing matches.
CREATE POLICY tenant ON insula_control.keys FOR SELECT TO insula_tenant
    USING (tenant = uuid_send(NULLIF(current_setting('app.current_tenant', true), '')::uuid));
CREATE POLICY tenant ON insula_control.ledger FOR SELECT TO insula_tenant
    USING (tenant = uuid_send(NULLIF(current_setting('app.current_tenant', true), '')::uuid));
CREATE POLICY tenant ON insula_control.spend_hour FOR SELECT TO insula_tenant
    USING (substring(subject, 2, 16) = uuid_send(NULLIF(current_setting('app.current_tenant', true), '')::uuid));
