//! A tenant's points move from one collection to the other while they are searched.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use insula_model::VectorCollection;
use insula_test_qdrant::Mood;

use super::{super::names::Collection, calls::bed};
use crate::vectors::conformance::{Bed, Searched, Shelf};

const DIMENSION: usize = 8;

/// The names of the shared collection and of the owner's own, and how many points each has.
fn held(bed: &Bed, names: &super::super::Names) -> (usize, usize) {
    let holds = bed.qdrant.as_ref().unwrap().peer.as_ref().unwrap().holds();
    let of = |kind| {
        let collection = Collection::of(kind, bed.world.owner.tenant(), DIMENSION as u64);
        holds.get(&names.of(collection)).copied().unwrap_or_default()
    };
    (of(VectorCollection::Shared), of(VectorCollection::Own))
}

async fn filled(bed: &Bed) -> (Shelf<'_>, Shelf<'_>) {
    let (mut owner, mut stranger) = (bed.owner(DIMENSION).await, bed.stranger(DIMENSION).await);
    for _ in 0..6 {
        owner.add((0..5).map(|_| bed.any(DIMENSION)).collect()).await;
    }
    stranger.add((0..5).map(|_| bed.any(DIMENSION)).collect()).await;
    (owner, stranger)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_searched_while_it_is_promoted() {
    let (bed, engine) = bed(Searched::QdrantShared).await;
    let (owner, stranger) = filled(&bed).await;
    assert_eq!(held(&bed, &engine.names), (35, 0));
    let (is_over, searches) = (Arc::new(AtomicBool::new(false)), AtomicUsize::new(0));
    let searching = async {
        while !is_over.load(Ordering::SeqCst) {
            assert_eq!(owner.recall(&bed.any(DIMENSION), None, 10).await, 1.0);
            searches.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
        }
    };
    let moving = async {
        for kind in [VectorCollection::Own, VectorCollection::Shared, VectorCollection::Own] {
            bed.world.store.settle_vectors(&bed.world.owner, kind).await.unwrap();
        }
        is_over.store(true, Ordering::SeqCst);
    };
    tokio::join!(searching, moving);
    assert!(searches.load(Ordering::SeqCst) > 3);
    assert_eq!(held(&bed, &engine.names), (5, 30), "nothing is left where it was");
    assert_eq!(stranger.recall(&bed.any(DIMENSION), None, 10).await, 1.0);
    for scope in [&bed.world.owner, &bed.world.stranger] {
        assert_eq!(bed.world.store.audit_vectors(scope).await.unwrap(), []);
    }
}

/// Whatever is done when it ends, what comes next goes on from there; and searches find everything all along.
#[tokio::test(flavor = "multi_thread")]
async fn a_move_goes_on_from_wherever_it_broke_off() {
    let (bed, engine) = bed(Searched::QdrantShared).await;
    let (mut owner, _stranger) = filled(&bed).await;
    let peer = bed.qdrant.as_ref().unwrap().peer.clone().unwrap();
    let mut interrupted = 0;
    for calls in 0..40 {
        let kind = if calls % 2 == 0 { VectorCollection::Own } else { VectorCollection::Shared };
        peer.set(Mood::AwayAfter(calls));
        let moved = bed.world.store.settle_vectors(&bed.world.owner, kind).await;
        interrupted += usize::from(moved.is_err());
        peer.set(Mood::Well);
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        assert_eq!(owner.recall(&bed.any(DIMENSION), None, 10).await, 1.0, "after {calls} calls");
        if calls % 3 == 0 {
            // It changes meanwhile.
            let document = owner.documents()[calls % 6];
            owner.publish_only(document, (0..5).map(|_| bed.any(DIMENSION)).collect()).await;
        }
        bed.world.store.settle_vectors(&bed.world.owner, kind).await.unwrap();
        assert_eq!(owner.recall(&bed.any(DIMENSION), None, 10).await, 1.0, "after {calls} calls and the rest");
        let wanted = if kind == VectorCollection::Own { (5, 30) } else { (35, 0) };
        assert_eq!(held(&bed, &engine.names), wanted, "after {calls} calls and the rest");
    }
    assert!(interrupted > 20, "{interrupted} were interrupted");
    assert_eq!(bed.world.store.audit_vectors(&bed.world.owner).await.unwrap(), []);
    bed.qdrant.as_ref().unwrap().ended().await;
}
