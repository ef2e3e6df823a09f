//! Callers leave at any moment; the connection that they shared stays in step.

use std::{future::Future, pin::pin, task::Poll};

use insula_model::{Random, SeededRandom, Subject, TenantId};

use super::{World, requests, soon, url};
use crate::coordination::Charge;

/// Polls at most so often, then drops: what a caller does who leaves.
async fn polled_at_most<F: Future>(polls: u32, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

fn chance(random: &SeededRandom) -> u64 {
    let mut bytes = [0; 8];
    random.fill(&mut bytes);
    u64::from_be_bytes(bytes)
}

/// Runs `call` many times at once, each with a number of its own, and drops a third of them at random; returns how many were
/// dropped and how many came to their end.
async fn storm<F: Future<Output = ()> + Send + 'static>(calls: u64, call: impl Fn(u64) -> F) -> (u64, u64) {
    let random = SeededRandom::new(41);
    let (mut dropped, mut done) = (0, 0);
    for batch in 0..calls / 200 {
        let tasks: Vec<_> = (0..200)
            .map(|index| {
                let (drawn, call) = (chance(&random), call(batch * 200 + index));
                // Some never start, some leave once they have sent, some stay.
                let polls = if drawn % 3 == 0 { (drawn / 3 % 4) as u32 } else { u32::MAX };
                tokio::spawn(polled_at_most(polls, call))
            })
            .collect();
        for task in tasks {
            match task.await.unwrap() {
                Some(()) => done += 1,
                None => dropped += 1,
            }
        }
    }
    (dropped, done)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_reads_anothers_answer() {
    let world = World::new().await;
    let node = world.timed_node_at(url()).await;
    let link = node.link.clone();
    let (dropped, done) = storm(20_000, move |number| {
        let link = link.clone();
        async move {
            let secret = format!("only for {number}");
            let answer = link.ask(redis::cmd("ECHO").arg(&secret)).await;
            // A machine under load may make a call late; it may never make an answer another's.
            if let Ok(answer) = answer {
                assert_eq!(answer, redis::Value::BulkString(secret.into_bytes()));
            }
        }
    })
    .await;
    assert!(dropped > 1_000 && done > 10_000, "{dropped} dropped, {done} done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_is_charged_for_another() {
    let world = World::new().await;
    let node = std::sync::Arc::new(world.node_at(url()).await);
    let (dropped, done) = storm(6_000, move |number| {
        let node = node.clone();
        async move {
            // A tenant and a limit of its own: any other answer shows another limit or another rest.
            let tenant = TenantId::from_bytes(u128::from(number).to_be_bytes());
            let per_minute = 1_000 + u32::try_from(number).unwrap();
            let charge = Charge { amount: 17, ..requests(Subject::Tenant(tenant), per_minute) };
            let decision = node.charge(&[charge]).await;
            assert!(decision.allowed);
            assert_eq!((decision.remaining[0].limit, decision.remaining[0].remaining), (per_minute, per_minute - 17));
        }
    })
    .await;
    assert!(dropped > 300 && done > 3_000, "{dropped} dropped, {done} done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_seat_that_nobody_waited_for_is_given_back() {
    let world = World::new().await;
    let node = std::sync::Arc::new(world.node_at(url()).await);
    let tenant = Subject::Tenant(super::ACME);
    let asker = node.clone();
    let (dropped, _) = storm(2_000, move |_| {
        let node = asker.clone();
        async move { drop(node.seat(&[(tenant, 3)]).await) }
    })
    .await;
    assert!(dropped > 100);
    let mut server = world.server.clone();
    let key = world.names.of(&tenant).seats.clone();
    soon("only the mark is left", async || redis::cmd("ZCARD").arg(&key).query_async::<u32>(&mut server).await.unwrap() <= 1)
        .await;
    assert_eq!(node.leases.len(), 0);
    let seats = [node.seat(&[(tenant, 3)]).await, node.seat(&[(tenant, 3)]).await, node.seat(&[(tenant, 3)]).await];
    assert!(seats.iter().all(Result::is_ok));
    assert_eq!(node.seat(&[(tenant, 3)]).await.unwrap_err(), 0);
}
