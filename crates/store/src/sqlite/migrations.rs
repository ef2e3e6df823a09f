//! Schemas and the steps between their versions.

use std::time::Duration;

use insula_model::{Error, ErrorKind, Result};
use rusqlite::Connection;

use super::error::failed;

/// The steps of one kind of file; `user_version` counts those that were taken.
pub(super) struct Schema {
    /// What the file is, for messages.
    name: &'static str,
    steps: &'static [&'static str],
}

/// The control database.
pub(super) const CONTROL: Schema =
    Schema { name: "the control database", steps: &[include_str!("schema/control/0001_foundation.sql")] };

/// The key store.
pub(super) const KEYS: Schema = Schema { name: "the key store", steps: &[include_str!("schema/keys/0001_foundation.sql")] };

/// One tenant's file.
pub(super) const TENANT: Schema =
    Schema { name: "this tenant's file", steps: &[include_str!("schema/tenant/0001_foundation.sql")] };

impl Schema {
    /// Takes the steps that are missing, each in one transaction with its number.
    pub(super) fn apply(&self, connection: &mut Connection) -> Result<()> {
        let taken: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failed)?;
        let missing = self.steps.get(taken as usize..).unwrap_or_default();
        if taken as usize > self.steps.len() {
            let message = format!("{} was written by a newer version of Insula; start that version", self.name);
            return Err(Error::new(ErrorKind::Unavailable { retry_after: Duration::from_secs(60) }, message));
        }
        for (number, step) in (taken + 1..).zip(missing) {
            let tx = connection.transaction().map_err(failed)?;
            tx.execute_batch(step).map_err(failed)?;
            tx.pragma_update(None, "user_version", number).map_err(failed)?;
            tx.commit().map_err(failed)?;
        }
        Ok(())
    }
}
