//! A node joins others that share a database.

use std::{sync::Arc, time::Duration};

use insula_model::{Clock, Random, Result};

use super::{
    Inner, Journal, Kept, Store,
    tidy::{Tidying, Unfinished},
};
use crate::{
    ClusterOptions, Control, PostgresOptions, PostgresUrl,
    cluster::{Cluster, register::Register, sweeper::Sweeper},
    postgres::{Access, PgPool, PoolOptions, Schema, check_login, check_steps},
    tenants::Homes,
    vault::KeyStore,
    vectors::Vectors,
};

/// Connections of a node for what is nobody's request: beats, batches of attempts, leases, changes, sweeping. As many as there
/// are such tasks, so that no beat waits behind another's statement.
const UPKEEP_CONNECTIONS: usize = 8;
/// How long a statement of that work may take: less than a node may be out of touch.
const UPKEEP_STATEMENT_MAX: Duration = Duration::from_secs(5);
/// Connections to the key store: a key is read once and then kept at hand.
const KEYS_CONNECTIONS_MAX: usize = 4;
impl Store {
    /// Joins the nodes that share the database, which `insula migrate` has prepared. What a node keeps for itself is in memory
    /// only.
    ///
    /// `Invalid`, with what to do, where the login role could see past row-level security or another root key sealed the data;
    /// `Unavailable` where the database is away or of another version.
    pub async fn join(options: ClusterOptions, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Result<Store> {
        let ClusterOptions { postgres, root_key, index_bytes_max, vectors } = options;
        let pooled = |url: &PostgresUrl, connections_max: usize, statement_max: Duration| {
            PgPool::new(&PoolOptions { url: url.clone(), connections_max, connect_max: postgres.connect_max, statement_max })
        };
        let keys_url = postgres.keys_url.as_ref().unwrap_or(&postgres.url);
        for (url, schemas) in databases(&postgres) {
            let client = url.connect(postgres.connect_max).await?;
            check_login(&client, schemas).await?;
            check_steps(&client, schemas).await?;
        }
        let pool = pooled(&postgres.url, postgres.connections_max, postgres.statement_max)?;
        let upkeep = pooled(&postgres.url, UPKEEP_CONNECTIONS, postgres.statement_max.min(UPKEEP_STATEMENT_MAX))?;
        let keys_pool = pooled(keys_url, KEYS_CONNECTIONS_MAX, postgres.statement_max)?;

        let keys = KeyStore::over(keys_pool.db(Access::Keys), &root_key).await?;
        let control = Control::over(pool.db(Access::Control));
        let homes = Homes::Shared(pool.clone());
        let cluster = Cluster::join(upkeep, postgres.url.clone(), postgres.connect_max, clock.clone(), &*random).await?;
        let register = Register::start(cluster.pool().clone(), Arc::new(cluster.clone()));
        let sweeper = Sweeper::start(cluster.clone(), cluster.pool().clone(), clock.clone());
        let journal = Journal::from(register.clone());
        let keys = Arc::new(keys);
        let vectors = Arc::new(Vectors::new(vectors.engine(Some(&postgres), index_bytes_max).await?, index_bytes_max));
        let unfinished = Unfinished {
            control: Control::over(cluster.pool().db(Access::Control)),
            keys: keys.clone(),
            homes: homes.clone(),
            vectors: vectors.clone(),
            clock: clock.clone(),
            random: random.clone(),
        };
        unfinished.finish().await?;
        let tidying = Tidying::start(unfinished);
        let kept = Kept::Together { pool, register, cluster, sweeper, tidying };
        Ok(Store(Arc::new(Inner { control, keys, homes, vectors, journal, kept, root_key, clock, random })))
    }
}

/// Which schemas are expected where.
fn databases(postgres: &PostgresOptions) -> Vec<(&PostgresUrl, &'static [Schema])> {
    match &postgres.keys_url {
        None => vec![(&postgres.url, Schema::ALL)],
        Some(keys_url) => vec![(&postgres.url, Schema::DATA), (keys_url, Schema::OF_KEYS)],
    }
}
