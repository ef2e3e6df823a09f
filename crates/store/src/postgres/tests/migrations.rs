//! Steps are taken once, whoever interrupts them.

use std::time::Duration;

use insula_model::ErrorKind;
use tokio_postgres::Client;

use super::scratch::Scratch;
use crate::postgres::{Migrated, Schema, check_steps, lint, migrate, migrations::take};

/// The names of all steps.
fn all_steps() -> Vec<String> {
    let named =
        |schema: &Schema| schema.steps().iter().map(|(name, _)| format!("{}/{name}", schema.name())).collect::<Vec<_>>();
    Schema::ALL.iter().flat_map(named).collect()
}

async fn steps(client: &Client) -> Vec<String> {
    let sql = "SELECT 'control/' || name FROM insula_control.schema_steps UNION ALL \
               SELECT 'tenant/' || name FROM insula_tenant.schema_steps UNION ALL \
               SELECT 'keys/' || name FROM insula_keys.schema_steps";
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn a_second_migration_changes_nothing() {
    let scratch = Scratch::empty().await;
    let app = scratch.app();
    let first = migrate(&scratch.owner(), None, Some(&app)).await.unwrap();
    assert_eq!(first.steps, all_steps());
    assert_eq!(first.granted, ["insula_control", "insula_tenant", "insula_keys"]);
    assert_eq!(migrate(&scratch.owner(), None, Some(&app)).await.unwrap(), Migrated::default());
    assert_eq!(steps(&scratch.administer().await).await.len(), all_steps().len());
    check_steps(&scratch.serve().await, Schema::ALL).await.unwrap();
    scratch.remove().await;
}

#[tokio::test]
async fn two_at_once_take_each_step_once() {
    let scratch = Scratch::empty().await;
    let (owner, app) = (scratch.owner(), scratch.app());
    let (one, other) = tokio::join!(migrate(&owner, None, Some(&app)), migrate(&owner, None, Some(&app)));
    assert_eq!(one.unwrap().steps.len() + other.unwrap().steps.len(), all_steps().len());
    assert!(scratch.findings(&scratch.serve().await, Schema::ALL).await.is_empty());
    scratch.remove().await;
}

#[tokio::test]
async fn what_was_killed_is_finished() {
    let scratch = Scratch::empty().await;
    let (owner, admin) = (scratch.owner(), scratch.administer().await);
    let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1 AND usename = $2";
    let usename = owner.user().to_owned();
    let mut killed = 0;
    // Later and later, until one comes through.
    for pause_us in (0_u64..).step_by(700) {
        let migration = tokio::spawn({
            let (owner, app) = (owner.clone(), scratch.app());
            async move { migrate(&owner, None, Some(&app)).await }
        });
        tokio::time::sleep(Duration::from_micros(pause_us)).await;
        // Not before it is there, or the first would come through on a slow machine.
        while admin.query_one(kill, &[&scratch.name, &usename]).await.unwrap().get::<_, i64>(0) == 0 && !migration.is_finished()
        {
            tokio::task::yield_now().await;
        }
        match migration.await.unwrap() {
            Ok(_) => break,
            Err(error) => assert!(matches!(error.kind(), ErrorKind::Unavailable { .. }), "{error:?}"),
        }
        killed += 1;
    }
    assert!(killed > 0);
    migrate(&owner, None, Some(&scratch.app())).await.unwrap();
    assert_eq!(steps(&admin).await.len(), all_steps().len());
    assert_eq!(scratch.findings(&scratch.serve().await, Schema::ALL).await, []);
    scratch.remove().await;
}

#[tokio::test]
async fn a_step_is_taken_whole_or_not_at_all() {
    let scratch = Scratch::migrated().await;
    let kill = "CREATE TABLE insula_control.half (id BIGINT); SELECT pg_terminate_backend(pg_backend_pid())";
    let fail = "CREATE TABLE insula_control.half (id BIGINT); SELECT 1 / 0";
    let whole = "CREATE TABLE insula_control.half (id BIGINT)";
    let mut migrated = Migrated::default();
    let before = ("9001_before", "CREATE TABLE insula_control.before (id BIGINT)");

    let killed = take(&scratch.own().await, Schema::Control, &[before, ("9002_half", kill)], &mut migrated).await.unwrap_err();
    assert!(matches!(killed.kind(), ErrorKind::Unavailable { .. }), "{killed:?}");
    let client = scratch.own().await;
    let failed = take(&client, Schema::Control, &[("9002_half", fail)], &mut migrated).await.unwrap_err();
    assert!(failed.message().contains("9002_half") && failed.message().contains("division by zero"), "{failed:?}");
    assert_eq!(migrated.steps, ["insula_control/9001_before"]);
    // Nothing of the half step is there, the step before it is, and the connection is as good as new.
    take(&client, Schema::Control, &[("9002_half", whole)], &mut migrated).await.unwrap();
    let noted = "SELECT name FROM insula_control.schema_steps WHERE name > '9' ORDER BY name";
    let noted: Vec<String> = client.query(noted, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(noted, ["9001_before", "9002_half"]);
    scratch.remove().await;
}

#[tokio::test]
async fn keys_may_have_a_database_of_their_own() {
    let (data, keys) = (Scratch::empty().await, Scratch::empty().await);
    // One login for both, as where both are on one server.
    let app = data.app();
    migrate(&data.owner(), Some(&keys.owner()), Some(&app)).await.unwrap();
    check_steps(&data.serve().await, Schema::DATA).await.unwrap();
    let on_keys = keys.connect(&app).await;
    check_steps(&on_keys, Schema::OF_KEYS).await.unwrap();
    assert_eq!(data.findings(&data.serve().await, Schema::DATA).await, []);
    assert_eq!(data.findings(&on_keys, Schema::OF_KEYS).await, []);
    lint(&data.url(&app), Some(&keys.url(&app))).await.unwrap();
    let apart = check_steps(&data.serve().await, Schema::ALL).await.unwrap_err();
    assert!(apart.message().contains("insula_keys") && apart.message().contains("insula migrate"), "{apart:?}");
    drop(on_keys);
    keys.remove().await;
    data.remove().await;
}

#[tokio::test]
async fn other_versions_are_told_apart() {
    let scratch = Scratch::migrated().await;
    let admin = scratch.administer().await;
    admin.execute("INSERT INTO insula_tenant.schema_steps (name) VALUES ('9999_later')", &[]).await.unwrap();
    for newer in [
        migrate(&scratch.owner(), None, None).await.unwrap_err(),
        check_steps(&scratch.serve().await, Schema::ALL).await.unwrap_err(),
    ] {
        assert!(matches!(newer.kind(), ErrorKind::Unavailable { .. }));
        assert!(newer.message().contains("newer version"), "{newer:?}");
    }
    admin.execute("DELETE FROM insula_tenant.schema_steps", &[]).await.unwrap();
    let older = check_steps(&scratch.serve().await, Schema::ALL).await.unwrap_err();
    assert!(older.message().contains("insula migrate"), "{older:?}");
    scratch.remove().await;
}

#[tokio::test]
async fn an_owner_without_rights_is_told_what_to_ask_for() {
    let scratch = Scratch::empty().await;
    let (admin, name) = (scratch.administer().await, &scratch.name);
    admin.batch_execute(&format!("REVOKE CREATE ON DATABASE {name} FROM {name}_owner")).await.unwrap();
    let refused = migrate(&scratch.owner(), None, None).await.unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::Forbidden);
    assert!(refused.message().contains(&format!("GRANT CREATE ON DATABASE {name} TO {name}_owner")), "{refused:?}");

    admin
        .batch_execute(&format!(
            "GRANT CREATE ON DATABASE {name} TO {name}_owner; ALTER ROLE {name}_owner NOCREATEROLE; \
             REVOKE insula_control, insula_tenant, insula_keys FROM {name}_owner"
        ))
        .await
        .unwrap();
    // The roles are there; granting them is what the owner may not do.
    let refused = migrate(&scratch.owner(), None, Some(&scratch.app())).await.unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::Forbidden);
    let by_hand = refused.message().split("again: ").nth(1).unwrap().to_owned();
    admin.batch_execute(&by_hand).await.unwrap();
    assert_eq!(migrate(&scratch.owner(), None, Some(&scratch.app())).await.unwrap(), Migrated::default());

    // Another than the owner.
    admin.batch_execute(&format!("CREATE ROLE {name}_other LOGIN PASSWORD 'scratch'")).await.unwrap();
    let refused = migrate(&scratch.url(&format!("{name}_other")), None, None).await.unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::Forbidden);
    assert!(refused.message().contains("as its owner"), "{refused:?}");
    admin.batch_execute(&format!("DROP ROLE {name}_other")).await.unwrap();
    scratch.remove().await;
}

