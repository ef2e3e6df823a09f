//! Opening files: flags, pragmas, migrations.

use std::{fs::OpenOptions, io::ErrorKind, os::unix::fs::OpenOptionsExt, path::Path};

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

fn open_file(path: &Path, pragmas: &str) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.execute_batch(pragmas).map_err(failed)?;
    connection.execute_batch(DURABLE).map_err(failed)?;
    Ok(connection)
}

fn open_migrated(path: &Path, pragmas: &str, schema: &Schema) -> Result<Connection> {
    let mut connection = open_file(path, pragmas)?;
    schema.apply(&mut connection)?;
    Ok(connection)
}

/// Makes an empty file that its owner alone may read, where there is none; the files that SQLite puts beside it follow suit.
/// One that exists is not touched.
fn make_private(path: &Path) -> Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(Error::internal(error)),
        _ => Ok(()),
    }
}

/// Opens the control database, and makes it when absent. Waits for the disk.
pub(crate) fn open_control(path: &Path) -> Result<Db> {
    const WRITER: &str = "PRAGMA cache_size = -8192;";
    const READER: &str = "PRAGMA cache_size = -2048;";
    make_private(path)?;
    let writer = open_migrated(path, WRITER, &CONTROL)?;
    writer.set_prepared_statement_cache_capacity(64);
    let readers = (0..CONTROL_READERS).map(|_| open_file(path, READER)).collect::<Result<_>>()?;
    Ok(Db::Sqlite(SqliteDb::new(writer, readers)))
}

/// Opens the key store, and makes it when absent: deleted keys are overwritten with zeros. Waits for the disk.
pub(crate) fn open_keys(path: &Path) -> Result<Db> {
    const PRAGMAS: &str = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA secure_delete = ON; PRAGMA cache_size = -512;";
    make_private(path)?;
    Ok(Db::Sqlite(SqliteDb::new(open_migrated(path, PRAGMAS, &KEYS)?, Vec::new())))
}

/// Pages of 8 KiB, because a trace is some kilobytes: with 4 KiB most pages would hold one, and folding costs a third more.
/// Locked to this process: the index of the write-ahead log then needs no shared file. The cache is small because most
/// tenants are idle.
const TENANT_PRAGMAS: &str = "PRAGMA page_size = 8192; PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -256; \
    PRAGMA wal_autocheckpoint = 256;";

/// Opens a tenant's file, which must exist. Waits for the disk.
pub(crate) fn open_tenant(path: &Path) -> Result<Db> {
    let connection = open_migrated(path, TENANT_PRAGMAS, &TENANT)?;
    Ok(Db::Sqlite(SqliteDb::new(connection, Vec::new())))
}

/// The bytes of a tenant's file that holds nothing yet: writing them is several times faster than building the schema.
/// Uses `scratch`, a path of its own, and leaves nothing there. Waits for the disk.
pub(crate) fn tenant_template(scratch: &Path) -> Result<Vec<u8>> {
    // A start that was interrupted here may have left one behind.
    match std::fs::remove_file(scratch) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(Error::internal(error)),
        _ => {}
    }
    make_private(scratch)?;
    let connection = open_migrated(scratch, TENANT_PRAGMAS, &TENANT)?;
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
