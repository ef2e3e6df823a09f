-- Vectors of documents that are not shown yet, as they come: what was paid for is not paid for again. `text_key` is a keyed hash of
-- what was embedded.
CREATE TABLE staged_vectors (
    document BLOB NOT NULL,
    space INTEGER NOT NULL,
    place INTEGER NOT NULL,
    text_key INTEGER NOT NULL,
    sealed_vector BLOB NOT NULL,
    PRIMARY KEY (document, space, place)
) STRICT;

-- What a document's chunks wait for, and those of a space that is being filled.
ALTER TABLE documents ADD COLUMN waiting TEXT;
ALTER TABLE corpus ADD COLUMN next_waiting TEXT;

-- The last number that a space was given: none is given twice. All that were there before this step are numbered 1.
ALTER TABLE corpus ADD COLUMN last_space INTEGER NOT NULL DEFAULT 0;
UPDATE corpus SET last_space = 1;

-- Whether a document is noted for spaces alone that are not searched yet.
ALTER TABLE vector_outbox ADD COLUMN is_ahead INTEGER NOT NULL DEFAULT 0;
