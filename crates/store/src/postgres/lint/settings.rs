//! What a connection is given before it says anything.

use insula_model::Result;
use tokio_postgres::Client;

use super::Finding;
use crate::postgres::{
    error::failed,
    schemas::{Schema, names, quoted},
};

/// No setting that decides what names mean, who acts or what is checked is set for the database, our roles or who may act as
/// them.
pub(super) async fn lint(client: &Client, schemas: &[Schema]) -> Result<Vec<Finding>> {
    const SETTINGS: &str = "
        WITH RECURSIVE serving (oid) AS (
            SELECT oid FROM pg_catalog.pg_roles WHERE rolname = ANY ($1::text[]) OR rolname = session_user
            UNION
            SELECT a.member FROM pg_catalog.pg_auth_members a JOIN serving ON a.roleid = serving.oid
                WHERE COALESCE(to_jsonb(a) ->> 'set_option', 'true') = 'true'
        )
        SELECT r.rolname::text AS role, d.datname::text AS database, split_part(entry, '=', 1) AS setting
        FROM pg_catalog.pg_db_role_setting s CROSS JOIN LATERAL unnest(s.setconfig) AS entry
        LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
        WHERE (s.setdatabase = 0 OR d.datname = current_database())
            AND (s.setrole = 0 OR s.setrole IN (SELECT oid FROM serving))
            AND lower(split_part(entry, '=', 1))
                IN ('search_path', 'role', 'row_security', 'session_replication_role', 'app.current_tenant')";
    let mut findings = Vec::new();
    for row in client.query(SETTINGS, &[&names(schemas)]).await.map_err(failed)? {
        let (role, database): (Option<&str>, Option<&str>) = (row.get("role"), row.get("database"));
        let setting: &str = row.get("setting");
        let (object, whose) = match (role, database) {
            (Some(role), Some(database)) => {
                (role.to_owned(), format!("ROLE {} IN DATABASE {}", quoted(role), quoted(database)))
            }
            (Some(role), None) => (role.to_owned(), format!("ROLE {}", quoted(role))),
            (None, Some(database)) => (format!("DATABASE {database}"), format!("DATABASE {}", quoted(database))),
            (None, None) => ("ALL ROLES".to_owned(), "ROLE ALL".to_owned()),
        };
        findings.push(Finding::new(
            object,
            format!("sets {setting} for its connections"),
            format!("ALTER {whose} RESET {setting};"),
        ));
    }
    Ok(findings)
}

/// What an operator may want to mend though it opens nothing by itself. PostgreSQL gives it for every new database.
pub(crate) async fn notes(client: &Client) -> Result<Vec<Finding>> {
    const CONNECT: &str = "
        SELECT DISTINCT d.datname::text AS database FROM pg_catalog.pg_database d
        CROSS JOIN LATERAL aclexplode(COALESCE(d.datacl, acldefault('d', d.datdba))) AS acl
        WHERE d.datname = current_database() AND acl.grantee = 0 AND acl.privilege_type = 'CONNECT'";
    let rows = client.query(CONNECT, &[]).await.map_err(failed)?;
    let note = |database: &str| {
        let fix = format!(
            "GRANT CONNECT ON DATABASE {0} TO the roles that need it; REVOKE CONNECT ON DATABASE {0} FROM PUBLIC;",
            quoted(database)
        );
        Finding::new(format!("DATABASE {database}"), "every role of the server may connect to it", fix)
    };
    Ok(rows.iter().map(|row| note(row.get("database"))).collect())
}
