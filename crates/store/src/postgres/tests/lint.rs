//! Every rule of the lint is broken once, and that is what it finds.

use super::scratch::Scratch;
use crate::postgres::Schema;

/// What to break, and what must be found: the object and a part of what is said. `APP` stands for the login.
const BREAKS: &[(&str, &[(&str, &str)])] = &[
    ("ALTER TABLE insula_tenant.requests DISABLE ROW LEVEL SECURITY", &[("insula_tenant.requests", "not enabled")]),
    ("ALTER TABLE insula_tenant.requests NO FORCE ROW LEVEL SECURITY", &[("insula_tenant.requests", "not forced")]),
    ("ALTER TABLE insula_control.ledger NO FORCE ROW LEVEL SECURITY", &[("insula_control.ledger", "not forced")]),
    ("ALTER TABLE insula_control.budget_leases DISABLE ROW LEVEL SECURITY", &[("insula_control.budget_leases", "not enabled")]),
    ("ALTER TABLE insula_keys.tenant_keys DISABLE ROW LEVEL SECURITY", &[("insula_keys.tenant_keys", "not enabled")]),
    (
        "ALTER TABLE insula_tenant.requests ALTER COLUMN tenant_id DROP DEFAULT",
        &[("insula_tenant.requests.tenant_id", "default is absent")],
    ),
    (
        "ALTER TABLE insula_tenant.requests ALTER COLUMN tenant_id SET DEFAULT gen_random_uuid()",
        &[("insula_tenant.requests.tenant_id", "default is gen_random_uuid()")],
    ),
    (
        "ALTER TABLE insula_tenant.requests DROP CONSTRAINT requests_pkey, ALTER COLUMN tenant_id DROP NOT NULL",
        &[("insula_tenant.requests.tenant_id", "may be NULL")],
    ),
    (
        "CREATE TABLE insula_tenant.notes (id BIGINT)",
        &[
            ("insula_tenant.notes", "lacks the policy"),
            ("insula_tenant.notes", "not enabled"),
            ("insula_tenant.notes", "not forced"),
            ("insula_tenant.notes", "no column tenant_id"),
        ],
    ),
    (
        "CREATE TABLE insula_control.notes (tenant BYTEA)",
        &[
            ("insula_control.notes", "lacks the policy"),
            ("insula_control.notes", "not enabled"),
            ("insula_control.notes", "not forced"),
        ],
    ),
    ("DROP POLICY tenant ON insula_tenant.requests", &[("insula_tenant.requests", "lacks the policy")]),
    ("DROP POLICY tenant ON insula_control.ledger", &[("insula_control.ledger", "lacks the policy that holds insula_tenant")]),
    (
        "ALTER POLICY tenant ON insula_tenant.requests USING (true)",
        &[("insula_tenant.requests", "lacks the policy"), ("insula_tenant.requests (tenant)", "may open rows")],
    ),
    (
        "ALTER POLICY tenant ON insula_tenant.requests WITH CHECK (true)",
        &[("insula_tenant.requests", "lacks the policy"), ("insula_tenant.requests (tenant)", "may open rows")],
    ),
    (
        "ALTER POLICY tenant ON insula_control.ledger USING (true)",
        &[("insula_control.ledger", "lacks the policy"), ("insula_control.ledger (tenant)", "may open rows")],
    ),
    (
        "ALTER POLICY tenant ON insula_tenant.requests TO PUBLIC",
        &[("insula_tenant.requests", "lacks the policy"), ("insula_tenant.requests (tenant)", "may open rows")],
    ),
    (
        "CREATE POLICY half ON insula_tenant.requests TO insula_tenant \
         USING (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid)",
        &[("insula_tenant.requests (half)", "no WITH CHECK")],
    ),
    (
        "CREATE POLICY wide ON insula_control.tenants FOR SELECT TO insula_tenant USING (true)",
        &[("insula_control.tenants (wide)", "may open rows")],
    ),
    ("CREATE POLICY odd ON insula_keys.root TO insula_keys USING (true)", &[("insula_keys.root (odd)", "no WITH CHECK")]),
    (
        "ALTER TABLE insula_tenant.requests DROP CONSTRAINT requests_pkey, ADD PRIMARY KEY (request)",
        &[("insula_tenant.requests (requests_pkey)", "primary key spans")],
    ),
    ("CREATE UNIQUE INDEX spy ON insula_tenant.requests (request)", &[("insula_tenant.requests (spy)", "unique index spans")]),
    // Carried along is not part of what is unique.
    (
        "CREATE UNIQUE INDEX spy ON insula_tenant.requests (request) INCLUDE (tenant_id)",
        &[("insula_tenant.requests (spy)", "unique index spans")],
    ),
    (
        "ALTER TABLE insula_tenant.requests ADD CONSTRAINT probe FOREIGN KEY (key_id) REFERENCES insula_control.keys (id)",
        &[("insula_tenant.requests (probe)", "foreign key spans")],
    ),
    (
        "CREATE VIEW insula_control.all_keys AS SELECT * FROM insula_control.keys",
        &[("insula_control.all_keys", "reads as its owner")],
    ),
    ("CREATE VIEW insula_control.all_keys WITH (security_invoker = true) AS SELECT * FROM insula_control.keys", &[]),
    ("CREATE MATERIALIZED VIEW insula_tenant.totals AS SELECT 1 AS one", &[("insula_tenant.totals", "materialized view")]),
    ("CREATE RULE copy AS ON INSERT TO insula_tenant.requests DO NOTHING", &[("insula_tenant.requests (copy)", "is a rule")]),
    (
        "CREATE FUNCTION insula_tenant.peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'; \
         REVOKE EXECUTE ON FUNCTION insula_tenant.peek() FROM PUBLIC",
        &[("insula_tenant.peek()", "SECURITY DEFINER")],
    ),
    (
        "CREATE FUNCTION insula_tenant.peek() RETURNS bigint LANGUAGE sql AS 'SELECT 1'",
        &[("ROUTINE insula_tenant.peek()", "PUBLIC has EXECUTE")],
    ),
    ("GRANT DELETE ON insula_control.ledger TO insula_control", &[("insula_control.ledger", "insula_control has DELETE")]),
    ("GRANT SELECT ON insula_keys.tenant_keys TO PUBLIC", &[("insula_keys.tenant_keys", "PUBLIC has SELECT")]),
    ("GRANT SELECT ON insula_tenant.requests TO APP", &[("insula_tenant.requests", "_app has SELECT")]),
    (
        "GRANT SELECT (hash) ON insula_control.keys TO insula_tenant",
        &[("insula_control.keys.hash", "insula_tenant has SELECT")],
    ),
    ("GRANT CREATE ON SCHEMA insula_tenant TO insula_tenant", &[("SCHEMA insula_tenant", "insula_tenant has CREATE")]),
    ("GRANT USAGE ON SCHEMA insula_keys TO insula_tenant", &[("SCHEMA insula_keys", "insula_tenant has USAGE")]),
    (
        "GRANT USAGE ON SEQUENCE insula_control.changes_generation_seq TO PUBLIC",
        &[("SEQUENCE insula_control.changes_generation_seq", "PUBLIC has USAGE")],
    ),
    (
        "GRANT SELECT ON insula_control.ledger TO insula_tenant WITH GRANT OPTION",
        &[("insula_control.ledger", "insula_tenant may hand on SELECT")],
    ),
    ("REVOKE INSERT ON insula_tenant.requests FROM insula_tenant", &[("insula_tenant.requests", "insula_tenant lacks INSERT")]),
    (
        "ALTER DEFAULT PRIVILEGES IN SCHEMA insula_tenant GRANT SELECT ON TABLES TO PUBLIC",
        &[("DEFAULT PRIVILEGES of postgres IN SCHEMA insula_tenant", "PUBLIC gets SELECT on new tables")],
    ),
    (
        "ALTER DEFAULT PRIVILEGES FOR ROLE OWNER GRANT SELECT ON TABLES TO APP",
        &[("DEFAULT PRIVILEGES of OWNER", "_app gets SELECT on new tables")],
    ),
    ("GRANT CREATE ON DATABASE NAME TO insula_control", &[("DATABASE NAME", "insula_control may make schemas")]),
    ("ALTER TABLE insula_tenant.requests OWNER TO APP", &[("insula_tenant.requests", "owned by APP, which serves")]),
    (
        "ALTER SCHEMA insula_tenant OWNER TO insula_tenant",
        &[("SCHEMA insula_tenant", "insula_tenant lacks USAGE"), ("SCHEMA insula_tenant", "owned by insula_tenant")],
    ),
    ("ALTER ROLE APP INHERIT", &[("APP", "without asking")]),
    ("ALTER ROLE APP SUPERUSER", &[("APP", "is a superuser")]),
    ("ALTER ROLE APP BYPASSRLS", &[("APP", "bypasses row-level security")]),
    ("ALTER ROLE APP CREATEROLE", &[("APP", "may make and grant roles")]),
    ("ALTER ROLE APP REPLICATION", &[("APP", "replica")]),
    ("GRANT insula_keys TO APP WITH ADMIN OPTION", &[("APP", "may hand on insula_keys")]),
    ("CREATE ROLE NAME_group NOLOGIN NOINHERIT; GRANT insula_keys TO NAME_group", &[("NAME_group", "is a group")]),
    ("ALTER ROLE insula_tenant BYPASSRLS", &[("insula_tenant", "has BYPASSRLS")]),
    ("ALTER ROLE insula_tenant SUPERUSER", &[("insula_tenant", "has SUPERUSER")]),
    ("ALTER ROLE insula_keys LOGIN", &[("insula_keys", "has LOGIN")]),
    ("ALTER ROLE insula_keys INHERIT", &[("insula_keys", "has INHERIT")]),
    ("GRANT pg_read_all_data TO insula_keys", &[("insula_keys", "is a member of pg_read_all_data")]),
];

