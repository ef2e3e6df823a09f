//! Tables, keys, views, functions and rules.

use insula_model::Result;
use tokio_postgres::Client;

use super::{CURRENT_TENANT, Finding};
use crate::postgres::{
    error::failed,
    schemas::{Schema, names},
};

pub(super) async fn lint(client: &Client, schemas: &[Schema]) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    if schemas.contains(&Schema::Tenant) {
        tenant_columns(client, &mut findings).await?;
        tenant_keys(client, &mut findings).await?;
        foreign_keys(client, &mut findings).await?;
    }
    row_security(client, schemas, &mut findings).await?;
    other_relations(client, schemas, &mut findings).await?;
    code(client, schemas, &mut findings).await?;
    Ok(findings)
}

/// Every table of tenants says in each row whose it is, and cannot leave it open.
async fn tenant_columns(client: &Client, findings: &mut Vec<Finding>) -> Result<()> {
    const COLUMNS: &str = "
        SELECT c.relname::text AS name, format_type(a.atttypid, a.atttypmod) AS kind, a.attnotnull AS filled,
            pg_get_expr(d.adbin, d.adrelid) AS preset
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
        LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE n.nspname = 'insula_tenant' AND c.relkind IN ('r', 'p') AND c.relname <> 'schema_steps'";
    for row in client.query(COLUMNS, &[]).await.map_err(failed)? {
        let table = format!("insula_tenant.{}", row.get::<_, &str>("name"));
        let (kind, preset): (Option<&str>, Option<&str>) = (row.get("kind"), row.get("preset"));
        let Some(kind) = kind else {
            findings.push(Finding::new(table, "has no column tenant_id", "drop the table: it is none of ours"));
            continue;
        };
        let alter = |change: &str| format!("ALTER TABLE {table} ALTER COLUMN tenant_id {change};");
        let column = format!("{table}.tenant_id");
        if kind != "uuid" {
            findings.push(Finding::new(&column, format!("is {kind}, not uuid"), alter("TYPE uuid")));
        }
        if row.get::<_, Option<bool>>("filled") != Some(true) {
            findings.push(Finding::new(&column, "may be NULL", alter("SET NOT NULL")));
        }
        if preset != Some(CURRENT_TENANT) {
            let says = format!("its default is {}, not the current tenant", preset.unwrap_or("absent"));
            findings.push(Finding::new(&column, says, alter(&format!("SET DEFAULT {CURRENT_TENANT}"))));
        }
    }
    Ok(())
}

/// A unique index that spans tenants tells one of another's values.
async fn tenant_keys(client: &Client, findings: &mut Vec<Finding>) -> Result<()> {
    const INDEXES: &str = "
        SELECT c.relname::text AS name, x.relname::text AS index, i.indisprimary AS is_primary
        FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
        JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'insula_tenant' AND c.relkind IN ('r', 'p') AND c.relname <> 'schema_steps'
            AND (i.indisunique OR i.indisexclusion)
            AND NOT EXISTS (
                SELECT 1 FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id'
                    AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]))";
    for row in client.query(INDEXES, &[]).await.map_err(failed)? {
        let what = if row.get("is_primary") { "primary key" } else { "unique index" };
        let object = format!("insula_tenant.{} ({})", row.get::<_, &str>("name"), row.get::<_, &str>("index"));
        findings.push(Finding::new(
            object,
            format!("the {what} spans all tenants"),
            "make it anew with tenant_id as its first column",
        ));
    }
    Ok(())
}

/// A foreign key that does not carry the tenant tells one whether another's row exists.
async fn foreign_keys(client: &Client, findings: &mut Vec<Finding>) -> Result<()> {
    const KEYS: &str = "
        SELECT c.relname::text AS name, k.conname::text AS key
        FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'insula_tenant' AND k.contype = 'f'
            AND NOT EXISTS (
                SELECT 1 FROM unnest(k.conkey, k.confkey) AS pair (here, there)
                JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = pair.here
                JOIN pg_catalog.pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = pair.there
                JOIN pg_catalog.pg_class t ON t.oid = k.confrelid
                WHERE a.attname = 'tenant_id' AND b.attname = 'tenant_id' AND t.relnamespace = n.oid)";
    for row in client.query(KEYS, &[]).await.map_err(failed)? {
        let table = format!("insula_tenant.{}", row.get::<_, &str>("name"));
        let fix = format!(
            "ALTER TABLE {table} DROP CONSTRAINT {}; make it anew with tenant_id on both sides",
            row.get::<_, &str>("key")
        );
        findings.push(Finding::new(format!("{table} ({})", row.get::<_, &str>("key")), "the foreign key spans tenants", fix));
    }
    Ok(())
}

