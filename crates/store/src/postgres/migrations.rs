//! Building the schemas, step by step, as the role that owns them.
//!
//! Each step is one transaction together with the row that notes it, so a migration that was killed anywhere is simply run
//! again. Two at once wait for each other.

use std::time::Duration;

use insula_model::{Error, ErrorKind, Result};
use tokio_postgres::{Client, error::SqlState};

use super::{
    PostgresUrl,
    error::failed,
    grants::{grant_login, make_roles},
    lint::only_catalogue,
    schemas::{Schema, Step, quoted},
};

/// How long reaching the database may take.
pub(super) const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Held by whoever migrates: any number that nobody else uses.
const LOCK: i64 = 0x696e_7375_6c61;

/// What a migration changed; empty lists where everything was in place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Migrated {
    /// Roles that were made.
    pub roles: Vec<String>,
    /// Steps that were taken, as `insula_control/0001_foundation`.
    pub steps: Vec<String>,
    /// Roles that were granted to the login.
    pub granted: Vec<String>,
}

/// Brings the database up to this version as `owner`, and the keys' own database as `keys_owner` where they have one. Makes
/// the roles that are missing, and grants them to `login`, the role that the server logs in with.
///
/// # Errors
/// `Unavailable` when the database is away or was written by a newer version; `Forbidden` when the owner lacks a right, with
/// the SQL that a database administrator runs instead; `Invalid` when `login` cannot serve.
pub async fn migrate(owner: &PostgresUrl, keys_owner: Option<&PostgresUrl>, login: Option<&str>) -> Result<Migrated> {
    let mut migrated = Migrated::default();
    let schemas = if keys_owner.is_some() { Schema::DATA } else { Schema::ALL };
    migrate_database(owner, schemas, login, &mut migrated).await?;
    if let Some(keys_owner) = keys_owner {
        migrate_database(keys_owner, Schema::OF_KEYS, login, &mut migrated).await?;
    }
    Ok(migrated)
}

async fn migrate_database(url: &PostgresUrl, schemas: &[Schema], login: Option<&str>, migrated: &mut Migrated) -> Result<()> {
    let client = url.connect(CONNECT_MAX).await?;
    // Every name in the steps says its schema; whatever else there is in the database cannot get in between.
    alone(&client).await?;
    let mut missing = Vec::new();
    // All are looked at before any is changed.
    for schema in schemas {
        missing.push((*schema, missing_steps(*schema, &taken(&client, *schema).await?)?));
    }
    make_roles(&client, schemas, migrated).await?;
    for (schema, steps) in missing {
        take(&client, schema, &steps, migrated).await?;
    }
    if let Some(login) = login {
        grant_login(&client, schemas, login, migrated).await?;
    }
    client.execute("SELECT pg_advisory_unlock($1)", &[&LOCK]).await.map_err(failed)?;
    Ok(())
}

/// Readies a connection for steps, and waits until nobody else migrates this database.
pub(super) async fn alone(client: &Client) -> Result<()> {
    client.batch_execute("SET search_path = ''; SET statement_timeout = 0; SET lock_timeout = 0").await.map_err(failed)?;
    client.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await.map_err(failed)?;
    Ok(())
}

/// Refuses a database that lacks a step or has one that this version does not know. The login must have been checked before.
pub(crate) async fn check_steps(client: &Client, schemas: &[Schema]) -> Result<()> {
    only_catalogue(client).await?;
    for schema in schemas {
        // The login itself may read nothing.
        client.batch_execute(&format!("BEGIN READ ONLY; SET LOCAL ROLE {}", schema.name())).await.map_err(failed)?;
        let taken = taken(client, *schema).await;
        client.batch_execute("ROLLBACK").await.map_err(failed)?;
        if !missing_steps(*schema, &taken?)?.is_empty() {
            return Err(Error::invalid(format!("the schema {} is not up to date; run `insula migrate`", schema.name())));
        }
    }
    Ok(())
}

/// The steps that a schema has taken; none where it does not exist.
pub(super) async fn taken(client: &Client, schema: Schema) -> Result<Vec<String>> {
    let exists = "SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                  WHERE n.nspname = $1 AND c.relname = 'schema_steps'";
    if client.query_opt(exists, &[&schema.name()]).await.map_err(failed)?.is_none() {
        return Ok(Vec::new());
    }
    let rows = client.query(&format!("SELECT name FROM {}.schema_steps ORDER BY name", schema.name()), &[]).await;
    let rows = rows.map_err(|error| match error.code() {
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Error::new(
            ErrorKind::Forbidden,
            format!("the schema {} belongs to another role; run `insula migrate` as its owner", schema.name()),
        )
        .caused_by(error),
        _ => failed(error),
    })?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// What is left to do.
fn missing_steps(schema: Schema, taken: &[String]) -> Result<Vec<Step>> {
    let known = schema.steps();
    let ever_known = known.iter().chain(schema.pgvector_steps());
    if taken.iter().any(|name| !ever_known.clone().any(|(step, _)| step == name)) {
        let message = format!("the schema {} was written by a newer version of Insula; start that version", schema.name());
        return Err(Error::new(ErrorKind::Unavailable { retry_after: Duration::from_secs(60) }, message));
    }
    Ok(known.iter().filter(|(step, _)| !taken.iter().any(|name| name == step)).copied().collect())
}

/// Takes steps in their order.
pub(super) async fn take(client: &Client, schema: Schema, steps: &[(&str, &str)], migrated: &mut Migrated) -> Result<()> {
    for (name, sql) in steps {
        let schema = schema.name();
        let step = format!("BEGIN; {sql}; INSERT INTO {schema}.schema_steps (name) VALUES ('{name}'); COMMIT");
        if let Err(error) = client.batch_execute(&step).await {
            return Err(untaken(client, &format!("{schema}/{name}"), error).await);
        }
        tracing::info!(schema, step = name, "migrated");
        migrated.steps.push(format!("{schema}/{name}"));
    }
    Ok(())
}

/// Why a step was not taken. The database's own words are for whoever migrates: they name tables, never rows.
async fn untaken(client: &Client, step: &str, error: tokio_postgres::Error) -> Error {
    let Some(database) = error.as_db_error() else { return failed(error) };
    let said = database.message().to_owned();
    // What was begun is undone by the server; the connection may be in a failed transaction still.
    if let Err(error) = client.batch_execute("ROLLBACK").await {
        return failed(error);
    }
    if *database.code() != SqlState::INSUFFICIENT_PRIVILEGE {
        let message = format!("step {step} was not taken, nothing of it remains: {said}");
        return Error::new(ErrorKind::Conflict, message).caused_by(error);
    }
    let place = client.query_one("SELECT current_database()::text, current_user::text", &[]).await;
    let place = match &place {
        Ok(row) => format!("GRANT CREATE ON DATABASE {} TO {}", quoted(row.get(0)), quoted(row.get(1))),
        Err(_) => "GRANT CREATE ON DATABASE .. TO the owner role".to_owned(),
    };
    let message = format!(
        "step {step} was not taken, nothing of it remains: {said}. Migrate as the role that owns the schemas; a new database \
         needs: {place}"
    );
    Error::new(ErrorKind::Forbidden, message).caused_by(error)
}
