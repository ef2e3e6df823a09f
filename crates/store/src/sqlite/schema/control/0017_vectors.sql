-- Where a tenant's vectors are to be, as JSON.

ALTER TABLE tenants ADD COLUMN vectors TEXT NOT NULL DEFAULT '{}';
