//! What differs between the engines in the text of a query, and nothing else.

use std::{collections::HashMap, sync::OnceLock};

use parking_lot::RwLock;

/// The query for SQLite. There `$1` is a *name*, numbered by where it first appears; `?1` is the first parameter.
///
/// Each literal is rewritten once; later calls find it by its address. What is kept is bounded by the queries in the code.
pub(crate) fn sqlite_sql(sql: &'static str) -> &'static str {
    static REWRITTEN: OnceLock<RwLock<HashMap<(usize, usize), &'static str>>> = OnceLock::new();
    let rewritten = REWRITTEN.get_or_init(RwLock::default);
    let address = (sql.as_ptr() as usize, sql.len());
    if let Some(known) = rewritten.read().get(&address) {
        return known;
    }
    rewritten.write().entry(address).or_insert_with(|| Box::leak(number_parameters(sql).into_boxed_str()))
}

/// The query for PostgreSQL, where every unique index of a tenant's table begins with the tenant: there a conflict is one of
/// (tenant, columns).
pub(crate) fn postgres_sql(sql: &'static str, of_tenant: bool) -> &'static str {
    static REWRITTEN: OnceLock<RwLock<HashMap<(usize, usize), &'static str>>> = OnceLock::new();
    if !of_tenant || !sql.contains(ON_CONFLICT) {
        return sql;
    }
    let rewritten = REWRITTEN.get_or_init(RwLock::default);
    let address = (sql.as_ptr() as usize, sql.len());
    if let Some(known) = rewritten.read().get(&address) {
        return known;
    }
    let of_this_tenant = || Box::leak(sql.replace(ON_CONFLICT, "ON CONFLICT (tenant_id, ").into_boxed_str());
    rewritten.write().entry(address).or_insert_with(|| of_this_tenant())
}

/// Asks below which `entry` nothing can appear in the ledger any more. One fold writes a file, and its batches have rising
/// numbers: what is seen is complete.
pub(super) const SQLITE_COMPLETE_BELOW: &str = "SELECT COALESCE(MAX(entry) + 1, 0) AS entry FROM ledger";

/// The same, where nodes write beside each other: a transaction with a lower number may be committed after one with a higher, so
/// only what is older than the oldest that still runs is complete.
pub(super) const POSTGRES_COMPLETE_BELOW: &str =
    "SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT) AS BIGINT) AS entry";

const ON_CONFLICT: &str = "ON CONFLICT (";

fn number_parameters(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut chars = sql.chars().peekable();
    while let Some(c) = chars.next() {
        let is_parameter = c == '$' && chars.peek().is_some_and(char::is_ascii_digit);
        out.push(if is_parameter { '?' } else { c });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_become_positions() {
        let sql = "SELECT $2, $1, '$', $10 FROM t";
        assert_eq!(sqlite_sql(sql), "SELECT ?2, ?1, '$', ?10 FROM t");
        assert_eq!(sqlite_sql(sql).as_ptr(), sqlite_sql(sql).as_ptr(), "rewritten once");
    }

    #[test]
    fn a_conflict_is_within_the_tenant() {
        let sql = "INSERT INTO t (a) VALUES ($1) ON CONFLICT (a) DO NOTHING";
        assert_eq!(postgres_sql(sql, true), "INSERT INTO t (a) VALUES ($1) ON CONFLICT (tenant_id, a) DO NOTHING");
        assert_eq!(postgres_sql(sql, false), sql);
        assert_eq!(postgres_sql("SELECT 1", true), "SELECT 1");
    }
}
