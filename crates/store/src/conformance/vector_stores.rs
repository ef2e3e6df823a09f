//! Vector stores and what is in them, seen by their owner and by another tenant.

use std::time::Duration;

use insula_model::{Clock, DocumentId, DocumentStatus, ErrorKind, FileBatchId, FileId, FilePurpose, Timestamp, VectorStoreId};

use super::world::{Engine, World};
use crate::{
    Attached, DocumentRow, DocumentsMax, FileBatchRow, FileRow, Lacking, NewChunk, NewVector, Publication, Published, Slice,
    StatusCount, TenantStore, VectorStoreRow, Within, Written,
};

const MOST: DocumentsMax = DocumentsMax { count: 10, bytes: 1_000, chunks: 1_000 };
const STORES_MAX: u64 = 3;
const ALL: Slice = Slice { after: None, before: None, oldest_first: true, limit: 100 };
const DAY: Duration = Duration::from_secs(86_400);

/// Makes a store that expires after so many days.
async fn made(world: &World, store: &TenantStore, expires_days: Option<u32>) -> VectorStoreRow {
    let now = world.clock.now();
    let row = VectorStoreRow {
        id: world.ids().vector_store(),
        created_at: now,
        active_at: now,
        expires_days,
        expires_at: expires_days.map(|days| now.plus(DAY * days)),
        sealed_detail: vec![1],
    };
    assert!(store.insert_vector_store(&row, STORES_MAX).await.unwrap());
    row
}

fn document(world: &World, id: VectorStoreId, file: FileId, batch: Option<FileBatchId>) -> DocumentRow {
    let now = world.clock.now();
    DocumentRow {
        id: world.ids().document(),
        status: DocumentStatus::Queued,
        raw_file: world.ids().file(),
        bytes: 10,
        chunks_total: 0,
        chunks_done: 0,
        waiting: None,
        published: None,
        embedder: None,
        dimension: None,
        vector_store: Some(id),
        file: Some(file),
        file_batch: batch,
        created_at: now,
        changed_at: now,
        sealed_detail: vec![2],
    }
}

/// Puts files into a store, so many as there are ids.
async fn attached(world: &World, store: &TenantStore, id: VectorStoreId, files: &[FileId]) -> Vec<DocumentRow> {
    let rows: Vec<DocumentRow> = files.iter().map(|file| document(world, id, *file, None)).collect();
    assert_eq!(store.attach_documents(id, &rows, None, MOST, world.clock.now()).await.unwrap(), Attached::Done);
    rows
}

/// Shows a document with one chunk and this facet.
async fn published(world: &World, store: &TenantStore, document: DocumentId, facet: i64) -> Published {
    let spaces = store.spaces("a", 3).await.unwrap();
    let seals = world.store.seals(&world.owner).await.unwrap();
    let vector = NewVector::seal(&seals, spaces.serving.space, document, 0, vec![0.0, 1.0, 0.0], &*world.random);
    let publication = Publication {
        document,
        chunks: vec![NewChunk { tokens: 1, sealed_text: vec![b't'], postings: vec![(7, 1)] }],
        vectors: vec![(spaces.serving, vec![vector])],
        facets: vec![facet],
        changed_at: world.clock.now(),
        sealed_detail: vec![3],
    };
    store.publish_document(publication, 100).await.unwrap()
}

async fn holders(store: &TenantStore, facet: i64) -> Vec<DocumentId> {
    store.knowledge().await.unwrap().holders(&[facet]).await.unwrap()
}

async fn ids(store: &TenantStore, slice: Slice) -> Vec<VectorStoreId> {
    store.vector_stores(&slice).await.unwrap().into_iter().map(|row| row.id).collect()
}

