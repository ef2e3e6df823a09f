-- Work that goes on without its caller, of any kind, for some node to take up: batches, and documents that are read.

ALTER TABLE batch_runs RENAME TO runs;
ALTER TABLE runs RENAME COLUMN batch TO id;
ALTER TABLE runs ADD COLUMN kind TEXT NOT NULL DEFAULT 'batch';
DROP INDEX batch_runs_by_tenant;
CREATE INDEX runs_by_tenant ON runs (kind, tenant, id);
