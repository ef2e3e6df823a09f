//! Opening files: flags, pragmas, migrations.

use std::path::Path;

use insula_model::{Error, Result};
use rusqlite::{Connection, OpenFlags};

use super::{
    SqliteDb,
    error::failed,
    migrations::{CONTROL, KEYS, Schema, TENANT},
};
use crate::query::Db;

/// For all files: every commit reaches the disk before it returns.
const DURABLE: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
    PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;";

/// How many connections read the control database beside its writer.
/// Two may be busy with long sums while others answer.
const CONTROL_READERS: usize = 4;

fn open_file(path: &Path, create: bool, pragmas: &str) -> Result<Connection> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, create);
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.execute_batch(pragmas).map_err(failed)?;
    connection.execute_batch(DURABLE).map_err(failed)?;
    Ok(connection)
}

fn open_migrated(path: &Path, create: bool, pragmas: &str, schema: &Schema) -> Result<Connection> {
    let mut connection = open_file(path, create, pragmas)?;
    schema.apply(&mut connection)?;
    Ok(connection)
}

/// Opens the control database, and makes it when absent. Waits for the disk.
pub(crate) fn open_control(path: &Path) -> Result<Db> {
    const WRITER: &str = "PRAGMA cache_size = -8192;";
    const READER: &str = "PRAGMA cache_size = -2048;";
    let writer = open_migrated(path, true, WRITER, &CONTROL)?;
    writer.set_prepared_statement_cache_capacity(64);
    let readers = (0..CONTROL_READERS).map(|_| open_file(path, false, READER)).collect::<Result<_>>()?;
    Ok(Db::Sqlite(SqliteDb::new(writer, readers)))
}

/// Opens the key store, and makes it when absent: deleted keys are overwritten with zeros. Waits for the disk.
pub(crate) fn open_keys(path: &Path) -> Result<Db> {
    const PRAGMAS: &str = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA secure_delete = ON; PRAGMA cache_size = -512;";
    Ok(Db::Sqlite(SqliteDb::new(open_migrated(path, true, PRAGMAS, &KEYS)?, Vec::new())))
}

/// Pages of 8 KiB, because a trace is some kilobytes: with 4 KiB most pages would hold one, and folding costs a third more.
/// Locked to this process: the index of the write-ahead log then needs no shared file. The cache is small because most
/// tenants are idle.
const TENANT_PRAGMAS: &str = "PRAGMA page_size = 8192; PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -256; \
    PRAGMA wal_autocheckpoint = 256;";

/// Opens a tenant's file, which must exist. Waits for the disk.
pub(crate) fn open_tenant(path: &Path) -> Result<Db> {
    let connection = open_migrated(path, false, TENANT_PRAGMAS, &TENANT)?;
    Ok(Db::Sqlite(SqliteDb::new(connection, Vec::new())))
}

/// The bytes of a tenant's file that holds nothing yet: writing them is several times faster than building the schema.
/// Uses `scratch`, a path of its own, and leaves nothing there. Waits for the disk.
pub(crate) fn tenant_template(scratch: &Path) -> Result<Vec<u8>> {
    // A start that was interrupted here may have left one behind.
    match std::fs::remove_file(scratch) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Error::internal(error)),
        _ => {}
    }
    let connection = open_migrated(scratch, true, TENANT_PRAGMAS, &TENANT)?;
    connection.close().map_err(|(_, error)| failed(error))?;
    // Closed: the write-ahead log is in the file and gone, and no lock of SQLite's hangs on the path any more.
    let template = std::fs::read(scratch).map_err(Error::internal)?;
    std::fs::remove_file(scratch).map_err(Error::internal)?;
    Ok(template)
}

/// An empty database without a file.
#[cfg(test)]
pub(crate) fn in_memory() -> Result<Db> {
    Connection::open_in_memory().map_err(failed).map(|connection| Db::Sqlite(SqliteDb::new(connection, Vec::new())))
}
