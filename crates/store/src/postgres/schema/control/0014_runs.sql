-- Work that goes on without its caller, of any kind, for some node to take up: batches, and documents that are read.

ALTER TABLE insula_control.batch_runs RENAME TO runs;
ALTER TABLE insula_control.runs RENAME COLUMN batch TO id;
ALTER TABLE insula_control.runs ADD COLUMN kind TEXT NOT NULL DEFAULT 'batch';
ALTER TABLE insula_control.runs ALTER COLUMN kind DROP DEFAULT;
ALTER TABLE insula_control.runs RENAME CONSTRAINT batch_runs_pkey TO runs_pkey;
DROP INDEX insula_control.batch_runs_by_tenant;
CREATE INDEX runs_by_tenant ON insula_control.runs (kind, tenant, id);
