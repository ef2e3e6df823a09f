//! A reference corpus's points are its own, and nobody takes them for strays.

use insula_model::{Clock, ErrorKind, ReferenceCorpus, ScopeSource, TenantScope};
use insula_test_qdrant::Mood;

use super::calls::bed;
use crate::vectors::conformance::{Searched, Shelf};

const DIMENSION: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn a_corpus_is_kept_searched_and_erased_like_a_tenant() {
    for searched in [Searched::QdrantShared, Searched::QdrantOwn] {
        let (bed, _) = bed(searched).await;
        let (store, now) = (&bed.world.store, bed.world.clock.now());
        let corpus = ReferenceCorpus {
            id: bed.world.ids().corpus(),
            name: "federal".to_owned().try_into().unwrap(),
            title: "Federal law".to_owned().try_into().unwrap(),
            jurisdiction: "eu".to_owned().try_into().unwrap(),
            erasing: false,
            created_at: now,
        };
        store.create_corpus(&corpus, 1).await.unwrap();
        let scope = TenantScope::mint(corpus.id.home(), ScopeSource::Operator);
        let (mut of_corpus, mut owner) = (Shelf::of(&bed, scope, DIMENSION).await, bed.owner(DIMENSION).await);
        of_corpus.add((0..4).map(|_| bed.any(DIMENSION)).collect()).await;
        owner.add((0..3).map(|_| bed.any(DIMENSION)).collect()).await;
        assert_eq!(of_corpus.recall(&bed.any(DIMENSION), None, 10).await, 1.0);
        assert_eq!(owner.recall(&bed.any(DIMENSION), None, 10).await, 1.0);
        for scope in [&scope, &bed.world.owner] {
            assert_eq!(store.audit_vectors(scope).await.unwrap(), []);
        }
        assert_eq!(store.audit_vectors_of_nobody().await.unwrap(), []);

        let peer = bed.qdrant.as_ref().unwrap().peer.as_ref().unwrap();
        let held = || peer.holds().values().sum::<usize>();
        assert_eq!(held(), 7);
        drop(of_corpus);
        peer.set(Mood::Away);
        let refused = store.erase_tenant(&scope, now).await.unwrap_err();
        assert!(matches!(refused.kind(), ErrorKind::Unavailable { .. }), "{refused:?}");
        peer.set(Mood::Well);
        // It is not asked again at once.
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        // What is being erased is its erasure's matter.
        assert_eq!(store.audit_vectors_of_nobody().await.unwrap(), []);
        store.erase_tenant(&scope, now).await.unwrap();
        assert_eq!(held(), 3);
        assert_eq!(owner.recall(&bed.any(DIMENSION), None, 10).await, 1.0);
        bed.qdrant.as_ref().unwrap().ended().await;
    }
}