/// Every table that says whose a row is stands under row-level security, for its owner too.
async fn row_security(client: &Client, schemas: &[Schema], findings: &mut Vec<Finding>) -> Result<()> {
    let tables = format!(
        "SELECT n.nspname || '.' || c.relname AS name, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced {CARRIES_TENANT}"
    );
    for row in client.query(&tables, &[&names(schemas)]).await.map_err(failed)? {
        let table: &str = row.get("name");
        for (column, word) in [("enabled", "ENABLE"), ("forced", "FORCE")] {
            if !row.get::<_, bool>(column) {
                let says =
                    format!("row-level security is not {}", if word == "FORCE" { "forced upon its owner" } else { "enabled" });
                findings.push(Finding::new(table, says, format!("ALTER TABLE {table} {word} ROW LEVEL SECURITY;")));
            }
        }
    }
    Ok(())
}

/// The tables that carry a tenant, in a column of theirs or, those of the tenants themselves, in all.
pub(super) const CARRIES_TENANT: &str = "
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY ($1::text[]) AND c.relkind IN ('r', 'p') AND c.relname <> 'schema_steps'
        AND (n.nspname = 'insula_tenant' OR c.relname = 'tenants' OR EXISTS (
            SELECT 1 FROM pg_catalog.pg_attribute a
            WHERE a.attrelid = c.oid AND a.attname IN ('tenant', 'subject', 'tenant_id') AND NOT a.attisdropped))";

/// Views that read as their owner, and whatever cannot have policies.
async fn other_relations(client: &Client, schemas: &[Schema], findings: &mut Vec<Finding>) -> Result<()> {
    const RELATIONS: &str = "
        SELECT n.nspname || '.' || c.relname AS name, c.relkind::text AS kind
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY ($1::text[]) AND (c.relkind IN ('m', 'f') OR c.relkind = 'v' AND NOT EXISTS (
            SELECT 1 FROM pg_options_to_table(c.reloptions)
            WHERE option_name = 'security_invoker' AND option_value IN ('true', 'on', 'yes', '1')))";
    for row in client.query(RELATIONS, &[&names(schemas)]).await.map_err(failed)? {
        let name: &str = row.get("name");
        let (says, fix) = match row.get("kind") {
            "v" => ("is a view that reads as its owner", format!("ALTER VIEW {name} SET (security_invoker = true);")),
            "m" => ("is a materialized view, which has no policies", format!("DROP MATERIALIZED VIEW {name};")),
            _ => ("is a foreign table, which has no policies", format!("DROP FOREIGN TABLE {name};")),
        };
        findings.push(Finding::new(name, says, fix));
    }
    Ok(())
}

/// Functions and rules that act with their owner's rights.
async fn code(client: &Client, schemas: &[Schema], findings: &mut Vec<Finding>) -> Result<()> {
    const FUNCTIONS: &str = "
        SELECT n.nspname || '.' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')' AS name
        FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname = ANY ($1::text[]) AND p.prosecdef";
    for row in client.query(FUNCTIONS, &[&names(schemas)]).await.map_err(failed)? {
        let name: &str = row.get("name");
        let fix = format!("ALTER ROUTINE {name} SECURITY INVOKER;");
        findings.push(Finding::new(name, "is SECURITY DEFINER: it acts with its owner's rights", fix));
    }
    const RULES: &str = "
        SELECT n.nspname || '.' || c.relname AS name, w.rulename::text AS rule
        FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_class c ON c.oid = w.ev_class
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY ($1::text[]) AND w.rulename <> '_RETURN'";
    for row in client.query(RULES, &[&names(schemas)]).await.map_err(failed)? {
        let (name, rule): (&str, &str) = (row.get("name"), row.get("rule"));
        let fix = format!("DROP RULE {rule} ON {name};");
        findings.push(Finding::new(format!("{name} ({rule})"), "is a rule, which acts with its owner's rights", fix));
    }
    Ok(())
}
