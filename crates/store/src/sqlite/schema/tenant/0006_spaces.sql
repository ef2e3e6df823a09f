-- Vectors of one embedder can be compared with each other alone: each set of them is a space. `corpus.space` is the one that is
-- searched, `corpus.next_space` one that is being filled to take its place.
CREATE TABLE spaces (
    space INTEGER NOT NULL PRIMARY KEY,
    embedder TEXT NOT NULL,
    dimension INTEGER NOT NULL
) STRICT;

ALTER TABLE corpus ADD COLUMN space INTEGER;
ALTER TABLE corpus ADD COLUMN next_space INTEGER;

INSERT INTO spaces (space, embedder, dimension)
    SELECT 1, embedder, dimension FROM documents WHERE published IS NOT NULL ORDER BY id LIMIT 1;
UPDATE corpus SET space = (SELECT space FROM spaces);

ALTER TABLE vectors RENAME TO vectors_of_one_space;
CREATE TABLE vectors (
    chunk INTEGER NOT NULL,
    space INTEGER NOT NULL,
    sealed_vector BLOB NOT NULL,
    PRIMARY KEY (chunk, space)
) STRICT;
INSERT INTO vectors (chunk, space, sealed_vector) SELECT chunk, 1, sealed_vector FROM vectors_of_one_space;
DROP TABLE vectors_of_one_space;
