//! The three schemas and the steps that build them.

/// A schema; the role that works in it has the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Schema {
    /// Who exists, what they may spend, what they spent.
    Control,
    /// All tenants' own data, under row-level security.
    Tenant,
    /// The wrapped keys.
    Keys,
}

/// One step: its name and its statements.
pub(crate) type Step = (&'static str, &'static str);

impl Schema {
    /// Those of a database that holds everything.
    pub(crate) const ALL: &[Schema] = &[Schema::Control, Schema::Tenant, Schema::Keys];
    /// Those of the main database where the keys have a database of their own.
    pub(crate) const DATA: &[Schema] = &[Schema::Control, Schema::Tenant];
    /// Those of the keys' own database.
    pub(crate) const OF_KEYS: &[Schema] = &[Schema::Keys];

    /// Its name, and its role's.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Schema::Control => "insula_control",
            Schema::Tenant => "insula_tenant",
            Schema::Keys => "insula_keys",
        }
    }

    /// Its steps, the first one first. A step that was released is never changed.
    pub(crate) fn steps(self) -> &'static [Step] {
        match self {
            Schema::Control => &[
                ("0001_foundation", include_str!("schema/control/0001_foundation.sql")),
                ("0002_money", include_str!("schema/control/0002_money.sql")),
                ("0003_plans", include_str!("schema/control/0003_plans.sql")),
                ("0004_webhooks", include_str!("schema/control/0004_webhooks.sql")),
                ("0005_credits", include_str!("schema/control/0005_credits.sql")),
                ("0006_end_users", include_str!("schema/control/0006_end_users.sql")),
                ("0007_cache_write_1h", include_str!("schema/control/0007_cache_write_1h.sql")),
                ("0008_provider_isolation", include_str!("schema/control/0008_provider_isolation.sql")),
                ("0009_routing", include_str!("schema/control/0009_routing.sql")),
                ("0010_answer_cache", include_str!("schema/control/0010_answer_cache.sql")),
                ("0011_batches", include_str!("schema/control/0011_batches.sql")),
                ("0012_isolation", include_str!("schema/control/0012_isolation.sql")),
                ("0013_provider_credentials", include_str!("schema/control/0013_provider_credentials.sql")),
                ("0014_runs", include_str!("schema/control/0014_runs.sql")),
                ("0015_corpora", include_str!("schema/control/0015_corpora.sql")),
                ("0016_vectors", include_str!("schema/control/0016_vectors.sql")),
                ("0017_embedders", include_str!("schema/control/0017_embedders.sql")),
            ],
            Schema::Tenant => &[
                ("0001_foundation", include_str!("schema/tenant/0001_foundation.sql")),
                ("0002_responses", include_str!("schema/tenant/0002_responses.sql")),
                ("0003_batches", include_str!("schema/tenant/0003_batches.sql")),
                ("0004_provider_credentials", include_str!("schema/tenant/0004_provider_credentials.sql")),
                ("0005_knowledge", include_str!("schema/tenant/0005_knowledge.sql")),
                ("0006_spaces", include_str!("schema/tenant/0006_spaces.sql")),
                ("0007_profile", include_str!("schema/tenant/0007_profile.sql")),
                ("0008_vector_stores", include_str!("schema/tenant/0008_vector_stores.sql")),
                ("0009_vector_outbox", include_str!("schema/tenant/0009_vector_outbox.sql")),
                ("0010_embedders", include_str!("schema/tenant/0010_embedders.sql")),
            ],
            Schema::Keys => &[("0001_foundation", include_str!("schema/keys/0001_foundation.sql"))],
        }
    }

    /// Steps that it takes besides where pgvector is to search.
    pub(crate) fn pgvector_steps(self) -> &'static [Step] {
        match self {
            Schema::Control | Schema::Keys => &[],
            Schema::Tenant => &[("pgvector_0001_embeddings", include_str!("schema/pgvector/0001_embeddings.sql"))],
        }
    }
}

/// The names of some schemas, as the catalogue's queries take them.
pub(super) fn names(schemas: &[Schema]) -> Vec<&'static str> {
    schemas.iter().map(|schema| schema.name()).collect()
}

/// A name as it stands in a statement.
pub(super) fn quoted(name: &str) -> String {
    let plain = |c: char| c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit();
    if name.chars().all(plain) && name.starts_with(|c: char| !c.is_ascii_digit()) {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_they_must_be() {
        assert_eq!(quoted("insula_app"), "insula_app");
        assert_eq!(quoted("Insula App"), "\"Insula App\"");
        assert_eq!(quoted("a\"; DROP TABLE t; --"), "\"a\"\"; DROP TABLE t; --\"");
        assert_eq!(quoted("1st"), "\"1st\"");
        assert_eq!(quoted(""), "\"\"");
    }
}
