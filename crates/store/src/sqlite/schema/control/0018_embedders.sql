-- What places a tenant's documents among each other, by name; inherited where null.

ALTER TABLE tenants ADD COLUMN embedder TEXT;
