//! Qdrant is away, slow, behind, or wrong.

use std::time::{Duration, Instant};

use insula_model::{Clock, ErrorKind, VectorCollection};
use insula_test_qdrant::{Mood, Peer};

use super::{
    super::{
        QdrantOptions,
        guard::{Guard, NewPoint, Which},
        names::Collection,
        proto::Point,
    },
    Served,
    calls::bed,
};
use crate::{
    AuditFinding, AuditKind,
    vectors::conformance::{Bed, Searched},
};

const DIMENSION: usize = 8;

fn peer(bed: &Bed) -> Peer {
    bed.qdrant.as_ref().unwrap().peer.clone().unwrap()
}

/// Lets the moment go by in which nobody asks it.
async fn rested() {
    tokio::time::sleep(Duration::from_millis(3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_point_fails_the_whole_answer() {
    let (bed, _) = bed(Searched::QdrantShared).await;
    let (mut owner, mut stranger) = (bed.owner(DIMENSION).await, bed.stranger(DIMENSION).await);
    owner.add((0..5).map(|_| bed.any(DIMENSION)).collect()).await;
    stranger.add((0..5).map(|_| bed.any(DIMENSION)).collect()).await;
    let point = foreign(&bed, 1);
    peer(&bed).set(Mood::Leaks(Box::new(point)));
    let mut reading = bed.world.store.reading(&bed.world.owner).await.unwrap();
    let refused = reading.nearest(&bed.any(DIMENSION), None, 5).await.unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::Internal);
    drop(reading);
    assert!(bed.world.store.audit_vectors(&bed.world.owner).await.is_err());
    peer(&bed).set(Mood::Well);
    assert_eq!(owner.recall(&bed.any(DIMENSION), None, 5).await, 1.0);
}

/// A point of the stranger's.
fn foreign(bed: &Bed, chunk: u64) -> Point {
    let document = bed.world.ids().document();
    let new = NewPoint { space: 1, document, place: 0, chunk, vector: vec![1.0; DIMENSION] };
    Guard::of(bed.world.stranger.tenant()).upsert(String::new(), vec![new]).get().points[0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn few_vectors_are_found_without_it_and_of_many_it_is_said() {
    let served = Served::by_a_peer().await;
    let options = QdrantOptions { exact_max: 10, ..served.options() };
    let bed = Bed::asking(Searched::QdrantShared, served, options).await;
    let mut owner = bed.owner(DIMENSION).await;
    owner.add((0..10).map(|_| bed.any(DIMENSION)).collect()).await;
    peer(&bed).set(Mood::Away);
    assert_eq!(owner.recall(&bed.any(DIMENSION), None, 5).await, 1.0);
    // What changes is kept, and found as far as it can be; what is removed is not.
    let goes = owner.documents()[0];
    owner.remove_only(goes).await;
    owner.add_only((0..3).map(|_| bed.any(DIMENSION)).collect()).await;
    assert_eq!(owner.recall(&bed.any(DIMENSION), None, 20).await, 1.0);
    owner.add_only((0..9).map(|_| bed.any(DIMENSION)).collect()).await;
    let mut reading = bed.world.store.reading(&bed.world.owner).await.unwrap();
    let refused = reading.nearest(&bed.any(DIMENSION), None, 5).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Unavailable { .. }), "{refused:?}");
    assert!(refused.message().contains("by their words"), "{refused}");
    drop(reading);
    let refused = bed.world.store.settle_vectors(&bed.world.owner, VectorCollection::Shared).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Unavailable { .. }), "{refused:?}");

    peer(&bed).set(Mood::Well);
    rested().await;
    owner.settle().await;
    assert_eq!(owner.recall(&bed.any(DIMENSION), None, 20).await, 1.0);
    assert_eq!(bed.world.store.audit_vectors(&bed.world.owner).await.unwrap(), []);
    bed.qdrant.as_ref().unwrap().ended().await;
}

