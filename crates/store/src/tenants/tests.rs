//! Which files are open, and what becomes of those that are not.

use std::sync::Arc;

use insula_model::{ErrorKind, Money, Operation, RequestId, Result, TenantId, Timestamp};
use parking_lot::Mutex;
use tempfile::TempDir;

use super::{Bounds, PendingTraces, TenantFiles, requests};
use crate::{TraceRecord, control::stopped};

struct World {
    files: Arc<TenantFiles>,
    dir: TempDir,
}

fn id(n: u8) -> TenantId {
    TenantId::from_bytes([n; 16])
}

fn trace(tenant: TenantId, n: u8) -> TraceRecord {
    TraceRecord {
        request: RequestId::from_bytes([n; 16]),
        tenant,
        key: None,
        started_at: Timestamp::from_micros(1),
        duration_us: 2,
        operation: Operation::Chat,
        model: "m".to_owned(),
        status: 200,
        cost: Money::ZERO,
        sealed_detail: vec![n; 10],
        idempotency: None,
    }
}

/// Tenants 1 to `tenants`, of which `files_max` may be open.
async fn world(tenants: u8, files_max: usize, bytes_max: u64) -> World {
    let dir = tempfile::tempdir().unwrap();
    let files = Arc::new(TenantFiles::new(dir.path().to_owned(), Bounds { files_max, bytes_max }).unwrap());
    for n in 1..=tenants {
        files.create(id(n)).await.unwrap();
    }
    World { files, dir }
}

impl World {
    fn open(&self) -> Vec<TenantId> {
        self.files.open_tenants()
    }

    async fn requests(&self, tenant: TenantId) -> usize {
        let pin = self.files.pin(tenant).await.unwrap();
        requests::list(&mut pin.db.read().await.unwrap(), None, 100).await.unwrap().len()
    }
}

#[tokio::test]
async fn the_least_recently_used_is_closed() {
    let world = world(4, 2, u64::MAX).await;
    for n in [1, 2, 1, 3] {
        drop(world.files.pin(id(n)).await.unwrap());
    }
    assert_eq!(world.open(), [id(1), id(3)]);
}

#[tokio::test]
async fn what_is_in_use_stays_open() {
    let world = world(3, 2, u64::MAX).await;
    let first = world.files.pin(id(1)).await.unwrap();
    drop(world.files.pin(id(2)).await.unwrap());
    let third = world.files.pin(id(3)).await.unwrap();
    assert_eq!(world.open(), [id(1), id(3)]);
    let refused = world.files.pin(id(2)).await.err().unwrap();
    assert!(matches!(refused.kind(), ErrorKind::Unavailable { .. }), "{refused}");
    drop((first, third));
    world.files.pin(id(2)).await.unwrap();
    assert_eq!(world.open(), [id(3), id(2)]);
}

#[tokio::test]
async fn memory_is_bounded_where_nothing_is_in_use() {
    let world = world(10, 10, 400 * 1024).await;
    for n in 1..=10 {
        drop(world.files.pin(id(n)).await.unwrap());
    }
    assert!((1..=3).contains(&world.open().len()), "{:?}", world.open());
    let pins = futures(&world, 1..=10).await;
    assert_eq!((pins.len(), world.open().len()), (10, 10), "what is in use stays open");
}

async fn futures(world: &World, tenants: std::ops::RangeInclusive<u8>) -> Vec<super::slot::Pin> {
    let mut pins = Vec::new();
    for n in tenants {
        pins.push(world.files.pin(id(n)).await.unwrap());
    }
    pins
}

#[derive(Default)]
struct Pending {
    held: Mutex<Vec<TraceRecord>>,
}

impl PendingTraces for Pending {
    fn write_out(&self, tenant: TenantId, write: &mut dyn FnMut(&[TraceRecord]) -> Result<()>) -> Result<()> {
        let ours: Vec<_> = self.held.lock().extract_if(.., |trace| trace.tenant == tenant).collect();
        write(&ours)
    }

