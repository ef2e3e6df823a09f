//! Whether the role that logs in is as powerless as it must be.

use insula_model::{Error, Result};
use tokio_postgres::{Client, Row};

use super::{
    error::failed,
    lint::only_catalogue,
    schemas::{Schema, names, quoted},
};

/// The login and every role that it can become, with what is wrong with each.
const REACHED: &str = "
    WITH RECURSIVE reached (oid) AS (
        SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user
        UNION
        SELECT m.roleid FROM pg_catalog.pg_auth_members m JOIN reached ON m.member = reached.oid
    )
    SELECT r.rolname::text AS name, r.rolname = session_user AS is_login, session_user::text AS login,
        r.rolsuper, r.rolbypassrls, r.rolcreaterole, r.rolreplication, r.rolinherit,
        r.rolname = ANY (ARRAY['pg_read_all_data', 'pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files',
            'pg_execute_server_program']) AS reaches_all,
        r.rolname = ANY ($1::text[]) AND pg_has_role(session_user, r.oid, 'USAGE') AS is_inherited,
        COALESCE(
            (SELECT 'DATABASE ' || quote_ident(datname) FROM pg_catalog.pg_database
                WHERE datname = current_database() AND datdba = r.oid),
            (SELECT 'SCHEMA ' || quote_ident(nspname) FROM pg_catalog.pg_namespace
                WHERE nspname = ANY ($1::text[]) AND nspowner = r.oid LIMIT 1),
            (SELECT 'TABLE ' || quote_ident(nspname) || '.' || quote_ident(relname) FROM pg_catalog.pg_class c
                JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE nspname = ANY ($1::text[]) AND relkind IN ('r', 'p', 'v', 'm', 'f') AND relowner = r.oid LIMIT 1)) AS owned
    FROM reached JOIN pg_catalog.pg_roles r USING (oid) ORDER BY is_login DESC, name";

/// Refuses a login that could read past the policies: one that is, or can become, a superuser, a role that bypasses row-level
/// security or makes roles, or an owner; one that has its roles' rights without asking for them; and one that lacks a role.
/// `Invalid`, with the SQL that mends it.
pub(crate) async fn check_login(client: &Client, schemas: &[Schema]) -> Result<()> {
    only_catalogue(client).await?;
    let roles = client.query(REACHED, &[&names(schemas)]).await.map_err(failed)?;
    let login = roles.first().map(|role| quoted(role.get("login"))).unwrap_or_default();
    let mut faults: Vec<String> = roles.iter().flat_map(|role| faults(role, &login)).collect();
    let reached: Vec<&str> = roles.iter().map(|role| role.get("name")).collect();
    let lacking: Vec<&str> = names(schemas).into_iter().filter(|role| !reached.contains(role)).collect();
    if !lacking.is_empty() {
        faults.push(format!("it cannot act as {}: run `insula migrate --login {login}`", lacking.join(", ")));
    }
    if faults.is_empty() {
        return Ok(());
    }
    Err(Error::invalid(format!("the database role {login} must not serve. {}", faults.join(". "))))
}

/// What is wrong with one role that the login is or can become.
fn faults(role: &Row, login: &str) -> Vec<String> {
    let is_login: bool = role.get("is_login");
    let name = quoted(role.get("name"));
    let who = if is_login { "it".to_owned() } else { format!("{name}, which it can become,") };
    let mut faults = Vec::new();
    for (attribute, says, option) in [
        ("rolsuper", "is a superuser", "NOSUPERUSER"),
        ("rolbypassrls", "bypasses row-level security", "NOBYPASSRLS"),
        ("rolcreaterole", "may make and grant roles", "NOCREATEROLE"),
        ("rolreplication", "may read everything as a replica", "NOREPLICATION"),
    ] {
        if role.get(attribute) {
            faults.push(format!("{who} {says}: ALTER ROLE {name} {option};"));
        }
    }
    if is_login && role.get("rolinherit") {
        faults.push(format!("it has its roles' rights without asking: ALTER ROLE {name} NOINHERIT;"));
    } else if role.get("is_inherited") {
        // PostgreSQL 16 and later keep this with each grant.
        faults.push(format!("it has {name}'s rights without asking: GRANT {name} TO {login} WITH INHERIT FALSE;"));
    }
    if role.get("reaches_all") {
        faults.push(format!("{who} reads or writes everything: REVOKE {name} FROM {login};"));
    }
    if let Some(owned) = role.get::<_, Option<&str>>("owned") {
        faults.push(format!("{who} is an owner: ALTER {owned} OWNER TO the role that migrates;"));
    }
    faults
}
