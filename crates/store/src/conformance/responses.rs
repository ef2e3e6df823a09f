//! Responses that are kept, seen by their owner and by another tenant.

use std::time::Duration;

use insula_model::{Clock, EndUserId, RequestId, TenantScope};

use super::world::{Engine, World};
use crate::{ResponseRow, ResponsesMax};

const MOST: ResponsesMax = ResponsesMax { count: 100, bytes: 1_000_000 };
const TTL: Duration = Duration::from_secs(60);

fn row(world: &World, response: RequestId, previous: Option<RequestId>) -> ResponseRow {
    ResponseRow {
        response,
        previous,
        end_user: Some(EndUserId::from_bytes([7; 16])),
        created_at: world.clock.now(),
        expires_at: world.clock.now().plus(TTL),
        sealed_input: vec![1; 40],
        sealed_response: vec![2; 60],
    }
}

/// Keeps a response of this id.
pub(super) async fn keep(world: &World, scope: &TenantScope, response: RequestId, previous: Option<RequestId>) {
    let tenant = world.store.tenant(scope).await.unwrap();
    tenant.keep_response(&row(world, response, previous), MOST).await.unwrap();
}

/// Keeps so many, each going on from the one before. Their ids end in what sweeps, or does not.
async fn chain(world: &World, count: usize, last_byte: u8) -> Vec<RequestId> {
    let mut ids: Vec<RequestId> = Vec::new();
    for _ in 0..count {
        world.clock.advance(Duration::from_millis(1));
        let mut bytes = *world.ids().request([1; 4]).as_bytes();
        bytes[15] = last_byte;
        let id = RequestId::from_bytes(bytes);
        keep(world, &world.owner, id, ids.last().copied()).await;
        ids.push(id);
    }
    ids
}

#[tokio::test]
async fn responses_are_their_tenants() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let ids = chain(&world, 3, 1).await;
        let (owner, stranger) =
            (world.store.tenant(&world.owner).await.unwrap(), world.store.tenant(&world.stranger).await.unwrap());
        let found = owner.response(ids[1]).await.unwrap().unwrap();
        let kept =
            ResponseRow { created_at: found.created_at, expires_at: found.expires_at, ..row(&world, ids[1], Some(ids[0])) };
        assert_eq!(found, kept, "{engine:?}");
        let said = |rows: &[ResponseRow]| rows.iter().map(|row| row.response).collect::<Vec<_>>();
        assert_eq!(said(&owner.conversation(ids[2], 1_000).await.unwrap()), [ids[2], ids[1], ids[0]]);
        // What is larger ends early: with the one that passes the bound.
        assert_eq!(said(&owner.conversation(ids[2], 150).await.unwrap()), [ids[2], ids[1]]);
        for id in &ids {
            assert_eq!(stranger.response(*id).await.unwrap(), None);
            assert!(stranger.conversation(*id, 1_000).await.unwrap().is_empty());
            assert!(!stranger.forget_response(*id).await.unwrap());
        }
        assert!(owner.forget_response(ids[1]).await.unwrap());
        assert!(!owner.forget_response(ids[1]).await.unwrap());
        assert_eq!(said(&owner.conversation(ids[2], 1_000).await.unwrap()), [ids[2]]);

        let world = {
            drop((owner, stranger));
            world.reopen().await
        };
        let owner = world.store.tenant(&world.owner).await.unwrap();
        assert!(owner.response(ids[0]).await.unwrap().is_some(), "after a restart of {engine:?}");
        world.clock.advance(TTL);
        assert_eq!(owner.response(ids[0]).await.unwrap(), None, "its time is over");
    }
}

#[tokio::test]
async fn the_oldest_are_forgotten() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let ids = chain(&world, 6, 1).await;
        let tenant = world.store.tenant(&world.owner).await.unwrap();
        let kept = async || {
            let mut kept = Vec::new();
            for id in &ids {
                kept.push(tenant.response(*id).await.unwrap().is_some());
            }
            kept
        };
        let put = async |most| {
            let id = chain(&world, 1, 0).await[0];
            tenant.forget_response(id).await.unwrap();
            tenant.keep_response(&row(&world, id, None), most).await.unwrap();
            tenant.forget_response(id).await.unwrap();
        };
        put(ResponsesMax { count: 5, ..MOST }).await;
        assert_eq!(kept().await, [false, false, true, true, true, true], "{engine:?}");
        put(ResponsesMax { bytes: 300, ..MOST }).await;
        assert_eq!(kept().await, [false, false, false, false, true, true], "{engine:?}");
    }
}
