//! The directory over a real store: who comes in, who does not, and how soon a change counts.

use std::{sync::Arc, time::Duration};

use insula_model::{
    Clock, Defaults, Error, ErrorKind, IdGenerator, Limits, ManualClock, Name, Placement, Plan, Role, Routing, SeededRandom,
    Slug, Subject, Tenant, TenantState, Timestamp,
};
use insula_store::{RealDisk, RootKey, Store, StoreOptions};

use super::*;
use crate::accounts::Accounts;

const START: &str = "2026-03-01T12:00:00Z";

struct World {
    directory: Directory,
    accounts: Accounts,
    store: Store,
    clock: Arc<ManualClock>,
    ids: IdGenerator,
    _files: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let files = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(ManualClock::at(Timestamp::parse(START).expect("a time")));
        let random: Arc<dyn Random> = Arc::new(SeededRandom::new(42));
        let root_key = RootKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").expect("32 bytes");
        let options = StoreOptions::new(files.path(), root_key);
        let store = Store::open(options, clock.clone(), random.clone(), Arc::new(RealDisk)).await.expect("opens");
        let ids = IdGenerator::new(clock.clone(), random.clone());
        let directory = Directory::load(store.clone(), ids.clone(), clock.clone(), random).await.expect("loads");
        let accounts = Accounts::load(store.clone(), clock.clone(), 8).await.expect("loads");
        Self { directory, accounts, store, clock, ids, _files: files }
    }

    /// The same store as a new process would find it.
    async fn restarted(&self) -> Directory {
        let random = Arc::new(SeededRandom::new(43));
        Directory::load(self.store.clone(), self.ids.clone(), self.clock.clone(), random).await.expect("loads")
    }

    async fn tenant(&self, slug: &str) -> Arc<TenantEntry> {
        let record = Tenant {
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
        };
        self.directory.create_tenant(record, &self.accounts).await.expect("created")
    }

    async fn key(&self, tenant: &TenantEntry, role: Role, expires_at: Option<Timestamp>) -> (Arc<KeyEntry>, KeyText) {
        let name = Name::try_from("a key".to_owned()).expect("a name");
        let order = KeyOrder { name, role, tags: Default::default(), expires_at, limits: Limits::default() };
        self.directory.add_key(tenant.record.id, order).await.expect("made")
    }

    async fn operator(&self) -> (Operator, KeyText) {
        let text = self.directory.add_operator_key(Name::try_from("op".to_owned()).expect("a name")).await.expect("made");
        (self.directory.authenticate(text.expose()).and_then(|c| c.operator()).expect("an operator"), text)
    }

    async fn put_state(&self, tenant: &TenantEntry, state: TenantState) {
        let changed =
            self.directory.change_tenant(tenant.record.id, &self.accounts, |now| Ok(Tenant { state, ..now.clone() })).await;
        changed.expect("changed");
    }

    fn enter(&self, text: &str) -> Result<TenantCredential> {
        self.directory.authenticate(text).and_then(Credential::tenant)
    }
}

fn said(error: &Error) -> (ErrorKind, String, Option<String>) {
    (error.kind().clone(), error.message().to_owned(), error.param().map(str::to_owned))
}

