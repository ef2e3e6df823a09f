//! Both engines have the same tables, but for those that are listed.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use tokio_postgres::Client;

use super::scratch::Scratch;
use crate::{
    conformance::differences::{CLUSTER_ONLY, CLUSTER_ONLY_COLUMN, EMBEDDED_ONLY},
    sqlite,
};

/// One column; the order is that of its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: String,
    /// Never NULL.
    pub(super) filled: bool,
    /// Filled by itself.
    pub(super) preset: bool,
}

/// One table, its columns in their order, and its primary key.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) schema: String,
    pub(super) table: String,
    pub(super) columns: Vec<Column>,
    pub(super) key: Vec<String>,
}

impl Table {
    pub(super) fn name(&self) -> String {
        format!("{}.{}", self.schema, self.table)
    }
}

/// The tables of a schema from the catalogue, the list of steps aside.
pub(super) async fn tables(client: &Client, schema: &str) -> Vec<Table> {
    let sql = "
        SELECT c.relname::text AS table, a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS kind,
            a.attnotnull AS filled, a.atthasdef OR a.attidentity <> '' AS preset,
            COALESCE(a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]), false) AS in_key
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
        WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND c.relname <> 'schema_steps' ORDER BY c.relname, a.attnum";
    let mut tables: Vec<Table> = Vec::new();
    for row in client.query(sql, &[&schema]).await.unwrap() {
        let table: String = row.get("table");
        if tables.last().is_none_or(|last| last.table != table) {
            tables.push(Table { schema: schema.to_owned(), table, columns: Vec::new(), key: Vec::new() });
        }
        let last = tables.last_mut().unwrap();
        let column =
            Column { name: row.get("name"), kind: row.get("kind"), filled: row.get("filled"), preset: row.get("preset") };
        if row.get("in_key") {
            last.key.push(column.name.clone());
        }
        last.columns.push(column);
    }
    tables
}

/// A table's columns and the columns of its key, as both engines must have them.
type Shape = (BTreeSet<(String, String, bool)>, BTreeSet<String>);

fn embedded(file: &std::path::Path) -> BTreeMap<String, Shape> {
    let connection = Connection::open(file).unwrap();
    let mut statement = connection
        .prepare("SELECT m.name, c.name, c.type, c.\"notnull\", c.pk FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table'")
        .unwrap();
    let mut tables: BTreeMap<String, Shape> = BTreeMap::new();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let (table, name, kind): (String, String, String) = (row.get(0).unwrap(), row.get(1).unwrap(), row.get(2).unwrap());
        let kind = match kind.as_str() {
            "BLOB" => "bytea",
            "INTEGER" => "bigint",
            "TEXT" => "text",
            other => panic!("{table}.{name} is {other}"),
        };
        let shape = tables.entry(table).or_default();
        shape.0.insert((name.clone(), kind.to_owned(), row.get(3).unwrap()));
        if row.get::<_, i64>(4).unwrap() > 0 {
            shape.1.insert(name);
        }
    }
    tables
}

#[tokio::test]
async fn common_tables_have_the_same_columns() {
    let scratch = Scratch::migrated().await;
    let client = scratch.serve().await;
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    drop(sqlite::open_control(&file("control")).unwrap());
    drop(sqlite::open_keys(&file("keys")).unwrap());
    std::fs::write(file("tenant"), sqlite::tenant_template(&file("scratch")).unwrap()).unwrap();
    let mut compared = 0;
    for kind in ["control", "tenant", "keys"] {
        let mut embedded = embedded(&file(kind));
        for table in tables(&client, &format!("insula_{kind}")).await {
            let Some((columns, key)) = embedded.remove(&table.table) else {
                assert!(CLUSTER_ONLY.contains(&table.table.as_str()), "{} is on one engine only", table.name());
                continue;
            };
            assert!(!CLUSTER_ONLY.contains(&table.table.as_str()), "{} is on both engines", table.name());
            let common = |column: &&Column| column.name != CLUSTER_ONLY_COLUMN;
            let found = table.columns.iter().filter(common);
            let found: BTreeSet<_> = found.map(|column| (column.name.clone(), column.kind.clone(), column.filled)).collect();
            assert_eq!(found, columns, "{}", table.name());
            let found: BTreeSet<_> = table.key.iter().filter(|name| *name != CLUSTER_ONLY_COLUMN).cloned().collect();
            assert_eq!(found, key, "{}", table.name());
            compared += 1;
        }
        for table in embedded.keys() {
            assert!(EMBEDDED_ONLY.contains(&table.as_str()), "{table} is on one engine only");
        }
    }
    assert!(compared >= 13);
    scratch.remove().await;
}
