//! Files and batches of a tenant, and which node runs which.

use std::time::Duration;

use insula_model::{
    BatchId, BatchStatus, BatchTimes, BatchWait, Clock, ErrorKind, FileId, FilePurpose, Operation, RunKind, TenantId,
    TenantScope,
};

use super::world::{Engine, World};
use crate::{BatchRow, FilePage, FileRow, LineRow, Room, RunsMax, TenantStore, Written};

const MINUTE: Duration = Duration::from_secs(60);
/// In the order of the ids from the first on.
const NOBODY: TenantId = TenantId::from_bytes([0; 16]);
const MOST: RunsMax = RunsMax { runs: 10, per_tenant: 2 };

fn row(world: &World) -> FileRow {
    let (id, created_at) = (world.ids().file(), world.clock.now());
    FileRow { id, purpose: FilePurpose::Batch, bytes: 0, chunks: 0, created_at, sealed_name: vec![1] }
}

/// Writes a file of these chunks and shows it.
async fn file(world: &World, store: &TenantStore, chunks: &[&[u8]]) -> FileId {
    let row = row(world);
    assert!(store.begin_file(&row, 100).await.unwrap());
    let mut writer = store.write_file(row.id).await.unwrap();
    for chunk in chunks {
        writer.append(chunk.to_vec()).await.unwrap();
    }
    writer.finish().await.unwrap();
    let written = Written { file: row.id, bytes: 10, chunks: chunks.len() as u64 };
    assert!(store.file(row.id).await.unwrap().is_none(), "shown before it is whole");
    assert!(store.publish_file(written, FilePurpose::Batch, 1_000).await.unwrap());
    row.id
}

fn batch(world: &World, input_file: FileId) -> BatchRow {
    BatchRow {
        id: world.ids().batch(),
        operation: Operation::Chat,
        status: BatchStatus::Validating,
        waiting: None,
        input_file,
        output_file: None,
        error_file: None,
        created_at: world.clock.now(),
        expires_at: world.clock.now().plus(MINUTE),
        times: BatchTimes::default(),
        total: 0,
        completed: 0,
        failed: 0,
        key_id: None,
        behind: None,
        sealed_detail: vec![2],
    }
}

async fn opened(world: &World, scope: &TenantScope) -> TenantStore {
    world.store.tenant(scope).await.unwrap()
}

#[tokio::test]
async fn files_are_their_tenants_alone() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let (owner, stranger) = (opened(&world, &world.owner).await, opened(&world, &world.stranger).await);
        let id = file(&world, &owner, &[b"one", b"", b"three"]).await;
        let mut reader = owner.read_file(id).await.unwrap();
        for chunk in [&b"one"[..], b"", b"three"] {
            assert_eq!(reader.next().await.unwrap().as_deref(), Some(chunk), "{engine:?}");
        }
        assert_eq!(reader.next().await.unwrap(), None);
        let page = FilePage { limit: 10, ..FilePage::default() };
        assert_eq!(owner.files(&page).await.unwrap().len(), 1);
        assert_eq!((stranger.file(id).await.unwrap(), stranger.files(&page).await.unwrap().len()), (None, 0));
        assert_eq!(stranger.remove_file(id).await.err().map(|e| e.kind().clone()), Some(ErrorKind::NotFound));

        let full = Written { file: row(&world).id, bytes: 991, chunks: 0 };
        assert!(!owner.publish_file(full, FilePurpose::Batch, 1_000).await.unwrap(), "the room is shared by all files");
        assert!(!owner.begin_file(&row(&world), 1).await.unwrap());
        owner.remove_file(id).await.unwrap();
        assert_eq!(owner.file(id).await.unwrap(), None);
    }
}

/// What is kept of 1,000 bytes for a file that needs so many, and wants more.
async fn kept(store: &TenantStore, file: &FileRow, needed: u64) -> Option<u64> {
    store.reserve_file(file.id, Room { needed, wanted: 2 * needed, bytes_max: 1_000 }).await.unwrap()
}

#[tokio::test]
async fn files_under_way_keep_room_from_each_other() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let (owner, stranger) = (opened(&world, &world.owner).await, opened(&world, &world.stranger).await);
        let (one, other) = (row(&world), row(&world));
        let document = FileRow { purpose: FilePurpose::Document, ..row(&world) };
        for file in [&one, &other, &document] {
            assert!(owner.begin_file(file, 100).await.unwrap());
        }
        assert_eq!(kept(&owner, &one, 300).await, Some(600), "{engine:?}");
        assert_eq!(kept(&owner, &other, 300).await, Some(400), "what is left");
        assert_eq!((kept(&owner, &other, 401).await, kept(&owner, &one, 601).await), (None, None));
        assert_eq!(kept(&owner, &document, 800).await, Some(1_000), "documents have room of their own");
        assert!(stranger.reserve_file(one.id, Room { needed: 1, wanted: 1, bytes_max: 1_000 }).await.is_err());

        // What it does not need after all is free for others, as is all of one that is given up.
        owner.write_file(one.id).await.unwrap().finish().await.unwrap();
        let written = Written { file: one.id, bytes: 500, chunks: 0 };
        assert!(owner.publish_file(written, FilePurpose::Batch, 1_000).await.unwrap());
        assert_eq!(kept(&owner, &other, 401).await, Some(500));
        owner.discard_file(other.id).await.unwrap();
        let third = row(&world);
        assert!(owner.begin_file(&third, 100).await.unwrap());
        assert_eq!(kept(&owner, &third, 500).await, Some(500));
        let written = Written { file: third.id, bytes: 501, chunks: 0 };
        assert!(!owner.publish_file(written, FilePurpose::Batch, 1_000).await.unwrap());
    }
}

