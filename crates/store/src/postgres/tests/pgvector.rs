//! What pgvector searches is an addition: what it needs is said, and the catalogue proves it like all else.

use insula_model::ErrorKind;

use super::scratch::Scratch;
use crate::postgres::{Migrated, Schema, check_pgvector, check_steps, examine_pgvector, migrate, migrate_pgvector};

const CONNECT_MAX: std::time::Duration = std::time::Duration::from_secs(10);

#[tokio::test]
async fn without_the_extension_everything_else_works_and_the_way_is_told() {
    let scratch = Scratch::without_pgvector().await;
    let client = scratch.serve().await;
    check_steps(&client, Schema::ALL).await.unwrap();
    assert_eq!(scratch.findings(&client, Schema::ALL).await, []);
    let url = scratch.url(&scratch.app());
    for refused in [
        migrate_pgvector(&scratch.owner()).await.unwrap_err(),
        check_pgvector(&client).await.unwrap_err(),
        examine_pgvector(&url, CONNECT_MAX).await.unwrap_err(),
    ] {
        assert_eq!(*refused.kind(), ErrorKind::Invalid);
        assert!(refused.message().contains("a superuser run in it: CREATE EXTENSION vector SCHEMA public;"), "{refused}");
    }
    scratch.administer().await.batch_execute("CREATE EXTENSION vector SCHEMA public").await.unwrap();
    let refused = check_pgvector(&client).await.unwrap_err();
    assert!(refused.message().contains("run `insula migrate`"), "{refused}");
    let migrated = migrate_pgvector(&scratch.owner()).await.unwrap();
    assert_eq!(migrated.steps, ["insula_tenant/pgvector_0001_embeddings"]);
    assert!(examine_pgvector(&url, CONNECT_MAX).await.unwrap().starts_with("pgvector 0."));
    scratch.remove().await;
}

#[tokio::test]
async fn a_second_migration_changes_nothing_and_the_first_schemas_know_of_it() {
    let scratch = Scratch::migrated().await;
    assert_eq!(migrate_pgvector(&scratch.owner()).await.unwrap(), Migrated::default());
    assert_eq!(migrate(&scratch.owner(), None, Some(&scratch.app())).await.unwrap(), Migrated::default());
    let client = scratch.serve().await;
    check_steps(&client, Schema::ALL).await.unwrap();
    assert_eq!(scratch.findings(&client, Schema::ALL).await, []);
    scratch.remove().await;
}

#[tokio::test]
async fn the_extension_may_be_anywhere_that_the_tenants_role_may_use() {
    let scratch = Scratch::without_pgvector().await;
    let (admin, client, owner) = (scratch.administer().await, scratch.serve().await, format!("{}_owner", scratch.name));
    let made = format!(
        "CREATE SCHEMA \"Vectors\"; GRANT USAGE ON SCHEMA \"Vectors\" TO {owner}; CREATE EXTENSION vector SCHEMA \"Vectors\""
    );
    admin.batch_execute(&made).await.unwrap();
    migrate_pgvector(&scratch.owner()).await.unwrap();
    let refused = check_pgvector(&client).await.unwrap_err();
    let grant = "GRANT USAGE ON SCHEMA \"Vectors\" TO insula_tenant;";
    assert!(refused.message().contains(grant), "{refused}");
    admin.batch_execute(grant).await.unwrap();
    assert_eq!(check_pgvector(&client).await.unwrap().schema, "\"Vectors\"");
    assert_eq!(scratch.findings(&client, Schema::ALL).await, []);
    scratch.remove().await;
}

#[tokio::test]
async fn what_is_changed_by_hand_is_found() {
    let scratch = Scratch::migrated().await;
    let (admin, client) = (scratch.administer().await, scratch.serve().await);
    for (breaks, object) in [
        ("ALTER TABLE insula_tenant.embeddings NO FORCE ROW LEVEL SECURITY", "insula_tenant.embeddings"),
        ("GRANT UPDATE ON insula_tenant.embeddings TO insula_tenant", "insula_tenant.embeddings"),
        ("DROP POLICY tenant ON insula_tenant.embeddings_kept", "insula_tenant.embeddings_kept"),
        ("CREATE UNIQUE INDEX one ON insula_tenant.embeddings (chunk)", "insula_tenant.embeddings (one)"),
        // Code that is not the extension's has no business in an index.
        (
            "CREATE FUNCTION public.tell(bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT $1'; \
             CREATE INDEX told ON insula_tenant.embeddings (public.tell(chunk))",
            "insula_tenant.embeddings",
        ),
    ] {
        let before = scratch.findings(&client, Schema::ALL).await.len();
        admin.batch_execute(breaks).await.unwrap();
        let findings = scratch.findings(&client, Schema::ALL).await;
        assert!(findings.len() > before && findings.iter().any(|finding| finding.object == object), "{breaks}: {findings:?}");
    }
    scratch.remove().await;
}
