//! What one node of a cluster does, the others see. A data directory has one process, so these need a cluster.

use std::time::Duration;

use insula_model::{Budget, BudgetMode, Cap, Clock, EndUserId, ErrorKind, Limits, Subject, Timestamp, Window};

use super::{
    samples::{KEY, row, settle, trace, write},
    world::{Engine, World, tenant, usd},
};
use crate::{Admission, Cluster, IdempotencyMark, LeaseMove, Unit, WindowKey};

/// Two nodes of one cluster.
async fn two() -> (World, World) {
    let one = World::on(Engine::Cluster).await;
    let other = one.beside(Engine::Cluster).await.unwrap();
    (one, other)
}

fn cluster(world: &World) -> &Cluster {
    world.store.cluster().unwrap()
}

#[tokio::test]
async fn both_are_counted_until_one_leaves() {
    let (one, other) = two().await;
    assert_eq!(cluster(&other).live_nodes(), 2);
    other.store.close().await.unwrap();
    let nodes = one.place.database().administer().await.query("SELECT id FROM insula_control.nodes", &[]).await.unwrap();
    assert_eq!(nodes.len(), 1, "who leaves in order leaves nothing to sweep");
    assert_eq!(nodes[0].get::<_, &[u8]>(0), cluster(&one).node());
}

#[tokio::test]
async fn changes_are_told_until_they_are_read() {
    let (one, other) = two().await;
    let (told, told_other) = (cluster(&one), cluster(&other));
    let before = told.latest_change().await.unwrap();
    for world in [&one, &other] {
        cluster(world).acknowledge(before).await.unwrap();
    }
    assert!(told.all_have_seen(before).await.unwrap());

    let subject = Subject::Tenant(one.owner.tenant());
    one.store.control().put_limits(&subject, &Limits { concurrency: Some(3), ..Limits::default() }).await.unwrap();
    one.store.control().replace_budgets(&Subject::Platform, &[]).await.unwrap();
    let changes = told_other.changes_since(before).await.unwrap();
    assert_eq!(changes.tenants, [one.owner.tenant()].into());
    assert!(changes.platform && !changes.all);
    assert_eq!(other.store.control().limits_of(one.owner.tenant()).await.unwrap()[0].1.concurrency, Some(3));

    told.acknowledge(changes.generation).await.unwrap();
    assert!(!told.all_have_seen(changes.generation).await.unwrap(), "the other has not read it yet");
    told_other.acknowledge(changes.generation).await.unwrap();
    assert!(told.all_have_seen(changes.generation).await.unwrap());
    assert!(told_other.changes_since(changes.generation).await.unwrap().tenants.is_empty());
}

#[tokio::test]
async fn what_is_reserved_and_spent_is_the_same_everywhere() {
    let (one, other) = two().await;
    let now = one.clock.now();
    let (tenant, user) = (one.owner.tenant(), EndUserId::from_bytes([7; 16]));
    let mut spent = row(&one, &one.owner, one.ids().request([0; 4]), now, usd("2.00"));
    spent.begin.attribution.end_user = Some(user);
    let subjects = [Subject::Platform, Subject::Tenant(tenant), Subject::Key(tenant, KEY), Subject::EndUser(tenant, user)];
    let begun = one.store.journal().begin(&spent.begin).unwrap();
    assert_eq!(one.store.journal().admitted(begun).await.unwrap(), Admission::Admitted);
    for subject in &subjects {
        let reserved = cluster(&other).leases().reserved(subject, Timestamp::default()).await.unwrap();
        assert_eq!(reserved, (spent.begin.reserved, 300));
    }
    let stranger = Subject::Tenant(one.stranger.tenant());
    assert_eq!(cluster(&other).leases().reserved(&stranger, Timestamp::default()).await.unwrap(), (usd("0"), 0));

    one.store.journal().end(&spent.end, None, &[]);
    one.store.flush().await.unwrap();
    // The other's own on top.
    let mut on_top = row(&other, &other.owner, other.ids().request([0; 4]), now, usd("1.00"));
    on_top.begin.attribution.end_user = Some(user);
    settle(&other, &[on_top]).await;
    for world in [&one, &other] {
        for subject in &subjects {
            assert_eq!(cluster(world).leases().reserved(subject, Timestamp::default()).await.unwrap(), (usd("0"), 0));
            let hours = world.store.control().spend_since(subject, Timestamp::default()).await.unwrap();
            assert_eq!((hours.len(), hours[0].money, hours[0].tokens), (1, usd("3.00"), 88));
        }
        let verified = world.store.control().verify_ledger().await.unwrap();
        assert_eq!((verified.rows, verified.mismatches.len()), (2, 0));
    }
}

#[tokio::test]
async fn a_window_is_one_for_all() {
    for end_user in [None, Some(EndUserId::from_bytes([7; 16]))] {
        assert_one_window(end_user).await;
    }
}