#[tokio::test]
async fn a_fresh_migration_is_sound_and_every_break_is_found() {
    let scratch = Scratch::migrated().await;
    assert_eq!(scratch.findings(&scratch.serve().await, Schema::ALL).await, []);
    let admin = scratch.administer().await;
    let here = |text: &str| {
        let named = text.replace("APP", &scratch.app()).replace("NAME", &scratch.name);
        named
            .replace("OWNER GRANT", &format!("{}_owner GRANT", scratch.name))
            .replace("of OWNER", &format!("of {}_owner", scratch.name))
    };
    for (breaks, expected) in BREAKS {
        // Rolled back: roles belong to the whole server.
        admin.batch_execute(&format!("BEGIN; {}", here(breaks))).await.unwrap_or_else(|error| panic!("{breaks}: {error}"));
        let findings = scratch.findings(&admin, Schema::ALL).await;
        admin.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(findings.len(), expected.len(), "{breaks}: {findings:?}");
        for (object, says) in *expected {
            let (object, says) = (here(object), here(says));
            assert!(
                findings.iter().any(|found| found.object == object && found.says.contains(&says)),
                "{breaks}: {findings:?}"
            );
        }
        assert!(findings.iter().all(|finding| !finding.fix.is_empty()));
    }
    assert_eq!(scratch.findings(&scratch.serve().await, Schema::ALL).await, []);
    scratch.remove().await;
}

