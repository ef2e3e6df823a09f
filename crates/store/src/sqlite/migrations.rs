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
pub(super) const CONTROL: Schema = Schema {
    name: "the control database",
    steps: &[
        include_str!("schema/control/0001_foundation.sql"),
        include_str!("schema/control/0002_corrections.sql"),
        include_str!("schema/control/0003_money.sql"),
        include_str!("schema/control/0004_plans.sql"),
        include_str!("schema/control/0005_webhooks.sql"),
        include_str!("schema/control/0006_credits.sql"),
        include_str!("schema/control/0007_end_users.sql"),
        include_str!("schema/control/0008_cache_write_1h.sql"),
        include_str!("schema/control/0009_provider_isolation.sql"),
        include_str!("schema/control/0010_routing.sql"),
        include_str!("schema/control/0011_answer_cache.sql"),
        include_str!("schema/control/0012_batches.sql"),
        include_str!("schema/control/0013_isolation.sql"),
        include_str!("schema/control/0014_provider_credentials.sql"),
        include_str!("schema/control/0015_runs.sql"),
        include_str!("schema/control/0016_corpora.sql"),
        include_str!("schema/control/0017_vectors.sql"),
        include_str!("schema/control/0018_embedders.sql"),
    ],
};

/// The key store.
pub(super) const KEYS: Schema = Schema { name: "the key store", steps: &[include_str!("schema/keys/0001_foundation.sql")] };

/// One tenant's file.
pub(super) const TENANT: Schema = Schema {
    name: "this tenant's file",
    steps: &[
        include_str!("schema/tenant/0001_foundation.sql"),
        include_str!("schema/tenant/0002_responses.sql"),
        include_str!("schema/tenant/0003_batches.sql"),
        include_str!("schema/tenant/0004_provider_credentials.sql"),
        include_str!("schema/tenant/0005_knowledge.sql"),
        include_str!("schema/tenant/0006_spaces.sql"),
        include_str!("schema/tenant/0007_profile.sql"),
        include_str!("schema/tenant/0008_vector_stores.sql"),
        include_str!("schema/tenant/0009_vector_outbox.sql"),
        include_str!("schema/tenant/0010_embedders.sql"),
    ],
};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ledger_rows_of_the_first_version_stay() {
        let mut connection = Connection::open_in_memory().unwrap();
        let first = Schema { name: CONTROL.name, steps: &CONTROL.steps[..1] };
        first.apply(&mut connection).unwrap();
        let written = "INSERT INTO ledger VALUES (x'01', x'02', x'03', NULL, 5, 'chat', 'base', 'sim', 'm', 'p', 11, 12, 13, 14, \
                       'completed', 16, 17, 18, 19, 20, 21, 1), (x'09', x'02', x'03', x'04', 6, 'chat', 'base', 'sim', 'm', 'p', 11, \
                       12, 13, 14, 'completed', 16, 17, 18, 19, 20, 22, 0)";
        connection.execute_batch(written).unwrap();
        CONTROL.apply(&mut connection).unwrap();
        let read = "SELECT hex(attempt) || correction || hex(request) || hex(tenant) || CASE WHEN key_id IS NULL THEN '-' ELSE hex(key_id) END || reserved_at \
                    || operation || settled_at || outcome || reasoning_tokens || cost || estimated FROM ledger ORDER BY attempt";
        let mut rows = connection.prepare(read).unwrap();
        let rows: Vec<String> = rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!(rows, ["0100203-5chat14completed20211", "0900203046chat14completed20220"].map(str::to_owned));
        let indexes = "SELECT count(*) FROM pragma_index_list('ledger') WHERE name IN ('ledger_by_tenant', 'ledger_by_time')";
        assert_eq!(connection.query_row(indexes, [], |row| row.get::<_, i64>(0)).unwrap(), 2);
    }
}
