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
    (
        "ALTER TABLE insula_tenant.requests DROP CONSTRAINT requests_tenant_id_fkey",
        &[("insula_tenant.requests", "lacks the foreign key to homes")],
    ),
    (
        "ALTER TABLE insula_tenant.requests DROP CONSTRAINT requests_tenant_id_fkey, \
         ADD CONSTRAINT weak FOREIGN KEY (tenant_id) REFERENCES insula_tenant.homes (tenant_id)",
        &[("insula_tenant.requests (weak)", "does not delete")],
    ),
    (
        "ALTER TABLE insula_tenant.requests DROP CONSTRAINT requests_tenant_id_fkey, \
         ADD CONSTRAINT late FOREIGN KEY (tenant_id) REFERENCES insula_tenant.homes (tenant_id) ON DELETE CASCADE NOT VALID",
        &[("insula_tenant.requests (late)", "never validated")],
    ),
    ("ALTER TABLE insula_tenant.homes DISABLE TRIGGER ALL", &[("insula_tenant.homes", "triggers are disabled")]),
    ("ALTER TABLE insula_tenant.requests DISABLE TRIGGER ALL", &[("insula_tenant.requests", "triggers are disabled")]),
    (
        "CREATE FUNCTION public.spy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
         CREATE TRIGGER spy BEFORE DELETE ON insula_control.keys FOR EACH ROW EXECUTE FUNCTION public.spy()",
        &[("insula_control.keys (spy)", "is a trigger")],
    ),
    ("CREATE VIEW public.spy AS SELECT * FROM insula_tenant.requests", &[("public.spy", "(view)")]),
    ("CREATE MATERIALIZED VIEW public.spy AS SELECT * FROM insula_keys.tenant_keys", &[("public.spy", "(materialized view)")]),
    (
        "CREATE FUNCTION public.spy() RETURNS bigint LANGUAGE sql SECURITY DEFINER \
         BEGIN ATOMIC SELECT count(*) FROM insula_tenant.requests; END",
        &[("public.spy()", "(routine)")],
    ),
    (
        "CREATE FUNCTION public.spy(insula_tenant.requests) RETURNS bigint LANGUAGE sql AS 'SELECT 1'",
        &[("public.spy(insula_tenant.requests)", "(routine)")],
    ),
    (
        "CREATE TABLE public.bait (id BIGINT); \
         CREATE RULE spy AS ON INSERT TO public.bait DO ALSO DELETE FROM insula_control.budgets",
        &[("public.bait", "(rule spy)")],
    ),
    (
        "CREATE TABLE public.bait (id UUID CONSTRAINT probe REFERENCES insula_tenant.homes (tenant_id))",
        &[("public.bait", "(constraint probe)")],
    ),
    ("CREATE TABLE public.bait () INHERITS (insula_control.budgets)", &[("public.bait", "(table)")]),
    // With the path of whoever made it, the catalogue would write this as PostgreSQL's own.
    (
        "CREATE FUNCTION public.current_setting(text, boolean) RETURNS text LANGUAGE sql STABLE AS $$SELECT ''$$; \
         SET LOCAL search_path = public, pg_catalog; \
         ALTER POLICY tenant ON insula_tenant.requests USING (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid)",
        &[
            ("insula_tenant.requests", "lacks the policy"),
            ("insula_tenant.requests (tenant)", "may open rows"),
            ("insula_tenant.requests", "policy tenant runs public.current_setting(text,boolean)"),
        ],
    ),
    (
        "CREATE FUNCTION public.zero() RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint'; \
         ALTER TABLE insula_tenant.requests ALTER COLUMN cost SET DEFAULT public.zero()",
        &[("insula_tenant.requests", "default of cost runs public.zero()")],
    ),
    (
        "CREATE FUNCTION public.same(bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS 'SELECT $1'; \
         CREATE INDEX spy ON insula_tenant.requests (public.same(request))",
        &[("insula_tenant.requests", "index insula_tenant.spy runs public.same(bytea)")],
    ),
    ("ALTER ROLE APP SET search_path = public", &[("APP", "sets search_path")]),
    ("ALTER ROLE APP IN DATABASE NAME SET app.current_tenant = 'x'", &[("APP", "sets app.current_tenant")]),
    ("ALTER DATABASE NAME SET row_security = off", &[("DATABASE NAME", "sets row_security")]),
    ("ALTER DATABASE NAME SET role = insula_keys", &[("DATABASE NAME", "sets role")]),
    ("ALTER ROLE insula_tenant SET session_replication_role = replica", &[("insula_tenant", "sets session_replication_role")]),
    ("ALTER ROLE APP SET work_mem = '8MB'", &[]),
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
        "ALTER TABLE insula_tenant.requests DROP CONSTRAINT requests_tenant_id_fkey",
        "ALTER TABLE insula_tenant.idempotency DISABLE TRIGGER ALL",
        "CREATE VIEW public.spy AS SELECT * FROM insula_tenant.homes",
    ];
    admin.batch_execute(&broken.join("; ")).await.unwrap();
    admin.batch_execute(&format!("ALTER ROLE {app} INHERIT BYPASSRLS; ALTER ROLE {app} SET row_security = off")).await.unwrap();
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
