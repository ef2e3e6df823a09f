//! The tables that pgvector searches: an addition to the tenants' schema, for installations that want it.
//!
//! The extension itself is made by a superuser, because it brings code of its own into the server; everything else is Insula's,
//! and taken step by step as the schemas are.

use std::time::Duration;

use insula_model::{Error, Result};
use tokio_postgres::Client;

use super::{
    PostgresUrl, check_login,
    error::failed,
    lint::only_catalogue,
    migrations::{CONNECT_MAX, Migrated, alone, take, taken},
    schemas::{Schema, quoted},
};

/// The first version that goes on scanning an index when a filter leaves too few.
const VERSION_MIN: (u32, u32) = (0, 8);

/// An extension that serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Extension {
    /// The schema that it is in, as it stands in a statement.
    pub(crate) schema: String,
    /// Such as `0.8.5`.
    pub(crate) version: String,
}

/// Adds what pgvector searches to a database that is migrated, as its owner; what was done.
///
/// # Errors
/// `Invalid`, with what a superuser runs, where the extension is missing or too old; else as [`migrate`](super::migrate).
pub async fn migrate_pgvector(owner: &PostgresUrl) -> Result<Migrated> {
    let client = owner.connect(CONNECT_MAX).await?;
    alone(&client).await?;
    let extension = extension(&client).await?;
    let done = taken(&client, Schema::Tenant).await?;
    let missing = Schema::Tenant.pgvector_steps().iter().filter(|(name, _)| !done.iter().any(|taken| taken == name));
    let steps: Vec<(&str, String)> = missing.map(|(name, sql)| (*name, sql.replace("{vector}", &extension.schema))).collect();
    let steps: Vec<(&str, &str)> = steps.iter().map(|(name, sql)| (*name, sql.as_str())).collect();
    let mut migrated = Migrated::default();
    take(&client, Schema::Tenant, &steps, &mut migrated).await?;
    Ok(migrated)
}

/// Looks whether pgvector can search a database, as the role that the server logs in with; what searches, such as `pgvector 0.8.5`.
///
/// # Errors
/// `Invalid`, with what to do, where it cannot; `Unavailable` when the database cannot be reached.
pub async fn examine_pgvector(url: &PostgresUrl, connect_max: Duration) -> Result<String> {
    let client = url.connect(connect_max).await?;
    check_login(&client, &[Schema::Tenant]).await?;
    Ok(format!("pgvector {}", check_pgvector(&client).await?.version))
}

/// Refuses a database that pgvector cannot search. The login must have been checked before.
pub(crate) async fn check_pgvector(client: &Client) -> Result<Extension> {
    only_catalogue(client).await?;
    let extension = extension(client).await?;
    // The login itself may read nothing.
    client.batch_execute("BEGIN READ ONLY; SET LOCAL ROLE insula_tenant").await.map_err(failed)?;
    let done = taken(client, Schema::Tenant).await;
    client.batch_execute("ROLLBACK").await.map_err(failed)?;
    let done = done?;
    if Schema::Tenant.pgvector_steps().iter().any(|(name, _)| !done.iter().any(|taken| taken == name)) {
        return Err(Error::invalid(
            "the tables that pgvector searches are not there; run `insula migrate` with vectors.engine = \"pgvector\"",
        ));
    }
    let usable = "SELECT has_schema_privilege('insula_tenant', extnamespace, 'USAGE') FROM pg_catalog.pg_extension \
                  WHERE extname = 'vector'";
    if !client.query_one(usable, &[]).await.map_err(failed)?.get::<_, bool>(0) {
        let says = format!(
            "the tenants' role may not use the schema of the extension; its owner runs: GRANT USAGE ON SCHEMA {} TO insula_tenant;",
            extension.schema
        );
        return Err(Error::invalid(says));
    }
    Ok(extension)
}

/// The extension of this database; `Invalid`, with what to do, where it does not serve.
async fn extension(client: &Client) -> Result<Extension> {
    const FIND: &str = "SELECT n.nspname::text, e.extversion FROM pg_catalog.pg_extension e \
                        JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'";
    const AVAILABLE: &str = "SELECT current_database()::text, \
                             EXISTS (SELECT 1 FROM pg_catalog.pg_available_extensions WHERE name = 'vector')";
    if let Some(row) = client.query_opt(FIND, &[]).await.map_err(failed)? {
        let (schema, version): (&str, String) = (row.get(0), row.get(1));
        if numbers(&version) < Some(VERSION_MIN) {
            let says = format!(
                "pgvector {version} is too old: 0.8 or newer is needed. Install it on the database server, then a superuser runs: \
                 ALTER EXTENSION vector UPDATE;"
            );
            return Err(Error::invalid(says));
        }
        return Ok(Extension { schema: quoted(schema), version });
    }
    let row = client.query_one(AVAILABLE, &[]).await.map_err(failed)?;
    let (database, available): (&str, bool) = (row.get(0), row.get(1));
    let first = if available { "" } else { "install pgvector 0.8 or newer on the database server, then " };
    Err(Error::invalid(format!(
        "the database {} has no extension vector: {first}have a superuser run in it: CREATE EXTENSION vector SCHEMA public; \
         or set vectors.engine = \"embedded\"",
        quoted(database)
    )))
}

/// The first two numbers of a version.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        assert!(numbers("0.10.0") > Some(VERSION_MIN) && numbers("1.0") > Some(VERSION_MIN));
        assert!(numbers("0.7.4") < Some(VERSION_MIN) && numbers("x") < Some(VERSION_MIN));
        assert_eq!(numbers("0.8.5"), Some(VERSION_MIN));
    }
}
