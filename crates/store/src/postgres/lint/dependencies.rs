//! What lies outside our schemas: nothing there reads our tables, and nothing there is run by them.
//!
//! The catalogue knows what views, rules, keys and functions with parsed bodies or our row types depend on. What a function
//! says in a string it does not know; the grants and policies hold for that.

use insula_model::Result;
use tokio_postgres::Client;

use super::Finding;
use crate::postgres::{
    error::failed,
    schemas::{Schema, names},
};

pub(super) async fn lint(client: &Client, schemas: &[Schema]) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    dependents(client, schemas, &mut findings).await?;
    called(client, schemas, &mut findings).await?;
    Ok(findings)
}

/// Whatever is outside and depends on something of ours.
async fn dependents(client: &Client, schemas: &[Schema], findings: &mut Vec<Finding>) -> Result<()> {
    // $1 are the schemas that are looked at; those of one database are all ours.
    const DEPENDENTS: &str = "
        WITH ours AS (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = ANY ($1::text[])),
        relations AS (SELECT c.oid FROM pg_catalog.pg_class c JOIN ours ON ours.oid = c.relnamespace),
        objects (class, oid) AS (
            SELECT 'pg_catalog.pg_class'::regclass, oid FROM relations
            UNION ALL
            SELECT 'pg_catalog.pg_type'::regclass, t.oid FROM pg_catalog.pg_type t JOIN ours ON ours.oid = t.typnamespace
            UNION ALL
            SELECT 'pg_catalog.pg_proc'::regclass, p.oid FROM pg_catalog.pg_proc p JOIN ours ON ours.oid = p.pronamespace
            UNION ALL
            SELECT 'pg_catalog.pg_constraint'::regclass, k.oid FROM pg_catalog.pg_constraint k
                JOIN relations ON relations.oid = k.conrelid
        ),
        dependents AS (
            SELECT DISTINCT d.classid, d.objid FROM pg_catalog.pg_depend d
            JOIN objects ON objects.class = d.refclassid AND objects.oid = d.refobjid
        ),
        found (schema, name, kind) AS (
            SELECT c.relnamespace, c.oid::regclass::text, CASE WHEN w.rulename <> '_RETURN' THEN 'rule ' || quote_ident(w.rulename)
                WHEN c.relkind = 'm' THEN 'materialized view' ELSE 'view' END
            FROM dependents d JOIN pg_catalog.pg_rewrite w ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND w.oid = d.objid
            JOIN pg_catalog.pg_class c ON c.oid = w.ev_class
            UNION ALL
            SELECT p.pronamespace, p.oid::regprocedure::text, 'routine'
            FROM dependents d JOIN pg_catalog.pg_proc p ON d.classid = 'pg_catalog.pg_proc'::regclass AND p.oid = d.objid
            UNION ALL
            SELECT c.relnamespace, c.oid::regclass::text, 'table'
            FROM dependents d JOIN pg_catalog.pg_class c ON d.classid = 'pg_catalog.pg_class'::regclass AND c.oid = d.objid
            WHERE c.relkind IN ('r', 'p', 'f')
            UNION ALL
            SELECT c.relnamespace, c.oid::regclass::text, 'constraint ' || quote_ident(k.conname)
            FROM dependents d JOIN pg_catalog.pg_constraint k
                ON d.classid = 'pg_catalog.pg_constraint'::regclass AND k.oid = d.objid
            JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
        )
        SELECT DISTINCT name, kind FROM found WHERE schema NOT IN (SELECT oid FROM ours)";
    for row in client.query(DEPENDENTS, &[&names(schemas)]).await.map_err(failed)? {
        let (name, kind): (&str, &str) = (row.get("name"), row.get("kind"));
        let fix = match kind.split_once(' ') {
            Some(("rule", rule)) => format!("DROP RULE {rule} ON {name};"),
            Some(("constraint", key)) => format!("ALTER TABLE {name} DROP CONSTRAINT {key};"),
            _ => format!("DROP {} {name};", kind.to_uppercase()),
        };
        findings.push(Finding::new(name, format!("is outside our schemas and depends on them ({kind})"), fix));
    }
    Ok(())
}

/// Whatever policies, defaults, constraints and indexes of ours run that is neither PostgreSQL's own nor, of indexes, pgvector's: what
/// that extension has was put there by a superuser.
async fn called(client: &Client, schemas: &[Schema], findings: &mut Vec<Finding>) -> Result<()> {
    const CALLED: &str = "
        WITH relations AS (
            SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = ANY ($1::text[])
        ),
        callers (class, oid, relation, kind) AS (
            SELECT 'pg_catalog.pg_policy'::regclass, oid, polrelid, 'policy ' || polname FROM pg_catalog.pg_policy
            UNION ALL
            SELECT 'pg_catalog.pg_attrdef'::regclass, d.oid, d.adrelid, 'default of ' || a.attname
                FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
            UNION ALL
            SELECT 'pg_catalog.pg_constraint'::regclass, oid, conrelid, 'constraint ' || conname FROM pg_catalog.pg_constraint
            UNION ALL
            SELECT 'pg_catalog.pg_class'::regclass, indexrelid, indrelid, 'index ' || indexrelid::regclass::text
                FROM pg_catalog.pg_index
        ),
        code (class, oid, schema, name) AS (
            SELECT 'pg_catalog.pg_proc'::regclass, oid, pronamespace, oid::regprocedure::text FROM pg_catalog.pg_proc
            UNION ALL
            SELECT 'pg_catalog.pg_operator'::regclass, oid, oprnamespace, oid::regoperator::text FROM pg_catalog.pg_operator
        )
        SELECT DISTINCT callers.relation::regclass::text AS name, callers.kind, code.name AS called
        FROM callers JOIN relations ON relations.oid = callers.relation
        JOIN pg_catalog.pg_depend d ON d.classid = callers.class AND d.objid = callers.oid
        JOIN code ON code.class = d.refclassid AND code.oid = d.refobjid
        WHERE code.schema <> 'pg_catalog'::regnamespace
            AND NOT (callers.class = 'pg_catalog.pg_class'::regclass AND EXISTS (
                SELECT 1 FROM pg_catalog.pg_depend m JOIN pg_catalog.pg_extension e ON e.oid = m.refobjid
                WHERE m.classid = code.class AND m.objid = code.oid AND m.deptype = 'e' AND e.extname = 'vector'
                    AND m.refclassid = 'pg_catalog.pg_extension'::regclass))";
    for row in client.query(CALLED, &[&names(schemas)]).await.map_err(failed)? {
        let (name, kind, called): (&str, &str, &str) = (row.get("name"), row.get("kind"), row.get("called"));
        let says = format!("its {kind} runs {called}, which is not PostgreSQL's own");
        findings.push(Finding::new(name, says, format!("make the {kind} anew without {called}")));
    }
    Ok(())
}
