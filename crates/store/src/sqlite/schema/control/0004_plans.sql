-- Plans and segments: named defaults that tenants inherit, as JSON, and what the operator charges under a plan.

CREATE TABLE plans (
    name TEXT NOT NULL PRIMARY KEY,
    defaults TEXT NOT NULL,
    prices TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE segments (
    name TEXT NOT NULL PRIMARY KEY,
    defaults TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE tenants ADD COLUMN plan TEXT;
ALTER TABLE tenants ADD COLUMN segment TEXT;
-- The models that the tenant may call, as JSON; NULL leaves it to segment and plan.
ALTER TABLE tenants ADD COLUMN models TEXT;

CREATE INDEX tenants_by_plan ON tenants (plan);
CREATE INDEX tenants_by_segment ON tenants (segment);
