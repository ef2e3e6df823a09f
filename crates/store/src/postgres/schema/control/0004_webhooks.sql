-- What is told to whom: webhooks, events, and what became of telling them. Times are microseconds since 1970.

-- Without a tenant a webhook is the platform's and hears of all tenants. No secret stands here: it is derived from the id
-- and the rotation.
CREATE TABLE insula_control.webhooks (
    id BYTEA NOT NULL PRIMARY KEY,
    tenant BYTEA,
    url TEXT NOT NULL,
    events TEXT NOT NULL,
    description TEXT NOT NULL,
    active BIGINT NOT NULL,
    rotation BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    rotated_at BIGINT
);

CREATE INDEX webhooks_by_tenant ON insula_control.webhooks (tenant);

-- The payload is JSON about money and ids, never content.
CREATE TABLE insula_control.webhook_events (
    id BYTEA NOT NULL PRIMARY KEY,
    tenant BYTEA,
    kind TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    payload TEXT NOT NULL
);

CREATE INDEX webhook_events_by_tenant ON insula_control.webhook_events (tenant);
CREATE INDEX webhook_events_by_time ON insula_control.webhook_events (created_at);

-- The tenant is the event's. While a node sends it, nobody else does: up to `claimed_until`.
CREATE TABLE insula_control.webhook_deliveries (
    event BYTEA NOT NULL,
    webhook BYTEA NOT NULL,
    tenant BYTEA,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    claimed_until BIGINT NOT NULL,
    last_status BIGINT,
    last_error TEXT,
    delivered_at BIGINT,
    PRIMARY KEY (event, webhook)
);

CREATE INDEX webhook_deliveries_by_webhook ON insula_control.webhook_deliveries (webhook, event);
CREATE INDEX webhook_deliveries_by_time ON insula_control.webhook_deliveries (next_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_by_tenant ON insula_control.webhook_deliveries (tenant);

-- What was told of a budget in a window, once over all nodes and restarts. A mark is a share in permille; 0: used up.
CREATE TABLE insula_control.budget_alerts (
    budget BYTEA NOT NULL,
    window_start BIGINT NOT NULL,
    mark BIGINT NOT NULL,
    tenant BYTEA,
    PRIMARY KEY (budget, window_start, mark)
);

CREATE INDEX budget_alerts_by_tenant ON insula_control.budget_alerts (tenant);

-- Months whose statement was told to be ready.
CREATE TABLE insula_control.statement_notices (
    tenant BYTEA NOT NULL,
    month_start BIGINT NOT NULL,
    PRIMARY KEY (tenant, month_start)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON insula_control.webhooks, insula_control.webhook_deliveries TO insula_control;
GRANT SELECT, INSERT, DELETE ON insula_control.webhook_events, insula_control.budget_alerts, insula_control.statement_notices
    TO insula_control;

ALTER TABLE insula_control.webhooks ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE insula_control.webhook_events ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE insula_control.webhook_deliveries ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE insula_control.budget_alerts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE insula_control.statement_notices ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY control ON insula_control.webhooks TO insula_control USING (true) WITH CHECK (true);
CREATE POLICY control ON insula_control.webhook_events TO insula_control USING (true) WITH CHECK (true);
CREATE POLICY control ON insula_control.webhook_deliveries TO insula_control USING (true) WITH CHECK (true);
CREATE POLICY control ON insula_control.budget_alerts TO insula_control USING (true) WITH CHECK (true);
CREATE POLICY control ON insula_control.statement_notices TO insula_control USING (true) WITH CHECK (true);
