-- The answer cache: what a tenant wants of it, as JSON, and how often it answered in the place of a provider.

ALTER TABLE tenants ADD COLUMN cache TEXT NOT NULL DEFAULT '{}';

CREATE TABLE cache_hits (
    tenant BLOB NOT NULL,
    -- When the hour began.
    hour INTEGER NOT NULL,
    model TEXT NOT NULL,
    -- One run of one process: it alone writes the row, each time with the whole count.
    writer BLOB NOT NULL,
    hits INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    -- What the answers had cost.
    saved INTEGER NOT NULL,
    PRIMARY KEY (tenant, hour, model, writer)
) STRICT, WITHOUT ROWID;

CREATE INDEX cache_hits_by_hour ON cache_hits (hour);
