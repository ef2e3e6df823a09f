-- What a tenant says of itself, sealed: what holds for it above what stands in reference corpora.

CREATE TABLE profile (
    id INTEGER NOT NULL PRIMARY KEY,
    changed_at INTEGER NOT NULL,
    sealed_profile BLOB NOT NULL
) STRICT;
