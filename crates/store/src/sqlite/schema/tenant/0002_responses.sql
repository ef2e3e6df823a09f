-- Responses that callers may ask for again and go on from. `bytes` is what the sealed columns take.

CREATE TABLE responses (
    response BLOB NOT NULL PRIMARY KEY,
    previous BLOB,
    end_user BLOB,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    sealed_input BLOB NOT NULL,
    sealed_response BLOB NOT NULL
) STRICT;

CREATE INDEX responses_by_expiry ON responses (expires_at);
