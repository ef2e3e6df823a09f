//! Two nodes over one store: what one changes the other knows, and whoever cannot know lets nobody in.

mod world;

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use insula_model::{
    Budget, BudgetMode, BudgetTerms, Cap, Clock, Defaults, Error, ErrorKind, Key, Limits, Name, Plan, Result, ScopeSource,
    SeededRandom, Subject, Tenant, TenantScope, TenantState, Timestamp, Window,
};

use self::world::{World, order};
use super::{Caller, Credential, Directory, KeyEntry, KeyKind, KeyOrder, KeyText, sync::CURRENT_MAX};

fn revoked(key: &Key) -> Key {
    Key { revoked_at: Some(key.created_at), ..key.clone() }
}

fn expired(old: &KeyEntry) -> Result<(KeyOrder, Timestamp)> {
    let now = old.record.created_at;
    if old.record.is_live(now) { Ok((order(), now.plus(Duration::from_secs(9)))) } else { Err(conflict()) }
}

fn conflict() -> Error {
    Error::new(ErrorKind::Conflict, "not live")
}

#[tokio::test]
async fn a_change_counts_on_every_node_once_it_returns() {
    let world = World::new().await;
    let [here, there] = &world.nodes;
    let acme = world.tenant("acme").await.record.id;
    let (key, text) = world.key(acme).await;
    let open = there.enter(&text).expect("a new key opens at once on the other node");
    assert!(here.enter(&text).is_ok(), "and on its own");

    let limits = Limits { concurrency: Some(3), ..Limits::default() };
    let set = here.directory.set_limits(Subject::Key(acme, key.record.id), limits);
    world.noting(Some(acme), set).await.expect("set");
    assert_eq!(there.directory.key(key.record.id).expect("known").limits, limits);
    let set = here.directory.set_limits(Subject::Tenant(acme), limits);
    world.noting(Some(acme), set).await.expect("set");
    assert_eq!(there.directory.tenant(acme).expect("known").limits, limits);
    assert!(!open.is_withdrawn());

    let (made, text) = world.noting(None, here.directory.make_operator_key(order().name)).await.expect("made");
    assert!(there.directory.authenticate(text.expose()).is_ok());
    let local = there.directory.new_local_operator();
    there.directory.install_local_operator(&local).expect("installed");
    world.noting(None, here.directory.revoke_operator_key(made.id)).await.expect("revoked");
    assert!(there.directory.authenticate(text.expose()).is_err());
    assert!(there.directory.authenticate(local.expose()).is_ok(), "what a process made for itself is its own");
    assert!(here.directory.authenticate(local.expose()).is_err());
}

#[tokio::test]
async fn open_requests_hear_of_a_revocation_elsewhere() {
    let world = World::new().await;
    let [here, there] = &world.nodes;
    let acme = world.tenant("acme").await.record.id;
    let (key, text) = world.key(acme).await;
    let (_, other) = world.key(acme).await;
    let (open, untouched) = (there.enter(&text).expect("in"), there.enter(&other).expect("in"));
    let admin = Caller::TenantAdmin(key.record.id);
    let (token, _) = here.directory.sign_token(acme, None, Duration::from_secs(60), admin).expect("signed");
    let by_token = there.directory.authenticate(&token).and_then(Credential::tenant).expect("in");

    world.noting(Some(acme), here.directory.change_key(acme, key.record.id, |key| Ok(revoked(key)))).await.expect("revoked");
    assert!(open.is_withdrawn() && by_token.is_withdrawn() && !untouched.is_withdrawn());
    assert!(there.enter(&text).is_err() && there.enter(&other).is_ok());

    let put = |state| here.directory.change_tenant(acme, &here.accounts, move |now| Ok(Tenant { state, ..now.clone() }));
    world.noting(Some(acme), put(TenantState::Suspended)).await.expect("suspended");
    assert!(untouched.is_withdrawn());
    assert_eq!(there.enter(&other).expect_err("suspended").kind(), &ErrorKind::Suspended);
    world.noting(Some(acme), put(TenantState::Active)).await.expect("resumed");
    assert!(!untouched.is_withdrawn() && there.enter(&other).is_ok());
}