#[tokio::test]
async fn everything_that_opens_nothing_looks_the_same() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let (revoked, revoked_text) = world.key(&acme, Role::Service, None).await;
    let (_, expired) = world.key(&acme, Role::Service, Some(world.clock.now().plus(Duration::from_secs(1)))).await;
    let unknown = KeyText::generate(KeyKind::Tenant, world.ids.key(), &SeededRandom::new(7));
    let same_id = KeyText::generate(KeyKind::Tenant, revoked.record.id, &SeededRandom::new(8));
    let as_operator = KeyText::generate(KeyKind::Operator, revoked.record.id, &SeededRandom::new(8));
    assert!(world.enter(revoked_text.expose()).is_ok() && world.enter(expired.expose()).is_ok());

    world.clock.advance(Duration::from_secs(1));
    let now = world.clock.now();
    let change = |key: &insula_model::Key| Ok(insula_model::Key { revoked_at: Some(now), ..key.clone() });
    world.directory.change_key(acme.record.id, revoked.record.id, change).await.expect("revoked");

    let mut mistyped = expired.expose().to_owned();
    mistyped.replace_range(20..21, if mistyped[20..21] == *"0" { "1" } else { "0" });
    let want = said(&world.directory.authenticate("").expect_err("refused"));
    assert_eq!(want.0, ErrorKind::Unauthenticated);
    for text in [
        revoked_text.expose(),
        expired.expose(),
        unknown.expose(),
        same_id.expose(),
        as_operator.expose(),
        &mistyped,
        "ins_live_",
        "ins_op_\u{1f642}",
        "a.b.c",
        "Bearer",
        &"x".repeat(10_000),
    ] {
        assert_eq!(said(&world.directory.authenticate(text).expect_err(text)), want, "{text}");
    }
}

#[tokio::test]
async fn a_restart_knows_the_same_keys_and_not_the_local_operator() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let (key, text) = world.key(&acme, Role::Admin, None).await;
    let limits = Limits { concurrency: Some(3), ..Limits::default() };
    world.directory.set_limits(Subject::Key(acme.record.id, key.record.id), limits).await.expect("set");
    world.directory.set_limits(Subject::Tenant(acme.record.id), limits).await.expect("set");
    let (_, operator) = world.operator().await;
    let local = world.directory.new_local_operator();
    assert!(world.directory.authenticate(local.expose()).is_err());
    world.directory.install_local_operator(&local).expect("installed");
    assert!(world.directory.authenticate(local.expose()).is_ok());

    let again = world.restarted().await;
    let credential = again.authenticate(text.expose()).and_then(Credential::tenant).expect("known");
    assert_eq!(credential.role, Role::Admin);
    assert_eq!(credential.tenant.request_tag, acme.request_tag);
    assert_eq!((credential.tenant.limits, credential.key.expect("a key").limits), (limits, limits));
    assert!(again.authenticate(operator.expose()).is_ok());
    assert!(again.authenticate(local.expose()).is_err());
}

#[tokio::test]
async fn open_requests_see_that_they_were_withdrawn() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let (key, text) = world.key(&acme, Role::Service, None).await;
    let open = world.enter(text.expose()).expect("in");
    // A change of the limits replaces the entry, but what an open request holds still hears of it.
    let limits = Limits { concurrency: Some(1), ..Limits::default() };
    world.directory.set_limits(Subject::Key(acme.record.id, key.record.id), limits).await.expect("set");
    assert!(!open.is_withdrawn());

    world.put_state(&acme, TenantState::Suspended).await;
    assert!(open.is_withdrawn());
    assert_eq!(world.enter(text.expose()).expect_err("suspended").kind(), &ErrorKind::Suspended);
    world.put_state(&acme, TenantState::Active).await;
    assert!(!open.is_withdrawn() && world.enter(text.expose()).is_ok());

    let now = world.clock.now();
    let change = |key: &insula_model::Key| Ok(insula_model::Key { revoked_at: Some(now), ..key.clone() });
    world.directory.change_key(acme.record.id, key.record.id, change).await.expect("revoked");
    assert!(open.is_withdrawn() && open.key.as_ref().is_some_and(|key| key.is_revoked()));
}

