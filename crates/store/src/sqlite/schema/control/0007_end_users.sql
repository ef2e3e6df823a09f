-- End users of tenants' products: a keyed hash of what the product calls each, and that name, sealed with the tenant's key.

CREATE TABLE end_users (
    tenant BLOB NOT NULL,
    id BLOB NOT NULL,
    sealed_name BLOB NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
