//! A login that could read past the policies does not serve.

use insula_model::ErrorKind;

use super::scratch::Scratch;
use crate::postgres::{Schema, check_login};

#[tokio::test]
async fn a_login_without_rights_serves() {
    let scratch = Scratch::migrated().await;
    check_login(&scratch.serve().await, Schema::ALL).await.unwrap();
    scratch.remove().await;
}

#[tokio::test]
async fn every_way_around_the_policies_is_refused() {
    let scratch = Scratch::migrated().await;
    let (admin, name, app) = (scratch.administer().await, &scratch.name, scratch.app());
    admin.batch_execute(&format!("CREATE ROLE {name}_mighty NOLOGIN; CREATE ROLE {name}_group NOLOGIN")).await.unwrap();
    for (breaks, said, mends) in [
        (format!("ALTER ROLE {app} SUPERUSER"), "NOSUPERUSER", format!("ALTER ROLE {app} NOSUPERUSER")),
        (format!("ALTER ROLE {app} BYPASSRLS"), "NOBYPASSRLS", format!("ALTER ROLE {app} NOBYPASSRLS")),
        (format!("ALTER ROLE {app} CREATEROLE"), "NOCREATEROLE", format!("ALTER ROLE {app} NOCREATEROLE")),
        (format!("ALTER ROLE {app} REPLICATION"), "NOREPLICATION", format!("ALTER ROLE {app} NOREPLICATION")),
        (format!("ALTER ROLE {app} INHERIT"), "NOINHERIT", format!("ALTER ROLE {app} NOINHERIT")),
        // From PostgreSQL 16 on only who granted something takes it back.
        (
            format!("REVOKE insula_tenant FROM {app} GRANTED BY {name}_owner"),
            "insula migrate",
            format!("GRANT insula_tenant TO {app}"),
        ),
        (format!("GRANT pg_read_all_data TO {app}"), "pg_read_all_data", format!("REVOKE pg_read_all_data FROM {app}")),
        (
            format!("ALTER TABLE insula_tenant.requests OWNER TO {app}"),
            "ALTER TABLE insula_tenant.requests OWNER",
            format!("ALTER TABLE insula_tenant.requests OWNER TO {name}_owner"),
        ),
        (
            format!("ALTER SCHEMA insula_keys OWNER TO {app}"),
            "ALTER SCHEMA insula_keys OWNER",
            format!("ALTER SCHEMA insula_keys OWNER TO {name}_owner"),
        ),
        (
            format!("GRANT {name}_owner TO {app}"),
            "_owner, which it can become, is an owner",
            format!("REVOKE {name}_owner FROM {app}"),
        ),
        // Not the login's own role, but one that it can reach through another.
        (
            format!("ALTER ROLE {name}_mighty BYPASSRLS; GRANT {name}_mighty TO {name}_group; GRANT {name}_group TO {app}"),
            "_mighty, which it can become, bypasses",
            format!("REVOKE {name}_group FROM {app}"),
        ),
    ] {
        admin.batch_execute(&breaks).await.unwrap();
        let refused = check_login(&scratch.serve().await, Schema::ALL).await.unwrap_err();
        assert_eq!(*refused.kind(), ErrorKind::Invalid);
        assert!(refused.message().contains(said) && refused.message().contains(&app), "{breaks}: {refused}");
        admin.batch_execute(&mends).await.unwrap();
        check_login(&scratch.serve().await, Schema::ALL).await.unwrap();
    }
    admin.batch_execute(&format!("DROP ROLE {name}_group; DROP ROLE {name}_mighty")).await.unwrap();
    scratch.remove().await;
}

#[tokio::test]
async fn the_owner_and_the_superuser_do_not_serve() {
    let scratch = Scratch::migrated().await;
    let owner = scratch.own().await;
    for client in [scratch.administer().await, owner] {
        assert_eq!(*check_login(&client, Schema::ALL).await.unwrap_err().kind(), ErrorKind::Invalid);
    }
    scratch.remove().await;
}