#[tokio::test]
async fn a_plan_is_in_force_at_once_and_after_a_restart() {
    let world = World::new().await;
    let (acme, globex) = (world.tenant("acme").await, world.tenant("globex").await);
    let plan = |models: &[&str], concurrency| {
        let limits = Limits { concurrency, ..Limits::default() };
        let models = Some(models.iter().map(|model| (*model).to_owned()).collect());
        let defaults = Defaults { limits, models, ..Defaults::default() };
        let name = Slug::try_from("free".to_owned()).expect("a slug");
        Plan { name, defaults, prices: vec![], version: 1, created_at: world.clock.now() }
    };
    world.directory.put_plan(&plan(&["m"], Some(1)), &world.accounts).await.expect("put");
    let give = |now: &Tenant| Ok(Tenant { plan: Some(plan(&[], None).name), ..now.clone() });
    world.directory.change_tenant(acme.record.id, &world.accounts, give).await.expect("given");
    let of = |directory: &Directory, tenant: &TenantEntry| {
        let entry = directory.tenant(tenant.record.id).expect("known");
        (entry.models.clone(), entry.limits.concurrency)
    };
    assert_eq!(of(&world.directory, &acme), (Some(vec!["m".to_owned()]), Some(1)));
    let (_, text) = world.key(&acme, Role::Service, None).await;
    let open = world.enter(text.expose()).expect("in");
    world.directory.put_plan(&plan(&[], None), &world.accounts).await.expect("put");
    assert!(!open.is_withdrawn(), "who is inside goes on");
    for directory in [&world.directory, &world.restarted().await] {
        assert_eq!(of(directory, &acme), (Some(vec![]), None));
        assert_eq!(of(directory, &globex), (None, None));
    }
    world.directory.register.write().renew_catalogue(vec![], vec![]);
    let unknown = world.enter(text.expose()).expect_err("its plan is not known");
    assert!(matches!(unknown.kind(), ErrorKind::Unavailable { .. }), "{unknown}");
    let name = plan(&[], None).name;
    assert_eq!(world.directory.remove_plan(&name).await.expect_err("used").kind(), &ErrorKind::Conflict);
}

#[tokio::test]
async fn an_erased_tenant_is_gone_for_everyone() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let (_, text) = world.key(&acme, Role::Admin, None).await;
    let (operator, _) = world.operator().await;
    let open = world.enter(text.expose()).expect("in");
    let operated = world.directory.operated(&Credential::Operator(operator), "acme").expect("found");
    world.directory.erase_tenant(&operated.scope).await.expect("erased");

    assert!(open.is_withdrawn());
    assert_eq!(world.enter(text.expose()).expect_err("gone").kind(), &ErrorKind::Unauthenticated);
    for path in ["acme", &acme.record.id.to_string()] {
        assert_eq!(
            world.directory.operated(&Credential::Operator(operator), path).expect_err("gone").kind(),
            &ErrorKind::NotFound
        );
    }
    assert_ne!(world.tenant("acme").await.record.id, acme.record.id, "its slug is free again");
}

#[tokio::test]
async fn tokens_live_no_longer_than_their_issuer() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let (admin, _) = world.key(&acme, Role::Admin, None).await;
    let (operator, _) = world.operator().await;
    let minute = Duration::from_secs(60);
    let ada = Name::try_from("ada".to_owned()).expect("a name");
    let sign = |by| world.directory.sign_token(acme.record.id, Some(ada.clone()), minute, by).expect("signed").0;
    let (of_admin, of_operator) = (sign(Caller::TenantAdmin(admin.record.id)), sign(Caller::Operator(operator)));

    let open = world.enter(&of_admin).expect("in");
    assert_eq!((open.role, open.end_user.as_deref()), (Role::Service, Some("ada")));
    let now = world.clock.now();
    let change = |key: &insula_model::Key| Ok(insula_model::Key { revoked_at: Some(now), ..key.clone() });
    world.directory.change_key(acme.record.id, admin.record.id, change).await.expect("revoked");
    assert!(open.is_withdrawn());
    assert_eq!(world.enter(&of_admin).expect_err("dead").kind(), &ErrorKind::Unauthenticated);

    assert!(world.enter(&of_operator).is_ok());
    world.put_state(&acme, TenantState::Suspended).await;
    assert_eq!(world.enter(&of_operator).expect_err("suspended").kind(), &ErrorKind::Suspended);
    world.put_state(&acme, TenantState::Active).await;
    world.clock.advance(minute);
    assert_eq!(world.enter(&of_operator).expect_err("over").kind(), &ErrorKind::Unauthenticated);

    let fresh = sign(Caller::Operator(operator));
    assert!(world.enter(&fresh).is_ok());
    world.directory.revoke_operator_key(operator.key()).await.expect("revoked");
    assert_eq!(world.enter(&fresh).expect_err("dead").kind(), &ErrorKind::Unauthenticated);
}

