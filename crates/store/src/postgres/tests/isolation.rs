//! As one tenant, directly through the role that the server uses: nothing of another's is read, and nothing is written to it.
//!
//! The tables come from the catalogue, so that one that is added is tried too.

use std::{future::poll_fn, pin::pin};

use futures_core::Stream;
use tokio_postgres::{Client, SimpleQueryMessage, error::SqlState};

use super::{
    scratch::Scratch,
    tables::{Table, tables},
};

/// The two tenants, and one that never was.
const OWNER: &str = "0190a000-0000-7000-8000-00000000000a";
const STRANGER: &str = "0190b000-0000-7000-8000-00000000000b";
const NOBODY: &str = "0190c000-0000-7000-8000-00000000000c";

/// What one statement did: the rows that it answered, column by column, and how many it touched.
#[derive(Debug, Default)]
struct Done {
    rows: Vec<Vec<Option<String>>>,
    touched: u64,
}

/// One statement as a role, for a tenant or for none, and whether it is kept.
async fn run(client: &Client, role: &str, tenant: Option<&str>, sql: &str, end: &str) -> Result<Done, SqlState> {
    let acting = match tenant {
        Some(tenant) => format!("BEGIN; SET LOCAL ROLE {role}; SET LOCAL app.current_tenant = '{tenant}'"),
        None => format!("BEGIN; SET LOCAL ROLE {role}"),
    };
    client.batch_execute(&acting).await.unwrap();
    let answered = client.simple_query(sql).await;
    client.batch_execute(end).await.unwrap();
    let mut done = Done::default();
    for message in answered.map_err(|error| error.code().unwrap().clone())? {
        match message {
            SimpleQueryMessage::Row(row) => {
                done.rows.push((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect());
            }
            SimpleQueryMessage::CommandComplete(rows) => done.touched = rows,
            _ => {}
        }
    }
    Ok(done)
}

/// A statement of the stranger's, undone.
async fn stranger(client: &Client, sql: &str) -> Result<Done, SqlState> {
    run(client, "insula_tenant", Some(STRANGER), sql, "ROLLBACK").await
}

fn as_stranger() -> String {
    format!("BEGIN; SET LOCAL ROLE insula_tenant; SET LOCAL app.current_tenant = '{STRANGER}'")
}

/// A tenant's id as the control tables keep it.
fn id(tenant: &str) -> String {
    tenant.replace('-', "")
}

/// A row of a table, for a tenant; in its own tables the same for all of them.
fn row(table: &Table, tenant: &str) -> (String, String) {
    let own = if table.schema == "insula_tenant" { "01".to_owned() } else { id(tenant) };
    let needed = || table.columns.iter().filter(|column| column.filled && !column.preset);
    let names: Vec<&str> = needed().map(|column| column.name.as_str()).collect();
    let values: Vec<String> = needed()
        .map(|column| match (column.name.as_str(), column.kind.as_str()) {
            ("tenant", "bytea") => format!("'\\x{}'", id(tenant)),
            ("subject", "bytea") => format!("'\\x01{}'", id(tenant)),
            (_, "bytea") => format!("'\\x{own}'"),
            (_, "vector" | "public.vector") => "'[1,2,3]'".to_owned(),
            (_, "text") => format!("'{own}'"),
            (_, "bigint") => "1".to_owned(),
            (_, "timestamp with time zone") => "now()".to_owned(),
            (name, kind) => panic!("{}.{name} is {kind}", table.name()),
        })
        .collect();
    (names.join(", "), values.join(", "))
}

fn insert(table: &Table, tenant: &str) -> String {
    match row(table, tenant) {
        (names, _) if names.is_empty() => format!("INSERT INTO {} DEFAULT VALUES", table.name()),
        (names, values) => format!("INSERT INTO {} ({names}) VALUES ({values})", table.name()),
    }
}

/// The same with another's tenant id in it.
fn forged(table: &Table, tenant: &str) -> String {
    let (names, values) = row(table, STRANGER);
    let (comma, name) = (if names.is_empty() { "" } else { ", " }, table.name());
    format!("INSERT INTO {name} (tenant_id{comma}{names}) VALUES ('{tenant}'{comma}{values})")
}

/// A row of each tenant in every table that is a tenant's.
async fn furnished() -> (Scratch, Client, Vec<Table>) {
    let scratch = Scratch::migrated().await;
    let client = scratch.serve().await;
    let mut own = tables(&client, "insula_tenant").await;
    // What the others hang on comes first.
    own.sort_by_key(|table| match table.table.as_str() {
        "homes" => 0,
        "files" | "batches" => 1,
        _ => 2,
    });
    assert!(own.len() >= 3);
    for tenant in [OWNER, STRANGER] {
        for table in &own {
            run(&client, "insula_tenant", Some(tenant), &insert(table, tenant), "COMMIT").await.unwrap();
        }
    }
    (scratch, client, own)
}

/// What the superuser, whom no policy holds, sees of the owner.
async fn of_owner(admin: &Client, table: &Table) -> String {
    let sql = format!(
        "SELECT count(*) || ' ' || md5(coalesce(string_agg(t::text, ','), '')) FROM {} t WHERE tenant_id = '{OWNER}'",
        table.name()
    );
    admin.query_one(&sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn nothing_of_another_tenant_is_read() {
    let (scratch, client, tables) = furnished().await;
    let home = "insula_tenant.homes";
    for table in &tables {
        let name = table.name();
        let tenant_at = table.columns.iter().position(|column| column.name == "tenant_id").unwrap();
        let own = stranger(&client, &format!("SELECT * FROM {name}")).await.unwrap();
        assert_eq!(own.rows.len(), 1, "{name}: its own row");
        assert!(own.rows.iter().all(|row| row[tenant_at].as_deref() == Some(STRANGER)));
        for nothing in [
            format!("SELECT * FROM {name} WHERE tenant_id = '{OWNER}'"),
            format!("SELECT * FROM {name} WHERE tenant_id <> '{STRANGER}'"),
            format!("SELECT t.* FROM {name} t JOIN {home} h ON h.tenant_id = '{OWNER}'"),
            format!("SELECT t.* FROM {home} h LEFT JOIN {name} t ON t.tenant_id = '{OWNER}' WHERE t.tenant_id IS NOT NULL"),
            format!("SELECT t.* FROM {name} t, {name} u WHERE t.tenant_id <> u.tenant_id"),
            format!("SELECT * FROM {name} WHERE tenant_id IN (SELECT tenant_id FROM {name} WHERE tenant_id = '{OWNER}')"),
            format!("WITH w AS (TABLE {name}) SELECT * FROM w WHERE tenant_id = '{OWNER}'"),
            format!("SELECT * FROM {name} WHERE tenant_id = '{OWNER}' FOR KEY SHARE"),
        ] {
            match stranger(&client, &nothing).await {
                Ok(done) => assert_eq!(done.rows.len(), 0, "{nothing}"),
                Err(state) => {
                    assert!(nothing.contains("FOR KEY SHARE") && state == SqlState::INSUFFICIENT_PRIVILEGE, "{nothing}")
                }
            }
        }
        // An expression that fails on the owner's row alone would tell of it.
        let probe = format!("SELECT count(*) FROM {name} WHERE 1 / (CASE WHEN tenant_id = '{OWNER}' THEN 0 ELSE 1 END) = 1");
        assert_eq!(stranger(&client, &probe).await.unwrap().rows, [[Some("1".to_owned())]], "{probe}");
        for planned in [
            format!("EXPLAIN SELECT * FROM {name}"),
            format!("EXPLAIN ANALYZE SELECT * FROM {name} WHERE tenant_id = '{OWNER}'"),
        ] {
            let plan: String = stranger(&client, &planned).await.unwrap().rows.concat().into_iter().flatten().collect();
            assert!(plan.contains("app.current_tenant"), "{planned}: {plan}");
        }
        assert_eq!(copied(&client, &format!("COPY {name} TO STDOUT")).await.matches(OWNER).count(), 0);
    }
    scratch.remove().await;
}

/// What the stranger gets from `COPY .. TO STDOUT`.
async fn copied(client: &Client, sql: &str) -> String {
    client.batch_execute(&as_stranger()).await.unwrap();
    let mut out = String::new();
    {
        let mut chunks = pin!(client.copy_out(sql).await.unwrap());
        while let Some(chunk) = poll_fn(|cx| chunks.as_mut().poll_next(cx)).await {
            out.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
        }
    }
    client.batch_execute("ROLLBACK").await.unwrap();
    assert!(out.contains(STRANGER));
    out
}

#[tokio::test]
async fn nothing_is_written_to_another_tenant() {
    let (scratch, client, tables) = furnished().await;
    let admin = scratch.administer().await;
    for table in &tables {
        let (name, before) = (table.name(), of_owner(&admin, table).await);
        let key = table.key.join(", ");
        let set = table.key.iter().map(|column| format!("{column} = excluded.{column}")).collect::<Vec<_>>().join(", ");
        for sql in [
            format!("UPDATE {name} SET tenant_id = tenant_id WHERE tenant_id = '{OWNER}'"),
            format!("DELETE FROM {name} WHERE tenant_id = '{OWNER}'"),
            format!("DELETE FROM {name} WHERE tenant_id = '{OWNER}' RETURNING *"),
            format!("DELETE FROM {name} USING insula_tenant.homes h WHERE h.tenant_id = '{OWNER}'"),
        ] {
            match stranger(&client, &sql).await {
                Ok(done) => assert_eq!((done.touched, done.rows.len()), (0, 0), "{sql}"),
                Err(state) => assert_eq!(state, SqlState::INSUFFICIENT_PRIVILEGE, "{sql}"),
            }
        }
        let insert = forged(table, OWNER);
        for sql in [
            insert.clone(),
            format!("{insert} RETURNING *"),
            format!("{insert} ON CONFLICT DO NOTHING"),
            format!("{insert} ON CONFLICT ({key}) DO NOTHING"),
            format!("{insert} ON CONFLICT ({key}) DO UPDATE SET {set}"),
            format!("{insert} ON CONFLICT ({key}) DO UPDATE SET {set} RETURNING *"),
            format!("UPDATE {name} SET tenant_id = '{OWNER}'"),
            format!("WITH w AS ({insert} RETURNING 1) SELECT * FROM w"),
            format!(
                "MERGE INTO {name} t USING (SELECT 1) s ON t.tenant_id = '{OWNER}' WHEN NOT MATCHED THEN INSERT (tenant_id) VALUES ('{OWNER}')"
            ),
            format!("TRUNCATE {name} CASCADE"),
            format!("ALTER TABLE {name} DISABLE ROW LEVEL SECURITY"),
            format!("SET row_security = off; SELECT * FROM {name}"),
        ] {
            assert_eq!(stranger(&client, &sql).await.unwrap_err(), SqlState::INSUFFICIENT_PRIVILEGE, "{sql}");
        }
        // That the owner is there and that nobody is are the same refusal: a foreign key tells nothing.
        assert_eq!(stranger(&client, &forged(table, NOBODY)).await.unwrap_err(), SqlState::INSUFFICIENT_PRIVILEGE);
        // On a connection of its own: the client loses its place when a COPY is refused.
        let copying = scratch.serve().await;
        copying.batch_execute(&as_stranger()).await.unwrap();
        let refused = copying.copy_in::<_, &[u8]>(&format!("COPY {name} FROM STDIN")).await.err().unwrap();
        assert_eq!(refused.code(), Some(&SqlState::FEATURE_NOT_SUPPORTED));
        // Whatever the stranger does to all that it sees is done to its own.
        if let Ok(done) = stranger(&client, &format!("DELETE FROM {name}")).await {
            assert_eq!(done.touched, 1);
        }
        assert_eq!(of_owner(&admin, table).await, before, "{name}");
    }
    // The stranger leaves, and the owner's rows stay.
    let mut before = Vec::new();
    for table in &tables {
        before.push(of_owner(&admin, table).await);
    }
    run(&client, "insula_tenant", Some(STRANGER), "DELETE FROM insula_tenant.homes", "COMMIT").await.unwrap();
    for (table, before) in tables.iter().zip(before) {
        assert_eq!(of_owner(&admin, table).await, before);
    }
    scratch.remove().await;
}

#[tokio::test]
async fn without_a_tenant_nothing_is_there() {
    let (scratch, client, tables) = furnished().await;
    for table in &tables {
        let (name, select) = (table.name(), format!("SELECT * FROM {}", table.name()));
        for nobody in [None, Some(""), Some(NOBODY)] {
            assert_eq!(run(&client, "insula_tenant", nobody, &select, "ROLLBACK").await.unwrap().rows.len(), 0, "{name}");
        }
        for garbage in ["x", "*", "%", "0190a000", "0190a000-0000-7000-8000-00000000000a OR true", "{}"] {
            let refused = run(&client, "insula_tenant", Some(garbage), &select, "ROLLBACK").await.unwrap_err();
            assert_eq!(refused, SqlState::INVALID_TEXT_REPRESENTATION, "{name}: {garbage}");
        }
        for nobody in [None, Some("")] {
            assert!(run(&client, "insula_tenant", nobody, &insert(table, OWNER), "ROLLBACK").await.is_err());
            assert!(run(&client, "insula_tenant", nobody, &forged(table, OWNER), "ROLLBACK").await.is_err());
        }
        // The control role and the keys' role have no business here.
        for role in ["insula_control", "insula_keys"] {
            assert_eq!(
                run(&client, role, Some(OWNER), &select, "ROLLBACK").await.unwrap_err(),
                SqlState::INSUFFICIENT_PRIVILEGE
            );
        }
    }
    scratch.remove().await;
}

#[tokio::test]
async fn an_erased_home_takes_all_with_it_and_nothing_comes_back() {
    let (scratch, client, tables) = furnished().await;
    let admin = scratch.administer().await;
    run(&client, "insula_tenant", Some(OWNER), "DELETE FROM insula_tenant.homes", "COMMIT").await.unwrap();
    for table in &tables {
        assert!(of_owner(&admin, table).await.starts_with("0 "));
        assert_eq!(stranger(&client, &format!("SELECT * FROM {}", table.name())).await.unwrap().rows.len(), 1);
        if table.table != "homes" {
            let late = run(&client, "insula_tenant", Some(OWNER), &insert(table, OWNER), "COMMIT").await;
            assert_eq!(late.unwrap_err(), SqlState::FOREIGN_KEY_VIOLATION);
        }
    }
    scratch.remove().await;
}

#[tokio::test]
async fn control_tables_show_a_tenant_only_its_own() {
    let scratch = Scratch::migrated().await;
    let client = scratch.serve().await;
    // Tables that tenants read in part; of the rest they know nothing.
    let read = ["keys", "ledger", "spend_hour", "tag_sets", "end_users", "credits", "cache_hits"];
    for table in tables(&client, "insula_control").await {
        for tenant in [OWNER, STRANGER] {
            let written = run(&client, "insula_control", None, &insert(&table, tenant), "COMMIT").await;
            written.unwrap_or_else(|state| panic!("{}: {state:?}", table.name()));
        }
        let name = table.name();
        let columns: Vec<&str> =
            table.columns.iter().map(|column| column.name.as_str()).filter(|name| *name != "hash").collect();
        let select = format!("SELECT {} FROM {name}", columns.join(", "));
        match stranger(&client, &select).await {
            Ok(done) if read.contains(&table.table.as_str()) => {
                assert_eq!(done.rows.len(), 1, "{name}");
                let text = format!("{:?}", done.rows);
                assert!(text.contains(&id(STRANGER)) && !text.contains(&id(OWNER)), "{text}");
                for nobody in [None, Some("")] {
                    assert!(run(&client, "insula_tenant", nobody, &select, "ROLLBACK").await.unwrap().rows.is_empty());
                }
            }
            answered => assert_eq!(answered.unwrap_err(), SqlState::INSUFFICIENT_PRIVILEGE, "{name}"),
        }
        // The last one: of some tables the first may not even be named in an UPDATE.
        let column = columns[columns.len() - 1];
        for sql in [
            insert(&table, STRANGER),
            format!("UPDATE {name} SET {column} = {column}"),
            format!("DELETE FROM {name}"),
            format!("TRUNCATE {name}"),
            format!("SELECT {column} FROM {name} FOR UPDATE"),
        ] {
            assert_eq!(stranger(&client, &sql).await.unwrap_err(), SqlState::INSUFFICIENT_PRIVILEGE, "{sql}");
        }
    }
    for hidden in ["SELECT hash FROM insula_control.keys", "SELECT * FROM insula_control.keys", "TABLE insula_keys.tenant_keys"]
    {
        assert_eq!(stranger(&client, hidden).await.unwrap_err(), SqlState::INSUFFICIENT_PRIVILEGE, "{hidden}");
    }
    // What is in the ledger stays, whoever asks.
    for sql in ["UPDATE insula_control.ledger SET cost = 0", "DELETE FROM insula_control.ledger"] {
        let refused = run(&client, "insula_control", None, sql, "ROLLBACK").await.unwrap_err();
        assert_eq!(refused, SqlState::INSUFFICIENT_PRIVILEGE, "{sql}");
    }
    scratch.remove().await;
}

#[tokio::test]
async fn the_login_itself_and_the_owner_read_nothing() {
    let (scratch, client, own) = furnished().await;
    let mut all = own;
    for schema in ["insula_control", "insula_keys"] {
        all.extend(tables(&client, schema).await);
    }
    let refused = async |sql: &str| {
        let state = client.simple_query(sql).await.unwrap_err().code().cloned();
        assert_eq!(state, Some(SqlState::INSUFFICIENT_PRIVILEGE), "{sql}");
    };
    for table in &all {
        let select = format!("SELECT * FROM {}", table.name());
        refused(&select).await;
        refused(&format!("SET app.current_tenant = '{OWNER}'; {select}")).await;
        refused(&format!("SET ROLE insula_tenant; RESET ROLE; {select}")).await;
        refused(&format!("BEGIN; SET LOCAL ROLE insula_tenant; COMMIT; {select}")).await;
        refused(&format!("SET ROLE insula_tenant; SET SESSION AUTHORIZATION DEFAULT; {select}")).await;
        client.batch_execute("RESET app.current_tenant").await.unwrap();
    }
    for way_out in [
        "SET ROLE postgres",
        &format!("SET ROLE {}_owner", scratch.name),
        &format!("SET SESSION AUTHORIZATION {}_owner", scratch.name),
    ] {
        assert!(client.batch_execute(way_out).await.is_err(), "{way_out}");
    }
    // A role that was taken for longer than a transaction still has no tenant.
    for table in all.iter().filter(|table| table.schema == "insula_tenant") {
        let select = format!("SET ROLE insula_tenant; SELECT * FROM {}", table.name());
        let rows = client.simple_query(&select).await.unwrap();
        assert!(!rows.iter().any(|message| matches!(message, SimpleQueryMessage::Row(_))), "{select}");
        client.batch_execute("RESET ROLE").await.unwrap();
    }
    let owner = scratch.own().await;
    for table in all.iter().filter(|table| table.schema == "insula_tenant") {
        let rows = owner.query(&format!("SELECT * FROM {}", table.name()), &[]).await.unwrap();
        assert_eq!(rows.len(), 0, "{}", table.name());
    }
    scratch.remove().await;
}
