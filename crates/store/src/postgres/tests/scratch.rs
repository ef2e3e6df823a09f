//! A database of its own for one test, with an owner and a login.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use insula_test_services::granted_by;
use tokio_postgres::{Client, Config, NoTls, config::Host};

use crate::postgres::{Finding, PostgresUrl, Schema, lint::lint_database, migrate, migrate_pgvector, schemas::names};

const CONNECT_MAX: Duration = Duration::from_secs(10);

/// A database, `<name>`, with the roles `<name>_owner` and `<name>_app`.
pub(crate) struct Scratch {
    pub(crate) name: String,
    server: Config,
}

impl Scratch {
    /// An empty database. Its owner may make schemas and roles; its login may do nothing.
    pub(crate) async fn empty() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let url = std::env::var("INSULA_TEST_POSTGRES_URL").expect(
            "this test needs PostgreSQL: run it with `cargo xtask test`, or set INSULA_TEST_POSTGRES_URL to the URL of a \
             superuser of a server that holds nothing else",
        );
        let scratch = Self {
            name: format!("insula_scratch_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)),
            server: url.parse().expect("INSULA_TEST_POSTGRES_URL is no PostgreSQL URL"),
        };
        let (server, name) = (scratch.on_server().await, &scratch.name);
        // One statement each: a database is not made inside a transaction.
        for sql in [
            format!("CREATE ROLE {name}_owner LOGIN CREATEROLE PASSWORD 'scratch'"),
            format!("CREATE ROLE {name}_app LOGIN NOINHERIT PASSWORD 'scratch'"),
            format!("CREATE DATABASE {name}"),
            format!("GRANT CREATE ON DATABASE {name} TO {name}_owner"),
            granted_by(&format!("{name}_owner"), &names(Schema::ALL)),
        ] {
            server.batch_execute(&sql).await.unwrap();
        }
        scratch
    }

    /// A database that is migrated and whose login may serve, with pgvector: everything that Insula may have in one.
    pub(crate) async fn migrated() -> Self {
        let scratch = Self::without_pgvector().await;
        scratch.administer().await.batch_execute("CREATE EXTENSION vector SCHEMA public").await.unwrap();
        migrate_pgvector(&scratch.owner()).await.unwrap();
        scratch
    }

    /// A database that is migrated and whose login may serve, and no more.
    pub(crate) async fn without_pgvector() -> Self {
        let scratch = Self::empty().await;
        migrate(&scratch.owner(), None, Some(&scratch.app())).await.unwrap();
        scratch
    }

    /// What the lint finds, less what it finds of other tests: logins belong to the whole server.
    pub(crate) async fn findings(&self, client: &Client, schemas: &[Schema]) -> Vec<Finding> {
        let mut findings = lint_database(client, schemas).await.unwrap();
        let mine = |object: &str| !object.contains("insula_scratch_") || object.contains(&format!("{}_", self.name));
        findings.retain(|finding| mine(&finding.object) || finding.object == format!("DATABASE {}", self.name));
        findings
    }

    /// Drops the database and its roles now, off the runtime's own thread.
    pub(crate) async fn remove(self) {
        tokio::task::spawn_blocking(|| drop(self)).await.unwrap();
    }

    /// The login's name.
    pub(crate) fn app(&self) -> String {
        format!("{}_app", self.name)
    }

    /// As the role that owns everything.
    pub(crate) fn owner(&self) -> PostgresUrl {
        self.url(&format!("{}_owner", self.name))
    }

    /// As a role whose password is `scratch`.
    pub(crate) fn url(&self, role: &str) -> PostgresUrl {
        let host = match self.server.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            Some(Host::Unix(path)) => path.display().to_string(),
            None => "127.0.0.1".to_owned(),
        };
        let port = self.server.get_ports().first().copied().unwrap_or(5432);
        let url = format!("host='{host}' port={port} dbname={} user={role} password=scratch sslmode=disable", self.name);
        PostgresUrl::parse(&url, None).unwrap()
    }

    /// A connection as a role.
    pub(crate) async fn connect(&self, role: &str) -> Client {
        self.url(role).connect(CONNECT_MAX).await.unwrap()
    }

    /// A connection as the owner.
    pub(crate) async fn own(&self) -> Client {
        self.connect(&format!("{}_owner", self.name)).await
    }

    /// A connection as the login.
    pub(crate) async fn serve(&self) -> Client {
        self.connect(&self.app()).await
    }

    /// A connection to this database as the superuser.
    pub(crate) async fn administer(&self) -> Client {
        let mut config = self.server.clone();
        open(config.dbname(&self.name)).await
    }

    async fn on_server(&self) -> Client {
        open(&self.server).await
    }
}

impl Drop for Scratch {
    /// Also when the test has failed.
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let server = open(&server).await;
                for sql in [
                    format!("DROP DATABASE {name} WITH (FORCE)"),
                    // From PostgreSQL 16 on a role that has granted something stays until that is taken back.
                    format!(
                        "DO $$ DECLARE given record; BEGIN
                            FOR given IN SELECT a.roleid::regrole AS role, a.member::regrole AS member FROM pg_auth_members a
                                WHERE a.grantor = '{name}_owner'::regrole LOOP
                                EXECUTE format('REVOKE %s FROM %s GRANTED BY {name}_owner', given.role, given.member);
                            END LOOP;
                        END $$"
                    ),
                    format!("DROP ROLE {name}_app"),
                    format!("DROP ROLE {name}_owner"),
                ] {
                    server.batch_execute(&sql).await.unwrap();
                }
            });
        });
        if dropping.join().is_err() {
            eprintln!("the database {} is left behind", self.name);
        }
    }
}

async fn open(config: &Config) -> Client {
    let (client, connection) = config.connect(NoTls).await.expect("the PostgreSQL of INSULA_TEST_POSTGRES_URL does not answer");
    tokio::spawn(connection);
    client
}
