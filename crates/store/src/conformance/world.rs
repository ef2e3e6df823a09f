//! A store with two tenants, on some engine.

use std::{path::PathBuf, sync::Arc, time::Duration};

use insula_model::{
    Clock, IdGenerator, ManualClock, Money, Placement, Random, Result, Routing, ScopeSource, SeededRandom, Tenant, TenantScope,
    TenantState, Timestamp,
};
use tempfile::TempDir;

use crate::{
    ClusterOptions, INDEX_BYTES_MAX, PostgresOptions, RealDisk, RootKey, Store, StoreOptions, VectorSearch,
    postgres::tests::scratch::Scratch,
};

/// The engines that cases run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// SQLite files, and a journal file.
    Embedded,
    /// A PostgreSQL database that nodes share.
    Cluster,
}

impl Engine {
    pub(super) const ALL: [Engine; 2] = [Engine::Embedded, Engine::Cluster];
}

/// A store with two tenants in it.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) owner: TenantScope,
    pub(crate) stranger: TenantScope,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) random: Arc<SeededRandom>,
    pub(crate) place: Arc<Place>,
}

pub(super) fn usd(text: &str) -> Money {
    Money::from_usd(text).unwrap()
}

pub(super) fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// Where a store keeps what it keeps.
pub(crate) struct Place {
    /// Holds the root key, and the data directory of the embedded engine.
    pub(super) dir: TempDir,
    /// What vectors are searched with.
    vectors: VectorSearch,
    /// What the nodes of a cluster share.
    database: Option<Scratch>,
}

impl Place {
    /// A new one.
    pub(super) async fn on(engine: Engine, vectors: VectorSearch) -> Place {
        let database = match engine {
            Engine::Embedded => None,
            Engine::Cluster => Some(Scratch::migrated().await),
        };
        Place { dir: tempfile::tempdir().unwrap(), vectors, database }
    }

    /// Opens the store that is there.
    pub(crate) async fn open(&self, clock: Arc<ManualClock>, random: Arc<SeededRandom>) -> Result<Store> {
        self.open_with(self.vectors.clone(), clock, random).await
    }

    /// The same; vectors are searched with this.
    pub(crate) async fn open_with(
        &self,
        vectors: VectorSearch,
        clock: Arc<ManualClock>,
        random: Arc<SeededRandom>,
    ) -> Result<Store> {
        let root_key = RootKey::load_or_create(&self.dir.path().join("root.key"), &*random)?;
        let Some(database) = &self.database else {
            let options = StoreOptions::new(self.dir.path().join("data"), root_key);
            let options = StoreOptions { segment_bytes: 1 << 20, vectors, ..options };
            return Store::open(options, clock, random, Arc::new(RealDisk)).await;
        };
        let postgres = PostgresOptions {
            url: database.url(&database.app()),
            keys_url: None,
            connections_max: 4,
            connect_max: Duration::from_secs(10),
            statement_max: Duration::from_secs(10),
        };
        Store::join(ClusterOptions { postgres, root_key, index_bytes_max: INDEX_BYTES_MAX, vectors }, clock, random).await
    }

    /// The database that nodes share.
    pub(crate) fn database(&self) -> &Scratch {
        self.database.as_ref().unwrap()
    }

    /// The data directory of the embedded engine.
    pub(super) fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Whether anything of a tenant's own is kept, whoever may see it.
    pub(crate) async fn keeps_data_of(&self, scope: &TenantScope) -> bool {
        let Some(database) = &self.database else {
            return self.data_dir().join("tenants").join(scope.tenant().bare()).exists();
        };
        let admin = database.administer().await;
        let rows = "SELECT (SELECT count(*) FROM insula_tenant.homes WHERE uuid_send(tenant_id) = $1) \
            + (SELECT count(*) FROM insula_tenant.requests WHERE uuid_send(tenant_id) = $1) \
            + (SELECT count(*) FROM insula_tenant.idempotency WHERE uuid_send(tenant_id) = $1) \
            + (SELECT count(*) FROM insula_tenant.responses WHERE uuid_send(tenant_id) = $1) \
            + (SELECT count(*) FROM insula_tenant.provider_credentials WHERE uuid_send(tenant_id) = $1) \
            + (SELECT count(*) FROM insula_tenant.vectors WHERE uuid_send(tenant_id) = $1) \
            + (SELECT count(*) FROM insula_tenant.embeddings WHERE uuid_send(tenant_id) = $1)";
        let row = admin.query_one(rows, &[&scope.tenant().as_bytes().as_slice()]).await.unwrap();
        row.get::<_, i64>(0) > 0
    }
}

