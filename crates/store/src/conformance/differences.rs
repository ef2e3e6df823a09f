//! The tables that only one engine has. All others have the same columns on both.

/// Where the journal is a file: how far it is folded, and what its recycled segments left open.
pub(crate) const EMBEDDED_ONLY: &[&str] = &["fold", "open_attempts"];

/// Where several nodes share a database: the nodes, what they hold, what they must read again, whose rows may be written, and
/// which steps the schemas have taken (a file counts them in its header).
pub(crate) const CLUSTER_ONLY: &[&str] =
    &["nodes", "changes", "begun_attempts", "budget_windows", "budget_leases", "homes", "schema_steps"];

/// The column that says whose a row is, where a tenant has no file of its own.
pub(crate) const CLUSTER_ONLY_COLUMN: &str = "tenant_id";