#[tokio::test]
async fn a_login_with_rights_is_refused() {
    let scratch = Scratch::empty().await;
    let (admin, app) = (scratch.administer().await, scratch.app());
    let refusal = async |login: &str| {
        let refused = migrate(&scratch.owner(), None, Some(login)).await.unwrap_err();
        assert_eq!(*refused.kind(), ErrorKind::Invalid);
        refused.message().to_owned()
    };
    for (attribute, opposite) in [("INHERIT", "NOINHERIT"), ("BYPASSRLS", "NOBYPASSRLS"), ("SUPERUSER", "NOSUPERUSER")] {
        admin.batch_execute(&format!("ALTER ROLE {app} {attribute}")).await.unwrap();
        let said = refusal(&app).await;
        let fix = said.split("with: ").nth(1).unwrap();
        assert!(fix.contains(opposite), "{said}");
        admin.batch_execute(fix).await.unwrap();
    }
    assert!(refusal("nobody here").await.contains("CREATE ROLE \"nobody here\" LOGIN NOINHERIT"));
    assert!(refusal(&format!("{}_owner", scratch.name)).await.contains("owns nothing"));
    assert!(refusal("insula_tenant").await.contains("logs in nowhere"));
    migrate(&scratch.owner(), None, Some(&app)).await.unwrap();
    scratch.remove().await;
}
