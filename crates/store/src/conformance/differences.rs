//! All in which the engines differ. Everything else is one case for both.

use std::time::Duration;

/// Tables that only the embedded engine has. How far the journal's file is folded, and what its recycled segments left open.
pub(crate) const EMBEDDED_ONLY: &[&str] = &["fold", "open_attempts"];

/// Tables that only a cluster has: the nodes, what they hold, what they must read again, whose rows may be written, and which
/// steps the schemas have taken (a file counts them in its header). And the chunks of tenants' files, which a node alone keeps as
/// files; and what pgvector searches, which is in nobody's file.
pub(crate) const CLUSTER_ONLY: &[&str] = &[
    "nodes",
    "changes",
    "begun_attempts",
    "budget_windows",
    "budget_leases",
    "homes",
    "schema_steps",
    "file_chunks",
    "embeddings",
    "embeddings_kept",
];

/// The column that says whose a row is, where a tenant has no file of its own.
pub(crate) const CLUSTER_ONLY_COLUMN: &str = "tenant_id";

/// How old what was interrupted must be before a start finishes it. A data directory has one process, so a start of it finishes
/// at once; in a cluster another node is most likely about to.
pub(crate) const INTERRUPTED_AGE_MIN: Duration = Duration::from_secs(61);

/// Cases that run on the embedded engine alone, each with its reason.
///
/// - `one_store_at_a_time`: a directory has one process; a database has many nodes (`nodes.rs`).
/// - `files_are_for_their_owner_alone`: a cluster keeps no files.
/// - `stored_time_holds_the_clock`: nodes measure by the database's clock, and `insula serve` compares its own with that.
/// - `a_cursor_ahead_of_the_ledger_is_told`: databases of one server count their transactions together.
/// - `a_batch_twice_moves_nothing_twice`: batches are the fold's, of a journal file; attempts of nodes end one by one.
///
/// On the cluster alone `a_transaction_that_commits_late_is_not_missed` (`export.rs`): a file has one writer.
///
/// And what is looked at differs in one: how an earlier state is put back (`backup.rs`), files or tables.
pub(super) const EMBEDDED_CASES: super::world::Engine = super::world::Engine::Embedded;
