//! Documents and what is looked up of them, seen by their owner and by another tenant.

use insula_model::{Clock, DocumentId, DocumentStatus, ErrorKind, FilePurpose};

use super::world::{Engine, World};
use crate::{
    Corpus, DocumentRow, DocumentsMax, FilePage, FileRow, Lacking, NewChunk, NewVector, Publication, Published, TenantStore,
    TokenCount, Written,
};

pub(super) const MOST: DocumentsMax = DocumentsMax { count: 100, bytes: 1_000, chunks: CHUNKS_MAX };
pub(super) const CHUNKS_MAX: u64 = 1_000;
const BYTES: u64 = 10;

/// Hands in a document; its row, and whether there was room.
pub(super) async fn hand_in(world: &World, store: &TenantStore, most: DocumentsMax) -> (DocumentRow, bool) {
    let (row, lacking) = try_to_hand_in(world, store, most).await;
    (row, lacking.is_none())
}

/// Hands in a document; its row, and what lacked.
async fn try_to_hand_in(world: &World, store: &TenantStore, most: DocumentsMax) -> (DocumentRow, Option<Lacking>) {
    let now = world.clock.now();
    let file = FileRow {
        id: world.ids().file(),
        purpose: FilePurpose::Document,
        bytes: 0,
        chunks: 0,
        created_at: now,
        sealed_name: vec![1],
    };
    assert!(store.begin_file(&file, u64::MAX).await.unwrap());
    let mut writer = store.write_file(file.id).await.unwrap();
    writer.append(b"raw".to_vec()).await.unwrap();
    writer.finish().await.unwrap();
    let row = DocumentRow {
        id: world.ids().document(),
        status: DocumentStatus::Queued,
        raw_file: file.id,
        bytes: BYTES,
        chunks_total: 0,
        chunks_done: 0,
        waiting: None,
        published: None,
        embedder: None,
        dimension: None,
        vector_store: None,
        file: None,
        file_batch: None,
        created_at: now,
        changed_at: now,
        sealed_detail: vec![2],
    };
    let written = Written { file: file.id, bytes: BYTES, chunks: 1 };
    let lacking = store.insert_document(&row, written, most).await.unwrap();
    (row, lacking)
}

/// A publication of chunks with these postings, in the space that serves.
pub(super) async fn publication(
    world: &World,
    store: &TenantStore,
    document: DocumentId,
    facets: &[i64],
    chunks: &[&[(i64, u64)]],
) -> Publication {
    let spaces = store.spaces("a", 3).await.unwrap();
    let seals = world.store.seals(&world.owner).await.unwrap();
    let seal = |place| NewVector::seal(&seals, spaces.serving.space, document, place, vec![0.0, 1.0, 0.0], &*world.random);
    let vectors = vec![(spaces.serving.clone(), (0..chunks.len() as u64).map(seal).collect())];
    let chunk = |(place, postings): (u8, &&[(i64, u64)])| NewChunk {
        tokens: postings.iter().map(|(_, often)| often).sum(),
        sealed_text: vec![b't', place],
        postings: postings.to_vec(),
    };
    Publication {
        document,
        vectors,
        chunks: (0..).zip(chunks).map(chunk).collect(),
        facets: facets.to_vec(),
        changed_at: world.clock.now(),
        sealed_detail: vec![3],
    }
}

/// All that a search can read.
async fn everything(store: &TenantStore, tokens: &[i64], facets: &[i64]) -> (Corpus, Vec<DocumentId>, Vec<u64>, usize, usize) {
    let mut knowledge = store.knowledge().await.unwrap();
    let corpus = knowledge.corpus().await.unwrap();
    let published = knowledge.published().await.unwrap().into_iter().map(|document| document.id).collect();
    let chunks: Vec<u64> = knowledge.chunks(0, 100, Some(1)).await.unwrap().into_iter().map(|row| row.chunk).collect();
    let postings = knowledge.postings(tokens).await.unwrap().len();
    let holders = knowledge.holders(facets).await.unwrap().len();
    assert_eq!(knowledge.texts(&chunks).await.unwrap().len(), chunks.len());
    (corpus, published, chunks, postings, holders)
}

