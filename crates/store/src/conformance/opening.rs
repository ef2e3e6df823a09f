//! Opening a store: when it is refused, and that nothing half done stays so.

use std::os::unix::fs::PermissionsExt;

use insula_model::{Clock, ErrorKind};

use super::{
    differences::EMBEDDED_CASES,
    world::{Engine, World, tenant},
};

#[tokio::test]
async fn one_store_at_a_time() {
    let world = World::on(EMBEDDED_CASES).await;
    let refused = world.place.open(world.clock.clone(), world.random.clone()).await.unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::Conflict);
    // A refused start harms neither the store that runs nor the next start.
    let world = world.reopen().await;
    assert_eq!(world.store.control().tenants().await.unwrap().len(), 2);
}

#[tokio::test]
async fn files_are_for_their_owner_alone() {
    let world = World::on(EMBEDDED_CASES).await;
    world.store.tenant(&world.owner).await.unwrap().requests(None, 1).await.unwrap();
    let mut dirs = vec![world.place.data_dir()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
            let mode = entry.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{:?} has mode {mode:o}", entry.path());
            if entry.path().is_dir() {
                dirs.push(entry.path());
            }
        }
    }
}

#[tokio::test]
async fn another_root_key_is_refused() {
    for engine in Engine::ALL {
        let World { store, clock, random, place, owner, .. } = World::on(engine).await;
        let secret = store.platform_secret("tokens");
        store.close().await.unwrap();
        drop(store);
        let (key_file, put_aside) = (place.dir.path().join("root.key"), place.dir.path().join("aside"));
        std::fs::rename(&key_file, &put_aside).unwrap();
        let refused = place.open(clock.clone(), random.clone()).await.unwrap_err();
        assert_eq!(*refused.kind(), ErrorKind::Invalid);
        assert!(refused.message().contains("root key"), "{refused}");

        std::fs::rename(&put_aside, &key_file).unwrap();
        let store = place.open(clock, random).await.unwrap();
        assert_eq!(store.platform_secret("tokens"), secret);
        store.seals(&owner).await.unwrap();
    }
}

#[tokio::test]
async fn data_of_a_newer_version_is_refused() {
    for engine in Engine::ALL {
        let World { store, clock, random, place, .. } = World::on(engine).await;
        store.close().await.unwrap();
        drop(store);
        match engine {
            Engine::Embedded => {
                let control = rusqlite::Connection::open(place.data_dir().join("control.db")).unwrap();
                control.pragma_update(None, "user_version", 999).unwrap();
            }
            Engine::Cluster => {
                let step = "INSERT INTO insula_control.schema_steps (name) VALUES ('9999_of_tomorrow')";
                place.database().administer().await.batch_execute(step).await.unwrap();
            }
        }
        let refused = place.open(clock, random).await.unwrap_err();
        assert!(refused.message().contains("newer version"), "{refused}");
    }
}

#[tokio::test]
async fn a_tenant_whose_maker_left_is_made_all_the_same() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let left = tenant(&world.ids(), "initech", world.clock.now());
        let making = world.store.create_tenant(&left);
        // One poll begins it; then the caller is gone.
        let _ = tokio::time::timeout(std::time::Duration::ZERO, making).await;
        let made = async {
            while world.store.control().tenants().await.unwrap().len() < 3 {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), made).await.unwrap();
    }
}

#[tokio::test]
async fn a_closed_store_refuses() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let tenant = world.store.tenant(&world.owner).await.unwrap();
        world.store.close().await.unwrap();
        assert!(world.store.control().tenants().await.is_err());
        assert!(world.store.tenant(&world.owner).await.is_err());
        assert!(tenant.requests(None, 1).await.is_err());
    }
}
