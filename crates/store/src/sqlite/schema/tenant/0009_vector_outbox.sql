-- What is known of vectors in an engine that is no part of this database. It is brought to what `vectors` says: each document that is
-- to be brought there is noted by whoever changes it, with the epoch that asked for it.
CREATE TABLE vector_outbox (
    document BLOB NOT NULL PRIMARY KEY,
    since INTEGER NOT NULL
) STRICT;

-- One row, from the first time that anything was brought there: which collection is searched, which one is being filled to take its
-- place, and which one is being emptied. `spaces` tells for which spaces
-- all documents were last noted, and which of them is searched; `version` counts the changes.
CREATE TABLE vector_home (
    id INTEGER NOT NULL PRIMARY KEY,
    collection TEXT NOT NULL,
    moving_to TEXT,
    leaving TEXT,
    spaces TEXT NOT NULL,
    version INTEGER NOT NULL
) STRICT;
