//! A backup from before an erasure is put back, in parts.

use std::{
    fs,
    path::{Path, PathBuf},
};

use insula_model::Clock;

use super::{
    erasure::{assert_erased, furnish},
    world::{Engine, Place, World},
};

/// What may be backed up by itself.
#[derive(Debug, Clone, Copy)]
enum Part {
    Control,
    Keys,
    Tenants,
}

const PARTS: [Part; 3] = [Part::Control, Part::Keys, Part::Tenants];

#[tokio::test]
async fn a_restored_backup_does_not_bring_a_tenant_back() {
    for engine in Engine::ALL {
        // Which parts of a backup from before the erasure are put back.
        for parts in [
            &[Part::Control][..],
            &[Part::Keys],
            &[Part::Tenants],
            &[Part::Control, Part::Tenants],
            &[Part::Keys, Part::Tenants],
        ] {
            let world = World::on(engine).await;
            furnish(&world).await;
            let world = world.reopen().await;
            world.store.close().await.unwrap();
            let World { store, owner, stranger, clock, random, place } = world;
            drop(store);
            for part in PARTS {
                keep(engine, &place, part).await;
            }

            let store = place.open(clock.clone(), random.clone()).await.unwrap();
            store.erase_tenant(&owner, clock.now()).await.unwrap();
            store.close().await.unwrap();
            drop(store);
            for part in parts {
                put_back(engine, &place, *part).await;
            }

            let store = place.open(clock.clone(), random.clone()).await.unwrap();
            assert_erased(&World { store, owner, stranger, clock, random, place }).await;
        }
    }
}

impl Part {
    /// Below a data directory.
    fn file(self) -> &'static str {
        match self {
            Part::Control => "control.db",
            Part::Keys => "keys",
            Part::Tenants => "tenants",
        }
    }

    /// In a database; each after what it hangs on. Nodes and what they must read again are of the moment, not of a backup.
    fn tables(self) -> &'static [&'static str] {
        match self {
            Part::Control => &["tenants", "keys", "operator_keys", "budgets", "limits", "ledger", "spend_hour", "erasures"],
            Part::Keys => &["tenant_keys", "destroyed_keys", "root"],
            Part::Tenants => &["homes", "requests", "idempotency", "responses", "provider_credentials"],
        }
    }

    fn schema(self) -> &'static str {
        match self {
            Part::Control => "insula_control",
            Part::Keys => "insula_keys",
            Part::Tenants => "insula_tenant",
        }
    }
}

async fn keep(engine: Engine, place: &Place, part: Part) {
    match engine {
        Engine::Embedded => copy(&place.data_dir().join(part.file()), &place.dir.path().join("backup").join(part.file())),
        Engine::Cluster => {
            let (schema, admin) = (part.schema(), place.database().administer().await);
            admin.batch_execute("CREATE SCHEMA IF NOT EXISTS backup").await.unwrap();
            for table in part.tables() {
                admin.batch_execute(&format!("CREATE TABLE backup.{table} AS TABLE {schema}.{table}")).await.unwrap();
            }
        }
    }
}

async fn put_back(engine: Engine, place: &Place, part: Part) {
    match engine {
        Engine::Embedded => {
            let data = place.data_dir().join(part.file());
            if data.is_dir() {
                fs::remove_dir_all(&data).unwrap();
            }
            copy(&place.dir.path().join("backup").join(part.file()), &data);
        }
        Engine::Cluster => {
            let (schema, admin) = (part.schema(), place.database().administer().await);
            for table in part.tables().iter().rev() {
                admin.batch_execute(&format!("DELETE FROM {schema}.{table}")).await.unwrap();
            }
            for table in part.tables() {
                admin.batch_execute(&format!("INSERT INTO {schema}.{table} TABLE backup.{table}")).await.unwrap();
            }
        }
    }
}

fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry: PathBuf = entry.unwrap().path();
        copy(&entry, &to.join(entry.file_name().unwrap()));
    }
}
