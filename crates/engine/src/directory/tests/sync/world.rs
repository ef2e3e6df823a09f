//! Nodes over one store, and a list of changes as shared storage would keep it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use insula_model::{
    Clock, Error, IdGenerator, Limits, ManualClock, Name, Placement, Random, Result, Role, Routing, SeededRandom, Slug, Tenant,
    TenantId, TenantState, Timestamp,
};
use insula_store::{Changes, RealDisk, RootKey, Store, StoreOptions};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::super::{
    ChangeSource, Credential, Directory, KeyEntry, KeyOrder, KeyText, TenantCredential, TenantEntry, source::Asked,
};
use crate::accounts::Accounts;

/// The list of changes, as shared storage would keep it. Whoever asks for the latest change has just made one, of which the
/// list only says that there was something.
#[derive(Default)]
pub(super) struct Hub {
    pub(super) changes: Mutex<Vec<Option<TenantId>>>,
    pub(super) seen: Mutex<BTreeMap<usize, u64>>,
    pub(super) pushes: watch::Sender<u64>,
    /// Whether what is pushed arrives.
    pub(super) is_mute: AtomicBool,
    /// What is being changed: whoever asks for the latest change has stored it just before.
    pub(super) making: Mutex<Option<Option<TenantId>>>,
}

impl Hub {
    /// Notes that something of a tenant, or of the platform, changed.
    pub(super) fn note(&self, tenant: Option<TenantId>) {
        self.changes.lock().push(tenant);
    }
}

/// A node's way to the list.
pub(super) struct Way {
    pub(super) hub: Arc<Hub>,
    pub(super) node: usize,
    pub(super) is_cut: Arc<AtomicBool>,
    pub(super) looks: Arc<AtomicUsize>,
}

impl Way {
    pub(super) fn open(&self) -> Result<()> {
        if self.is_cut.load(Ordering::SeqCst) { Err(Error::internal("no way there")) } else { Ok(()) }
    }
}

impl ChangeSource for Way {
    fn latest(&self) -> Asked<'_, Result<u64>> {
        Box::pin(async {
            self.open()?;
            if let Some(tenant) = *self.hub.making.lock() {
                self.hub.note(tenant);
            }
            Ok(self.hub.changes.lock().len() as u64)
        })
    }

    fn since(&self, generation: u64) -> Asked<'_, Result<Changes>> {
        Box::pin(async move {
            self.looks.fetch_add(1, Ordering::SeqCst);
            self.open()?;
            let changes = self.hub.changes.lock();
            let new = &changes[generation as usize..];
            let tenants: BTreeSet<_> = new.iter().flatten().copied().collect();
            // Like a list of which the beginning was thrown away.
            let all = new.len() > 50;
            Ok(Changes { generation: changes.len() as u64, tenants, platform: new.contains(&None), all })
        })
    }

    fn acknowledge(&self, generation: u64) -> Asked<'_, Result<()>> {
        Box::pin(async move {
            self.open()?;
            self.hub.seen.lock().insert(self.node, generation);
            Ok(())
        })
    }

    fn all_have_seen(&self, generation: u64) -> Asked<'_, Result<bool>> {
        Box::pin(async move { self.open().map(|()| self.hub.seen.lock().values().all(|seen| *seen >= generation)) })
    }

    fn push(&self) -> Asked<'_, ()> {
        Box::pin(async {
            if !self.hub.is_mute.load(Ordering::SeqCst) {
                self.hub.pushes.send_modify(|count| *count += 1);
            }
        })
    }

    fn pushes(&self) -> watch::Receiver<u64> {
        self.hub.pushes.subscribe()
    }
}

pub(super) struct Node {
    pub(super) directory: Arc<Directory>,
    pub(super) accounts: Arc<Accounts>,
    pub(super) is_cut: Arc<AtomicBool>,
    pub(super) looks: Arc<AtomicUsize>,
}

impl Node {
    pub(super) fn enter(&self, text: &KeyText) -> Result<TenantCredential> {
        self.directory.authenticate(text.expose()).and_then(Credential::tenant)
    }
}

pub(super) struct World {
    pub(super) hub: Arc<Hub>,
    pub(super) store: Store,
    pub(super) clock: Arc<ManualClock>,
    pub(super) ids: IdGenerator,
    pub(super) nodes: [Node; 2],
    _files: tempfile::TempDir,
}

impl World {
    pub(super) async fn new() -> Self {
        let files = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(ManualClock::at(Timestamp::parse("2026-03-01T12:00:00Z").expect("a time")));
        let random: Arc<dyn Random> = Arc::new(SeededRandom::new(42));
        let root_key = RootKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").expect("32 bytes");
        let options = StoreOptions::new(files.path(), root_key);
        let store = Store::open(options, clock.clone(), random.clone(), Arc::new(RealDisk)).await.expect("opens");
        let ids = IdGenerator::new(clock.clone(), random);
        let hub = Arc::new(Hub::default());
        let nodes = [node(&hub, 0, &store, &clock, &ids).await, node(&hub, 1, &store, &clock, &ids).await];
        Self { hub, store, clock, ids, nodes, _files: files }
    }

    /// Makes the change `made` as shared storage would see it: in the list from when it is stored, which is when somebody asks for
    /// the latest change.
    pub(super) async fn noting<T>(&self, tenant: Option<TenantId>, made: impl Future<Output = T>) -> T {
        *self.hub.making.lock() = Some(tenant);
        let made = made.await;
        *self.hub.making.lock() = None;
        made
    }

    pub(super) fn record(&self, slug: &str) -> Tenant {
        Tenant {
            id: self.ids.tenant(),
            slug: Slug::try_from(slug.to_owned()).expect("a slug"),
            name: Name::try_from(slug.to_owned()).expect("a name"),
            external_id: None,
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
            tags: Default::default(),
            state: TenantState::Active,
            version: 1,
            created_at: self.clock.now(),
        }
    }

    pub(super) async fn tenant(&self, slug: &str) -> Arc<TenantEntry> {
        let record = self.record(slug);
        let made = self.nodes[0].directory.create_tenant(record.clone(), &self.nodes[0].accounts);
        self.noting(Some(record.id), made).await.expect("created")
    }

    pub(super) async fn key(&self, tenant: TenantId) -> (Arc<KeyEntry>, KeyText) {
        let made = self.nodes[0].directory.add_key(tenant, order());
        self.noting(Some(tenant), made).await.expect("made")
    }
}

pub(super) async fn node(hub: &Arc<Hub>, node: usize, store: &Store, clock: &Arc<ManualClock>, ids: &IdGenerator) -> Node {
    let (is_cut, looks) = (Arc::new(AtomicBool::default()), Arc::new(AtomicUsize::default()));
    hub.seen.lock().insert(node, 0);
    let way = Way { hub: hub.clone(), node, is_cut: is_cut.clone(), looks: looks.clone() };
    let random = Arc::new(SeededRandom::new(100 + node as u64));
    let directory = Directory::join(store.clone(), ids.clone(), clock.clone(), random, Box::new(way)).await.expect("joins");
    let (directory, accounts) =
        (Arc::new(directory), Arc::new(Accounts::load(store.clone(), clock.clone(), 8).await.expect("loads")));
    directory.follow(accounts.clone());
    Node { directory, accounts, is_cut, looks }
}

pub(super) fn order() -> KeyOrder {
    let name = Name::try_from("a key".to_owned()).expect("a name");
    KeyOrder { name, role: Role::Service, tags: Default::default(), expires_at: None, limits: Limits::default() }
}
