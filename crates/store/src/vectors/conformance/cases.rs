//! The cases.

use std::collections::HashSet;

use insula_model::DocumentId;

use super::Bed;
use crate::Served;

const DIMENSION: usize = 256;
/// What is searched for, of the nearest ten, must be found.
const RECALL_MIN: f64 = 0.98;

/// Where there is no doubt who is nearest.
pub(super) async fn the_nearest_come_first(bed: &Bed) {
    let mut shelf = bed.owner(4).await;
    assert!(shelf.nearest(&[1.0, 0.0, 0.0, 0.0], None, 3).await.is_empty(), "{:?}: nothing is there yet", bed.searched);
    let first = shelf.add(vec![vec![1.0, 0.0, 0.0, 0.0], vec![0.0, 1.0, 0.0, 0.0]]).await;
    shelf.add(vec![vec![0.6, 0.8, 0.0, 0.0], vec![0.0, 0.0, -1.0, 0.0]]).await;
    let chunks = |near: Vec<crate::Near>| near.into_iter().map(|near| near.chunk).collect::<Vec<_>>();
    assert_eq!(chunks(shelf.nearest(&[1.0, 0.0, 0.0, 0.0], None, 2).await), [1, 3], "{:?}", bed.searched);
    assert_eq!(chunks(shelf.nearest(&[0.0, 1.0, 0.0, 0.0], None, 3).await)[..2], [2, 3]);
    assert_eq!(chunks(shelf.nearest(&[0.0, 0.0, 1.0, 0.0], None, 9).await).last(), Some(&4), "what points away comes last");
    let only = HashSet::from([first]);
    assert_eq!(chunks(shelf.nearest(&[0.6, 0.8, 0.0, 0.0], Some(&only), 9).await), [2, 1]);
    assert!(shelf.nearest(&[1.0, 0.0, 0.0, 0.0], None, 0).await.is_empty());
}

pub(super) async fn as_many_as_are_wanted_wherever_so_many_count(bed: &Bed) {
    let mut shelf = bed.owner(8).await;
    for _ in 0..10 {
        shelf.add((0..5).map(|_| bed.any(8)).collect()).await;
    }
    let documents = shelf.documents();
    for counting in [1, 5, 9, 10] {
        let counting: HashSet<DocumentId> = documents[..counting].iter().copied().collect();
        for limit in [1, 4, 5, 6, 44, 45, 50, 51] {
            assert_eq!(shelf.recall(&bed.any(8), Some(&counting), limit).await, 1.0, "{:?}", bed.searched);
            assert_eq!(shelf.recall(&bed.any(8), None, limit).await, 1.0, "{:?}", bed.searched);
        }
    }
    assert_eq!(shelf.recall(&bed.any(8), Some(&HashSet::new()), 5).await, 1.0, "nothing counts");
}

/// One document in a thousand, in a hundred, in seven, and all. Those that lie nearest to the question do not count.
pub(super) async fn filters_are_inside_the_search(bed: &Bed) {
    let mut shelf = bed.owner(16).await;
    let question = bed.any(16);
    let near: Vec<Vec<f32>> = (0..400).map(|_| bed.beside(&question)).collect();
    let nearest = shelf.add(near).await;
    for _ in 0..100 {
        shelf.add((0..6).map(|_| bed.any(16)).collect()).await;
    }
    let others: Vec<DocumentId> = shelf.documents().into_iter().filter(|id| *id != nearest).collect();
    for one_in in [100, 10, 7, 2, 1] {
        let counting: HashSet<DocumentId> = others.iter().copied().step_by(one_in).collect();
        assert!(shelf.recall(&question, Some(&counting), 10).await >= RECALL_MIN, "{:?}, one in {one_in}", bed.searched);
        let found = shelf.nearest(&question, Some(&counting), 10).await;
        assert_eq!(found.len(), 10.min(counting.len() * 6));
    }
    assert!(shelf.recall(&question, None, 10).await >= RECALL_MIN, "{:?}", bed.searched);
}

pub(super) async fn what_is_published_anew_or_removed_is_not_found(bed: &Bed) {
    let mut shelf = bed.owner(8).await;
    let [a, b, c] = [bed.any(8), bed.any(8), bed.any(8)];
    let stays = shelf.add(vec![a.clone()]).await;
    let changes = shelf.add(vec![b.clone(), b.clone()]).await;
    let goes = shelf.add(vec![c.clone()]).await;
    shelf.publish(changes, vec![c.clone()]).await;
    assert_eq!(shelf.recall(&b, None, 10).await, 1.0, "{:?}", bed.searched);
    let found = shelf.nearest(&b, None, 10).await;
    assert_eq!(found.iter().map(|near| near.chunk).collect::<HashSet<_>>(), HashSet::from([1, 4, 5]));
    shelf.remove(goes).await;
    assert_eq!(shelf.recall(&c, None, 10).await, 1.0, "{:?}", bed.searched);
    shelf.remove(stays).await;
    shelf.remove(changes).await;
    assert!(shelf.nearest(&c, None, 10).await.is_empty(), "{:?}", bed.searched);
    shelf.add(vec![a.clone(), c.clone()]).await;
    assert_eq!(shelf.recall(&c, None, 10).await, 1.0, "{:?}", bed.searched);
}

