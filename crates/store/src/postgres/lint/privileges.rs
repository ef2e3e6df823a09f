//! The grants: exactly those that the migrations give.

use std::collections::BTreeSet;

use insula_model::Result;
use tokio_postgres::Client;

use super::Finding;
use crate::postgres::{
    error::failed,
    schemas::{Schema, names, quoted},
};

/// Who may do what, object by object. The owner's own rights are left out.
const GRANTS: &[(&str, &str, &str)] = &[
    ("SCHEMA insula_control", "insula_control", "USAGE"),
    ("SCHEMA insula_control", "insula_tenant", "USAGE"),
    ("SCHEMA insula_tenant", "insula_tenant", "USAGE"),
    ("SCHEMA insula_keys", "insula_keys", "USAGE"),
    ("insula_control.schema_steps", "insula_control", "SELECT"),
    ("insula_control.tenants", "insula_control", "SELECT INSERT UPDATE DELETE"),
    ("insula_control.keys", "insula_control", "SELECT INSERT UPDATE DELETE"),
    ("insula_control.budgets", "insula_control", "SELECT INSERT UPDATE DELETE"),
    ("insula_control.limits", "insula_control", "SELECT INSERT UPDATE DELETE"),
    ("insula_control.nodes", "insula_control", "SELECT INSERT UPDATE DELETE"),
    ("insula_control.begun_attempts", "insula_control", "SELECT INSERT UPDATE DELETE"),
    ("insula_control.budget_windows", "insula_control", "SELECT INSERT UPDATE DELETE"),
    ("insula_control.budget_leases", "insula_control", "SELECT INSERT UPDATE DELETE"),
    ("insula_control.operator_keys", "insula_control", "SELECT INSERT UPDATE"),
    ("insula_control.spend_hour", "insula_control", "SELECT INSERT UPDATE"),
    ("insula_control.erasures", "insula_control", "SELECT INSERT UPDATE"),
    ("insula_control.changes", "insula_control", "SELECT INSERT DELETE"),
    ("insula_control.ledger", "insula_control", "SELECT INSERT"),
    ("insula_control.ledger", "insula_tenant", "SELECT"),
    ("insula_control.spend_hour", "insula_tenant", "SELECT"),
    ("insula_control.webhooks", "insula_control", "SELECT INSERT UPDATE DELETE"),
    ("insula_control.webhook_deliveries", "insula_control", "SELECT INSERT UPDATE DELETE"),
    ("insula_control.webhook_events", "insula_control", "SELECT INSERT DELETE"),
    ("insula_control.budget_alerts", "insula_control", "SELECT INSERT DELETE"),
    ("insula_control.statement_notices", "insula_control", "SELECT INSERT DELETE"),
    ("insula_control.tag_sets", "insula_control", "SELECT INSERT DELETE"),
    ("insula_control.tag_sets", "insula_tenant", "SELECT"),
    ("insula_control.plans", "insula_control", "SELECT INSERT UPDATE DELETE"),
    ("insula_control.segments", "insula_control", "SELECT INSERT UPDATE DELETE"),
    ("insula_control.runs", "insula_control", "SELECT INSERT UPDATE DELETE"),
    ("insula_control.corpora", "insula_control", "SELECT INSERT UPDATE DELETE"),
    ("insula_control.corpus_grants", "insula_control", "SELECT INSERT DELETE"),
    ("insula_control.end_users", "insula_control", "SELECT INSERT DELETE"),
    ("insula_control.end_users", "insula_tenant", "SELECT"),
    ("insula_control.credits", "insula_control", "SELECT INSERT DELETE"),
    ("insula_control.credits", "insula_tenant", "SELECT"),
    ("insula_control.cache_hits", "insula_control", "SELECT INSERT UPDATE DELETE"),
    ("insula_control.cache_hits", "insula_tenant", "SELECT"),
    ("insula_control.keys.id", "insula_tenant", "SELECT"),
    ("insula_control.keys.tenant", "insula_tenant", "SELECT"),
    ("insula_control.keys.name", "insula_tenant", "SELECT"),
    ("insula_control.keys.role", "insula_tenant", "SELECT"),
    ("insula_control.keys.tags", "insula_tenant", "SELECT"),
    ("insula_control.keys.created_at", "insula_tenant", "SELECT"),
    ("insula_control.keys.expires_at", "insula_tenant", "SELECT"),
    ("insula_control.keys.revoked_at", "insula_tenant", "SELECT"),
    ("insula_tenant.schema_steps", "insula_tenant", "SELECT"),
    ("insula_tenant.homes", "insula_tenant", "SELECT INSERT DELETE"),
    ("insula_tenant.requests", "insula_tenant", "SELECT INSERT UPDATE"),
    ("insula_tenant.idempotency", "insula_tenant", "SELECT INSERT UPDATE DELETE"),
    ("insula_tenant.responses", "insula_tenant", "SELECT INSERT DELETE"),
    ("insula_tenant.provider_credentials", "insula_tenant", "SELECT INSERT DELETE"),
    ("insula_tenant.files", "insula_tenant", "SELECT INSERT UPDATE DELETE"),
    ("insula_tenant.file_chunks", "insula_tenant", "SELECT INSERT DELETE"),
    ("insula_tenant.batches", "insula_tenant", "SELECT INSERT UPDATE"),
    ("insula_tenant.batch_lines", "insula_tenant", "SELECT INSERT DELETE"),
    ("insula_tenant.corpus", "insula_tenant", "SELECT INSERT UPDATE"),
    ("insula_tenant.documents", "insula_tenant", "SELECT INSERT UPDATE DELETE"),
    ("insula_tenant.chunks", "insula_tenant", "SELECT INSERT DELETE"),
    ("insula_tenant.vectors", "insula_tenant", "SELECT INSERT DELETE"),
    ("insula_tenant.spaces", "insula_tenant", "SELECT INSERT DELETE"),
    ("insula_tenant.staged_vectors", "insula_tenant", "SELECT INSERT UPDATE DELETE"),
    ("insula_tenant.vector_outbox", "insula_tenant", "SELECT INSERT UPDATE DELETE"),
    ("insula_tenant.vector_home", "insula_tenant", "SELECT INSERT UPDATE DELETE"),
    ("insula_tenant.postings", "insula_tenant", "SELECT INSERT DELETE"),
    ("insula_tenant.facets", "insula_tenant", "SELECT INSERT DELETE"),
    ("insula_tenant.profile", "insula_tenant", "SELECT INSERT UPDATE DELETE"),
    ("insula_tenant.vector_stores", "insula_tenant", "SELECT INSERT UPDATE DELETE"),
    ("insula_tenant.file_batches", "insula_tenant", "SELECT INSERT UPDATE DELETE"),
    ("insula_keys.schema_steps", "insula_keys", "SELECT"),
    ("insula_keys.tenant_keys", "insula_keys", "SELECT INSERT DELETE"),
    ("insula_keys.destroyed_keys", "insula_keys", "SELECT INSERT"),
    ("insula_keys.root", "insula_keys", "SELECT INSERT"),
];

