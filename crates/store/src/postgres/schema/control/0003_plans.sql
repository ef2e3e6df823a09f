-- Plans and segments: named defaults that tenants inherit, as JSON, and what the operator charges under a plan.

CREATE TABLE insula_control.plans (
    name TEXT NOT NULL PRIMARY KEY,
    defaults TEXT NOT NULL,
    prices TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE insula_control.segments (
    name TEXT NOT NULL PRIMARY KEY,
    defaults TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

ALTER TABLE insula_control.tenants
    ADD COLUMN plan TEXT,
    ADD COLUMN segment TEXT,
    -- The models that the tenant may call, as JSON; NULL leaves it to segment and plan.
    ADD COLUMN models TEXT;

CREATE INDEX tenants_by_plan ON insula_control.tenants (plan);
CREATE INDEX tenants_by_segment ON insula_control.tenants (segment);

-- They belong to no tenant: no policy says whose a row is.
GRANT SELECT, INSERT, UPDATE, DELETE ON insula_control.plans, insula_control.segments TO insula_control;