/// The advice is SQL that works.
#[tokio::test]
async fn what_is_advised_mends() {
    let scratch = Scratch::migrated().await;
    let (admin, app) = (scratch.administer().await, scratch.app());
    let broken = [
        "ALTER TABLE insula_tenant.requests DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE insula_tenant.requests ALTER COLUMN tenant_id DROP DEFAULT",
        "ALTER POLICY tenant ON insula_tenant.idempotency USING (true) WITH CHECK (true)",
        "ALTER POLICY tenant ON insula_control.ledger USING (true)",
        "GRANT DELETE ON insula_control.ledger TO PUBLIC",
        "GRANT SELECT (hash) ON insula_control.keys TO insula_tenant",
        "REVOKE USAGE ON SCHEMA insula_keys FROM insula_keys",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA insula_tenant GRANT SELECT ON TABLES TO PUBLIC",
        "CREATE VIEW insula_control.all_keys AS SELECT * FROM insula_control.keys",
        "CREATE RULE copy AS ON INSERT TO insula_tenant.requests DO NOTHING",
        "CREATE FUNCTION insula_tenant.peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
    ];
    admin.batch_execute(&broken.join("; ")).await.unwrap();
    admin.batch_execute(&format!("ALTER ROLE {app} INHERIT BYPASSRLS")).await.unwrap();
    let findings = scratch.findings(&scratch.serve().await, Schema::ALL).await;
    assert!(findings.len() > broken.len(), "{findings:?}");
    // The policies that must go make room for those that are missing.
    let (drops, rest): (Vec<_>, Vec<_>) = findings.iter().partition(|finding| finding.fix.starts_with("DROP POLICY"));
    for finding in drops.into_iter().chain(rest) {
        admin.batch_execute(&finding.fix).await.unwrap_or_else(|error| panic!("{}: {error}", finding.fix));
    }
    assert_eq!(scratch.findings(&scratch.serve().await, Schema::ALL).await, []);
    scratch.remove().await;
}