/// A tenant's window, or that of one of its end users.
async fn assert_one_window(end_user: Option<EndUserId>) {
    let (one, other) = two().await;
    let tenant = one.owner.tenant();
    let subject = end_user.map_or(Subject::Tenant(tenant), |end_user| Subject::EndUser(tenant, end_user));
    let cap = usd("10");
    let budget = Budget {
        id: one.ids().budget(),
        subject,
        window: Window::Day,
        cap: Cap::Usd(cap),
        mode: BudgetMode::Hard,
        alert_at: vec![],
        origin: Default::default(),
    };
    one.store.control().replace_budgets(&subject, &[budget]).await.unwrap();
    let starts_at = Window::Day.span(one.clock.now()).start;
    let window = WindowKey { subject, window: Window::Day, unit: Unit::Usd, starts_at };
    let lease = async |world: &World, wanted: &str| {
        let wanted = usd(wanted).pico() as i64;
        let mut seen = None;
        let decide = |states: &[Option<crate::WindowState>]| {
            seen = states[0];
            vec![wanted.min(states[0].map_or(0, |state| state.cap - state.settled - state.leased))]
        };
        cluster(world).leases().negotiate(cluster(world).epoch(), &[window], decide).await.unwrap();
        let state = seen.unwrap();
        (state.settled, state.leased)
    };
    let pico = |text: &str| usd(text).pico() as i64;
    assert_eq!(lease(&one, "7").await, (0, 0));
    assert_eq!(lease(&other, "7").await, (0, pico("7")), "the other sees what is leased, and gets the rest");
    assert_eq!(lease(&one, "1").await, (0, pico("10")), "and nothing is left");

    let mut spent = row(&one, &one.owner, one.ids().request([0; 4]), one.clock.now(), usd("2.00"));
    spent.begin.attribution.end_user = end_user;
    let begun = one.store.journal().begin(&spent.begin).unwrap();
    assert_eq!(one.store.journal().admitted(begun).await.unwrap(), Admission::Admitted);
    let moved = LeaseMove { key: window, consumed: pico("2"), returned: pico("1") };
    one.store.journal().end(&spent.end, None, &[moved]);
    one.store.flush().await.unwrap();
    assert_eq!(lease(&other, "0").await, (pico("2"), pico("7")), "spent, and the rest is everybody's again");
    cluster(&other).leases().give_back(cluster(&other).epoch(), &[(window, pico("3"))]).await.unwrap();
    assert_eq!(lease(&one, "0").await, (pico("2"), pico("4")));
}

#[tokio::test]
async fn a_twin_is_known_elsewhere() {
    let (one, other) = two().await;
    let mark = Some(IdempotencyMark { key_hash: [1; 32], body_hash: [7; 32] });
    let mut first = row(&one, &one.owner, one.ids().request([0; 4]), one.clock.now(), usd("1.00"));
    first.begin.idempotency = mark;
    let mut twin = row(&other, &one.owner, one.ids().request([0; 4]), one.clock.now(), usd("1.00"));
    twin.begin.idempotency = mark;
    let mut strangers = row(&other, &one.stranger, one.ids().request([0; 4]), one.clock.now(), usd("1.00"));
    strangers.begin.idempotency = mark;
    let admitted = async |world: &World, begin: &crate::Begin| {
        let begun = world.store.journal().begin(begin).unwrap();
        world.store.journal().admitted(begun).await.unwrap()
    };
    assert_eq!(admitted(&one, &first.begin).await, Admission::Admitted);
    assert_eq!(admitted(&other, &twin.begin).await, Admission::TwinElsewhere);
    assert_eq!(admitted(&other, &strangers.begin).await, Admission::Admitted, "another tenant's key is another key");
    other.store.journal().release(twin.begin.attempt, &[]);
    other.store.journal().end(&strangers.end, None, &[]);
    one.store.journal().end(&first.end, None, &[]);
    one.store.flush().await.unwrap();
    other.store.flush().await.unwrap();
    let rows = other.store.control().verify_ledger().await.unwrap().rows;
    assert_eq!(rows, 2, "the twin left no row");
}

#[tokio::test]
async fn management_on_one_is_seen_on_the_other() {
    let (one, other) = two().await;
    let new = tenant(&one.ids(), "initech", one.clock.now());
    one.store.create_tenant(&new).await.unwrap();
    assert_eq!(other.store.control().tenant(new.id).await.unwrap(), Some(new.clone()));
    let scope = insula_model::TenantScope::mint(new.id, insula_model::ScopeSource::Credential);
    let said = trace(&one, &scope, "sealed here").await;
    write(&one, std::slice::from_ref(&said)).await;
    let found = other.store.tenant(&scope).await.unwrap().request(said.request).await.unwrap().unwrap();
    let seals = other.store.seals(&scope).await.unwrap();
    let plain = seals.open("request", "detail", said.request.as_bytes(), &found.sealed_detail.unwrap()).unwrap();
    assert_eq!(plain, b"sealed here", "and is opened there");

    let renamed = insula_model::Tenant { version: 2, ..new.clone() };
    other.store.control().update_tenant(&renamed, 1).await.unwrap();
    let stale = one.store.control().update_tenant(&renamed, 1).await.unwrap_err();
    assert_eq!(*stale.kind(), ErrorKind::PreconditionFailed, "nobody replaces what he has not read");

    let receipt = other.store.erase_tenant(&scope, one.clock.now()).await.unwrap();
    one.store.forget_seals(new.id).await;
    assert_eq!(one.store.tenant(&scope).await.err().map(|error| error.kind().clone()), Some(ErrorKind::NotFound));
    one.clock.advance(Duration::from_secs(1));
    assert_eq!(one.store.erase_tenant(&scope, one.clock.now()).await.unwrap(), receipt, "one erasure, one receipt");
    assert!(!one.place.keeps_data_of(&scope).await);
}