#[tokio::test]
async fn an_erased_tenant_is_gone_from_every_node() {
    let world = World::new().await;
    let [here, there] = &world.nodes;
    let acme = world.tenant("acme").await.record.id;
    let (key, text) = world.key(acme).await;
    let open = there.enter(&text).expect("in");
    let scope = TenantScope::mint(acme, ScopeSource::Operator);
    world.noting(Some(acme), here.directory.erase_tenant(&scope)).await.expect("erased");
    assert!(open.is_withdrawn());
    for node in &world.nodes {
        assert!(node.directory.tenant(acme).is_none() && node.directory.key(key.record.id).is_none());
        assert_eq!(node.enter(&text).expect_err("gone").kind(), &ErrorKind::Unauthenticated);
    }
    assert_ne!(world.tenant("acme").await.record.id, acme, "its slug is free again");
}

#[tokio::test]
async fn everybody_is_told_before_anything_is_destroyed() {
    let world = World::new().await;
    let [here, there] = &world.nodes;
    let acme = world.tenant("acme").await.record.id;
    let (_, text) = world.key(acme).await;
    let open = there.enter(&text).expect("in");
    let scope = TenantScope::mint(acme, ScopeSource::Operator);
    // The other node does not answer: nothing is destroyed while it may still let somebody in.
    there.is_cut.store(true, Ordering::SeqCst);
    let erasing = world.noting(Some(acme), here.directory.erase_tenant(&scope));
    let early = tokio::time::timeout(Duration::from_millis(400), erasing).await;
    assert!(early.is_err() && !open.is_withdrawn());
    assert!(world.store.seals(&scope).await.is_ok());
    assert!(here.enter(&text).is_err(), "its own node denies it already");
    there.is_cut.store(false, Ordering::SeqCst);
    world.noting(Some(acme), here.directory.erase_tenant(&scope)).await.expect("erased");
    assert!(open.is_withdrawn() && there.enter(&text).is_err());
    assert!(world.store.seals(&scope).await.is_err());
}

#[tokio::test]
async fn who_cannot_know_lets_nobody_in() {
    let world = World::new().await;
    let [_, there] = &world.nodes;
    let acme = world.tenant("acme").await.record.id;
    let (_, text) = world.key(acme).await;
    there.is_cut.store(true, Ordering::SeqCst);
    // A look that is under way still counts.
    tokio::time::sleep(Duration::from_millis(20)).await;
    world.clock.advance(CURRENT_MAX);
    assert!(there.enter(&text).is_ok(), "not yet too old");
    world.clock.advance(Duration::from_millis(1));
    for text in [text.expose(), "", "ins_live_", "x.y.z"] {
        let refused = there.directory.admit(text).await.expect_err("refused");
        assert!(matches!(refused.kind(), ErrorKind::Unavailable { retry_after } if !retry_after.is_zero()), "{refused:?}");
    }
    assert!(there.directory.check_current().is_err());

    there.is_cut.store(false, Ordering::SeqCst);
    let well = async {
        while there.directory.check_current().is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), well).await.expect("looks again before long");
    assert!(there.enter(&text).is_ok());
}

