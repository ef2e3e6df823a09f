//! Three nodes and one server.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use insula_model::Subject;

use super::{
    super::{Redis, leases::LEASE},
    ACME, BETA, World, key_of,
    proxy::{Proxy, Wire},
    requests, soon, url,
};

const TENANT: Subject = Subject::Tenant(ACME);

/// Asks all nodes as fast as they answer for a while; how many requests of a tenant passed.
async fn press(nodes: &[Arc<Redis>], subject: Subject, per_minute: u32, until: Instant) -> u32 {
    let press = |node: Arc<Redis>| async move {
        let mut passed = 0;
        while Instant::now() < until {
            if node.charge(&[requests(subject, per_minute)]).await.allowed {
                passed += 1;
            } else {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        passed
    };
    let tasks: Vec<_> = nodes.iter().map(|node| tokio::spawn(press(node.clone()))).collect();
    let mut passed = 0;
    for task in tasks {
        passed += task.await.unwrap();
    }
    passed
}

/// What GCRA lets pass: a minute's allowance at once, then evenly.
fn expected(per_minute: u32, elapsed: Duration) -> f64 {
    f64::from(per_minute) * (1.0 + elapsed.as_secs_f64() / 60.0)
}

fn assert_within(passed: u32, expected: f64, share: f64) {
    let off = (f64::from(passed) - expected).abs() / expected;
    assert!(off <= share, "{passed} passed, {expected} expected");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn three_nodes_give_out_one_limit() {
    let world = World::new().await;
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(Arc::new(world.timed_node_at(url()).await));
    }
    let started = Instant::now();
    let until = started + Duration::from_secs(3);
    let (acme, beta, fast) = tokio::join!(
        press(&nodes, TENANT, 600, until),
        press(&nodes, Subject::Tenant(BETA), 600, until),
        press(&nodes, key_of(ACME), 3_000, until),
    );
    let elapsed = started.elapsed();
    assert_within(acme, expected(600, elapsed), 0.05);
    assert_within(beta, expected(600, elapsed), 0.05);
    assert_within(fast, expected(3_000, elapsed), 0.05);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_is_killed_in_the_middle_opens_no_limit() {
    let world = World::new().await;
    world.nodes.store(3, Ordering::Relaxed);
    let proxy = Proxy::to(&url()).await;
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(Arc::new(world.timed_node_at(proxy.url()).await));
    }
    let started = Instant::now();
    let faults = async {
        for wire in [Wire::Cut, Wire::Whole, Wire::Silent, Wire::Whole] {
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            proxy.set(wire);
        }
    };
    let until = started + Duration::from_secs(8);
    let ((), acme, beta) =
        tokio::join!(faults, press(&nodes, TENANT, 600, until), press(&nodes, Subject::Tenant(BETA), 1_200, until));
    let elapsed = started.elapsed();
    // While not all nodes have noticed yet, those that have give out their share beside what the others still count together.
    assert_within(acme, expected(600, elapsed), 0.1);
    assert_within(beta, expected(1_200, elapsed), 0.1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seats_are_counted_together_and_a_dead_nodes_end() {
    let mut world = World::new().await;
    let (one, two) = (world.node_at(url()).await, world.node_at(url()).await);
    let wanted = [(Subject::Platform, 2), (TENANT, 3), (key_of(ACME), 2)];
    let first = one.seat(&wanted).await.unwrap();
    let second = two.seat(&wanted).await.unwrap();
    assert_eq!(one.seat(&wanted).await.unwrap_err(), 2, "the key's are gone on both nodes");
    let third = two.seat(&[(TENANT, 3)]).await.unwrap();
    assert_eq!(one.seat(&[(TENANT, 3)]).await.unwrap_err(), 0);
    // The first node dies with its seat in hand.
    std::mem::forget(first);
    drop(one);
    world.advance(LEASE - Duration::from_micros(1)).await;
    assert_eq!(two.seat(&[(TENANT, 3)]).await.unwrap_err(), 0, "not before its lease ends");
    // The second node renews its own, by the clock of the scripts.
    super::super::leases::renew(&two.leases, &two.link, &two.scripts).await.unwrap();
    world.advance(Duration::from_micros(1)).await;
    let fourth = two.seat(&[(TENANT, 3)]).await.unwrap();
    assert_eq!(two.seat(&[(TENANT, 3)]).await.unwrap_err(), 0);
    drop((second, third, fourth));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_forgot_everything_is_told_again() {
    let world = World::new().await;
    let proxy = Proxy::to(&url()).await;
    let (one, two) = (world.node_at(proxy.url()).await, world.node_at(url()).await);
    let seats: Vec<_> =
        [one.seat(&[(TENANT, 2)]).await, one.seat(&[(TENANT, 2)]).await].into_iter().map(Result::unwrap).collect();
    let key = world.names.of(&TENANT).seats.clone();
    proxy.set(Wire::Cut);
    redis::cmd("DEL").arg(&key).exec_async(&mut world.server.clone()).await.unwrap();
    proxy.set(Wire::Whole);
    soon("the seats are written again", async || {
        redis::cmd("ZCARD").arg(&key).query_async::<u32>(&mut world.server.clone()).await.unwrap() == 3
    })
    .await;
    assert_eq!(two.seat(&[(TENANT, 2)]).await.unwrap_err(), 0);
    drop(seats);
    soon("and given back", async || two.seat(&[(TENANT, 1)]).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_that_were_forgotten_are_told_again() {
    let world = World::new().await;
    let node = world.node_at(url()).await;
    for _ in 0..3 {
        // Other tests' nodes on this server go through the same.
        redis::cmd("SCRIPT").arg("FLUSH").exec_async(&mut world.server.clone()).await.unwrap();
        assert!(node.charge(&[requests(TENANT, 600)]).await.allowed);
        redis::cmd("SCRIPT").arg("FLUSH").exec_async(&mut world.server.clone()).await.unwrap();
        let _seat = node.seat(&[(TENANT, 600)]).await.unwrap();
        redis::cmd("SCRIPT").arg("FLUSH").exec_async(&mut world.server.clone()).await.unwrap();
        super::super::leases::renew(&node.leases, &node.link, &node.scripts).await.unwrap();
    }
    assert_eq!(node.charge(&[requests(TENANT, 600)]).await.remaining[0].remaining, 596, "all of it was counted in one place");
}