#[tokio::test]
async fn stores_are_listed_and_changed() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let store = world.store.tenant(&world.owner).await.unwrap();
        let stranger = world.store.tenant(&world.stranger).await.unwrap();
        let mut rows = Vec::new();
        for days in [None, Some(1), Some(2)] {
            rows.push(made(&world, &store, days).await);
            world.clock.advance(Duration::from_millis(2));
        }
        let fourth = VectorStoreRow { id: world.ids().vector_store(), ..rows[0].clone() };
        assert!(!store.insert_vector_store(&fourth, STORES_MAX).await.unwrap(), "{engine:?}: one too many");
        let [first, second, third] = [0, 1, 2].map(|n| rows[n].id);
        let at = |id: VectorStoreId| Some(*id.as_bytes());
        assert_eq!(ids(&store, ALL).await, [first, second, third]);
        assert_eq!(ids(&store, Slice { oldest_first: false, limit: 2, ..ALL }).await, [third, second]);
        assert_eq!(ids(&store, Slice { after: at(first), ..ALL }).await, [second, third]);
        assert_eq!(ids(&store, Slice { oldest_first: false, after: at(third), limit: 1, ..ALL }).await, [second]);
        // The nearest to where it ends, to be put in order by whoever asked.
        assert_eq!(ids(&store, Slice { before: at(third), limit: 1, ..ALL }).await, [second]);
        assert_eq!(ids(&store, Slice { oldest_first: false, before: at(first), limit: 1, ..ALL }).await, [second]);
        assert_eq!((ids(&stranger, ALL).await, stranger.vector_store(first).await.unwrap()), (vec![], None));

        let changed = VectorStoreRow { expires_days: Some(9), sealed_detail: vec![9], ..rows[0].clone() };
        assert!(store.change_vector_store(&changed).await.unwrap());
        assert!(
            !stranger.change_vector_store(&rows[0]).await.unwrap() && !stranger.withdraw_vector_store(first).await.unwrap()
        );
        assert_eq!(store.vector_store(first).await.unwrap(), Some(changed));

        // A use moves the end, but not that of one whose time has come.
        let now = world.clock.now().plus(DAY / 2);
        store.use_vector_store(second, now).await.unwrap();
        stranger.use_vector_store(third, now).await.unwrap();
        let used = store.vector_store(second).await.unwrap().unwrap();
        assert_eq!((used.active_at, used.expires_at), (now, Some(now.plus(DAY))));
        assert_eq!(store.vector_store(third).await.unwrap().unwrap(), rows[2]);
        store.use_vector_store(second, now.plus(DAY)).await.unwrap();
        assert_eq!(store.vector_store(second).await.unwrap(), Some(used));
    }
}