#[tokio::test]
async fn a_document_is_shown_at_once_and_anew() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let store = world.store.tenant(&world.owner).await.unwrap();
        let (row, is_in) = hand_in(&world, &store, MOST).await;
        let nothing_yet = Corpus { next_chunk: 1, ..Corpus::default() };
        assert!(is_in && everything(&store, &[7], &[1]).await == (nothing_yet, vec![], vec![], 0, 0));
        assert!(store.note_document(row.id, DocumentStatus::Embedding, 2, 1, world.clock.now()).await.unwrap());
        let told = store.document(row.id).await.unwrap().unwrap();
        assert_eq!((told.status, told.chunks_total, told.chunks_done), (DocumentStatus::Embedding, 2, 1));

        let first = publication(&world, &store, row.id, &[1, -1, 1], &[&[(7, 2), (i64::MIN, 1)], &[(7, 1)]]).await;
        assert_eq!(store.publish_document(first.clone(), CHUNKS_MAX).await.unwrap(), Published::Shown(1), "{engine:?}");
        let corpus = Corpus { epoch: 1, chunks: 2, tokens: 4, next_chunk: 3 };
        assert_eq!(everything(&store, &[7, i64::MIN, 7], &[1, -1]).await, (corpus, vec![row.id], vec![1, 2], 3, 2));
        let mut knowledge = store.knowledge().await.unwrap();
        let mut counts = knowledge.token_counts(&[7, i64::MIN, 8]).await.unwrap();
        counts.sort_by_key(|count| count.token);
        assert_eq!(counts, [TokenCount { token: i64::MIN, chunks: 1 }, TokenCount { token: 7, chunks: 2 }]);
        let many: Vec<i64> = (0..40).collect();
        assert_eq!(knowledge.token_counts(&many).await.unwrap().len(), 1, "more than one query asks for");
        let texts = knowledge.texts(&[2]).await.unwrap();
        assert_eq!((texts[0].place, &texts[0].sealed_text, &texts[0].sealed_detail), (1, &vec![b't', 1], &vec![3]));
        let chunk = &knowledge.chunks(2, 1, Some(1)).await.unwrap()[0];
        assert_eq!(chunk.sealed_vector.as_ref(), Some(&first.vectors[0].1[1].sealed));
        assert_eq!(knowledge.chunks(2, 1, None).await.unwrap()[0].sealed_vector, None);
        assert_eq!(knowledge.chunks(2, 1, Some(2)).await.unwrap()[0].sealed_vector, None);
        drop(knowledge);
        let shown = store.document(row.id).await.unwrap().unwrap();
        assert_eq!((shown.status, shown.chunks_done, shown.published), (DocumentStatus::Ready, 2, Some(1)));
        assert_eq!((shown.embedder.as_deref(), shown.dimension), (Some("a"), Some(3)));
        assert!(!store.note_document(row.id, DocumentStatus::Reading, 0, 0, world.clock.now()).await.unwrap(), "it is over");

        // The same again comes instead of what was shown; numbers are new.
        assert_eq!(store.publish_document(first, CHUNKS_MAX).await.unwrap(), Published::Shown(2));
        let corpus = Corpus { epoch: 2, chunks: 2, tokens: 4, next_chunk: 5 };
        assert_eq!(everything(&store, &[7, i64::MIN], &[1, -1]).await, (corpus, vec![row.id], vec![3, 4], 3, 2));

        drop(store);
        let world = world.reopen().await;
        let store = world.store.tenant(&world.owner).await.unwrap();
        assert_eq!(everything(&store, &[7, i64::MIN], &[1, -1]).await, (corpus, vec![row.id], vec![3, 4], 3, 2));
        if let Some(beside) = world.beside(engine).await {
            let other = beside.store.tenant(&world.owner).await.unwrap();
            assert_eq!(everything(&other, &[7], &[1]).await, (corpus, vec![row.id], vec![3, 4], 2, 1));
        }
    }
}

