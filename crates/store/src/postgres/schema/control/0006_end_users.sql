-- End users of tenants' products: a keyed hash of what the product calls each, and that name, sealed with the tenant's key.

CREATE TABLE insula_control.end_users (
    tenant BYTEA NOT NULL,
    id BYTEA NOT NULL,
    sealed_name BYTEA NOT NULL,
    PRIMARY KEY (tenant, id)
);

GRANT SELECT, INSERT, DELETE ON insula_control.end_users TO insula_control;
GRANT SELECT ON insula_control.end_users TO insula_tenant;

ALTER TABLE insula_control.end_users ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY control ON insula_control.end_users TO insula_control USING (true) WITH CHECK (true);
CREATE POLICY tenant ON insula_control.end_users FOR SELECT TO insula_tenant
    USING (tenant = uuid_send(NULLIF(current_setting('app.current_tenant', true), '')::uuid));