#[tokio::test]
async fn a_missed_push_costs_no_refusal() {
    let world = World::new().await;
    let [_, there] = &world.nodes;
    let acme = world.tenant("acme").await.record.id;
    world.hub.is_mute.store(true, Ordering::SeqCst);
    // Stored by a node that nobody hears, and that does not wait for anybody.
    let alone = Directory::load(world.store.clone(), world.ids.clone(), world.clock.clone(), Arc::new(SeededRandom::new(7)));
    let (_, text) = alone.await.expect("loads").add_key(acme, order()).await.expect("made");
    world.hub.note(Some(acme));
    assert!(there.enter(&text).is_err());
    assert!(there.directory.admit(text.expose()).await.is_ok());

    // What stays unknown is refused, and a crowd of it shares its looks.
    let before = there.looks.load(Ordering::SeqCst);
    let began = tokio::time::Instant::now();
    let mut crowd = tokio::task::JoinSet::new();
    for seed in 0..200 {
        let directory = there.directory.clone();
        let unknown = KeyText::generate(KeyKind::Tenant, world.ids.key(), &SeededRandom::new(seed));
        crowd.spawn(async move { directory.admit(unknown.expose()).await.map(drop) });
    }
    for answer in crowd.join_all().await {
        assert_eq!(answer.expect_err("refused").kind(), &ErrorKind::Unauthenticated);
    }
    let looks = there.looks.load(Ordering::SeqCst) - before;
    let most = began.elapsed().as_millis() / 200 + 2;
    assert!(looks as u128 <= most, "{looks} looks, {most} expected at most");
    let mistyped = there.looks.load(Ordering::SeqCst);
    assert!(there.directory.admit("ins_live_nothing").await.is_err());
    assert_eq!(there.looks.load(Ordering::SeqCst), mistyped, "what is not well formed is not looked for");
}

#[tokio::test]
async fn what_two_nodes_change_at_once_is_not_lost() {
    let world = World::new().await;
    let acme = world.tenant("acme").await.record.id;
    for round in 0..10 {
        let (key, text) = world.key(acme).await;
        let id = key.record.id;
        let (first, second) = if round % 2 == 0 { (0, 1) } else { (1, 0) };
        let both = async {
            tokio::join!(
                world.nodes[first].directory.change_key(acme, id, |key| Ok(revoked(key))),
                world.nodes[second].directory.rotate_key(acme, id, expired),
            )
        };
        let (revocation, rotation) = world.noting(Some(acme), both).await;
        revocation.expect("revoked");
        for node in &world.nodes {
            assert!(node.enter(&text).is_err(), "a rotation elsewhere does not undo a revocation");
            if let Ok((_, successor)) = &rotation {
                assert!(node.enter(successor).is_ok());
            }
        }
    }

    let name = |name: &str| Name::try_from(name.to_owned()).expect("a name");
    let region = |now: &Tenant| Ok(Tenant { region: Some("eu".to_owned()), ..now.clone() });
    let both = async {
        tokio::join!(
            world.nodes[0]
                .directory
                .change_tenant(acme, &world.nodes[0].accounts, |now| Ok(Tenant { name: name("renamed"), ..now.clone() })),
            world.nodes[1].directory.change_tenant(acme, &world.nodes[1].accounts, region),
        )
    };
    let (renamed, moved) = world.noting(Some(acme), both).await;
    let versions = BTreeSet::from([renamed.expect("renamed").record.version, moved.expect("moved").record.version]);
    assert_eq!(versions, BTreeSet::from([2, 3]), "one after the other");
    for node in &world.nodes {
        let now = node.directory.tenant(acme).expect("known");
        assert_eq!((now.record.name.as_str(), now.record.region.as_deref()), ("renamed", Some("eu")));
    }
}

#[tokio::test]
async fn budgets_reach_the_accounts_of_every_node() {
    let world = World::new().await;
    let acme = world.tenant("acme").await.record.id;
    let (key, _) = world.key(acme).await;
    let control = world.store.control();
    for subject in [Subject::Platform, Subject::Tenant(acme), Subject::Key(acme, key.record.id)] {
        let budget = Budget {
            id: world.ids.budget(),
            subject,
            window: Window::Day,
            cap: Cap::Tokens(5),
            mode: BudgetMode::Hard,
            alert_at: vec![],
            origin: Default::default(),
        };
        for budgets in [vec![budget], vec![]] {
            control.replace_budgets(&subject, &budgets).await.expect("replaced");
            world.hub.note(subject.tenant());
            world.nodes[0].directory.publish(|| unreachable!("there are several nodes")).await;
            for node in &world.nodes {
                assert_eq!(node.accounts.budgets(&subject), budgets);
            }
        }
    }
}

