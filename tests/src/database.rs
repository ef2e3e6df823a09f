//! A database of a test's own, with the schema in it.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::time::{Duration, Instant};

use insula_model::{OsRandom, Random};
use insula_test_services::{POSTGRES_URL, from_env, granted_by};
use tempfile::TempDir;
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, NoTls};

use crate::child::insula;

/// Owns the schema, and is nobody special beyond that.
const OWNER: &str = "insula_owner";
/// The server's login.
const LOGIN: &str = "insula_app";
/// Of both: they hold test data on a server that listens on loopback only.
const PASSWORD: &str = "insula";
/// Held while roles and the template are made, which all tests of a server share.
const LOCK: &str = "SELECT pg_advisory_lock(7141)";
const DROP_LIMIT: Duration = Duration::from_secs(20);

/// A fresh database. Dropped with this.
pub struct Database {
    superuser: Config,
    name: String,
}

impl Database {
    /// On the server that all tests share.
    pub async fn create() -> Database {
        Database::create_at(&from_env(POSTGRES_URL)).await
    }

    /// On the server that this superuser's URL leads to.
    pub async fn create_at(url: &str) -> Database {
        let superuser: Config = url.parse().unwrap_or_else(|_| panic!("{POSTGRES_URL} holds no PostgreSQL URL"));
        let admin = connect(&superuser).await;
        let template = template(&superuser, &admin).await;
        let mut tag = [0; 8];
        OsRandom.fill(&mut tag);
        let name = format!("insula_test_{:016x}", u64::from_ne_bytes(tag));
        run(&admin, &format!("CREATE DATABASE {name} TEMPLATE {template} OWNER {OWNER}")).await;
        Database { superuser, name }
    }

    /// What the server connects with.
    pub fn url(&self) -> String {
        url(&self.superuser, LOGIN, &self.name)
    }

    /// What migrations connect with.
    pub fn owner_url(&self) -> String {
        url(&self.superuser, OWNER, &self.name)
    }

    /// Has pgvector search it: the extension, which a superuser makes, and its tables.
    pub async fn add_pgvector(&self) {
        run(&self.superuser().await, "CREATE EXTENSION vector SCHEMA public").await;
        let url = self.url();
        migrate(self.owner_url(), &[("INSULA_VECTORS_ENGINE", "pgvector"), ("INSULA_POSTGRES_URL", &url)]).await;
    }

    /// A connection that may see everything.
    pub async fn superuser(&self) -> Client {
        connect(self.superuser.clone().dbname(&self.name)).await
    }

    /// As [`Database::superuser`], for whoever cannot wait beside this.
    pub fn connecting(&self) -> impl Future<Output = Client> + use<> {
        let mut config = self.superuser.clone();
        config.dbname(&self.name);
        async move { connect(&config).await }
    }

    /// The one number that a query answers with, as the superuser.
    pub async fn number(&self, sql: &str) -> i64 {
        let row = self.superuser().await.query_one(sql, &[]).await;
        row.unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (config, name) = (self.superuser.clone(), self.name.clone());
        // A thread of its own: a runtime must not wait within another one.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let _ = tokio::time::timeout(DROP_LIMIT, drop_database(config, &name)).await;
            });
        });
        let _ = dropping.join();
    }
}

/// Its server may be gone: then so is the database.
async fn drop_database(config: Config, name: &str) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    client.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
}

/// The database from which others are copied: migrated once for each program under test.
async fn template(superuser: &Config, admin: &Client) -> String {
    let program = crate::binary::insula();
    let built = std::fs::metadata(&program).unwrap();
    let mut hasher = DefaultHasher::new();
    (&program, built.len(), built.modified().unwrap()).hash(&mut hasher);
    let name = format!("insula_template_{:016x}", hasher.finish());
    run(admin, LOCK).await;
    if admin.query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&name]).await.unwrap().is_none() {
        for (role, rights) in [(OWNER, "CREATEROLE"), (LOGIN, "NOINHERIT")] {
            if admin.query_opt("SELECT 1 FROM pg_roles WHERE rolname = $1", &[&role]).await.unwrap().is_none() {
                run(admin, &format!("CREATE ROLE {role} LOGIN {rights} PASSWORD '{PASSWORD}'")).await;
            }
        }
        run(admin, &granted_by(OWNER, &["insula_control", "insula_tenant", "insula_keys"])).await;
        let unfinished = format!("{name}_unfinished");
        run(admin, &format!("DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)")).await;
        run(admin, &format!("CREATE DATABASE {unfinished} OWNER {OWNER}")).await;
        migrate(url(superuser, OWNER, &unfinished), &[]).await;
        run(admin, &format!("ALTER DATABASE {unfinished} RENAME TO {name}")).await;
    }
    run(admin, "SELECT pg_advisory_unlock_all()").await;
    name
}

async fn migrate(owner_url: String, more: &[(&str, &str)]) {
    let folder = TempDir::new().unwrap();
    let started = Instant::now();
    let arguments = ["migrate".to_owned(), "--login".to_owned(), LOGIN.to_owned()];
    let owner = [("INSULA_OWNER_URL", owner_url.as_str())];
    let env: Vec<(String, String)> =
        owner.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let migrating = move || {
        let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        insula(folder.path(), arguments, &env)
    };
    let finished = tokio::task::spawn_blocking(migrating).await.unwrap();
    assert_eq!(finished.code, 0, "`insula migrate` failed after {:?}: {finished:?}", started.elapsed());
}

async fn connect(config: &Config) -> Client {
    let (client, connection) = config.connect(NoTls).await.unwrap_or_else(|error| panic!("{error:?}"));
    tokio::spawn(connection);
    client
}

async fn run(client: &Client, sql: &str) {
    client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

fn url(server: &Config, user: &str, database: &str) -> String {
    let Some(Host::Tcp(host)) = server.get_hosts().first() else { panic!("{POSTGRES_URL} names no host") };
    let port = server.get_ports().first().copied().unwrap_or(5432);
    format!("postgres://{user}:{PASSWORD}@{host}:{port}/{database}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_is_a_tests_own_and_goes_with_it() {
        let (one, two) = tokio::join!(Database::create(), Database::create());
        one.superuser().await.batch_execute("CREATE TABLE mine ()").await.unwrap();
        let tables = "SELECT count(*) FROM pg_tables WHERE tablename = 'mine'";
        assert_eq!((one.number(tables).await, two.number(tables).await), (1, 0));
        let login: Config = one.url().parse().unwrap();
        let rights = "SELECT rolsuper OR rolcreaterole OR rolbypassrls FROM pg_roles WHERE rolname = current_user";
        assert!(!connect(&login).await.query_one(rights, &[]).await.unwrap().get::<_, bool>(0));

        let held = two.superuser().await;
        drop(one);
        let left = held.query_one("SELECT count(*) FROM pg_database WHERE datname = $1", &[&login.get_dbname()]).await;
        assert_eq!(left.unwrap().get::<_, i64>(0), 0);
    }
}
