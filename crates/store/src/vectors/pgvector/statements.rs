//! What is asked of pgvector. Statements name the schema that the extension is in, so they are made once, when a node starts.

use std::collections::HashMap;

use crate::postgres::Extension;

/// The dimensions that there is an index for, as the schema makes them, and what the index holds of each vector.
const INDEXED: &[(usize, &str)] = &[
    (256, "vector"),
    (384, "vector"),
    (512, "vector"),
    (768, "vector"),
    (1024, "vector"),
    (1536, "vector"),
    (3072, "halfvec"),
];

/// All of them. The parameters are the same for all that search: `$1` the question, `$2` the space, `$3` its dimension, `$4` how
/// many chunks at most, `$5` documents.
pub(super) struct Statements {
    /// Compares all that count. The planner is not left a choice: what is computed before it is sorted has no index.
    pub(super) exact: Filtered,
    /// Follows the index of a dimension.
    near: HashMap<usize, Filtered>,
    /// Adds chunks that are not there: `$1` the space, `$2` the chunks, `$3` their documents, `$4` the dimension, `$5` their vectors
    /// one after the other.
    pub(super) insert: &'static str,
}

/// A statement for each way of saying which documents count.
pub(super) struct Filtered {
    /// All.
    pub(super) all: &'static str,
    /// Those that are named.
    pub(super) only: &'static str,
    /// Those that are not named.
    pub(super) but: &'static str,
}

impl Statements {
    /// For this extension. They live as long as the program: there is one set for each node.
    pub(super) fn new(extension: &Extension) -> Self {
        let v = &extension.schema;
        let exact = Filtered::of(|counts| {
            format!(
                "WITH counting AS MATERIALIZED (SELECT chunk, embedding OPERATOR({v}.<#>) $1::real[]::{v}.vector AS distance \
                 FROM embeddings WHERE space = $2 AND dimension = $3{counts}) \
                 SELECT chunk, -distance AS score FROM counting ORDER BY distance, chunk LIMIT $4"
            )
        });
        let near = |dimension: usize, kind: &str| {
            Filtered::of(|counts| {
                let kind = format!("{v}.{kind}({dimension})");
                // The dimension stands in the text, or the index, which is of that one alone, would not be considered.
                format!(
                    "SELECT chunk, -(embedding OPERATOR({v}.<#>) $1::real[]::{v}.vector) AS score FROM embeddings \
                     WHERE space = $2 AND dimension = $3 AND dimension = {dimension}{counts} \
                     ORDER BY embedding::{kind} OPERATOR({v}.<#>) $1::real[]::{kind} LIMIT $4"
                )
            })
        };
        Self {
            exact,
            near: INDEXED.iter().map(|(dimension, kind)| (*dimension, near(*dimension, kind))).collect(),
            insert: leaked(format!(
                "INSERT INTO embeddings (space, chunk, document, dimension, embedding) \
                 SELECT $1::bigint, given.chunk, given.document, $4::bigint, \
                 ($5::real[])[((given.n - 1) * $4::bigint + 1)::int : (given.n * $4::bigint)::int]::{v}.vector \
                 FROM unnest($2::bigint[], $3::bytea[]) WITH ORDINALITY AS given (chunk, document, n) ON CONFLICT DO NOTHING"
            )),
        }
    }

    /// What follows the index of a dimension, if it has one.
    pub(super) fn near(&self, dimension: usize) -> Option<&Filtered> {
        self.near.get(&dimension)
    }
}

impl Filtered {
    fn of(statement: impl Fn(&str) -> String) -> Self {
        Self {
            all: leaked(statement("")),
            only: leaked(statement(" AND document = ANY ($5)")),
            but: leaked(statement(" AND document <> ALL ($5)")),
        }
    }
}

fn leaked(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::Schema;

    #[test]
    fn every_index_is_searched_and_every_search_has_its_index() {
        let (_, sql) = Schema::Tenant.pgvector_steps()[0];
        assert_eq!(sql.matches("USING hnsw").count(), INDEXED.len());
        for (dimension, kind) in INDEXED {
            let index = format!(
                "USING hnsw ((embedding::{{vector}}.{kind}({dimension})) {{vector}}.{kind}_ip_ops) WHERE dimension = {dimension};"
            );
            assert!(sql.contains(&index), "{index}");
        }
    }
}