impl World {
    /// A fresh store.
    pub(super) async fn on(engine: Engine) -> World {
        Self::searched(engine, VectorSearch::Embedded).await
    }

    /// A fresh store, whose vectors are searched with this.
    pub(crate) async fn searched(engine: Engine, vectors: VectorSearch) -> World {
        let place = Arc::new(Place::on(engine, vectors).await);
        let clock = Arc::new(ManualClock::at(at("2026-03-31T23:30:00Z")));
        let random = Arc::new(SeededRandom::new(42));
        let store = place.open(clock.clone(), random.clone()).await.unwrap();
        let ids = IdGenerator::new(clock.clone(), random.clone());
        let mut scopes = Vec::new();
        for slug in ["acme", "globex"] {
            let tenant = tenant(&ids, slug, clock.now());
            store.create_tenant(&tenant).await.unwrap();
            scopes.push(TenantScope::mint(tenant.id, ScopeSource::Credential));
        }
        World { store, owner: scopes[0], stranger: scopes[1], clock, random, place }
    }

    pub(crate) fn ids(&self) -> IdGenerator {
        IdGenerator::new(self.clock.clone(), self.random.clone())
    }

    pub(super) fn random(&self) -> &dyn Random {
        &*self.random
    }

    /// Closes the store and opens it again.
    pub(super) async fn reopen(self) -> World {
        let World { store, owner, stranger, clock, random, place } = self;
        store.close().await.unwrap();
        drop(store);
        let store = place.open(clock.clone(), random.clone()).await.unwrap();
        World { store, owner, stranger, clock, random, place }
    }

    /// The same as another node of a cluster sees it, which searches vectors with this.
    pub(crate) async fn beside_with(&self, vectors: VectorSearch) -> World {
        let (clock, random, place) = (self.clock.clone(), self.random.clone(), self.place.clone());
        let store = place.open_with(vectors, clock.clone(), random.clone()).await.unwrap();
        World { store, owner: self.owner, stranger: self.stranger, clock, random, place }
    }

    /// The same as another node sees it, where there can be one.
    pub(super) async fn beside(&self, engine: Engine) -> Option<World> {
        let (clock, random, place) = (self.clock.clone(), self.random.clone(), self.place.clone());
        match engine {
            Engine::Embedded => None,
            Engine::Cluster => {
                let store = place.open(clock.clone(), random.clone()).await.unwrap();
                Some(World { store, owner: self.owner, stranger: self.stranger, clock, random, place })
            }
        }
    }
}

/// A new tenant's record.
pub(super) fn tenant(ids: &IdGenerator, slug: &str, now: Timestamp) -> Tenant {
    Tenant {
        id: ids.tenant(),
        slug: slug.to_owned().try_into().unwrap(),
        name: format!("{slug} GmbH & Söhne").try_into().unwrap(),
        external_id: Some(format!("crm-{slug}")),
        plan: None,
        segment: None,
        models: None,
        routing: Routing::default(),
        provider_credentials: Default::default(),
        cache: insula_model::CacheRules::default(),
        vectors: Default::default(),
        embedder: None,
        region: None,
        placement: Placement::Shared,
        tags: [("cost-centre".to_owned(), "a\"b".to_owned())].into(),
        state: TenantState::Active,
        version: 1,
        created_at: now,
    }
}
