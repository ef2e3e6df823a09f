-- Vector stores: documents that were made of a tenant's files. What a store is called and said to be is sealed.

-- `state` is `active` or `removing`; one that is being removed is nobody's any more, and its documents are going.
CREATE TABLE vector_stores (
    id BLOB NOT NULL PRIMARY KEY,
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    active_at INTEGER NOT NULL,
    expires_days INTEGER,
    expires_at INTEGER,
    sealed_detail BLOB NOT NULL
) STRICT;

-- Files that came into a store together. `state` is `active` or `cancelled`.
CREATE TABLE file_batches (
    id BLOB NOT NULL PRIMARY KEY,
    vector_store BLOB NOT NULL,
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX file_batches_by_store ON file_batches (vector_store);

-- The store that a document is in, the file it was made of, and those it came with. `amended` is the epoch in which its fields
-- were last changed after it was shown.
ALTER TABLE documents ADD COLUMN vector_store BLOB;
ALTER TABLE documents ADD COLUMN file BLOB;
ALTER TABLE documents ADD COLUMN file_batch BLOB;
ALTER TABLE documents ADD COLUMN amended INTEGER;

CREATE UNIQUE INDEX documents_by_store ON documents (vector_store, file);
CREATE INDEX documents_by_batch ON documents (file_batch);
