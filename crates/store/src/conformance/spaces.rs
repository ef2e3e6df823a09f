//! Spaces of vectors: one serves, another is filled to take its place; and vectors of documents that are not shown yet.

use insula_model::{Clock, EmbeddingWait};

use super::{
    knowledge::{CHUNKS_MAX, MOST, hand_in, publication},
    world::{Engine, World},
};
use crate::{Filled, Filling, NewVector, Published, Served, Space, StagedVector, TenantStore, Unfilled};

/// Publishes a document of so many chunks in the space that serves.
async fn publish(world: &World, store: &TenantStore, chunks: usize) -> insula_model::DocumentId {
    let (row, _) = hand_in(world, store, MOST).await;
    let postings: Vec<&[(i64, u64)]> = vec![&[(7, 1)]; chunks];
    let publication = publication(world, store, row.id, &[1], &postings).await;
    assert!(matches!(store.publish_document(publication, CHUNKS_MAX).await.unwrap(), Published::Shown(_)));
    row.id
}

async fn filled(world: &World, space: &Space, chunks: Vec<Unfilled>) -> Vec<Filled> {
    let seals = world.store.seals(&world.owner).await.unwrap();
    let fill = |Unfilled { chunk, document, place, .. }: Unfilled| {
        let vector = vec![1.0; space.dimension as usize];
        Filled { chunk, document, place, vector: NewVector::seal(&seals, space.space, document, place, vector, &*world.random) }
    };
    chunks.into_iter().map(fill).collect()
}

#[tokio::test]
async fn a_space_is_filled_while_another_serves() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let store = world.store.tenant(&world.owner).await.unwrap();
        assert!(store.known_spaces().await.unwrap().is_none());
        let first = publish(&world, &store, 3).await;
        let spaces = store.begin_space("b", 2).await.unwrap();
        let next = spaces.next.clone().unwrap();
        assert_eq!((spaces.serving.embedder.as_str(), next.embedder.as_str(), next.dimension), ("a", "b", 2));
        assert_eq!(store.begin_space("b", 2).await.unwrap(), spaces, "beginning again changes nothing: {engine:?}");
        assert_eq!(store.serve_space(&next).await.unwrap(), Served::Unfilled);

        let some = store.unfilled(next.space, 0, 2).await.unwrap();
        assert_eq!(
            some.iter().map(|chunk| (chunk.chunk, chunk.document, chunk.place)).collect::<Vec<_>>(),
            [(1, first, 0), (2, first, 1)]
        );
        store.note_filling_waits(Some(EmbeddingWait::Budget)).await.unwrap();
        assert_eq!(
            store.filling(next.space).await.unwrap(),
            Filling { done: 0, total: 3, waiting: Some(EmbeddingWait::Budget) }
        );
        let vectors = filled(&world, &next, some).await;
        assert!(
            store.fill(&next, vectors.clone()).await.unwrap() && store.fill(&next, vectors).await.unwrap(),
            "twice is once"
        );
        assert_eq!(store.filling(next.space).await.unwrap(), Filling { done: 2, total: 3, waiting: None });
        // What was embedded for the space that serves alone cannot be shown any more.
        let (row, _) = hand_in(&world, &store, MOST).await;
        let alone = publication(&world, &store, row.id, &[1], &[&[(7, 1)]]).await;
        assert_eq!(store.publish_document(alone, CHUNKS_MAX).await.unwrap(), Published::OtherSpaces);

        let rest = store.unfilled(next.space, 2, 10).await.unwrap();
        assert!(store.fill(&next, filled(&world, &next, rest).await).await.unwrap());
        let epoch = store.knowledge().await.unwrap().corpus().await.unwrap().epoch;
        assert_eq!(store.serve_space(&next).await.unwrap(), Served::Since(epoch + 1), "{engine:?}");
        assert_eq!(store.known_spaces().await.unwrap().unwrap().serving, next);
        let document = store.document(first).await.unwrap().unwrap();
        assert_eq!((document.embedder.as_deref(), document.dimension), (Some("b"), Some(2)));
        let mut knowledge = store.knowledge().await.unwrap();
        let old = Some(spaces.serving.space);
        assert!(
            knowledge.chunks(0, 9, old).await.unwrap().iter().all(|chunk| chunk.sealed_vector.is_none()),
            "the old ones are gone"
        );
        assert!(knowledge.chunks(0, 9, Some(next.space)).await.unwrap().iter().all(|chunk| chunk.sealed_vector.is_some()));
        drop(knowledge);

        // Another tenant of the same store knows nothing of it.
        let other = world.store.tenant(&world.stranger).await.unwrap();
        assert!(other.known_spaces().await.unwrap().is_none() && other.unfilled(9, 0, 9).await.unwrap().is_empty());
        assert!(!other.fill(&next, Vec::new()).await.unwrap());
    }
}

