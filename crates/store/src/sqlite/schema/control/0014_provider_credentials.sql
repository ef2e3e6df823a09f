-- For which providers a tenant has credentials of its own, as JSON without the credentials, and by whose account an attempt was made.

ALTER TABLE tenants ADD COLUMN provider_credentials TEXT NOT NULL DEFAULT '{}';

ALTER TABLE ledger ADD COLUMN credential TEXT NOT NULL DEFAULT 'platform';

-- What a tenant paid its providers itself is taken off its bill.
CREATE INDEX ledger_by_own_credential ON ledger (tenant, reserved_at) WHERE credential = 'tenant';
