//! What an examination tells of a database.

use std::time::Duration;

use insula_model::{Clock, ManualClock, SystemClock, Timestamp};

use super::scratch::Scratch;
use crate::postgres::{Examination, Holds, examine};

async fn look(scratch: &Scratch, role: &str, clock: &dyn Clock) -> Examination {
    examine(&scratch.url(role), Holds::Everything, Duration::from_secs(10), clock).await.unwrap()
}

#[tokio::test]
async fn a_migrated_database_is_found_whole() {
    let scratch = Scratch::migrated().await;
    let found = look(&scratch, &scratch.app(), &SystemClock::default()).await;
    assert!(found.version.starts_with("PostgreSQL 1"), "{}", found.version);
    // The same machine's clock.
    assert!(found.clock_ahead_us.abs() < 1_000_000, "{}", found.clock_ahead_us);
    found.login.unwrap();
    found.steps.unwrap().unwrap();
    assert_eq!(found.findings, []);
    // As PostgreSQL makes it.
    assert_eq!(found.notes.len(), 1, "{:?}", found.notes);
    assert!(found.notes[0].fix.contains(&format!("REVOKE CONNECT ON DATABASE {} FROM PUBLIC", scratch.name)));
    let revoke = format!(
        "REVOKE CONNECT ON DATABASE {0} FROM PUBLIC; GRANT CONNECT ON DATABASE {0} TO {1}",
        scratch.name,
        scratch.app()
    );
    scratch.administer().await.batch_execute(&revoke).await.unwrap();
    assert_eq!(look(&scratch, &scratch.app(), &SystemClock::default()).await.notes, []);
    scratch.remove().await;
}

#[tokio::test]
async fn a_clock_that_is_behind_a_role_that_is_mighty_and_a_step_that_is_missing_are_told() {
    let scratch = Scratch::migrated().await;
    let past = ManualClock::at(SystemClock::default().now());
    let found = look(&scratch, &scratch.app(), &past).await;
    assert!(found.clock_ahead_us.abs() < 5_000_000);
    let past = ManualClock::at(Timestamp::parse("2020-01-01T00:00:00Z").unwrap());
    assert!(look(&scratch, &scratch.app(), &past).await.clock_ahead_us > 1_000_000);

    let owner = look(&scratch, &format!("{}_owner", scratch.name), &past).await;
    assert!(owner.login.unwrap_err().message().contains("must not serve"));
    assert!(owner.steps.is_none(), "nothing is read as a role that must not serve");

    scratch.own().await.batch_execute("DELETE FROM insula_control.schema_steps").await.unwrap();
    let steps = look(&scratch, &scratch.app(), &past).await.steps.unwrap();
    assert!(steps.unwrap_err().message().contains("insula migrate"));
    scratch.remove().await;
}

#[tokio::test]
async fn a_database_without_schemas_is_told_in_a_few_words() {
    let scratch = Scratch::empty().await;
    let found = look(&scratch, &scratch.app(), &SystemClock::default()).await;
    assert!(found.login.is_err() && found.steps.is_none());
    let missing: Vec<_> = found.findings.iter().map(|finding| finding.object.as_str()).collect();
    assert_eq!(missing, ["insula_control", "insula_tenant", "insula_keys"]);
    scratch.remove().await;
}

#[tokio::test]
async fn a_database_that_is_away_is_told() {
    let nowhere = crate::PostgresUrl::parse("postgres://app@127.0.0.1:9/insula", None).unwrap();
    let refused = examine(&nowhere, Holds::Data, Duration::from_secs(1), &SystemClock::default()).await.unwrap_err();
    assert!(refused.message().contains("not available"), "{refused}");
}
