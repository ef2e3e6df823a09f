-- How a tenant's requests are routed, as JSON; `{}` says nothing.

ALTER TABLE insula_control.tenants ADD COLUMN routing TEXT NOT NULL DEFAULT '{}';
