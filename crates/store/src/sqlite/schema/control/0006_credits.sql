-- What a tenant was given back; only ever inserted.

CREATE TABLE credits (
    id BLOB NOT NULL PRIMARY KEY,
    tenant BLOB NOT NULL,
    -- The first moment of the month on whose statement it stands.
    month_at INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    reason TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    -- The operator's key that gave it.
    by_key BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX credits_by_tenant ON credits (tenant, month_at);