/// Of a tenant with more chunks than are compared here.
#[tokio::test(flavor = "multi_thread")]
async fn points_that_were_lost_are_missed_and_brought_back() {
    let served = Served::by_a_peer().await;
    let options = QdrantOptions { exact_max: 5, ..served.options() };
    let raw = super::super::Qdrant::new(&options).unwrap();
    let bed = Bed::asking(Searched::QdrantShared, served, options).await;
    let mut owner = bed.owner(DIMENSION).await;
    owner.add((0..10).map(|_| bed.any(DIMENSION)).collect()).await;
    let name = raw.names.of(Collection { owner: None, dimension: DIMENSION as u64 });
    raw.wire.send(&Guard::of(bed.world.owner.tenant()).delete(name, Which::default())).await.unwrap();
    let mut reading = bed.world.store.reading(&bed.world.owner).await.unwrap();
    let refused = reading.nearest(&bed.any(DIMENSION), None, 5).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Unavailable { .. }), "few are not taken for all: {refused:?}");
    drop(reading);
    assert_eq!(bed.world.store.take_due_vectors(), [bed.world.owner.tenant()]);
    owner.settle().await;
    assert_eq!(owner.recall(&bed.any(DIMENSION), None, 20).await, 1.0);
    bed.qdrant.as_ref().unwrap().ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_long_for_it() {
    let served = Served::by_a_peer().await;
    let search_max = Duration::from_millis(50);
    let options = QdrantOptions { search_max, rest: Duration::from_secs(60), ..served.options() };
    let bed = Bed::asking(Searched::QdrantShared, served, options).await;
    let mut owner = bed.owner(DIMENSION).await;
    owner.add((0..10).map(|_| bed.any(DIMENSION)).collect()).await;
    peer(&bed).set(Mood::Slow(Duration::from_secs(3)));
    let start = Instant::now();
    for _ in 0..20 {
        assert_eq!(owner.recall(&bed.any(DIMENSION), None, 5).await, 1.0);
    }
    assert!(start.elapsed() < Duration::from_secs(3), "only the first few wait, and not for long: {:?}", start.elapsed());
}