#[tokio::test]
async fn what_is_left_behind_is_swept() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let owner = opened(&world, &world.owner).await;
        let left = row(&world);
        assert!(owner.begin_file(&left, 100).await.unwrap());
        owner.write_file(left.id).await.unwrap().append(vec![1; 100]).await.unwrap();
        world.clock.advance(MINUTE);
        let (young, shown) = (row(&world), file(&world, &owner, &[b"x"]).await);
        assert!(owner.begin_file(&young, 100).await.unwrap());
        let _ = owner.write_file(young.id).await.unwrap();
        owner.sweep_files(world.clock.now()).await.unwrap();
        assert!(!owner.begin_file(&row(&world), 2).await.unwrap(), "two are left");
        assert!(owner.file(shown).await.unwrap().is_some());
        let written = Written { file: left.id, bytes: 100, chunks: 1 };
        assert!(owner.publish_file(written, FilePurpose::Batch, 1_000).await.is_err(), "what was swept is not shown");
    }
}

#[tokio::test]
async fn a_line_is_kept_once_and_a_batch_ends_once() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let (owner, stranger) = (opened(&world, &world.owner).await, opened(&world, &world.stranger).await);
        let input = file(&world, &owner, &[b"lines"]).await;
        let mut row = batch(&world, input);
        assert!(owner.insert_batch(&row, 1).await.unwrap());
        assert!(!owner.insert_batch(&batch(&world, input), 1).await.unwrap(), "one too many");
        assert_eq!(owner.remove_file(input).await.err().map(|e| e.kind().clone()), Some(ErrorKind::Conflict));

        (row.status, row.total) = (BatchStatus::InProgress, 3);
        assert!(owner.move_batch(&row, BatchStatus::Validating).await.unwrap());
        assert!(!owner.move_batch(&row, BatchStatus::Validating).await.unwrap());
        owner.note_batch_waits(row.id, Some(BatchWait::Budget)).await.unwrap();
        let line = |line, failed, said: u8| LineRow { line, failed, sealed_result: vec![said] };
        owner.keep_lines(row.id, &[line(2, false, 1), line(0, true, 2)]).await.unwrap();
        let kept = owner.keep_lines(row.id, &[line(0, false, 9), line(1, false, 3)]).await.unwrap().unwrap();
        assert_eq!((kept.completed, kept.failed, kept.waiting), (2, 1, Some(BatchWait::Budget)), "{engine:?}");
        assert_eq!(owner.lines_done(row.id).await.unwrap(), [0, 1, 2]);
        assert_eq!(owner.lines(row.id, 1, 10).await.unwrap(), [line(1, false, 3), line(2, false, 1)]);
        assert_eq!((stranger.batch(row.id).await.unwrap(), stranger.lines_done(row.id).await.unwrap()), (None, vec![]));

        let output = self::row(&world);
        assert!(owner.begin_file(&output, 100).await.unwrap());
        owner.write_file(output.id).await.unwrap().finish().await.unwrap();
        (row.status, row.output_file) = (BatchStatus::Completed, Some(output.id));
        let written = [Written { file: output.id, bytes: 5, chunks: 0 }];
        assert!(!owner.end_batch(&row, BatchStatus::Cancelling, &written).await.unwrap());
        assert!(owner.end_batch(&row, BatchStatus::InProgress, &written).await.unwrap());
        assert!(owner.lines_done(row.id).await.unwrap().is_empty());
        let ended = owner.batch(row.id).await.unwrap().unwrap();
        assert_eq!((ended.status, ended.waiting, ended.output_file), (BatchStatus::Completed, None, Some(output.id)));
        assert_eq!(owner.file(output.id).await.unwrap().unwrap().bytes, 5);
        owner.remove_file(input).await.unwrap();
    }
}

