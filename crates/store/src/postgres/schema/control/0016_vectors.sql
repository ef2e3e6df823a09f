-- Where a tenant's vectors are to be, as JSON.

ALTER TABLE insula_control.tenants ADD COLUMN vectors TEXT NOT NULL DEFAULT '{}';