#[tokio::test]
async fn a_space_is_given_up_for_another_or_for_none() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let store = world.store.tenant(&world.owner).await.unwrap();
        let first = publish(&world, &store, 2).await;
        let b = store.begin_space("b", 2).await.unwrap().next.unwrap();
        let some = store.unfilled(b.space, 0, 9).await.unwrap();
        let vectors = filled(&world, &b, some).await;
        assert!(store.fill(&b, vectors.clone()).await.unwrap());
        let c = store.begin_space("c", 2).await.unwrap().next.unwrap();
        assert_eq!(store.filling(c.space).await.unwrap().done, 0, "{engine:?}");
        assert!(!store.fill(&b, vectors).await.unwrap(), "nothing is filled that was given up");
        assert_eq!(store.serve_space(&b).await.unwrap(), Served::GivenUp);
        store.give_up_space().await.unwrap();
        let spaces = store.known_spaces().await.unwrap().unwrap();
        assert_eq!((spaces.serving.embedder.as_str(), spaces.next), ("a", None));
        // Where nothing is left there is no space either.
        assert!(!store.forget_empty_spaces().await.unwrap());
        store.remove_document(first).await.unwrap();
        assert!(store.forget_empty_spaces().await.unwrap() && store.known_spaces().await.unwrap().is_none(), "{engine:?}");
    }
}

#[tokio::test]
async fn vectors_are_kept_until_their_document_is_over() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let store = world.store.tenant(&world.owner).await.unwrap();
        let seals = world.store.seals(&world.owner).await.unwrap();
        let (row, _) = hand_in(&world, &store, MOST).await;
        let stage = |place, text_key| StagedVector {
            place,
            text_key,
            vector: NewVector::seal(&seals, 1, row.id, place, vec![place as f32, 1.0], &*world.random),
        };
        let (one, two) = (stage(4, i64::MIN), stage(0, 5));
        store.stage_vectors(row.id, 1, &[one.clone(), two.clone()]).await.unwrap();
        assert_eq!(store.staged_vectors(&seals, row.id, 1).await.unwrap(), [two.clone(), one], "{engine:?}");
        let again = stage(4, 9);
        store.stage_vectors(row.id, 1, std::slice::from_ref(&again)).await.unwrap();
        assert_eq!(store.staged_vectors(&seals, row.id, 1).await.unwrap(), [two, again.clone()]);
        assert!(store.staged_vectors(&seals, row.id, 2).await.unwrap().is_empty());
        store.note_document_waits(row.id, EmbeddingWait::Provider).await.unwrap();
        assert_eq!(store.document(row.id).await.unwrap().unwrap().waiting, Some(EmbeddingWait::Provider));

        store.fail_document(row.id, &[9], world.clock.now()).await.unwrap();
        assert!(store.staged_vectors(&seals, row.id, 1).await.unwrap().is_empty(), "{engine:?}");
        assert_eq!(store.document(row.id).await.unwrap().unwrap().waiting, None);
        // What comes too late is not kept.
        store.stage_vectors(row.id, 1, &[again]).await.unwrap();
        assert!(store.staged_vectors(&seals, row.id, 1).await.unwrap().is_empty());
        let other = world.store.tenant(&world.stranger).await.unwrap();
        assert!(other.staged_vectors(&world.store.seals(&world.stranger).await.unwrap(), row.id, 1).await.unwrap().is_empty());
    }
}
