//! What erasing a tenant rests on: every row goes with its tenant's home, and no trigger keeps or copies any.

use insula_model::Result;
use tokio_postgres::Client;

use super::Finding;
use crate::postgres::{
    error::failed,
    schemas::{Schema, names, quoted},
};

pub(super) async fn lint(client: &Client, schemas: &[Schema]) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    if schemas.contains(&Schema::Tenant) {
        homes(client, &mut findings).await?;
    }
    triggers(client, schemas, &mut findings).await?;
    Ok(findings)
}

/// Every table of tenants has a foreign key to their homes that holds for all rows and deletes them.
async fn homes(client: &Client, findings: &mut Vec<Finding>) -> Result<()> {
    const KEYS: &str = "
        SELECT c.relname::text AS name, k.conname::text AS key, k.confdeltype = 'c' AS cascades,
            -- PostgreSQL 18 and later know foreign keys that are not enforced.
            k.convalidated AND COALESCE(to_jsonb(k) ->> 'conenforced', 'true') = 'true' AS holds
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
        LEFT JOIN (pg_catalog.pg_constraint k
            JOIN pg_catalog.pg_class h ON h.oid = k.confrelid AND h.relname = 'homes'
            JOIN pg_catalog.pg_attribute b ON b.attrelid = h.oid AND b.attname = 'tenant_id')
            ON k.conrelid = c.oid AND k.contype = 'f' AND h.relnamespace = n.oid
            AND k.conkey = ARRAY[a.attnum] AND k.confkey = ARRAY[b.attnum]
        WHERE n.nspname = 'insula_tenant' AND c.relkind IN ('r', 'p') AND c.relname NOT IN ('schema_steps', 'homes')";
    for row in client.query(KEYS, &[]).await.map_err(failed)? {
        let table = format!("insula_tenant.{}", quoted(row.get("name")));
        let add = "ADD FOREIGN KEY (tenant_id) REFERENCES insula_tenant.homes (tenant_id) ON DELETE CASCADE";
        let Some(key) = row.get::<_, Option<&str>>("key") else {
            let says = "lacks the foreign key to homes: its rows outlive their tenant";
            findings.push(Finding::new(&table, says, format!("ALTER TABLE {table} {add};")));
            continue;
        };
        let (object, key) = (format!("{table} ({key})"), quoted(key));
        if !row.get::<_, bool>("cascades") {
            let fix = format!("ALTER TABLE {table} DROP CONSTRAINT {key}, {add};");
            findings.push(Finding::new(&object, "does not delete a tenant's rows with its home", fix));
        }
        if !row.get::<_, bool>("holds") {
            let fix = format!("ALTER TABLE {table} VALIDATE CONSTRAINT {key};");
            findings.push(Finding::new(&object, "may not hold for all rows: it was never validated", fix));
        }
    }
    Ok(())
}

/// No triggers but those of foreign keys, and these are on.
async fn triggers(client: &Client, schemas: &[Schema], findings: &mut Vec<Finding>) -> Result<()> {
    const TRIGGERS: &str = "
        SELECT n.nspname::text AS schema, c.relname::text AS name, t.tgname::text AS trigger, t.tgisinternal AS internal
        FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY ($1::text[]) AND (NOT t.tgisinternal OR t.tgenabled NOT IN ('O', 'A'))";
    for row in client.query(TRIGGERS, &[&names(schemas)]).await.map_err(failed)? {
        let table = format!("{}.{}", row.get::<_, &str>("schema"), quoted(row.get("name")));
        let trigger: &str = row.get("trigger");
        findings.push(if row.get("internal") {
            let fix = format!("ALTER TABLE {table} ENABLE TRIGGER ALL;");
            Finding::new(table, "a foreign key's triggers are disabled: it is not kept", fix)
        } else {
            let fix = format!("DROP TRIGGER {} ON {table};", quoted(trigger));
            Finding::new(format!("{table} ({trigger})"), "is a trigger: it may copy rows, change them or keep them", fix)
        });
    }
    Ok(())
}