#[tokio::test]
async fn a_removed_document_leaves_nothing() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let store = world.store.tenant(&world.owner).await.unwrap();
        let (stays, _) = hand_in(&world, &store, MOST).await;
        let (goes, _) = hand_in(&world, &store, MOST).await;
        for row in [&stays, &goes] {
            store
                .publish_document(publication(&world, &store, row.id, &[1], &[&[(7, 1), (8, 3)]]).await, CHUNKS_MAX)
                .await
                .unwrap();
        }
        store.remove_document(goes.id).await.unwrap();
        let corpus = Corpus { epoch: 3, chunks: 1, tokens: 4, next_chunk: 3 };
        assert_eq!(everything(&store, &[7, 8], &[1]).await, (corpus, vec![stays.id], vec![1], 2, 1), "{engine:?}");
        assert_eq!((store.document(goes.id).await.unwrap(), store.raw_file(goes.raw_file).await.unwrap()), (None, None));
        let left = match store.read_file(goes.raw_file).await {
            Ok(mut reader) => reader.next().await.unwrap(),
            Err(error) => {
                assert_eq!(*error.kind(), ErrorKind::NotFound);
                None
            }
        };
        assert_eq!(left, None, "what was handed in");
        assert_eq!(store.remove_document(goes.id).await.unwrap_err().kind(), &ErrorKind::NotFound);
        let late = publication(&world, &store, goes.id, &[1], &[&[(7, 1)]]).await;
        assert_eq!(store.publish_document(late, CHUNKS_MAX).await.unwrap(), Published::Gone);
        assert_eq!(everything(&store, &[7, 8], &[1]).await.0, corpus, "a refused change is none");
    }
}

#[tokio::test]
async fn documents_are_their_tenants_alone() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let (owner, stranger) =
            (world.store.tenant(&world.owner).await.unwrap(), world.store.tenant(&world.stranger).await.unwrap());
        let (row, _) = hand_in(&world, &owner, MOST).await;
        owner.publish_document(publication(&world, &owner, row.id, &[1], &[&[(7, 1)]]).await, CHUNKS_MAX).await.unwrap();
        let before = everything(&owner, &[7], &[1]).await;

        assert_eq!(everything(&stranger, &[7], &[1]).await, (Corpus::default(), vec![], vec![], 0, 0), "{engine:?}");
        assert!(stranger.knowledge().await.unwrap().texts(&[1]).await.unwrap().is_empty());
        assert_eq!((stranger.document(row.id).await.unwrap(), stranger.raw_file(row.raw_file).await.unwrap()), (None, None));
        assert!(stranger.documents(None, 10).await.unwrap().is_empty());
        assert_eq!(stranger.remove_document(row.id).await.unwrap_err().kind(), &ErrorKind::NotFound);
        assert!(!stranger.note_document(row.id, DocumentStatus::Failed, 9, 9, world.clock.now()).await.unwrap());
        stranger.fail_document(row.id, &[9], world.clock.now()).await.unwrap();
        let forged = publication(&world, &stranger, row.id, &[1], &[&[(7, 9)]]).await;
        assert_eq!(stranger.publish_document(forged, CHUNKS_MAX).await.unwrap(), Published::Gone);
        assert_eq!(everything(&owner, &[7], &[1]).await, before);

        // The stranger's own chunks are numbered apart.
        let (theirs, _) = hand_in(&world, &stranger, MOST).await;
        stranger
            .publish_document(publication(&world, &stranger, theirs.id, &[1], &[&[(7, 1)]]).await, CHUNKS_MAX)
            .await
            .unwrap();
        let corpus = Corpus { epoch: 1, chunks: 1, tokens: 1, next_chunk: 2 };
        assert_eq!(everything(&stranger, &[7], &[1]).await, (corpus, vec![theirs.id], vec![1], 1, 1));
        assert_eq!(everything(&owner, &[7], &[1]).await, before);
    }
}