/// It breaks off at every call; whatever stands then, the next settling makes it whole.
#[tokio::test(flavor = "multi_thread")]
async fn what_broke_off_is_made_whole() {
    let (bed, engine) = bed(Searched::QdrantShared).await;
    let mut owner = bed.owner(DIMENSION).await;
    let name = engine.names.of(Collection { owner: None, dimension: DIMENSION as u64 });
    let mut failed = 0;
    // A settling makes some four calls.
    for round in 0..12 {
        let calls = round % 4;
        let document = owner.add_only((0..3).map(|_| bed.any(DIMENSION)).collect()).await;
        if round % 3 == 1 {
            owner.publish_only(document, (0..2).map(|_| bed.any(DIMENSION)).collect()).await;
        }
        if round % 5 == 2 {
            let first = owner.documents()[0];
            owner.remove_only(first).await;
        }
        peer(&bed).set(Mood::AwayAfter(calls));
        failed += usize::from(bed.world.store.settle_vectors(&bed.world.owner, VectorCollection::Shared).await.is_err());
        assert_eq!(owner.recall(&bed.any(DIMENSION), None, 10).await, 1.0, "found while it is away");
        peer(&bed).set(Mood::Well);
        rested().await;
        assert_eq!(owner.recall(&bed.any(DIMENSION), None, 10).await, 1.0, "found before the rest is done");
        owner.settle().await;
        assert_eq!(peer(&bed).points(&name).len(), owner.len(), "round {round}, after {calls} calls and the rest");
    }
    assert!(failed > 4, "{failed} broke off");
    assert_eq!(bed.world.store.audit_vectors(&bed.world.owner).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_waits_for_it_and_then_leaves_nothing() {
    for searched in [Searched::QdrantShared, Searched::QdrantOwn] {
        let (bed, _) = bed(searched).await;
        let (mut owner, mut stranger) = (bed.owner(DIMENSION).await, bed.stranger(DIMENSION).await);
        owner.add((0..5).map(|_| bed.any(DIMENSION)).collect()).await;
        stranger.add((0..3).map(|_| bed.any(DIMENSION)).collect()).await;
        drop(owner);
        peer(&bed).set(Mood::Away);
        let (store, scope, now) = (&bed.world.store, bed.world.owner, bed.world.clock.now());
        let refused = store.erase_tenant(&scope, now).await.unwrap_err();
        assert!(matches!(refused.kind(), ErrorKind::Unavailable { .. }), "{refused:?}");
        assert!(!bed.world.place.keeps_data_of(&scope).await, "what is here is gone at once");
        peer(&bed).set(Mood::Well);
        rested().await;
        store.erase_tenant(&scope, now).await.unwrap();
        assert_eq!(peer(&bed).holds().values().sum::<usize>(), 3, "{:?}", peer(&bed).holds());
        assert_eq!(stranger.recall(&bed.any(DIMENSION), None, 5).await, 1.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_finds_what_is_wrong_and_mends_it() {
    let (bed, engine) = bed(Searched::QdrantShared).await;
    let (mut owner, mut stranger) = (bed.owner(DIMENSION).await, bed.stranger(DIMENSION).await);
    owner.add((0..5).map(|_| bed.any(DIMENSION)).collect()).await;
    stranger.add((0..5).map(|_| bed.any(DIMENSION)).collect()).await;
    let store = &bed.world.store;
    let (peer, names) = (peer(&bed), &engine.names);
    let shared = names.of(Collection { owner: None, dimension: DIMENSION as u64 });
    let own = names.of(Collection { owner: Some(bed.world.stranger.tenant()), dimension: DIMENSION as u64 });
    assert_eq!(store.audit_vectors_of_nobody().await.unwrap(), []);

    // A point without a document, one where its tenant has none, and one that is not there.
    peer.lose_one(&shared);
    peer.plant(&shared, foreign(&bed, 900));
    peer.plant(&own, foreign(&bed, 901));
    let kinds = |found: &[AuditFinding]| found.iter().map(|finding| (finding.kind, finding.count)).collect::<Vec<_>>();
    let of_owner = store.audit_vectors(&bed.world.owner).await.unwrap();
    let of_stranger = store.audit_vectors(&bed.world.stranger).await.unwrap();
    let missing = kinds(&of_owner).into_iter().chain(kinds(&of_stranger)).filter(|(kind, _)| *kind == AuditKind::Missing);
    assert_eq!(missing.count(), 1, "{of_owner:?} {of_stranger:?}");
    assert_eq!(kinds(&of_stranger).iter().filter(|(kind, _)| *kind == AuditKind::Orphan).count(), 2, "{of_stranger:?}");
    for (scope, found) in [(&bed.world.owner, &of_owner), (&bed.world.stranger, &of_stranger)] {
        store.repair_vectors(scope, found).await.unwrap();
        store.settle_vectors(scope, VectorCollection::Shared).await.unwrap();
        assert_eq!(store.audit_vectors(scope).await.unwrap(), []);
    }

    // Points of a tenant that is not there, of one in another's collection, and of nobody.
    let nobody = insula_model::TenantId::from_bytes([9; 16]);
    let new =
        |chunk| NewPoint { space: 1, document: bed.world.ids().document(), place: 0, chunk, vector: vec![0.0; DIMENSION] };
    let gone = Guard::of(nobody).upsert(String::new(), vec![new(1)]).get().points[0].clone();
    let misplaced = Guard::of(bed.world.owner.tenant()).upsert(String::new(), vec![new(2)]).get().points[0].clone();
    let mut bare = foreign(&bed, 3);
    bare.payload.clear();
    peer.plant(&shared, gone.clone());
    peer.plant(&shared, bare);
    peer.plant(&own, misplaced);
    peer.plant(&names.of(Collection { owner: Some(nobody), dimension: DIMENSION as u64 }), gone);
    for name in peer.holds().keys() {
        peer.index(name, "tenant");
    }
    let found = store.audit_vectors_of_nobody().await.unwrap();
    let told: Vec<_> = found.iter().map(|finding| (finding.place == shared, finding.tenant, finding.kind)).collect();
    assert!(told.contains(&(true, Some(nobody), AuditKind::Stray)), "{found:?}");
    assert!(told.contains(&(true, None, AuditKind::Stray)), "{found:?}");
    assert!(told.contains(&(false, Some(bed.world.owner.tenant()), AuditKind::Stray)), "{found:?}");
    store.clear_vectors_of_nobody(&found).await.unwrap();
    assert_eq!(store.audit_vectors_of_nobody().await.unwrap(), []);
    assert_eq!(peer.holds().values().sum::<usize>(), 10, "{:?}", peer.holds());
    bed.qdrant.as_ref().unwrap().ended().await;
}