/// The same of what is there only where pgvector searches.
const PGVECTOR_GRANTS: &[(&str, &str, &str)] = &[
    ("insula_tenant.embeddings", "insula_tenant", "SELECT INSERT DELETE"),
    ("insula_tenant.embeddings_kept", "insula_tenant", "SELECT INSERT UPDATE DELETE"),
];

/// One right: the object, who has it, which.
type Right = (String, String, String);

/// Every right on our schemas and all that is in them, but what owners have by themselves.
const FOUND: &str = "
    WITH ours AS (SELECT oid, nspname, nspowner, nspacl FROM pg_catalog.pg_namespace WHERE nspname = ANY ($1::text[])),
    lists (object, owner, acl) AS (
        SELECT 'SCHEMA ' || nspname, nspowner, nspacl FROM ours
        UNION ALL
        SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE '' END || o.nspname || '.' || c.relname, c.relowner, c.relacl
            FROM pg_catalog.pg_class c JOIN ours o ON o.oid = c.relnamespace
        UNION ALL
        SELECT o.nspname || '.' || c.relname || '.' || a.attname, c.relowner, a.attacl
            FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
            JOIN ours o ON o.oid = c.relnamespace WHERE NOT a.attisdropped
        UNION ALL
        SELECT 'ROUTINE ' || o.nspname || '.' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')', p.proowner,
            COALESCE(p.proacl, acldefault('f', p.proowner))
            FROM pg_catalog.pg_proc p JOIN ours o ON o.oid = p.pronamespace
    )
    SELECT object, CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(acl.grantee)::text END AS grantee,
        acl.privilege_type AS privilege, acl.is_grantable AS grantable
    FROM lists CROSS JOIN LATERAL aclexplode(lists.acl) AS acl WHERE acl.grantee <> lists.owner";

pub(super) async fn lint(client: &Client, schemas: &[Schema]) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let expected = expected(schemas, has_pgvector(client).await?);
    let mut found = BTreeSet::new();
    for row in client.query(FOUND, &[&names(schemas)]).await.map_err(failed)? {
        let right: Right = (row.get("object"), row.get("grantee"), row.get("privilege"));
        let grantable: bool = row.get("grantable");
        if grantable || !expected.contains(&right) {
            findings.push(excess(&right, grantable && expected.contains(&right)));
        }
        found.insert(right);
    }
    for (object, grantee, privilege) in expected.difference(&found) {
        let says = format!("{grantee} lacks {privilege}, which the server needs");
        findings.push(Finding::new(object, says, format!("GRANT {} TO {grantee};", on(object, privilege))));
    }
    presets(client, schemas, &mut findings).await?;
    on_database(client, schemas, &mut findings).await?;
    Ok(findings)
}

/// Whether the tables that pgvector searches are there.
async fn has_pgvector(client: &Client) -> Result<bool> {
    // Not by its name: whoever looks may have no right to use the schema.
    const FIND: &str = "SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                        WHERE n.nspname = 'insula_tenant' AND c.relname = 'embeddings'";
    Ok(client.query_opt(FIND, &[]).await.map_err(failed)?.is_some())
}