#[tokio::test]
async fn work_that_is_queued_again_is_done_again() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let (control, tenant, now) = (world.store.control(), world.owner.tenant(), world.clock.now());
        // Ids of one millisecond are in no order.
        let next = |_| {
            world.clock.advance(Duration::from_millis(1));
            *world.ids().vector_store().as_bytes()
        };
        let ids: Vec<[u8; 16]> = (0..3).map(next).collect();
        control.queue_runs(RunKind::VectorStore, tenant, &ids[..2], now).await.unwrap();
        let all = RunsMax { runs: 10, per_tenant: u32::MAX };
        let claimed = control.claim_runs(RunKind::VectorStore, now, now.plus(MINUTE), all, NOBODY).await.unwrap();
        assert_eq!(claimed.iter().map(|run| run.id).collect::<Vec<_>>(), ids[..2], "{engine:?}");
        // One that sleeps is due at once, one that is claimed is done once more, and one that is new is queued.
        assert!(control.renew_run(&claimed[0], now.plus(MINUTE * 60)).await.unwrap());
        for id in &ids {
            control.queue_run_again(RunKind::VectorStore, tenant, *id, now).await.unwrap();
        }
        // Whoever had it says that it is over, and does not know better.
        control.finish_run(&claimed[1]).await.unwrap();
        assert!(!control.renew_run(&claimed[1], now.plus(MINUTE)).await.unwrap());
        let again = control.claim_runs(RunKind::VectorStore, now, now.plus(MINUTE), all, NOBODY).await.unwrap();
        assert_eq!(again.iter().map(|run| run.id).collect::<Vec<_>>(), ids);
        for run in &again {
            control.finish_run(run).await.unwrap();
        }
        let late = now.plus(MINUTE * 120);
        assert!(control.claim_runs(RunKind::VectorStore, late, late.plus(MINUTE), all, NOBODY).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_run_is_one_nodes_and_tenants_take_turns() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let (control, now) = (world.store.control(), world.clock.now());
        let mut owners: Vec<BatchId> = Vec::new();
        for tenant in [world.owner, world.owner, world.owner, world.stranger] {
            let id = world.ids().batch();
            control.queue_run(RunKind::Batch, tenant.tenant(), *id.as_bytes(), now).await.unwrap();
            owners.push(id);
            world.clock.advance(Duration::from_millis(1));
        }
        let now = world.clock.now();
        // Behind the first tenant comes the second one, however long the first has waited.
        let one = RunsMax { runs: 1, ..MOST };
        let turn = control.claim_runs(RunKind::Batch, now, now.plus(MINUTE), one, world.owner.tenant()).await.unwrap();
        assert_eq!(turn.iter().map(|run| BatchId::from_bytes(run.id)).collect::<Vec<_>>(), [owners[3]], "{engine:?}");
        assert!(control.renew_run(&turn[0], now).await.unwrap());
        let claimed = control.claim_runs(RunKind::Batch, now, now.plus(MINUTE), MOST, NOBODY).await.unwrap();
        let taken: Vec<BatchId> = claimed.iter().map(|run| BatchId::from_bytes(run.id)).collect();
        assert_eq!(taken, [owners[0], owners[3], owners[1]], "one of each, then another: two of each at most on {engine:?}");
        assert!(control.claim_runs(RunKind::Batch, now, now.plus(MINUTE), MOST, NOBODY).await.unwrap().is_empty());

        // Work of another kind has turns of its own.
        let document = *world.ids().document().as_bytes();
        control.queue_run(RunKind::Document, world.owner.tenant(), document, now).await.unwrap();
        assert!(control.claim_runs(RunKind::Batch, now, now.plus(MINUTE), MOST, NOBODY).await.unwrap().is_empty());
        let reading = control.claim_runs(RunKind::Document, now, now.plus(MINUTE), MOST, NOBODY).await.unwrap();
        assert_eq!(reading.iter().map(|run| (run.kind, run.id)).collect::<Vec<_>>(), [(RunKind::Document, document)]);
        control.forget_run(document).await.unwrap();

        // Over: the next of its tenant has its turn. Given back: whoever looks has it.
        control.forget_run(*owners[0].as_bytes()).await.unwrap();
        assert!(control.renew_run(&claimed[2], now).await.unwrap());
        assert!(!control.renew_run(&claimed[2], now.plus(MINUTE)).await.unwrap(), "a claim that was given up");
        let again = control.claim_runs(RunKind::Batch, now, now.plus(MINUTE), MOST, NOBODY).await.unwrap();
        let taken: Vec<BatchId> = again.iter().map(|run| BatchId::from_bytes(run.id)).collect();
        assert_eq!(taken.len(), 2);
        assert!(taken.contains(&owners[1]) && taken.contains(&owners[2]));

        // Whoever had it is gone: after its time it is somebody else's.
        let later = now.plus(MINUTE);
        assert_eq!(control.claim_runs(RunKind::Batch, later, later.plus(MINUTE), MOST, NOBODY).await.unwrap().len(), 3);
        control.free_runs(RunKind::Batch).await.unwrap();
        assert_eq!(control.claim_runs(RunKind::Batch, later, later.plus(MINUTE), MOST, NOBODY).await.unwrap().len(), 3);
        world.store.erase_tenant(&world.owner, later).await.unwrap();
        assert_eq!(
            control.queue_run(RunKind::Batch, world.owner.tenant(), *owners[0].as_bytes(), later).await.unwrap_err().kind(),
            &ErrorKind::NotFound
        );
        let left = later.plus(MINUTE);
        assert_eq!(
            control.claim_runs(RunKind::Batch, left, left.plus(MINUTE), MOST, NOBODY).await.unwrap().len(),
            1,
            "the stranger's"
        );
    }
}
