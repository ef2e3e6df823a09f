-- A tenant's own credentials at providers, sealed. The tenant's record says which of them counts.

CREATE TABLE provider_credentials (
    credential BLOB NOT NULL PRIMARY KEY,
    provider TEXT NOT NULL,
    stored_at INTEGER NOT NULL,
    sealed_secret BLOB NOT NULL
) STRICT;
