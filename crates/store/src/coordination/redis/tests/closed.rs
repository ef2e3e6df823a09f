//! What must not open: values of others, other secrets, names that tell.

use insula_model::{KeyId, Subject, TenantId};

use super::{ACME, BETA, World, key_of, requests, url};
use crate::{
    RedisOptions,
    coordination::{Coordination, RateKind},
};

const TENANT: Subject = Subject::Tenant(ACME);

async fn set(world: &World, command: &str, arguments: &[&str]) {
    redis::cmd(command).arg(arguments).exec_async(&mut world.server.clone()).await.unwrap();
}

#[tokio::test]
async fn a_limiter_with_anothers_tag_refuses() {
    let mut world = World::new().await;
    let node = world.node_at(url()).await;
    let limiter = world.names.of(&TENANT).limiter(RateKind::Requests).to_owned();
    let foreign = format!("{}:1:0", world.names.of(&Subject::Tenant(BETA)).tag);
    for value in [foreign.as_str(), "", "1:0", ":1:0", "nonsense"] {
        set(&world, "SET", &[&limiter, value]).await;
        let decision = node.charge(&[requests(key_of(ACME), 10), requests(TENANT, 10)]).await;
        assert!(!decision.allowed, "{value}");
        assert_eq!(decision.refused.unwrap().0, 1);
        assert!(decision.remaining.iter().all(|state| state.remaining == 0));
    }
    // Neither does a value of another kind.
    set(&world, "DEL", &[&limiter]).await;
    set(&world, "RPUSH", &[&limiter, "x"]).await;
    assert!(!node.charge(&[requests(TENANT, 10)]).await.allowed);
    // Nothing was charged meanwhile, and another tenant noticed nothing.
    assert_eq!(node.charge(&[requests(key_of(ACME), 10)]).await.remaining[0].remaining, 9);
    assert!(node.charge(&[requests(Subject::Tenant(BETA), 10)]).await.allowed);
    set(&world, "DEL", &[&limiter]).await;
    world.advance(std::time::Duration::ZERO).await;
    assert!(node.charge(&[requests(TENANT, 10)]).await.allowed);
}

#[tokio::test]
async fn seats_with_anothers_mark_refuse() {
    let world = World::new().await;
    let node = world.node_at(url()).await;
    let key = world.names.of(&TENANT).seats.clone();
    set(&world, "ZADD", &[&key, "+inf", &world.names.of(&Subject::Tenant(BETA)).tag]).await;
    assert_eq!(node.seat(&[(Subject::Platform, 9), (key_of(ACME), 5), (TENANT, 5)]).await.unwrap_err(), 2);
    set(&world, "SET", &[&key, "x"]).await;
    assert_eq!(node.seat(&[(TENANT, 5)]).await.unwrap_err(), 0);
    assert!(node.seat(&[(Subject::Tenant(BETA), 5)]).await.is_ok());
    // What was refused left nothing with the key.
    assert!(node.seat(&[(key_of(ACME), 1)]).await.is_ok());
}

#[tokio::test]
async fn another_secret_sees_nothing() {
    let (ours, theirs) = (World::new().await, World::new().await);
    let (node, other) = (ours.node_at(url()).await, theirs.node_at(url()).await);
    assert!(node.charge(&[requests(TENANT, 1)]).await.allowed);
    let seat = node.seat(&[(TENANT, 1)]).await.unwrap();
    assert!(other.charge(&[requests(TENANT, 1)]).await.allowed);
    assert!(other.seat(&[(TENANT, 1)]).await.is_ok());
    let heard = other.changes();
    let before = *heard.borrow();
    node.push_changes().await;
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert_eq!(*heard.borrow(), before);
    drop(seat);
}

#[tokio::test]
async fn keys_and_values_tell_no_id_and_end_by_themselves() {
    let world = World::new().await;
    let node = world.node_at(url()).await;
    // A tenant of its own, because the server may hold keys of other tests.
    let tenant = TenantId::from_bytes([0x5a; 16]);
    let subject = Subject::Key(tenant, KeyId::from_bytes([0x5b; 16]));
    assert!(node.charge(&[requests(subject, 10)]).await.allowed);
    let _seat = node.seat(&[(subject, 10)]).await.unwrap();
    let mut server = world.server.clone();
    for (key, read) in [
        (world.names.of(&subject).limiter(RateKind::Requests).to_owned(), ["GET"].as_slice()),
        (world.names.of(&subject).seats.clone(), ["ZRANGE", "0", "-1"].as_slice()),
    ] {
        let ttl: i64 = redis::cmd("PTTL").arg(&key).query_async(&mut server).await.unwrap();
        assert!((1..=61_000).contains(&ttl), "{key} {ttl}");
        let mut command = redis::cmd(read[0]);
        command.arg(&key);
        command.arg(&read[1..]);
        let value: redis::Value = command.query_async(&mut server).await.unwrap();
        let shown = format!("{key} {value:?}").to_lowercase();
        assert!(!shown.contains("5a5a") && !shown.contains("5b5b"), "{shown}");
    }
}

#[tokio::test]
async fn a_refused_login_and_a_broken_url_are_told_at_the_start() {
    let world = World::new().await;
    let open = async |url: String| {
        let clock = std::sync::Arc::new(insula_model::SystemClock::default());
        Coordination::redis(RedisOptions::new(url, world.secret), clock, std::sync::Arc::new(|| 1)).await
    };
    let wrong = url().replace("redis://", "redis://nobody:hunter2@");
    for wrong in [wrong.as_str(), "hunter2", "redis://"] {
        let error = open(wrong.to_owned()).await.unwrap_err();
        assert_eq!(*error.kind(), insula_model::ErrorKind::Invalid, "{wrong}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
    assert!(open("redis://127.0.0.1:1".to_owned()).await.is_ok(), "a server that is away may come back");
}
