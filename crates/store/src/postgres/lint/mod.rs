//! Proof from the catalogue that tenants are kept apart: policies, keys, grants, roles, owners.
//!
//! Whatever was changed by hand since the migration shows here. Only the catalogue is read, which any role may; nothing of
//! the tables themselves.

mod dependencies;
mod erasure;
mod policies;
mod privileges;
mod roles;
mod settings;
mod tables;

use std::time::Duration;

use insula_model::Result;
use tokio_postgres::Client;

pub(crate) use self::settings::notes;
use super::{PostgresUrl, error::failed, schemas::Schema};

/// How long reaching the database may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Whom a transaction acts for, as the catalogue writes it.
const CURRENT_TENANT: &str = "(NULLIF(current_setting('app.current_tenant'::text, true), ''::text))::uuid";

/// Something in the database that may let one tenant's data reach another, or keep the server from working.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// What: a table, a policy, a role.
    pub object: String,
    /// What is wrong with it.
    pub says: String,
    /// What mends it: SQL where there is one answer.
    pub fix: String,
}

impl Finding {
    fn new(object: impl Into<String>, says: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { object: object.into(), says: says.into(), fix: fix.into() }
    }
}

/// Looks through the catalogue, and that of the keys' own database where they have one. Empty when all is well; `Unavailable`
/// when a database is away.
pub async fn lint(url: &PostgresUrl, keys_url: Option<&PostgresUrl>) -> Result<Vec<Finding>> {
    let schemas = if keys_url.is_some() { Schema::DATA } else { Schema::ALL };
    let mut findings = lint_database(&url.connect(CONNECT_MAX).await?, schemas).await?;
    if let Some(keys_url) = keys_url {
        findings.extend(lint_database(&keys_url.connect(CONNECT_MAX).await?, Schema::OF_KEYS).await?);
    }
    Ok(findings)
}

/// Looks through one database.
pub(crate) async fn lint_database(client: &Client, schemas: &[Schema]) -> Result<Vec<Finding>> {
    only_catalogue(client).await?;
    let mut findings = tables::lint(client, schemas).await?;
    findings.extend(erasure::lint(client, schemas).await?);
    findings.extend(dependencies::lint(client, schemas).await?);
    findings.extend(policies::lint(client, schemas).await?);
    findings.extend(privileges::lint(client, schemas).await?);
    findings.extend(roles::lint(client, schemas).await?);
    findings.extend(settings::lint(client, schemas).await?);
    findings.sort();
    findings.dedup();
    Ok(findings)
}

/// From here on a name without a schema is PostgreSQL's own: nothing else can answer in its place, and what the catalogue
/// writes out names the schema of everything that is not.
pub(crate) async fn only_catalogue(client: &Client) -> Result<()> {
    client.batch_execute("SET search_path = ''").await.map_err(failed)
}