pub(super) async fn another_tenant_sees_nothing(bed: &Bed) {
    let (mut owner, mut stranger) = (bed.owner(8).await, bed.stranger(8).await);
    let canary = bed.any(8);
    let secret = owner.add((0..20).map(|_| canary.clone()).collect()).await;
    let of_owner = HashSet::from([secret]);
    assert!(stranger.nearest(&canary, None, 100).await.is_empty(), "{:?}", bed.searched);
    assert!(stranger.nearest(&canary, Some(&of_owner), 100).await.is_empty(), "{:?}", bed.searched);
    // With chunks of its own, which have the same numbers.
    let own = stranger.add((0..7).map(|_| bed.any(8)).collect()).await;
    assert_eq!(stranger.recall(&canary, None, 100).await, 1.0, "{:?}", bed.searched);
    assert_eq!(stranger.nearest(&canary, None, 100).await.len(), 7);
    assert!(stranger.nearest(&canary, Some(&of_owner), 100).await.is_empty(), "{:?}", bed.searched);
    assert_eq!(owner.recall(&canary, None, 100).await, 1.0, "{:?}", bed.searched);
    // What it does to its own is done to nobody else's.
    stranger.publish(own, vec![bed.any(8)]).await;
    stranger.remove(own).await;
    assert!(stranger.store.remove_document(secret).await.is_err());
    assert_eq!(owner.nearest(&canary, None, 100).await.len(), 20, "{:?}", bed.searched);
}

pub(super) async fn an_erased_tenant_leaves_nothing(bed: &Bed) {
    let (mut owner, mut stranger) = (bed.owner(8).await, bed.stranger(8).await);
    let vector = bed.any(8);
    owner.add(vec![vector.clone(); 3]).await;
    stranger.add(vec![vector.clone(); 2]).await;
    let (world, scope) = (&bed.world, bed.world.owner);
    drop(owner);
    world.store.erase_tenant(&scope, insula_model::Clock::now(&*world.clock)).await.unwrap();
    assert!(world.store.reading(&scope).await.is_err(), "{:?}", bed.searched);
    assert!(!world.place.keeps_data_of(&scope).await, "{:?}", bed.searched);
    assert_eq!(stranger.recall(&vector, None, 10).await, 1.0, "{:?}", bed.searched);
}

/// While a space is filled the old one is searched, and all that changes is in both; from the moment that it serves it alone is.
pub(super) async fn another_space_takes_the_place_of_one(bed: &Bed) {
    let mut shelf = bed.owner(8).await;
    for _ in 0..6 {
        shelf.add((0..4).map(|_| bed.any(8)).collect()).await;
    }
    let documents = shelf.documents();
    shelf.begin_space("other", 4).await;
    assert!(shelf.fill(7).await);
    shelf.settle().await;
    assert_eq!(shelf.recall(&bed.any(8), None, 30).await, 1.0, "{:?}: the old one is searched", bed.searched);
    shelf.remove(documents[1]).await;
    shelf.publish(documents[0], vec![bed.any(8), bed.any(8)]).await;
    shelf.add(vec![bed.any(8)]).await;
    assert_eq!(shelf.serve().await, Served::Unfilled, "{:?}", bed.searched);
    while shelf.fill(5).await {
        assert_eq!(shelf.recall(&bed.any(8), None, 9).await, 1.0, "{:?}", bed.searched);
    }
    let settles = bed.qdrant.is_some();
    if settles {
        assert_eq!(shelf.serve().await, Served::Behind, "{:?}: its points are not there yet", bed.searched);
    }
    shelf.settle().await;
    let served = shelf.serve().await;
    if settles && bed.searched.settles_in().is_none() {
        assert_eq!(served, Served::Behind, "{:?}", bed.searched);
        return;
    }
    assert!(matches!(served, Served::Since(_)), "{:?}: {served:?}", bed.searched);
    // Before anything follows from it, and behind that.
    for _ in 0..2 {
        let counting = HashSet::from([documents[0], documents[3]]);
        assert_eq!(shelf.recall(&bed.any(4), None, 30).await, 1.0, "{:?}", bed.searched);
        assert_eq!(shelf.recall(&bed.any(4), Some(&counting), 9).await, 1.0, "{:?}", bed.searched);
        shelf.settle().await;
    }
    assert_eq!(shelf.audited().await, [], "{:?}: nothing is left of the old one", bed.searched);

    shelf.begin_space("third", 8).await;
    assert!(shelf.fill(6).await);
    shelf.settle().await;
    shelf.give_up().await;
    shelf.settle().await;
    assert_eq!(shelf.recall(&bed.any(4), None, 30).await, 1.0, "{:?}", bed.searched);
    assert_eq!(shelf.audited().await, [], "{:?}: nothing is left of what was given up", bed.searched);
}

/// More than an engine compares one by one, of two tenants in one place.
pub(super) async fn many_vectors_are_found_by_an_index(bed: &Bed) {
    let (mut owner, mut stranger) = (bed.owner(DIMENSION).await, bed.stranger(DIMENSION).await);
    let middles: Vec<Vec<f32>> = (0..40).map(|_| bed.any(DIMENSION)).collect();
    for n in 0..60 {
        let some = |many: usize| (0..many).map(|i| bed.beside(&middles[(n * 7 + i) % middles.len()])).collect::<Vec<_>>();
        owner.add(some(25)).await;
        stranger.add(some(10)).await;
    }
    bed.counted().await;
    for (shelf, name) in [(&owner, "owner"), (&stranger, "stranger")] {
        let documents = shelf.documents();
        for one_in in [60, 7, 2, 1] {
            let counting: HashSet<DocumentId> = documents.iter().copied().step_by(one_in).collect();
            let counting = (one_in > 1).then_some(&counting);
            let (mut recall, questions) = (0.0, 20);
            for n in 0..questions {
                recall += shelf.recall(&bed.beside(&middles[n % middles.len()]), counting, 10).await;
            }
            let recall = recall / questions as f64;
            assert!(recall >= RECALL_MIN, "{:?}, {name}, one in {one_in}: {recall}", bed.searched);
        }
    }
}
