-- A tenant's files and batches. A file's chunks lie beside this database, sealed; its name is sealed here.

CREATE TABLE files (
    id BLOB NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL,
    state TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    chunks INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    sealed_name BLOB NOT NULL
) STRICT;

CREATE TABLE batches (
    id BLOB NOT NULL PRIMARY KEY,
    operation TEXT NOT NULL,
    status TEXT NOT NULL,
    waiting TEXT,
    input_file BLOB NOT NULL,
    output_file BLOB,
    error_file BLOB,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    times TEXT NOT NULL,
    total INTEGER NOT NULL,
    completed INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    key_id BLOB,
    behind BLOB,
    sealed_detail BLOB NOT NULL
) STRICT;

-- Lines that are done, until the output is written.
CREATE TABLE batch_lines (
    batch BLOB NOT NULL,
    line INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    sealed_result BLOB NOT NULL,
    PRIMARY KEY (batch, line)
) STRICT;
