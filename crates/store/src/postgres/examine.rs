//! What an operator wants to know of a database before trusting it with tenants. Only looks.

use std::time::Duration;

use insula_model::{Clock, Result};
use tokio_postgres::Client;

use super::{
    PostgresUrl, check_login, check_steps,
    error::failed,
    lint::{Finding, lint_database, notes, only_catalogue},
    schemas::Schema,
};

/// What a database is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// The data and the key store.
    Everything,
    /// The data; the key store has another database.
    Data,
    /// The key store.
    Keys,
}

/// What a look at a database found.
#[derive(Debug)]
pub struct Examination {
    /// What answers, such as `PostgreSQL 15.8`.
    pub version: String,
    /// How far its clock is ahead of this machine's, in microseconds.
    pub clock_ahead_us: i64,
    /// Whether the role that logs in is as powerless as it must be; the error says how to mend it.
    pub login: Result<()>,
    /// Whether every step of the schemas was taken, and none that this version does not know.
    /// `None` where the login keeps from looking.
    pub steps: Option<Result<()>>,
    /// What the catalogue says of the separation of tenants.
    pub findings: Vec<Finding>,
    /// What an operator may want to mend though it lets nobody at a row by itself.
    pub notes: Vec<Finding>,
}

/// Looks at a database as the role that the server logs in with.
///
/// # Errors
/// `Unavailable` when it cannot be reached.
pub async fn examine(url: &PostgresUrl, holds: Holds, connect_max: Duration, clock: &dyn Clock) -> Result<Examination> {
    let client = url.connect(connect_max).await?;
    let schemas = match holds {
        Holds::Everything => Schema::ALL,
        Holds::Data => Schema::DATA,
        Holds::Keys => Schema::OF_KEYS,
    };
    only_catalogue(&client).await?;
    let before = clock.now().micros();
    let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, current_setting('server_version')";
    let row = client.query_one(sql, &[]).await.map_err(failed)?;
    let after = clock.now().micros();
    let login = check_login(&client, schemas).await;
    // Steps are read as the roles that the login must be able to become.
    let steps = match &login {
        Ok(()) => Some(check_steps(&client, schemas).await),
        Err(_) => None,
    };
    let missing = missing_schemas(&client, schemas).await?;
    // A catalogue of nothing says the same of every table.
    let findings = if missing.is_empty() { lint_database(&client, schemas).await? } else { missing };
    Ok(Examination {
        version: format!("PostgreSQL {}", row.get::<_, &str>(1)),
        // The answer was made somewhere in between.
        clock_ahead_us: row.get::<_, i64>(0) - before.midpoint(after),
        login,
        steps,
        findings,
        notes: notes(&client).await?,
    })
}

/// Those that there are not.
async fn missing_schemas(client: &Client, schemas: &[Schema]) -> Result<Vec<Finding>> {
    let rows = client.query("SELECT nspname::text FROM pg_catalog.pg_namespace", &[]).await.map_err(failed)?;
    let made: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
    let missing = schemas.iter().map(|schema| schema.name()).filter(|name| !made.contains(name));
    let finding = |name: &str| Finding {
        object: name.to_owned(),
        says: "there is no such schema".to_owned(),
        fix: "run `insula migrate`".to_owned(),
    };
    Ok(missing.map(finding).collect())
}
