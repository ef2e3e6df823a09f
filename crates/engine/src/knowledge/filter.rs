//! Which documents count in a search, before anything is ranked.

use std::collections::{BTreeMap, HashSet};

use insula_model::{DocumentId, Error, Result};
use insula_store::{Knowledge, Opener};
use serde_json::Value;

use super::{
    detail::Detail,
    metadata::{Scalar, open_facet, reader_facet},
};

/// Conditions of a filter, and values of each.
const CONDITIONS_MAX: usize = 16;
const VALUES_MAX: usize = 256;

/// Conditions on the fields of documents, all of which must hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter(Vec<Condition>);

/// A field has one of these values.
#[derive(Debug, Clone, PartialEq)]
struct Condition {
    field: String,
    values: Vec<Scalar>,
}

impl Filter {
    /// Reads `{"field": value}`, or `{"field": {"in": [value, ..]}}` for any of several.
    ///
    /// # Errors
    /// [`insula_model::ErrorKind::Invalid`], naming the field that is wrong.
    pub fn parse(fields: &BTreeMap<String, Value>) -> Result<Self> {
        if fields.len() > CONDITIONS_MAX {
            return Err(Error::invalid(format!("`filter` takes at most {CONDITIONS_MAX} fields")).at("filter"));
        }
        fields.iter().map(|(field, wanted)| condition(field, wanted)).collect::<Result<_>>().map(Self)
    }

    /// The documents that count; `None` where all do. Whoever asks on an end user's behalf gets what that one may see.
    pub(super) async fn resolve(
        &self,
        knowledge: &mut Knowledge,
        opener: &Opener,
        reader: Option<&str>,
    ) -> Result<Option<HashSet<DocumentId>>> {
        let mut wanted: Vec<Vec<i64>> = Vec::new();
        wanted.extend(reader.map(|reader| vec![open_facet(opener), reader_facet(opener, reader)]));
        for Condition { field, values } in &self.0 {
            wanted.push(values.iter().map(|value| value.facet(opener, field)).collect());
        }
        let mut all: Option<HashSet<DocumentId>> = None;
        for facets in wanted {
            let holders: HashSet<DocumentId> = knowledge.holders(&facets).await?.into_iter().collect();
            all = Some(all.map_or_else(|| holders.clone(), |all| all.intersection(&holders).copied().collect()));
        }
        Ok(all)
    }

    /// Whether a document counts, by its own words: what was looked up by hashes is looked at again before it goes out.
    pub(super) fn admits(&self, detail: &Detail, reader: Option<&str>) -> bool {
        let may_see = |reader: &str| detail.access.is_empty() || detail.access.iter().any(|named| named == reader);
        let holds = |condition: &Condition| {
            let has = detail.metadata.values(&condition.field);
            condition.values.iter().any(|value| has.iter().any(|own| own.is(value)))
        };
        reader.is_none_or(may_see) && self.0.iter().all(holds)
    }
}

fn condition(field: &str, wanted: &Value) -> Result<Condition> {
    let several = match wanted {
        Value::Object(one) if one.len() == 1 => one.get("in").and_then(Value::as_array).map(Vec::as_slice),
        Value::Object(_) | Value::Array(_) => None,
        one => Some(std::slice::from_ref(one)),
    };
    let values: Option<Vec<Scalar>> = several.and_then(|values| values.iter().map(Scalar::parse).collect());
    let values = values.filter(|values| (1..=VALUES_MAX).contains(&values.len())).ok_or_else(|| {
        let at = format!("filter.{}", field.chars().take(64).collect::<String>());
        let message = format!(
            "write a value, or {{\"in\": [..]}} with 1 to {VALUES_MAX} of them; a value is text, a number, true or false"
        );
        Error::invalid(message).at(at)
    })?;
    Ok(Condition { field: field.to_owned(), values })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::Metadata, *};

    fn parse(filter: Value) -> Result<Filter> {
        Filter::parse(&serde_json::from_value(filter).unwrap())
    }

    fn detail(metadata: Value, access: &[&str]) -> Detail {
        let metadata = Metadata::parse(&serde_json::from_value(metadata).unwrap()).unwrap();
        Detail { metadata, access: access.iter().map(|reader| (*reader).to_owned()).collect(), ..Detail::default() }
    }

    #[test]
    fn a_document_counts_by_its_own_words() {
        let law = detail(json!({"kind": "law", "year": 2024, "tags": ["a", "b"], "live": true}), &[]);
        for (filter, admits) in [
            (json!({}), true),
            (json!({"kind": "law"}), true),
            (json!({"kind": "Law"}), false),
            (json!({"kind": "law", "year": 2025}), false),
            (json!({"year": 2024.0}), true),
            (json!({"year": "2024"}), false),
            (json!({"live": true}), true),
            (json!({"live": "true"}), false),
            (json!({"tags": "b"}), true),
            (json!({"tags": {"in": ["x", "b"]}}), true),
            (json!({"other": "law"}), false),
        ] {
            assert_eq!(parse(filter.clone()).unwrap().admits(&law, None), admits, "{filter}");
        }
        let private = detail(json!({}), &["ann"]);
        let all = Filter::default();
        assert!(all.admits(&private, None) && all.admits(&private, Some("ann")) && all.admits(&law, Some("ann")));
        assert!(!all.admits(&private, Some("bob")));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for wrong in [
            json!({"a": null}),
            json!({"a": ["x"]}),
            json!({"a": {"in": []}}),
            json!({"a": {"gt": 1}}),
            json!({"a": {"in": [{}]}}),
        ] {
            assert_eq!(parse(wrong.clone()).unwrap_err().param(), Some("filter.a"), "{wrong}");
        }
        let many = (0..17).map(|n| (n.to_string(), json!(1))).collect();
        assert_eq!(Filter::parse(&many).unwrap_err().param(), Some("filter"));
    }
}
