-- What places a tenant's documents among each other, by name; inherited where null.

ALTER TABLE insula_control.tenants ADD COLUMN embedder TEXT;
