-- What a bill tells besides: for whom, under which plan, with which labels, and how long it waited.

ALTER TABLE ledger ADD COLUMN end_user BLOB;
ALTER TABLE ledger ADD COLUMN plan TEXT;
ALTER TABLE ledger ADD COLUMN tag_set BLOB;
ALTER TABLE ledger ADD COLUMN queued_us INTEGER NOT NULL DEFAULT 0;
-- Rows that were written together have the same number, and those after them a higher one: an export goes on behind it.
ALTER TABLE ledger ADD COLUMN entry INTEGER NOT NULL DEFAULT 0;

CREATE INDEX ledger_by_entry ON ledger (entry, attempt, correction);
CREATE INDEX ledger_by_tenant_entry ON ledger (tenant, entry, attempt, correction);

-- Each set of labels once for its tenant, as JSON, under a hash of it.
CREATE TABLE tag_sets (
    tenant BLOB NOT NULL,
    id BLOB NOT NULL,
    tags TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

-- Where a tenant's budget comes from: set for itself, or the default of its plan or segment.
ALTER TABLE budgets ADD COLUMN origin TEXT NOT NULL DEFAULT 'own';

ALTER TABLE limits ADD COLUMN queue_depth_max INTEGER;
ALTER TABLE limits ADD COLUMN queue_wait_ms_max INTEGER;
ALTER TABLE limits ADD COLUMN weight INTEGER;
ALTER TABLE limits ADD COLUMN mode TEXT;