#[tokio::test]
async fn a_plan_reaches_its_tenants_on_every_node() {
    let world = World::new().await;
    let [here, there] = &world.nodes;
    let acme = world.tenant("acme").await.record.id;
    let plan = |concurrency| {
        let limits = Limits { concurrency: Some(concurrency), ..Limits::default() };
        let cap = Cap::Tokens(concurrency.into());
        let budgets = vec![BudgetTerms { window: Window::Day, cap, mode: BudgetMode::Hard, alert_at: vec![] }];
        let defaults = Defaults { limits, budgets, ..Defaults::default() };
        Plan { name: world.record("free").slug, defaults, prices: vec![], version: 1, created_at: world.clock.now() }
    };
    let all_show = |concurrency: u32| {
        for node in &world.nodes {
            assert_eq!(node.directory.tenant(acme).expect("known").limits.concurrency, Some(concurrency));
            let budgets = node.accounts.budgets(&Subject::Tenant(acme));
            assert_eq!(budgets.iter().map(|budget| budget.cap).collect::<Vec<_>>(), [Cap::Tokens(concurrency.into())]);
        }
    };
    world.noting(None, here.directory.put_plan(&plan(1), &here.accounts)).await.expect("put");
    let give = |now: &Tenant| Ok(Tenant { plan: Some(world.record("free").slug), ..now.clone() });
    let given = world.noting(Some(acme), there.directory.change_tenant(acme, &there.accounts, give)).await.expect("given");
    assert_eq!((given.limits.concurrency, given.own_limits), (Some(1), Limits::default()));
    all_show(1);

    // As shared storage notes it: the plan, and each of its tenants.
    world.store.control().put_plan(&plan(2)).await.expect("put");
    world.hub.note(Some(acme));
    world.hub.note(None);
    here.directory.publish(|| unreachable!("there are several nodes")).await;
    all_show(2);
    let own = Limits { concurrency: Some(9), ..Limits::default() };
    world.noting(Some(acme), here.directory.set_limits(Subject::Tenant(acme), own)).await.expect("set");
    assert_eq!(there.directory.tenant(acme).expect("known").limits, own, "its own comes first");
}

#[tokio::test]
async fn who_was_away_for_long_reads_everything_again() {
    let world = World::new().await;
    let [here, there] = &world.nodes;
    let (acme, globex) = (world.tenant("acme").await.record.id, world.tenant("globex").await.record.id);
    let (_, text) = world.key(acme).await;
    let open = there.enter(&text).expect("in");
    let budgets = [Budget {
        id: world.ids.budget(),
        subject: Subject::Tenant(globex),
        window: Window::Day,
        cap: Cap::Tokens(5),
        mode: BudgetMode::Hard,
        alert_at: vec![],
        origin: Default::default(),
    }];
    world.store.control().replace_budgets(&Subject::Tenant(globex), &budgets).await.expect("replaced");
    let limits = Limits { concurrency: Some(2), ..Limits::default() };
    world.store.control().put_limits(&Subject::Tenant(globex), &limits).await.expect("set");
    let scope = TenantScope::mint(acme, ScopeSource::Operator);
    world.store.erase_tenant(&scope, world.clock.now()).await.expect("erased");
    // Nothing of it but that there is a lot.
    for _ in 0..60 {
        world.hub.note(None);
    }
    here.directory.publish(|| unreachable!("there are several nodes")).await;
    assert!(open.is_withdrawn() && there.directory.tenant(acme).is_none());
    assert_eq!(there.directory.tenant(globex).expect("known").limits, limits);
    assert_eq!(there.accounts.budgets(&Subject::Tenant(globex)), budgets);
}

#[tokio::test]
async fn following_ends_with_the_directory() {
    let world = World::new().await;
    let World { nodes, .. } = world;
    let gone: Vec<_> = nodes.iter().map(|node| Arc::downgrade(&node.directory)).collect();
    drop(nodes);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(gone.iter().all(|directory| directory.strong_count() == 0));
}
