//! The roles that hold the rights, and who may act as them.

use insula_model::{Error, ErrorKind, Result};
use tokio_postgres::{Client, error::SqlState};

use super::{
    error::failed,
    migrations::Migrated,
    schemas::{Schema, names, quoted},
};

/// Makes the schemas' roles where they are missing.
pub(super) async fn make_roles(client: &Client, schemas: &[Schema], migrated: &mut Migrated) -> Result<()> {
    let find = "SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolname = ANY ($1::text[])";
    let found = client.query(find, &[&names(schemas)]).await.map_err(failed)?;
    let found: Vec<String> = found.iter().map(|row| row.get(0)).collect();
    let missing: Vec<&str> = names(schemas).into_iter().filter(|role| !found.iter().any(|known| known == role)).collect();
    let statement = |role: &str| format!("CREATE ROLE {role} NOLOGIN NOINHERIT");
    let by_hand: Vec<String> = missing.iter().map(|role| statement(role) + ";").collect();
    for role in missing {
        if run(client, &statement(role), &by_hand).await? {
            migrated.roles.push(role.to_owned());
        }
    }
    Ok(())
}

/// Lets the server's login act as the roles, by asking for each; it must not have their rights all the time.
pub(super) async fn grant_login(client: &Client, schemas: &[Schema], login: &str, migrated: &mut Migrated) -> Result<()> {
    check_candidate(client, schemas, login).await?;
    let find = "SELECT r.rolname::text FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles r ON r.oid = m.roleid \
                JOIN pg_catalog.pg_roles l ON l.oid = m.member WHERE l.rolname = $1";
    let held = client.query(find, &[&login]).await.map_err(failed)?;
    let held: Vec<String> = held.iter().map(|row| row.get(0)).collect();
    let missing: Vec<&str> = names(schemas).into_iter().filter(|role| !held.iter().any(|known| known == role)).collect();
    let statement = |role: &str| format!("GRANT {role} TO {}", quoted(login));
    let by_hand: Vec<String> = missing.iter().map(|role| statement(role) + ";").collect();
    for role in missing {
        if run(client, &statement(role), &by_hand).await? {
            migrated.granted.push(role.to_owned());
        }
    }
    Ok(())
}

/// Refuses a role that would have rights of its own.
async fn check_candidate(client: &Client, schemas: &[Schema], login: &str) -> Result<()> {
    let name = quoted(login);
    if names(schemas).contains(&login) {
        return Err(Error::invalid(format!("{name} holds the rights and logs in nowhere; name the role that the server uses")));
    }
    let find =
        "SELECT rolinherit, rolsuper OR rolbypassrls, rolname = current_user FROM pg_catalog.pg_roles WHERE rolname = $1";
    let Some(role) = client.query_opt(find, &[&login]).await.map_err(failed)? else {
        let fix = format!("CREATE ROLE {name} LOGIN NOINHERIT PASSWORD '...';");
        return Err(Error::invalid(format!("there is no role {name}; make it with: {fix}")));
    };
    let (inherits, bypasses, owns): (bool, bool, bool) = (role.get(0), role.get(1), role.get(2));
    if owns {
        return Err(Error::invalid(format!("{name} owns the tables; the server logs in with a role that owns nothing")));
    }
    if bypasses {
        let fix = format!("ALTER ROLE {name} NOSUPERUSER NOBYPASSRLS;");
        return Err(Error::invalid(format!("{name} bypasses row-level security; change it with: {fix}")));
    }
    if inherits {
        let fix = format!("ALTER ROLE {name} NOINHERIT;");
        return Err(Error::invalid(format!("{name} would have all roles' rights at once; change it with: {fix}")));
    }
    Ok(())
}

/// Runs one statement; false when another migration was faster. Roles belong to the whole server, so that one of another
/// database may do the same at the same moment.
async fn run(client: &Client, statement: &str, by_hand: &[String]) -> Result<bool> {
    let Err(error) = client.batch_execute(statement).await else { return Ok(true) };
    match error.code() {
        Some(&SqlState::DUPLICATE_OBJECT | &SqlState::UNIQUE_VIOLATION) => Ok(false),
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            let message = format!(
                "the owner role may not make or grant roles; have a database administrator run this, then migrate again: {}",
                by_hand.join(" ")
            );
            Err(Error::new(ErrorKind::Forbidden, message).caused_by(error))
        }
        _ => Err(failed(error)),
    }
}