fn expected(schemas: &[Schema], has_pgvector: bool) -> BTreeSet<Right> {
    let here = |object: &str, grantee: &str| {
        let schema = object.trim_start_matches("SCHEMA ").split('.').next().unwrap_or_default();
        names(schemas).contains(&schema) && names(schemas).contains(&grantee)
    };
    let more = if has_pgvector { PGVECTOR_GRANTS } else { &[] };
    let grants = GRANTS.iter().chain(more).filter(|(object, grantee, _)| here(object, grantee));
    grants
        .flat_map(|(object, grantee, privileges)| {
            privileges.split(' ').map(|privilege| ((*object).to_owned(), (*grantee).to_owned(), privilege.to_owned()))
        })
        .collect()
}

fn excess((object, grantee, privilege): &Right, only_option: bool) -> Finding {
    let from = if grantee == "PUBLIC" { grantee.clone() } else { quoted(grantee) };
    let option = if only_option { "GRANT OPTION FOR " } else { "" };
    let says = if only_option { "may hand on" } else { "has" };
    Finding::new(object, format!("{grantee} {says} {privilege}, which it must not"), {
        format!("REVOKE {option}{} FROM {from};", on(object, privilege))
    })
}

/// `SELECT ON t`, or `SELECT (column) ON t`.
fn on(object: &str, privilege: &str) -> String {
    match object.split('.').collect::<Vec<_>>().as_slice() {
        [schema, table, column] if !object.contains(' ') => format!("{privilege} ({column}) ON {schema}.{table}"),
        _ => format!("{privilege} ON {object}"),
    }
}

/// Rights that whatever is made next would have.
async fn presets(client: &Client, schemas: &[Schema], findings: &mut Vec<Finding>) -> Result<()> {
    const PRESETS: &str = "
        SELECT DISTINCT pg_get_userbyid(d.defaclrole)::text AS owner, COALESCE(n.nspname::text, '') AS schema,
            CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(acl.grantee)::text END AS grantee,
            acl.privilege_type AS privilege,
            CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
                WHEN 'T' THEN 'TYPES' ELSE 'SCHEMAS' END AS kind
        FROM pg_catalog.pg_default_acl d LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace
        CROSS JOIN LATERAL aclexplode(d.defaclacl) AS acl
        WHERE acl.grantee <> d.defaclrole AND (n.nspname = ANY ($1::text[]) OR d.defaclnamespace = 0
            AND d.defaclrole IN (SELECT nspowner FROM pg_catalog.pg_namespace WHERE nspname = ANY ($1::text[])))
            -- What everybody may do with functions and types unless it is taken away.
            AND NOT (d.defaclnamespace = 0 AND acl.grantee = 0 AND d.defaclobjtype IN ('f', 'T'))";
    for row in client.query(PRESETS, &[&names(schemas)]).await.map_err(failed)? {
        let (owner, schema, grantee): (&str, &str, &str) = (row.get("owner"), row.get("schema"), row.get("grantee"));
        let (privilege, kind): (&str, &str) = (row.get("privilege"), row.get("kind"));
        let of = quoted(owner);
        let inside = if schema.is_empty() { String::new() } else { format!(" IN SCHEMA {schema}") };
        let from = if grantee == "PUBLIC" { grantee.to_owned() } else { quoted(grantee) };
        let fix = format!("ALTER DEFAULT PRIVILEGES FOR ROLE {of}{inside} REVOKE {privilege} ON {kind} FROM {from};");
        let says = format!("{grantee} gets {privilege} on new {}", kind.to_lowercase());
        findings.push(Finding::new(format!("DEFAULT PRIVILEGES of {owner}{inside}"), says, fix));
    }
    Ok(())
}

/// Whoever serves makes no schemas.
async fn on_database(client: &Client, schemas: &[Schema], findings: &mut Vec<Finding>) -> Result<()> {
    const CREATE: &str = "
        SELECT current_database()::text AS database,
            CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(acl.grantee)::text END AS grantee
        FROM pg_catalog.pg_database d CROSS JOIN LATERAL aclexplode(d.datacl) AS acl
        WHERE d.datname = current_database() AND acl.privilege_type = 'CREATE' AND (acl.grantee = 0 OR acl.grantee IN (
            SELECT oid FROM pg_catalog.pg_roles WHERE rolname = ANY ($1::text[])
            UNION ALL SELECT m.member FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles r ON r.oid = m.roleid
                -- From PostgreSQL 16 on, whoever makes a role may grant it, and is noted as a member without rights.
                WHERE r.rolname = ANY ($1::text[]) AND COALESCE(to_jsonb(m) ->> 'set_option', 'true') = 'true'))";
    for row in client.query(CREATE, &[&names(schemas)]).await.map_err(failed)? {
        let (database, grantee): (&str, &str) = (row.get("database"), row.get("grantee"));
        let from = if grantee == "PUBLIC" { grantee.to_owned() } else { quoted(grantee) };
        let fix = format!("REVOKE CREATE ON DATABASE {} FROM {from};", quoted(database));
        findings.push(Finding::new(format!("DATABASE {database}"), format!("{grantee} may make schemas in it"), fix));
    }
    Ok(())
}
