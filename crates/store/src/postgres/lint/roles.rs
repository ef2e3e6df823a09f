//! Our roles, who may act as them, and who owns the tables.

use insula_model::Result;
use tokio_postgres::Client;

use super::Finding;
use crate::postgres::{
    error::failed,
    schemas::{Schema, names, quoted},
};

pub(super) async fn lint(client: &Client, schemas: &[Schema]) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    attributes(client, schemas, &mut findings).await?;
    memberships(client, schemas, &mut findings).await?;
    members(client, schemas, &mut findings).await?;
    owners(client, schemas, &mut findings).await?;
    Ok(findings)
}

/// Our roles exist and can do nothing but what is granted.
async fn attributes(client: &Client, schemas: &[Schema], findings: &mut Vec<Finding>) -> Result<()> {
    const ROLES: &str = "
        SELECT ours.name, r.oid IS NOT NULL AS found, r.rolsuper, r.rolbypassrls, r.rolinherit, r.rolcreaterole, r.rolcreatedb,
            r.rolcanlogin, r.rolreplication
        FROM unnest($1::text[]) AS ours (name) LEFT JOIN pg_catalog.pg_roles r ON r.rolname = ours.name";
    for row in client.query(ROLES, &[&names(schemas)]).await.map_err(failed)? {
        let role: &str = row.get("name");
        if !row.get::<_, bool>("found") {
            findings.push(Finding::new(role, "there is no such role", "run `insula migrate`"));
            continue;
        }
        for (column, attribute) in [
            ("rolsuper", "SUPERUSER"),
            ("rolbypassrls", "BYPASSRLS"),
            ("rolinherit", "INHERIT"),
            ("rolcreaterole", "CREATEROLE"),
            ("rolcreatedb", "CREATEDB"),
            ("rolcanlogin", "LOGIN"),
            ("rolreplication", "REPLICATION"),
        ] {
            if row.get(column) {
                findings.push(Finding::new(role, format!("has {attribute}"), format!("ALTER ROLE {role} NO{attribute};")));
            }
        }
    }
    Ok(())
}

/// Our roles are members of nothing: they would pass on what they can become.
async fn memberships(client: &Client, schemas: &[Schema], findings: &mut Vec<Finding>) -> Result<()> {
    const GROUPS: &str = "
        SELECT m.rolname::text AS role, g.rolname::text AS of
        FROM pg_catalog.pg_auth_members a JOIN pg_catalog.pg_roles m ON m.oid = a.member
        JOIN pg_catalog.pg_roles g ON g.oid = a.roleid WHERE m.rolname = ANY ($1::text[])";
    for row in client.query(GROUPS, &[&names(schemas)]).await.map_err(failed)? {
        let (role, of): (&str, &str) = (row.get("role"), row.get("of"));
        findings.push(Finding::new(role, format!("is a member of {of}"), format!("REVOKE {} FROM {role};", quoted(of))));
    }
    Ok(())
}

/// Who may act as our roles: logins without any right of their own.
async fn members(client: &Client, schemas: &[Schema], findings: &mut Vec<Finding>) -> Result<()> {
    const MEMBERS: &str = "
        WITH RECURSIVE reach (member, role, admin) AS (
            SELECT a.member, r.oid, a.admin_option FROM pg_catalog.pg_auth_members a JOIN pg_catalog.pg_roles r ON r.oid = a.roleid
                -- From PostgreSQL 16 on, whoever makes a role may grant it, and is noted as a member without rights.
                WHERE r.rolname = ANY ($1::text[]) AND COALESCE(to_jsonb(a) ->> 'set_option', 'true') = 'true'
            UNION
            SELECT a.member, reach.role, false FROM pg_catalog.pg_auth_members a JOIN reach ON a.roleid = reach.member
        )
        SELECT m.rolname::text AS member, r.rolname::text AS role, m.rolsuper, m.rolbypassrls, m.rolcreaterole, m.rolreplication,
            NOT m.rolcanlogin AS is_group, reach.admin,
            NOT m.rolsuper AND (m.rolinherit OR pg_has_role(m.oid, r.oid, 'USAGE')) AS inherits
        FROM reach JOIN pg_catalog.pg_roles m ON m.oid = reach.member JOIN pg_catalog.pg_roles r ON r.oid = reach.role
        WHERE m.rolname <> ALL ($1::text[])";
    for row in client.query(MEMBERS, &[&names(schemas)]).await.map_err(failed)? {
        let (member, role): (&str, &str) = (row.get("member"), row.get("role"));
        let name = quoted(member);
        for (column, says, fix) in [
            ("rolsuper", "is a superuser", format!("ALTER ROLE {name} NOSUPERUSER;")),
            ("rolbypassrls", "bypasses row-level security", format!("ALTER ROLE {name} NOBYPASSRLS;")),
            ("rolcreaterole", "may make and grant roles", format!("ALTER ROLE {name} NOCREATEROLE;")),
            ("rolreplication", "may read everything as a replica", format!("ALTER ROLE {name} NOREPLICATION;")),
        ] {
            if row.get(column) {
                findings.push(Finding::new(member, format!("may act as our roles and {says}"), fix));
            }
        }
        if row.get("inherits") {
            let fix = format!("ALTER ROLE {name} NOINHERIT;");
            findings.push(Finding::new(member, "has our roles' rights without asking for them", fix));
        }
        for (column, says) in [("is_group", "is a group whose members may act as"), ("admin", "may hand on")] {
            if row.get(column) {
                findings.push(Finding::new(member, format!("{says} {role}"), format!("REVOKE {role} FROM {name};")));
            }
        }
    }
    Ok(())
}

/// What is owned by a role that serves, or that its login can become, is not held by its policies' author.
async fn owners(client: &Client, schemas: &[Schema], findings: &mut Vec<Finding>) -> Result<()> {
    const OWNED: &str = "
        WITH RECURSIVE serving (oid) AS (
            SELECT oid FROM pg_catalog.pg_roles WHERE rolname = ANY ($1::text[])
            UNION
            SELECT a.member FROM pg_catalog.pg_auth_members a JOIN serving ON a.roleid = serving.oid
                WHERE COALESCE(to_jsonb(a) ->> 'set_option', 'true') = 'true'
        ),
        owned (object, owner) AS (
            SELECT 'SCHEMA ' || nspname, nspowner FROM pg_catalog.pg_namespace WHERE nspname = ANY ($1::text[])
            UNION ALL
            SELECT 'TABLE ' || n.nspname || '.' || c.relname, c.relowner FROM pg_catalog.pg_class c
                JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname = ANY ($1::text[]) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
        )
        SELECT object, pg_get_userbyid(owner)::text AS owner FROM owned JOIN serving ON serving.oid = owned.owner";
    for row in client.query(OWNED, &[&names(schemas)]).await.map_err(failed)? {
        let (object, owner): (&str, &str) = (row.get("object"), row.get("owner"));
        let fix = format!("ALTER {object} OWNER TO the role that migrates;");
        findings.push(Finding::new(object.trim_start_matches("TABLE "), format!("is owned by {owner}, which serves"), fix));
    }
    Ok(())
}
