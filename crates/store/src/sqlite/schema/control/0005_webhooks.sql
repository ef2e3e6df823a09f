-- What is told to whom: webhooks, events, and what became of telling them. Times are microseconds since 1970.

-- Without a tenant a webhook is the platform's and hears of all tenants. No secret stands here: it is derived from the id
-- and the rotation.
CREATE TABLE webhooks (
    id BLOB NOT NULL PRIMARY KEY,
    tenant BLOB,
    url TEXT NOT NULL,
    events TEXT NOT NULL,
    description TEXT NOT NULL,
    active INTEGER NOT NULL,
    rotation INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    rotated_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX webhooks_by_tenant ON webhooks (tenant);

-- The payload is JSON about money and ids, never content.
CREATE TABLE webhook_events (
    id BLOB NOT NULL PRIMARY KEY,
    tenant BLOB,
    kind TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    payload TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX webhook_events_by_tenant ON webhook_events (tenant);
CREATE INDEX webhook_events_by_time ON webhook_events (created_at);

-- The tenant is the event's. While a node sends it, nobody else does: up to `claimed_until`.
CREATE TABLE webhook_deliveries (
    event BLOB NOT NULL,
    webhook BLOB NOT NULL,
    tenant BLOB,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    claimed_until INTEGER NOT NULL,
    last_status INTEGER,
    last_error TEXT,
    delivered_at INTEGER,
    PRIMARY KEY (event, webhook)
) STRICT, WITHOUT ROWID;

CREATE INDEX webhook_deliveries_by_webhook ON webhook_deliveries (webhook, event);
CREATE INDEX webhook_deliveries_by_time ON webhook_deliveries (next_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_by_tenant ON webhook_deliveries (tenant);

-- What was told of a budget in a window, once over all nodes and restarts. A mark is a share in permille; 0: used up.
CREATE TABLE budget_alerts (
    budget BLOB NOT NULL,
    window_start INTEGER NOT NULL,
    mark INTEGER NOT NULL,
    tenant BLOB,
    PRIMARY KEY (budget, window_start, mark)
) STRICT, WITHOUT ROWID;

CREATE INDEX budget_alerts_by_tenant ON budget_alerts (tenant);

-- Months whose statement was told to be ready.
CREATE TABLE statement_notices (
    tenant BLOB NOT NULL,
    month_start INTEGER NOT NULL,
    PRIMARY KEY (tenant, month_start)
) STRICT, WITHOUT ROWID;