#[tokio::test]
async fn files_come_all_or_none_and_are_listed() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let store = world.store.tenant(&world.owner).await.unwrap();
        let stranger = world.store.tenant(&world.stranger).await.unwrap();
        let (id, now) = (made(&world, &store, Some(1)).await.id, world.clock.now());
        let files: Vec<FileId> = (0..3).map(|_| world.ids().file()).collect();
        let rows = attached(&world, &store, id, &files).await;
        let within = async |status: Option<&str>, slice: Slice| -> Vec<Option<FileId>> {
            let rows = store.documents_within(Within::Store(id), status, &slice).await.unwrap();
            rows.into_iter().map(|row| row.file).collect()
        };
        assert_eq!(within(None, ALL).await.len(), 3, "{engine:?}");
        assert_eq!((within(Some("in_progress"), ALL).await.len(), within(Some("ready"), ALL).await.len()), (3, 0));
        assert_eq!(store.document_of_file(id, files[1]).await.unwrap().unwrap().id, rows[1].id);
        assert_eq!(stranger.document_of_file(id, files[1]).await.unwrap(), None);

        // A file comes into a store once, and with it none of the others.
        let (twice, other) = (document(&world, id, files[0], None), document(&world, id, world.ids().file(), None));
        let conflict = store.attach_documents(id, &[other.clone(), twice.clone()], None, MOST, now).await.unwrap_err();
        assert_eq!(*conflict.kind(), ErrorKind::Conflict);
        let few = DocumentsMax { count: 3, ..MOST };
        assert_eq!(
            store.attach_documents(id, std::slice::from_ref(&other), None, few, now).await.unwrap(),
            Attached::NoRoom(Lacking::Documents)
        );
        let few = DocumentsMax { bytes: 39, ..MOST };
        assert_eq!(
            store.attach_documents(id, std::slice::from_ref(&other), None, few, now).await.unwrap(),
            Attached::NoRoom(Lacking::Documents)
        );
        let late = now.plus(DAY);
        assert_eq!(
            store.attach_documents(id, std::slice::from_ref(&other), None, MOST, late).await.unwrap(),
            Attached::NoStore
        );
        assert_eq!(stranger.attach_documents(id, &[other], None, MOST, now).await.unwrap(), Attached::NoStore);
        assert_eq!(within(None, ALL).await.len(), 3);

        assert!(matches!(published(&world, &store, rows[0].id, 1).await, Published::Shown(_)));
        store.fail_document(rows[1].id, &[4], now).await.unwrap();
        assert_eq!(within(Some("ready"), ALL).await, [Some(files[0])]);
        assert_eq!(within(Some("failed"), ALL).await, [Some(files[1])]);
        assert_eq!(within(Some("in_progress"), Slice { oldest_first: false, ..ALL }).await, [Some(files[2])]);
        let mut counts = store.status_counts(Within::Store(id)).await.unwrap();
        counts.sort_by_key(|count| count.status.name());
        let one = |status| StatusCount { status, documents: 1, bytes: 10 };
        assert_eq!(counts, [one(DocumentStatus::Failed), one(DocumentStatus::Queued), one(DocumentStatus::Ready)]);
        assert!(stranger.status_counts(Within::Store(id)).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_copy_is_kept_and_fields_are_changed() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let store = world.store.tenant(&world.owner).await.unwrap();
        let stranger = world.store.tenant(&world.stranger).await.unwrap();
        let (id, now) = (made(&world, &store, None).await.id, world.clock.now());
        let row = attached(&world, &store, id, &[world.ids().file()]).await.remove(0);

        let copy = begun(&world, &store).await;
        assert!(store.keep_raw(row.id, Written { file: copy, bytes: 12, chunks: 1 }).await.unwrap(), "{engine:?}");
        let kept = store.document(row.id).await.unwrap().unwrap();
        assert_eq!((kept.raw_file, kept.bytes, store.raw_file(copy).await.unwrap().is_some()), (copy, 12, true));

        // What is being read is not changed.
        assert!(!store.amend_document(row.id, &[2], &[5], &[9]).await.unwrap());
        assert!(matches!(published(&world, &store, row.id, 1).await, Published::Shown(1)));
        assert!(!store.keep_raw(row.id, Written { file: begun(&world, &store).await, bytes: 1, chunks: 1 }).await.unwrap());
        assert!(!store.amend_document(row.id, &[2], &[5], &[9]).await.unwrap(), "it was changed meanwhile");
        assert!(!stranger.amend_document(row.id, &[3], &[5], &[9]).await.unwrap());
        assert_eq!((holders(&store, 1).await, holders(&store, 9).await), (vec![row.id], vec![]));
        assert!(store.amend_document(row.id, &[3], &[5], &[9, 9]).await.unwrap());
        assert_eq!((holders(&store, 1).await, holders(&store, 9).await), (vec![], vec![row.id]));

        // Whoever knows the fields of an epoch is told what was shown or changed since.
        let mut knowledge = store.knowledge().await.unwrap();
        assert_eq!(knowledge.corpus().await.unwrap().epoch, 2);
        let first = DocumentId::from_bytes([0; 16]);
        for (epoch, changed) in [(0, 1), (1, 1), (2, 0)] {
            assert_eq!(knowledge.details(epoch, first, 10).await.unwrap().len(), changed, "since {epoch}");
        }
        assert_eq!(knowledge.details(0, first, 10).await.unwrap()[0].sealed_detail, [5]);
        assert_eq!((knowledge.in_store(id).await.unwrap(), knowledge.withdrawn(now).await.unwrap()), (vec![row.id], vec![]));
        drop(knowledge);
        let passages = store.passages(row.id, 0, 10).await.unwrap();
        assert_eq!((passages.len(), passages[0].place, &passages[0].sealed_text), (1, 0, &vec![b't']));
        assert!(stranger.passages(row.id, 0, 10).await.unwrap().is_empty());
        assert!(stranger.knowledge().await.unwrap().in_store(id).await.unwrap().is_empty());
    }
}

/// A file that is written but not shown.
async fn begun(world: &World, store: &TenantStore) -> FileId {
    let (id, created_at) = (world.ids().file(), world.clock.now());
    let file = FileRow { id, purpose: FilePurpose::Document, bytes: 0, chunks: 0, created_at, sealed_name: vec![1] };
    assert!(store.begin_file(&file, u64::MAX).await.unwrap());
    let mut writer = store.write_file(id).await.unwrap();
    writer.append(b"raw".to_vec()).await.unwrap();
    writer.finish().await.unwrap();
    id
}

