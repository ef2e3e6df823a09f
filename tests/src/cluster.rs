//! Several servers that share their storage, as child processes, and a simulator in this process beside them.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use insula_model::{OsRandom, Random};
use insula_simulator::{Scenario, Simulator};
use insula_test_services::{Postgres, REDIS_URL, Redis, from_env};
use tokio::task::JoinSet;

use crate::config::ServeConfig;
use crate::database::Database;
use crate::http::Caller;
use crate::node::{Node, Setup};
use crate::tenant::TestTenant;

/// What all nodes of a cluster share.
pub struct Shared {
    /// A test's own.
    pub database: Database,
    redis_url: String,
    /// Also keeps what the nodes say through the shared Redis apart from every other test's.
    root_key: String,
}

impl Shared {
    /// On the servers that all tests share, or on those named.
    pub async fn create(postgres: Option<&Postgres>, redis: Option<&Redis>) -> Shared {
        let database = match postgres {
            Some(own) => Database::create_at(&own.url()).await,
            None => Database::create().await,
        };
        let mut root_key = [0; 32];
        OsRandom.fill(&mut root_key);
        let redis_url = redis.map_or_else(|| from_env(REDIS_URL), Redis::url);
        Shared { database, redis_url, root_key: BASE64_STANDARD.encode(root_key) }
    }

    /// The same with pgvector in the database.
    pub async fn with_pgvector(self) -> Shared {
        self.database.add_pgvector().await;
        self
    }

    /// What every process of the cluster has in its environment.
    pub fn env(&self) -> [(&'static str, String); 3] {
        [
            ("INSULA_POSTGRES_URL", self.database.url()),
            ("INSULA_REDIS_URL", self.redis_url.clone()),
            ("INSULA_ROOT_KEY", self.root_key.clone()),
        ]
    }
}

/// How to start a cluster.
pub struct ClusterSetup {
    nodes: usize,
    serve: ServeConfig,
    simulator_url: Option<String>,
    own_postgres: bool,
    own_redis: bool,
    pgvector: bool,
}

impl ClusterSetup {
    /// So many nodes.
    pub fn new(nodes: usize) -> ClusterSetup {
        let (serve, simulator_url) = (ServeConfig::default(), None);
        ClusterSetup { nodes, serve, simulator_url, own_postgres: false, own_redis: false, pgvector: false }
    }

    /// The configuration of every node.
    pub fn serve(mut self, config: ServeConfig) -> ClusterSetup {
        self.serve = config;
        self
    }

    /// Uses a simulator elsewhere instead of one in this process.
    pub fn simulator_at(mut self, url: &str) -> ClusterSetup {
        self.simulator_url = Some(url.to_owned());
        self
    }

    /// With a PostgreSQL server that the test may take away.
    pub fn own_postgres(mut self) -> ClusterSetup {
        self.own_postgres = true;
        self
    }

    /// With a Redis server that the test may take away.
    pub fn own_redis(mut self) -> ClusterSetup {
        self.own_redis = true;
        self
    }

    /// With pgvector in the database.
    pub fn pgvector(mut self) -> ClusterSetup {
        self.pgvector = true;
        self
    }

    /// Starts everything.
    pub async fn start(self) -> Cluster {
        let postgres = self.own_postgres.then(|| Postgres::start().unwrap());
        let redis = self.own_redis.then(|| Redis::start().unwrap());
        let mut shared = Shared::create(postgres.as_ref(), redis.as_ref()).await;
        if self.pgvector {
            shared = shared.with_pgvector().await;
        }
        let shared = Arc::new(shared);
        let simulator = match self.simulator_url {
            Some(_) => None,
            None => Some(Simulator::start(([127, 0, 0, 1], 0).into()).unwrap()),
        };
        let simulator_url = self.simulator_url.unwrap_or_else(|| simulator.as_ref().unwrap().url());
        let mut starting = JoinSet::new();
        for _ in 0..self.nodes {
            let setup = Setup::default().serve(self.serve.clone()).simulator_at(&simulator_url).shared(Arc::clone(&shared));
            starting.spawn(setup.start());
        }
        let nodes = starting.join_all().await;
        let made = nodes[0].insula(&["operator", "create", "tests", "--data-dir", "data"]).await;
        assert_eq!(made.code, 0, "{made:?}");
        let operator_key = made.stdout.trim().to_owned();
        Cluster { nodes, operator_key, simulator, shared, redis, postgres }
    }
}

/// Running nodes. Dropping it kills them and removes their data.
pub struct Cluster {
    /// Each with a data directory of its own.
    pub nodes: Vec<Node>,
    operator_key: String,
    simulator: Option<Simulator>,
    shared: Arc<Shared>,
    redis: Option<Redis>,
    postgres: Option<Postgres>,
}

impl Cluster {
    /// So many nodes with nothing special about them.
    pub async fn start(nodes: usize) -> Cluster {
        ClusterSetup::new(nodes).start().await
    }

    /// The holder of an operator key, at the first node. See [`Caller::at`] for the others.
    pub fn operator(&self) -> Caller {
        self.nodes[0].anyone.with(&self.operator_key)
    }

    /// A fresh tenant with a key of each role, whose callers speak to the first node. See [`TestTenant::at`].
    pub async fn tenant(&self, slug: &str) -> TestTenant {
        TestTenant::create(&self.operator(), slug).await
    }

    /// This tenant at every node, in their order.
    pub fn everywhere(&self, tenant: &TestTenant) -> Vec<TestTenant> {
        self.nodes.iter().map(|node| tenant.at(&node.anyone)).collect()
    }

    /// The simulator in this process.
    pub fn simulator(&self) -> &Simulator {
        self.simulator.as_ref().unwrap()
    }

    /// Replaces what the simulator does.
    pub fn scenario(&self, scenario: Scenario) {
        self.simulator().set_scenario(scenario);
    }

    /// The database that the nodes share.
    pub fn database(&self) -> &Database {
        &self.shared.database
    }

    /// The PostgreSQL server of its own.
    pub fn postgres(&mut self) -> &mut Postgres {
        self.postgres.as_mut().unwrap()
    }

    /// What its own Redis server holds under keys like this one, as bytes.
    pub fn redis_holds(&self, pattern: &str) -> Vec<(String, Vec<u8>)> {
        self.redis.as_ref().unwrap().holds(pattern).unwrap()
    }

    /// The Redis server of its own.
    pub fn redis(&mut self) -> &mut Redis {
        self.redis.as_mut().unwrap()
    }
}