#[tokio::test]
async fn room_is_bounded_and_documents_are_no_files() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let store = world.store.tenant(&world.owner).await.unwrap();
        let (row, _) = hand_in(&world, &store, MOST).await;
        assert!(!hand_in(&world, &store, DocumentsMax { count: 1, ..MOST }).await.1, "{engine:?}: one too many");
        assert!(!hand_in(&world, &store, DocumentsMax { bytes: BYTES + 9, ..MOST }).await.1, "too many bytes");
        assert_eq!(store.documents(None, 10).await.unwrap().len(), 1);

        let wide = publication(&world, &store, row.id, &[], &[&[(7, 1)], &[(7, 1)]]).await;
        assert_eq!(store.publish_document(wide.clone(), 1).await.unwrap(), Published::NoRoom);
        let nothing_yet = Corpus { next_chunk: 1, ..Corpus::default() };
        assert_eq!(everything(&store, &[7], &[]).await, (nothing_yet, vec![], vec![], 0, 0));
        store.publish_document(wide.clone(), 2).await.unwrap();
        assert_eq!(store.publish_document(wide, 2).await.unwrap(), Published::Shown(2), "what it had makes room for it");

        let page = FilePage { limit: 10, ..FilePage::default() };
        assert_eq!((store.file(row.raw_file).await.unwrap(), store.files(&page).await.unwrap().len()), (None, 0));
        assert_eq!(store.remove_file(row.raw_file).await.unwrap_err().kind(), &ErrorKind::NotFound);
        assert_eq!(store.raw_file(row.raw_file).await.unwrap().unwrap().bytes, BYTES);
        // They take nothing of the room of files.
        let file = FileRow {
            id: world.ids().file(),
            purpose: FilePurpose::Batch,
            bytes: 0,
            chunks: 0,
            created_at: world.clock.now(),
            sealed_name: vec![1],
        };
        assert!(store.begin_file(&file, 1).await.unwrap());

        let (failed, _) = hand_in(&world, &store, MOST).await;
        store.fail_document(failed.id, &[8], world.clock.now()).await.unwrap();
        let rows = store.documents(None, 1).await.unwrap();
        assert_eq!((rows[0].id, rows[0].status, &rows[0].sealed_detail), (failed.id, DocumentStatus::Failed, &vec![8]));
        assert_eq!(store.documents(Some(failed.id), 5).await.unwrap()[0].id, row.id);
    }
}

#[tokio::test]
async fn chunks_are_expected_of_what_is_not_read() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let store = world.store.tenant(&world.owner).await.unwrap();
        let most = |chunks| DocumentsMax { chunks, ..MOST };
        // One that comes alone is read, whatever it may have; but not where there is nothing left.
        assert_eq!(try_to_hand_in(&world, &store, most(0)).await.1, Some(Lacking::Chunks), "{engine:?}");
        let (first, lacking) = try_to_hand_in(&world, &store, most(3)).await;
        assert_eq!(lacking, None);
        let (second, lacking) = try_to_hand_in(&world, &store, most(3)).await;
        assert_eq!(lacking, None, "each has one at least");
        store.note_document(first.id, DocumentStatus::Embedding, 3, 0, world.clock.now()).await.unwrap();
        assert_eq!(try_to_hand_in(&world, &store, most(4)).await.1, Some(Lacking::ChunksExpected), "three that are counted");
        assert_eq!(try_to_hand_in(&world, &store, most(5)).await.1, None);

        store.fail_document(second.id, &[8], world.clock.now()).await.unwrap();
        let two = publication(&world, &store, first.id, &[], &[&[(7, 1)], &[(7, 1)]]).await;
        assert_eq!(store.publish_document(two, 2).await.unwrap(), Published::Shown(1));
        assert_eq!(try_to_hand_in(&world, &store, most(2)).await.1, Some(Lacking::Chunks));
        assert_eq!(try_to_hand_in(&world, &store, most(3)).await.1, Some(Lacking::ChunksExpected), "the third is under way");
        assert_eq!(try_to_hand_in(&world, &store, most(4)).await.1, None);
    }
}
