//! A store of this process over a database of its own, with everything that a database may have.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use insula_model::{Clock, OsRandom, Random};
use insula_store::{ClusterOptions, PostgresOptions, PostgresUrl, RootKey, Store, VectorSearch, migrate, migrate_pgvector};
use insula_test_services::{POSTGRES_URL, from_env, granted_by};
use tokio_postgres::{Client, Config, NoTls, config::Host};

/// Joins a new database on the server that [`POSTGRES_URL`] names, and opens it as its superuser. It stays there until that server goes.
pub async fn join(
    vectors: VectorSearch,
    root_key: RootKey,
    clock: Arc<dyn Clock>,
    index_bytes_max: u64,
) -> Result<(Store, Client)> {
    let superuser: Config = from_env(POSTGRES_URL).parse()?;
    let mut tag = [0; 8];
    OsRandom.fill(&mut tag);
    let name = format!("insula_store_{:016x}", u64::from_ne_bytes(tag));
    let server = connect(&superuser).await?;
    // One statement each: a database is not made inside a transaction.
    for sql in [
        format!("CREATE ROLE {name}_owner LOGIN CREATEROLE PASSWORD 'insula'"),
        format!("CREATE ROLE {name}_app LOGIN NOINHERIT PASSWORD 'insula'"),
        format!("CREATE DATABASE {name}"),
        format!("GRANT CREATE ON DATABASE {name} TO {name}_owner"),
        granted_by(&format!("{name}_owner"), &["insula_control", "insula_tenant", "insula_keys"]),
    ] {
        server.batch_execute(&sql).await.context(sql)?;
    }
    let own = connect(superuser.clone().dbname(&name)).await?;
    own.batch_execute("CREATE EXTENSION vector SCHEMA public").await?;
    let url = |role: &str| -> Result<PostgresUrl> {
        let Some(Host::Tcp(host)) = superuser.get_hosts().first() else { anyhow::bail!("{POSTGRES_URL} names no host") };
        let port = superuser.get_ports().first().copied().unwrap_or(5432);
        Ok(PostgresUrl::parse(&format!("postgres://{name}_{role}:insula@{host}:{port}/{name}"), None)?)
    };
    migrate(&url("owner")?, None, Some(&format!("{name}_app"))).await?;
    migrate_pgvector(&url("owner")?).await?;
    let postgres = PostgresOptions {
        url: url("app")?,
        keys_url: None,
        connections_max: 8,
        connect_max: Duration::from_secs(10),
        statement_max: Duration::from_secs(60),
    };
    let options = ClusterOptions { postgres, root_key, index_bytes_max, vectors };
    Ok((Store::join(options, clock, Arc::new(OsRandom)).await?, own))
}

async fn connect(config: &Config) -> Result<Client> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
