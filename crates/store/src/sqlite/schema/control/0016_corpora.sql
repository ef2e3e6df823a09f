-- Reference corpora, and which tenants may read which. What stands in a corpus is not here: it has a home of its own, as a tenant has.

CREATE TABLE corpora (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    jurisdiction TEXT NOT NULL,
    erasing INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    -- 0 while key and home are being made, 1 once they are there, -1 while they are taken back.
    provisioned INTEGER NOT NULL
) STRICT;

CREATE TABLE corpus_grants (
    tenant BLOB NOT NULL,
    corpus BLOB NOT NULL,
    granted_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, corpus)
) STRICT;

CREATE INDEX corpus_grants_by_corpus ON corpus_grants (corpus);
