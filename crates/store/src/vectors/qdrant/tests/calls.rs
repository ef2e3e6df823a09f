//! Every call is about one tenant: the one on whose behalf it is made.

use std::collections::{BTreeSet, HashSet};

use insula_model::{TenantScope, VectorCollection};
use insula_test_qdrant::About;

use super::{
    super::{
        Qdrant,
        guard::{Ask, Documents, Guard, Which},
        names::Collection,
    },
    Served,
};
use crate::vectors::conformance::{Bed, Searched};

const DIMENSION: usize = 8;
/// Of each kind, on each pattern.
const PROBES: usize = 1_250;

/// A bed that a peer serves, and the engine that reaches the same peer.
pub(super) async fn bed(searched: Searched) -> (Bed, Qdrant) {
    let served = Served::by_a_peer().await;
    let options = served.options();
    let engine = Qdrant::new(&options).unwrap();
    (Bed::asking(searched, served, options).await, engine)
}

fn mark(bed: &Bed) -> usize {
    bed.qdrant.as_ref().unwrap().about().len()
}

/// The methods that were called since, all on behalf of this tenant or about no point at all.
fn called_for(bed: &Bed, since: usize, scope: &TenantScope) -> BTreeSet<String> {
    let calls = bed.qdrant.as_ref().unwrap().about().split_off(since);
    for (method, about) in &calls {
        assert!(matches!(about, About::Administration) || *about == About::Tenant(scope.tenant()), "{method}: {about:?}");
    }
    calls.into_iter().map(|(method, _)| method).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_tenant_does_is_done_to_its_own_points() {
    for searched in [Searched::QdrantShared, Searched::QdrantOwn] {
        let (bed, engine) = bed(searched).await;
        let (mut owner, mut stranger) = (bed.owner(DIMENSION).await, bed.stranger(DIMENSION).await);
        let others = stranger.add(vec![bed.any(DIMENSION); 3]).await;
        let mut methods = BTreeSet::new();
        let start = mark(&bed);
        let stays = owner.add((0..4).map(|_| bed.any(DIMENSION)).collect()).await;
        let goes = owner.add(vec![bed.any(DIMENSION)]).await;
        owner.publish(stays, vec![bed.any(DIMENSION); 2]).await;
        let counting = HashSet::from([stays, goes, others]);
        for counting in [None, Some(&counting)] {
            assert_eq!(owner.recall(&bed.any(DIMENSION), counting, 10).await, 1.0);
        }
        owner.remove(goes).await;
        assert_eq!(bed.world.store.audit_vectors(&bed.world.owner).await.unwrap(), []);
        let kind = searched.settles_in().unwrap();
        let collection = Collection::of(kind, bed.world.owner.tenant(), DIMENSION as u64);
        let of = |document| super::super::audit::count_of(&engine, bed.world.owner.tenant(), collection, document);
        assert_eq!((of(stays).await.unwrap(), of(goes).await.unwrap(), of(others).await.unwrap()), (2, 0, 0));
        methods.extend(called_for(&bed, start, &bed.world.owner));

        // Moved to and fro, and erased.
        let start = mark(&bed);
        let other = match kind {
            VectorCollection::Shared => VectorCollection::Own,
            VectorCollection::Own => VectorCollection::Shared,
        };
        for kind in [other, kind] {
            bed.world.store.settle_vectors(&bed.world.owner, kind).await.unwrap();
            assert_eq!(owner.recall(&bed.any(DIMENSION), None, 10).await, 1.0);
        }
        drop(owner);
        bed.world.store.erase_tenant(&bed.world.owner, insula_model::Clock::now(&*bed.world.clock)).await.unwrap();
        methods.extend(called_for(&bed, start, &bed.world.owner));
        let known: BTreeSet<String> = [
            "Points/Query",
            "Points/Scroll",
            "Points/Count",
            "Points/Delete",
            "Points/Upsert",
            "Points/CreateFieldIndex",
            "Collections/List",
            "Collections/Create",
            "Collections/Delete",
        ]
        .map(|method| format!("/qdrant.{method}"))
        .into();
        assert_eq!(methods, known, "each kind of call was made, and no other");
        assert_eq!(stranger.nearest(&bed.any(DIMENSION), None, 10).await.len(), 3);
    }
}

/// With a tenant's ids and its canary at hand, another asks for them in every way there is.
#[tokio::test(flavor = "multi_thread")]
async fn probes_find_and_change_nothing() {
    for searched in [Searched::QdrantShared, Searched::QdrantOwn] {
        let (bed, engine) = bed(searched).await;
        let (mut owner, mut stranger) = (bed.owner(DIMENSION).await, bed.stranger(DIMENSION).await);
        let canary = bed.any(DIMENSION);
        let document = owner.add(vec![canary.clone(); 5]).await;
        let own = stranger.add(vec![bed.any(DIMENSION); 2]).await;
        let peer = bed.qdrant.as_ref().unwrap().peer.as_ref().unwrap();
        let held = peer.holds();
        let guard = Guard::of(bed.world.stranger.tenant());
        // The owner's collections too, as though their names had been mixed up.
        let names = [bed.world.owner.tenant(), bed.world.stranger.tenant()]
            .map(|tenant| engine.names.of(Collection::of(searched.settles_in().unwrap(), tenant, DIMENSION as u64)));
        let (documents, none) = ([document], [own]);
        for n in 0..PROBES {
            let name = names[n % 2].clone();
            let documents = if n % 3 == 0 { Documents::AllBut(&none) } else { Documents::Any(&documents) };
            let which = Which { documents, space: (n % 5 == 0).then_some(1), but: None };
            let ask = Ask { space: 1, documents, vector: &canary, limit: 1 + n % 50, exact: n % 7 == 0 };
            let found = engine.wire.send(&guard.query(name.clone(), ask)).await.unwrap();
            assert_eq!(found.result, []);
            let found = engine.wire.send(&guard.scroll(name.clone(), which, None, 100)).await.unwrap();
            assert_eq!(found.result, []);
            let found = engine.wire.send(&guard.count(name.clone(), which)).await.unwrap();
            assert_eq!(found.result.unwrap().count, 0);
            engine.wire.send(&guard.delete(name, which)).await.unwrap();
        }
        assert_eq!(peer.holds(), held);
        assert_eq!(owner.recall(&canary, None, 10).await, 1.0);
        bed.qdrant.as_ref().unwrap().ended().await;
    }
}

/// A point that has another's id by chance, or by design, does not take its place.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_writes_over_anothers_point() {
    let (bed, engine) = bed(Searched::QdrantShared).await;
    let mut owner = bed.owner(DIMENSION).await;
    owner.add(vec![bed.any(DIMENSION)]).await;
    let peer = bed.qdrant.as_ref().unwrap().peer.as_ref().unwrap();
    let name = engine.names.of(Collection { owner: None, dimension: DIMENSION as u64 });
    let before = peer.points(&name);
    let mut forged = Guard::of(bed.world.stranger.tenant()).upsert(name.clone(), vec![]).get().clone();
    forged.points = before.clone();
    for point in &mut forged.points {
        let tenant = super::super::proto::value::Kind::Text(bed.world.stranger.tenant().bare());
        point.payload.insert("tenant".to_owned(), super::super::proto::Value { kind: Some(tenant) });
    }
    engine.wire.write_raw(&forged).await.unwrap();
    assert_eq!(peer.points(&name), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_goes_with_every_call_and_is_never_shown() {
    let served = Served::by_a_peer().await;
    let options = crate::QdrantOptions { api_key: Some("s3cret".to_owned()), ..served.options() };
    assert!(!format!("{options:?}").contains("s3cret"));
    let bed = Bed::asking(Searched::QdrantShared, served, options).await;
    bed.owner(DIMENSION).await.add(vec![bed.any(DIMENSION)]).await;
    let calls = bed.qdrant.as_ref().unwrap().peer.as_ref().unwrap().recorded();
    assert!(calls.len() > 4 && calls.iter().all(|call| call.api_key.as_deref() == Some("s3cret")));
}
