-- Reference corpora, and which tenants may read which. What stands in a corpus is not here: it has a home of its own, as a tenant has.

CREATE TABLE insula_control.corpora (
    id BYTEA NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    jurisdiction TEXT NOT NULL,
    erasing BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    -- 0 while key and home are being made, 1 once they are there, -1 while they are taken back.
    provisioned BIGINT NOT NULL
);

CREATE TABLE insula_control.corpus_grants (
    tenant BYTEA NOT NULL,
    corpus BYTEA NOT NULL,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, corpus)
);

CREATE INDEX corpus_grants_by_corpus ON insula_control.corpus_grants (corpus);

GRANT SELECT, INSERT, UPDATE, DELETE ON insula_control.corpora TO insula_control;
GRANT SELECT, INSERT, DELETE ON insula_control.corpus_grants TO insula_control;

ALTER TABLE insula_control.corpus_grants ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY control ON insula_control.corpus_grants TO insula_control USING (true) WITH CHECK (true);