#[tokio::test]
async fn foreign_comes_before_insufficient() {
    let world = World::new().await;
    let (acme, globex) = (world.tenant("acme").await, world.tenant("globex").await);
    let (_, service) = world.key(&acme, Role::Service, None).await;
    let (_, admin) = world.key(&acme, Role::Admin, None).await;
    let (foreign_key, _) = world.key(&globex, Role::Service, None).await;
    let directory = &world.directory;
    let service = directory.authenticate(service.expose()).expect("in");
    let admin = directory.authenticate(admin.expose()).expect("in");
    let missing = said(&Error::not_found());

    let globex_id = globex.record.id.to_string();
    for path in ["globex", &globex_id, "nobody", "", "ten_", "\0", "acme ", "ACME"] {
        for who in [&service, &admin] {
            assert_eq!(said(&directory.managed(who, path).expect_err(path)), missing, "{path}");
            assert_eq!(said(&directory.operated(who, path).expect_err(path)), missing, "{path}");
        }
    }
    let acme_id = acme.record.id.to_string();
    for path in ["acme", &acme_id] {
        assert_eq!(directory.managed(&service, path).expect_err("a service").kind(), &ErrorKind::Forbidden);
        assert_eq!(directory.operated(&service, path).expect_err("a service").kind(), &ErrorKind::Forbidden);
        assert_eq!(directory.operated(&admin, path).expect_err("an admin").kind(), &ErrorKind::Forbidden);
        let own = directory.managed(&admin, path).expect("its own");
        assert_eq!(own.scope.tenant(), acme.record.id);
        for key in [&*foreign_key.record.id.to_string(), &world.ids.key().to_string(), "key_", "x"] {
            assert_eq!(said(&directory.managed_key(own.clone(), key).expect_err(key)), missing, "{key}");
        }
    }

    let (own, foreign) = (world.ids.request(acme.request_tag).to_string(), world.ids.request(globex.request_tag).to_string());
    for request in [&*foreign, &world.ids.request([9; 4]).to_string(), "req_", "x"] {
        assert_eq!(said(&directory.reader(&admin, request).expect_err(request)), missing, "{request}");
        assert_eq!(said(&directory.reader(&service, request).expect_err(request)), missing, "{request}");
    }
    assert_eq!(directory.reader(&service, &own).expect_err("a service").kind(), &ErrorKind::Forbidden);
    assert!(directory.reader(&admin, &own).expect("its own").is_own);
    let (operator, _) = world.operator().await;
    let reader = directory.reader(&Credential::Operator(operator), &foreign).expect("any tenant's");
    assert!(!reader.is_own && reader.scopes.len() == 1);
}

#[tokio::test]
async fn a_rotation_never_undoes_a_revocation() {
    let world = Arc::new(World::new().await);
    let acme = world.tenant("acme").await;
    for round in 0..20u32 {
        let (key, text) = world.key(&acme, Role::Service, None).await;
        let (tenant, id, now) = (acme.record.id, key.record.id, world.clock.now());
        let revoke =
            world.directory.change_key(tenant, id, |key| Ok(insula_model::Key { revoked_at: Some(now), ..key.clone() }));
        let rotate = world.directory.rotate_key(tenant, id, |old| {
            if !old.record.is_live(now) {
                return Err(Error::new(ErrorKind::Conflict, "not live"));
            }
            let order = KeyOrder {
                name: old.record.name.clone(),
                role: old.record.role,
                tags: Default::default(),
                expires_at: None,
                limits: old.limits,
            };
            Ok((order, now.plus(Duration::from_secs(60))))
        });
        if round % 2 == 0 {
            let (revoked, _) = tokio::join!(revoke, rotate);
            revoked.expect("revoked");
        } else {
            let (_, revoked) = tokio::join!(rotate, revoke);
            revoked.expect("revoked");
        }
        assert!(world.enter(text.expose()).is_err());
        assert!(world.restarted().await.authenticate(text.expose()).is_err());
    }
}
