//! What is pgvector's alone: filling in, several nodes, faults.

use std::{collections::HashSet, time::Duration};

use insula_model::ErrorKind;

use crate::{
    AuditKind, VectorSearch,
    vectors::conformance::{Bed, EXACT_MAX, Searched, Shelf},
};

const PGVECTOR: VectorSearch = VectorSearch::Pgvector { exact_max: EXACT_MAX };

/// Waits until pgvector has everything of both tenants that have documents.
async fn filled(shelf: &Shelf<'_>, bed: &Bed) {
    let admin = bed.world.place.database().administer().await;
    let behind = "SELECT count(*) FROM insula_tenant.corpus c LEFT JOIN insula_tenant.embeddings_kept k \
                  ON k.tenant_id = c.tenant_id AND k.space = c.space WHERE k.epoch IS DISTINCT FROM c.epoch";
    let question = bed.any(shelf.dimension());
    for _ in 0..500 {
        // A search notices what is missing.
        shelf.nearest(&question, None, 1).await;
        if admin.query_one(behind, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("nothing was filled in");
}

/// As the superuser, whom no policy holds.
async fn by_hand(bed: &Bed, sql: &str) {
    bed.world.place.database().administer().await.batch_execute(sql).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_before_is_filled_in_while_searches_are_answered() {
    let before = Bed::made(Searched::InMemoryOverTables).await;
    let mut shelf = before.owner(8).await;
    for _ in 0..40 {
        shelf.add((0..5).map(|_| before.any(8)).collect()).await;
    }
    shelf.remove(shelf.documents()[3]).await;
    let bed = Bed::over(before.world.beside_with(PGVECTOR).await, Searched::Pgvector);
    let mut there = shelf.on(&bed).await;
    assert_eq!(there.recall(&bed.any(8), None, 20).await, 1.0, "the first search is answered from memory");
    filled(&there, &bed).await;
    assert_eq!(there.recall(&bed.any(8), None, 20).await, 1.0);
    assert_eq!(bed.world.store.audit_vectors(&bed.world.owner).await.unwrap(), []);
    // From here on the database answers: what is taken from it is not found.
    by_hand(&bed, "DELETE FROM insula_tenant.embeddings WHERE chunk > 10").await;
    assert_eq!(there.nearest(&bed.any(8), None, 20).await.len(), 10);
    let missing = bed.world.store.audit_vectors(&bed.world.owner).await.unwrap();
    assert!(missing.iter().all(|finding| finding.kind == AuditKind::Missing));
    assert_eq!(missing.iter().map(|finding| finding.count).sum::<u64>(), 185);
    // And a fill mends it.
    by_hand(&bed, "DELETE FROM insula_tenant.embeddings_kept").await;
    filled(&there, &bed).await;
    there.add(vec![bed.any(8)]).await;
    assert_eq!(there.recall(&bed.any(8), None, 20).await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_without_it_publishes_or_removes_is_noticed() {
    let bed = Bed::made(Searched::Pgvector).await;
    let mut shelf = bed.owner(8).await;
    let documents = [shelf.add(vec![bed.any(8); 3]).await, shelf.add(vec![bed.any(8); 2]).await];
    let other = Bed::over(bed.world.beside_with(VectorSearch::Embedded).await, Searched::InMemoryOverTables);
    let mut elsewhere = shelf.on(&other).await;
    let canary = bed.any(8);
    elsewhere.remove(documents[0]).await;
    elsewhere.publish(documents[1], vec![canary.clone()]).await;
    elsewhere.add((0..3).map(|_| bed.any(8)).collect()).await;
    let shelf = elsewhere.on(&bed).await;
    assert_eq!(shelf.recall(&canary, None, 10).await, 1.0, "answered from memory meanwhile");
    let orphans = bed.world.store.audit_vectors(&bed.world.owner).await.unwrap();
    assert!(orphans.iter().all(|finding| finding.kind == AuditKind::Orphan), "{orphans:?}");
    filled(&shelf, &bed).await;
    assert_eq!(shelf.recall(&canary, None, 10).await, 1.0);
    assert_eq!(bed.world.store.audit_vectors(&bed.world.owner).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_thing_that_is_wrong_is_told_and_mended() {
    let bed = Bed::made(Searched::Pgvector).await;
    let (mut owner, mut stranger) = (bed.owner(8).await, bed.stranger(8).await);
    owner.add((0..4).map(|_| bed.any(8)).collect()).await;
    stranger.add((0..4).map(|_| bed.any(8)).collect()).await;
    let tenant = bed.world.owner.tenant();
    let of_owner = format!("tenant_id = '{:032x}'", u128::from_be_bytes(*tenant.as_bytes()));
    by_hand(&bed, &format!("UPDATE insula_tenant.embeddings SET chunk = 77 WHERE chunk = 1 AND {of_owner}")).await;
    let short =
        format!("UPDATE insula_tenant.embeddings SET embedding = '[1,2]', dimension = 2 WHERE chunk = 2 AND {of_owner}");
    by_hand(&bed, &short).await;
    let found = bed.world.store.audit_vectors(&bed.world.owner).await.unwrap();
    let kinds: HashSet<_> = found.iter().map(|finding| (finding.kind, finding.count)).collect();
    assert_eq!(kinds, [AuditKind::Orphan, AuditKind::Missing, AuditKind::WrongDimension].map(|kind| (kind, 1)).into());
    assert_eq!(bed.world.store.audit_vectors(&bed.world.stranger).await.unwrap(), []);
    by_hand(&bed, &format!("DELETE FROM insula_tenant.embeddings_kept WHERE {of_owner}")).await;
    filled(&owner, &bed).await;
    assert_eq!(bed.world.store.audit_vectors(&bed.world.owner).await.unwrap(), []);
    assert_eq!(owner.recall(&bed.any(8), None, 10).await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_sees_one_state_while_documents_change() {
    let bed = Bed::made(Searched::Pgvector).await;
    let mut shelf = bed.owner(8).await;
    let vector = bed.any(8);
    let document = shelf.add(vec![vector.clone(); 3]).await;
    let mut reading = bed.world.store.reading(&bed.world.owner).await.unwrap();
    shelf.publish(document, vec![bed.any(8)]).await;
    shelf.add(vec![vector.clone(); 5]).await;
    let mut chunks: Vec<u64> = reading.nearest(&vector, None, 10).await.unwrap().iter().map(|near| near.chunk).collect();
    chunks.sort_unstable();
    assert_eq!(chunks, [1, 2, 3]);
    drop(reading);
    assert_eq!(shelf.recall(&vector, None, 10).await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_extension_searches_alone_are_unavailable() {
    let bed = Bed::made(Searched::Pgvector).await;
    let mut shelf = bed.owner(8).await;
    shelf.add(vec![bed.any(8)]).await;
    by_hand(&bed, "DROP EXTENSION vector CASCADE").await;
    let mut reading = bed.world.store.reading(&bed.world.owner).await.unwrap();
    let refused = reading.nearest(&bed.any(8), None, 1).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Unavailable { .. }), "{refused:?}");
    assert!(refused.message().contains("documents cannot be searched just now"), "{refused}");
    drop(reading);
    // The connection is as good as new, and everything else goes on.
    assert_eq!(shelf.store.documents(None, 10).await.unwrap().len(), 1);
    by_hand(&bed, "DROP TABLE insula_tenant.embeddings_kept").await;
    let refused = bed.world.store.reading(&bed.world.owner).await.err().unwrap();
    assert!(matches!(refused.kind(), ErrorKind::Unavailable { .. }), "{refused:?}");
    assert_eq!(shelf.store.documents(None, 10).await.unwrap().len(), 1);
    // No node starts with it.
    let place = &bed.world.place;
    let refused = place.open(bed.world.clock.clone(), bed.world.random.clone()).await.err().unwrap();
    assert!(refused.message().contains("CREATE EXTENSION vector"), "{refused}");
}
