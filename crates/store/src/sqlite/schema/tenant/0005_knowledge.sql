-- A tenant's documents, and what is searched of them. Content is only in the sealed columns; tokens and the values of fields are
-- hashes keyed with a secret of the tenant's.

-- One row: what a search must know of all documents together. `epoch` counts what was published and removed.
CREATE TABLE corpus (
    id INTEGER NOT NULL PRIMARY KEY,
    epoch INTEGER NOT NULL,
    chunks INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    next_chunk INTEGER NOT NULL
) STRICT;

-- `published` is the epoch that showed a document as it stands; absent while it is not to be found.
CREATE TABLE documents (
    id BLOB NOT NULL PRIMARY KEY,
    status TEXT NOT NULL,
    raw_file BLOB NOT NULL,
    bytes INTEGER NOT NULL,
    chunks_total INTEGER NOT NULL,
    chunks_done INTEGER NOT NULL,
    published INTEGER,
    embedder TEXT,
    dimension INTEGER,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    sealed_detail BLOB NOT NULL
) STRICT;

CREATE TABLE chunks (
    chunk INTEGER NOT NULL PRIMARY KEY,
    document BLOB NOT NULL,
    place INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    sealed_text BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX chunks_by_document ON chunks (document, place);

CREATE TABLE vectors (
    chunk INTEGER NOT NULL PRIMARY KEY,
    sealed_vector BLOB NOT NULL
) STRICT;

-- How often a chunk has a token.
CREATE TABLE postings (
    token INTEGER NOT NULL,
    chunk INTEGER NOT NULL,
    frequency INTEGER NOT NULL,
    PRIMARY KEY (token, chunk)
) STRICT, WITHOUT ROWID;

CREATE INDEX postings_by_chunk ON postings (chunk);

-- Which documents have a value in a field, and who may see which.
CREATE TABLE facets (
    facet INTEGER NOT NULL,
    document BLOB NOT NULL,
    PRIMARY KEY (facet, document)
) STRICT, WITHOUT ROWID;

CREATE INDEX facets_by_document ON facets (document);