#[tokio::test]
async fn what_came_together_is_cancelled_together() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let store = world.store.tenant(&world.owner).await.unwrap();
        let stranger = world.store.tenant(&world.stranger).await.unwrap();
        let (id, now) = (made(&world, &store, None).await.id, world.clock.now());
        let batch = FileBatchRow { id: world.ids().file_batch(), vector_store: id, is_cancelled: false, created_at: now };
        let rows: Vec<DocumentRow> = (0..3).map(|_| document(&world, id, world.ids().file(), Some(batch.id))).collect();
        assert_eq!(store.attach_documents(id, &rows, Some(&batch), MOST, now).await.unwrap(), Attached::Done, "{engine:?}");
        attached(&world, &store, id, &[world.ids().file()]).await;
        assert!(matches!(published(&world, &store, rows[0].id, 1).await, Published::Shown(_)));

        stranger.cancel_file_batch(batch.id, now).await.unwrap();
        assert_eq!(store.file_batch(id, batch.id).await.unwrap().as_ref(), Some(&batch));
        assert_eq!(stranger.file_batch(id, batch.id).await.unwrap(), None);
        let elsewhere = VectorStoreId::from_bytes([9; 16]);
        assert_eq!(store.file_batch(elsewhere, batch.id).await.unwrap(), None);

        store.cancel_file_batch(batch.id, now).await.unwrap();
        assert!(store.file_batch(id, batch.id).await.unwrap().unwrap().is_cancelled);
        let of = async |within: Within, status: &str| store.documents_within(within, Some(status), &ALL).await.unwrap().len();
        assert_eq!((of(Within::Batch(batch.id), "cancelled").await, of(Within::Batch(batch.id), "ready").await), (2, 1));
        assert_eq!(of(Within::Store(id), "in_progress").await, 1, "that came alone");
        // Whoever was reading one of them shows nothing.
        assert_eq!(published(&world, &store, rows[1].id, 1).await, Published::Gone);
        assert!(!store.note_document(rows[1].id, DocumentStatus::Embedding, 1, 1, now).await.unwrap());
        assert_eq!(store.document(rows[1].id).await.unwrap().unwrap().status, DocumentStatus::Cancelled);

        // One that is over stays as it is.
        let over = FileBatchRow { id: world.ids().file_batch(), ..batch };
        let row = document(&world, id, world.ids().file(), Some(over.id));
        store.attach_documents(id, std::slice::from_ref(&row), Some(&over), MOST, now).await.unwrap();
        published(&world, &store, row.id, 1).await;
        store.cancel_file_batch(over.id, now).await.unwrap();
        assert_eq!(store.file_batch(id, over.id).await.unwrap(), Some(over));
    }
}

#[tokio::test]
async fn a_store_is_withdrawn_at_once_and_cleared_when_it_is_empty() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let store = world.store.tenant(&world.owner).await.unwrap();
        let (goes, ends) = (made(&world, &store, None).await.id, made(&world, &store, Some(1)).await.id);
        let row = attached(&world, &store, goes, &[world.ids().file()]).await.remove(0);
        let ending = attached(&world, &store, ends, &[world.ids().file()]).await.remove(0);
        for row in [&row, &ending] {
            published(&world, &store, row.id, 1).await;
        }
        let withdrawn = async |now: Timestamp| store.knowledge().await.unwrap().withdrawn(now).await.unwrap();
        let (now, late) = (world.clock.now(), world.clock.now().plus(DAY));
        assert_eq!((withdrawn(now).await, withdrawn(late).await), (vec![], vec![ending.id]), "{engine:?}");

        let epoch = store.knowledge().await.unwrap().corpus().await.unwrap().epoch;
        assert!(store.withdraw_vector_store(goes).await.unwrap());
        assert_eq!(
            store.knowledge().await.unwrap().corpus().await.unwrap().epoch,
            epoch + 1,
            "answers of before are not given"
        );
        assert_eq!((store.vector_store(goes).await.unwrap(), withdrawn(now).await), (None, vec![row.id]));
        assert!(!store.withdraw_vector_store(goes).await.unwrap());
        assert_eq!(
            (store.is_withdrawn(goes).await.unwrap(), store.is_withdrawn(ends).await.unwrap()),
            (Some(true), Some(false))
        );

        assert!(!store.clear_vector_store(goes).await.unwrap(), "something is in it");
        assert_eq!(store.documents_of_store(goes, 10).await.unwrap(), [row.id]);
        store.remove_document(row.id).await.unwrap();
        assert!(store.clear_vector_store(goes).await.unwrap());
        assert_eq!((store.is_withdrawn(goes).await.unwrap(), withdrawn(now).await), (None, vec![]));

        // One whose time has come is emptied, and can still be looked at.
        store.remove_document(ending.id).await.unwrap();
        assert!(store.clear_vector_store(ends).await.unwrap());
        assert!(store.vector_store(ends).await.unwrap().is_some());
    }
}
