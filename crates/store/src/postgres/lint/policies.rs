//! The policies: which may exist, and that those that must do.

use std::collections::BTreeMap;

use insula_model::Result;
use tokio_postgres::{Client, Row};

use super::{CURRENT_TENANT, Finding, tables::CARRIES_TENANT};
use crate::postgres::{
    error::failed,
    schemas::{Schema, names},
};

/// What the tenant role may read outside of its own schema, and by which column a row is its tenant's.
const READ_BY_TENANTS: &[(&str, &str)] = &[
    ("insula_control.keys", "tenant"),
    ("insula_control.ledger", "tenant"),
    ("insula_control.tag_sets", "tenant"),
    ("insula_control.end_users", "tenant"),
    ("insula_control.credits", "tenant"),
    ("insula_control.cache_hits", "tenant"),
    ("insula_control.spend_hour", "\"substring\"(subject, 2, 16)"),
];

/// One policy, as the catalogue writes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Policy {
    permissive: bool,
    /// `*` for all commands, `r` for SELECT.
    command: String,
    roles: Vec<String>,
    using: Option<String>,
    with_check: Option<String>,
}

impl Policy {
    /// For everything that a role does, reading and writing through the same expression.
    fn all(role: &str, expression: &str) -> Self {
        Self {
            permissive: true,
            command: "*".to_owned(),
            roles: vec![role.to_owned()],
            using: Some(expression.to_owned()),
            with_check: Some(expression.to_owned()),
        }
    }

    fn read(&self) -> Self {
        Self { command: "r".to_owned(), with_check: None, ..self.clone() }
    }
}

/// The policies that a table must have.
fn expected(schema: &str, table: &str) -> Vec<Policy> {
    if schema == Schema::Tenant.name() {
        return vec![Policy::all(schema, &format!("(tenant_id = {CURRENT_TENANT})"))];
    }
    let mut policies = vec![Policy::all(schema, "true")];
    if let Some((_, column)) = READ_BY_TENANTS.iter().find(|(known, _)| *known == table) {
        policies.push(Policy::all(Schema::Tenant.name(), &format!("({column} = uuid_send({CURRENT_TENANT}))")).read());
    }
    policies
}

fn read(row: &Row) -> Policy {
    Policy {
        permissive: row.get("permissive"),
        command: row.get("command"),
        roles: row.get("roles"),
        using: row.get("using"),
        with_check: row.get("with_check"),
    }
}

pub(super) async fn lint(client: &Client, schemas: &[Schema]) -> Result<Vec<Finding>> {
    const POLICIES: &str = "
        SELECT n.nspname || '.' || c.relname AS name, p.polname::text AS policy, p.polpermissive AS permissive,
            p.polcmd::text AS command,
            ARRAY(SELECT CASE WHEN role = 0 THEN 'PUBLIC' ELSE pg_get_userbyid(role)::text END FROM unnest(p.polroles) AS role)
                AS roles,
            pg_get_expr(p.polqual, p.polrelid) AS using, pg_get_expr(p.polwithcheck, p.polrelid) AS with_check
        FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ANY ($1::text[])";
    let schemas = names(schemas);
    let mut found: BTreeMap<String, Vec<(String, Policy)>> = BTreeMap::new();
    for row in client.query(POLICIES, &[&schemas]).await.map_err(failed)? {
        found.entry(row.get("name")).or_default().push((row.get("policy"), read(&row)));
    }
    let tables = format!("SELECT n.nspname::text AS schema, n.nspname || '.' || c.relname AS name {CARRIES_TENANT}");
    let mut findings = Vec::new();
    for row in client.query(&tables, &[&schemas]).await.map_err(failed)? {
        let table: &str = row.get("name");
        compare(table, &expected(row.get("schema"), table), found.remove(table).unwrap_or_default(), &mut findings);
    }
    // On tables that carry no tenant a policy can only hide rows from the server.
    for (table, policies) in found {
        compare(&table, &[], policies, &mut findings);
    }
    Ok(findings)
}

fn compare(table: &str, expected: &[Policy], found: Vec<(String, Policy)>, findings: &mut Vec<Finding>) {
    for wanted in expected.iter().filter(|wanted| !found.iter().any(|(_, policy)| policy == *wanted)) {
        let role = wanted.roles.join(", ");
        let command = if wanted.command == "r" { " FOR SELECT" } else { "" };
        let using = wanted.using.as_deref().unwrap_or_default();
        let check = wanted.with_check.as_deref().map(|check| format!(" WITH CHECK ({check})")).unwrap_or_default();
        let fix = format!("CREATE POLICY {role} ON {table}{command} TO {role} USING ({using}){check};");
        findings.push(Finding::new(table, format!("lacks the policy that holds {role} to its rows"), fix));
    }
    for (name, policy) in found.iter().filter(|(_, policy)| !expected.contains(policy)) {
        let says = match (&policy.using, &policy.with_check) {
            (Some(_), None) if policy.command == "*" => "has no WITH CHECK of its own",
            (None, _) if policy.command == "*" => "has no USING",
            _ => "is not one of ours: it may open rows to other tenants",
        };
        findings.push(Finding::new(format!("{table} ({name})"), says, format!("DROP POLICY {name} ON {table};")));
    }
}
