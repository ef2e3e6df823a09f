//! A store with two tenants, on some engine.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use insula_model::{
    Clock, IdGenerator, ManualClock, Money, Placement, Random, ScopeSource, SeededRandom, Tenant, TenantScope, TenantState,
    Timestamp,
};
use tempfile::TempDir;

use crate::{RealDisk, RootKey, Store, StoreOptions};

/// The engines that cases run on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Engine {
    /// SQLite files.
    Embedded,
}

impl Engine {
    pub(super) const ALL: [Engine; 1] = [Engine::Embedded];
}

/// A store with two tenants in it.
pub(super) struct World {
    pub(super) store: Store,
    pub(super) owner: TenantScope,
    pub(super) stranger: TenantScope,
    pub(super) clock: Arc<ManualClock>,
    pub(super) random: Arc<SeededRandom>,
    pub(super) dir: TempDir,
}

pub(super) fn usd(text: &str) -> Money {
    Money::from_usd(text).unwrap()
}

pub(super) fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// Opens the store in `dir`.
pub(super) async fn open(
    engine: Engine,
    dir: &Path,
    clock: Arc<ManualClock>,
    random: Arc<SeededRandom>,
) -> insula_model::Result<Store> {
    match engine {
        Engine::Embedded => {
            let root_key = RootKey::load_or_create(&dir.join("root.key"), &*random)?;
            let options = StoreOptions { segment_bytes: 1 << 20, ..StoreOptions::new(dir.join("data"), root_key) };
            Store::open(options, clock, random, Arc::new(RealDisk)).await
        }
    }
}

impl World {
    /// A fresh store.
    pub(super) async fn on(engine: Engine) -> World {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(at("2026-03-31T23:30:00Z")));
        let random = Arc::new(SeededRandom::new(42));
        let store = open(engine, dir.path(), clock.clone(), random.clone()).await.unwrap();
        let ids = IdGenerator::new(clock.clone(), random.clone());
        let mut scopes = Vec::new();
        for slug in ["acme", "globex"] {
            let tenant = tenant(&ids, slug, clock.now());
            store.create_tenant(&tenant).await.unwrap();
            scopes.push(TenantScope::mint(tenant.id, ScopeSource::Credential));
        }
        World { store, owner: scopes[0], stranger: scopes[1], clock, random, dir }
    }

    pub(super) fn ids(&self) -> IdGenerator {
        IdGenerator::new(self.clock.clone(), self.random.clone())
    }

    pub(super) fn random(&self) -> &dyn Random {
        &*self.random
    }

    /// Where the embedded engine keeps a tenant.
    pub(super) fn tenant_dir(&self, scope: &TenantScope) -> PathBuf {
        self.dir.path().join("data").join("tenants").join(scope.tenant().bare())
    }

    /// Closes the store and opens it again.
    pub(super) async fn reopen(self, engine: Engine) -> World {
        let World { store, owner, stranger, clock, random, dir } = self;
        store.close().await.unwrap();
        drop(store);
        let store = open(engine, dir.path(), clock.clone(), random.clone()).await.unwrap();
        World { store, owner, stranger, clock, random, dir }
    }
}

/// A new tenant's record.
pub(super) fn tenant(ids: &IdGenerator, slug: &str, now: Timestamp) -> Tenant {
    Tenant {
        id: ids.tenant(),
        slug: slug.to_owned().try_into().unwrap(),
        name: format!("{slug} GmbH & Söhne").try_into().unwrap(),
        external_id: Some(format!("crm-{slug}")),
        region: None,
        placement: Placement::Shared,
        tags: [("cost-centre".to_owned(), "a\"b".to_owned())].into(),
        state: TenantState::Active,
        version: 1,
        created_at: now,
    }
}