    fn forget(&self, tenant: TenantId) {
        self.held.lock().retain(|trace| trace.tenant != tenant);
    }
}

#[tokio::test]
async fn pending_traces_are_written_before_a_file_is_closed() {
    let world = world(2, 1, u64::MAX).await;
    let pending = Arc::new(Pending::default());
    world.files.set_pending(pending.clone());
    drop(world.files.pin(id(1)).await.unwrap());
    pending.held.lock().extend([trace(id(1), 1), trace(id(2), 2), trace(id(1), 3)]);
    drop(world.files.pin(id(2)).await.unwrap());
    assert_eq!(pending.held.lock().len(), 1, "only the tenant that was closed");
    world.files.refuse(id(2));
    world.files.drain(id(2)).await.unwrap();
    assert!(pending.held.lock().is_empty());
    assert_eq!(world.requests(id(1)).await, 2);
}

#[tokio::test]
async fn many_tasks_share_few_files() {
    let world = Arc::new(world(20, 3, u64::MAX).await);
    let work = |task: u8| {
        let world = world.clone();
        tokio::spawn(async move {
            for step in 0..30_u8 {
                let tenant = id(1 + (task.wrapping_mul(7) + step) % 20);
                let written = world.files.apply_traces(tenant, &[trace(tenant, task * 30 + step)]).await;
                match written {
                    Ok(()) => {}
                    // All three are in use.
                    Err(error) => assert!(matches!(error.kind(), ErrorKind::Unavailable { .. }), "{error}"),
                }
                assert!(world.open().len() <= 3);
            }
        })
    };
    let tasks: Vec<_> = (0..8).map(work).collect();
    for task in tasks {
        task.await.unwrap();
    }
    world.files.close().await.unwrap();
    assert!(world.open().is_empty());
    assert_eq!(world.files.pin(id(1)).await.err().map(|e| e.kind().clone()), Some(stopped().kind().clone()));
}

#[tokio::test]
async fn a_dropped_pin_future_leaves_the_slot_usable() {
    let world = world(1, 1, u64::MAX).await;
    for polls in 0..4 {
        let files = world.files.clone();
        let task = tokio::spawn(async move { files.pin(id(1)).await.map(drop) });
        for _ in 0..polls {
            tokio::task::yield_now().await;
        }
        task.abort();
        let _ = task.await;
        assert_eq!(world.requests(id(1)).await, 0);
    }
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused_alone() {
    let world = world(2, 2, u64::MAX).await;
    let file = world.dir.path().join(id(1).bare()).join("tenant.db");
    rusqlite::Connection::open(&file).unwrap().pragma_update(None, "user_version", 999).unwrap();
    let refused = world.files.pin(id(1)).await.err().unwrap();
    assert!(matches!(refused.kind(), ErrorKind::Unavailable { .. }), "{refused}");
    assert!(refused.message().contains("newer version"), "{refused}");
    assert_eq!(world.requests(id(2)).await, 0);
    assert_eq!(world.open(), [id(2)]);
}

#[tokio::test]
async fn a_file_that_vanished_is_an_error_not_an_empty_tenant() {
    let world = world(1, 1, u64::MAX).await;
    std::fs::remove_file(world.dir.path().join(id(1).bare()).join("tenant.db")).unwrap();
    assert_eq!(world.files.pin(id(1)).await.err().map(|e| e.kind().clone()), Some(ErrorKind::Internal));
    assert!(world.open().is_empty());
}

#[tokio::test]
async fn a_draft_left_by_a_crash_is_overwritten() {
    let world = world(1, 1, u64::MAX).await;
    let dir = world.dir.path().join(id(2).bare());
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("tenant.db.new"), "half").unwrap();
    world.files.create(id(2)).await.unwrap();
    world.files.create(id(2)).await.unwrap();
    assert_eq!(world.requests(id(2)).await, 0);
    assert!(!dir.join("tenant.db.new").exists());
}
