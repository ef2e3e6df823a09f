//! Which documents count in a search, before anything is ranked.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    pin::Pin,
    sync::Arc,
};

use insula_model::{DocumentId, Error, Result, TenantId, Timestamp, VectorStoreId};
use insula_store::{Knowledge, Opener};
use serde_json::Value;

use super::{
    Metadata,
    condition::{Condition, VALUES_MAX, is_tree},
    detail::Detail,
    fields::Fields,
    metadata::{open_facet, reader_facet},
};

/// Fields of a filter.
const CONDITIONS_MAX: usize = 16;

/// Which documents count: those of some vector stores, those whose fields are as is wanted, or all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// Only those in one of these stores; where absent, whether and where they are in any does not matter.
    stores: Option<BTreeSet<VectorStoreId>>,
    /// All of it must hold.
    conditions: Vec<Condition>,
}

impl Filter {
    /// Reads `{"field": value}`, `{"field": {"in": [value, ..]}}` for any of several, or `{"field": {"gt": value}}` and the like; all
    /// fields must hold. Also reads what [`Filter::tree`] does.
    ///
    /// # Errors
    /// [`insula_model::ErrorKind::Invalid`], naming the field that is wrong.
    pub fn parse(fields: &BTreeMap<String, Value>) -> Result<Self> {
        let object = fields.iter().map(|(field, wanted)| (field.clone(), wanted.clone())).collect();
        if is_tree(&object) {
            return Self::tree(&Value::Object(object), "filter");
        }
        if fields.len() > CONDITIONS_MAX {
            return Err(Error::invalid(format!("`filter` takes at most {CONDITIONS_MAX} fields")).at("filter"));
        }
        let conditions: Vec<_> =
            fields.iter().map(|(field, wanted)| Condition::of_field(field, wanted)).collect::<Result<_>>()?;
        if conditions.iter().map(Condition::values).sum::<usize>() > VALUES_MAX {
            let message =
                format!("`filter` takes at most {VALUES_MAX} values, those of all its fields together; ask for fewer at once");
            return Err(Error::invalid(message).at("filter"));
        }
        Ok(Self { stores: None, conditions })
    }

    /// Reads a filter as OpenAI writes it: `{"type": "eq", "key", "value"}`, or `{"type": "and", "filters": [..]}`. `at` is what the
    /// caller calls it.
    ///
    /// # Errors
    /// [`insula_model::ErrorKind::Invalid`], naming what is wrong.
    pub fn tree(filter: &Value, at: &str) -> Result<Self> {
        let conditions = match Condition::tree(filter, at)? {
            // What must hold together may be looked up part by part.
            Condition::All(parts) => parts,
            one => vec![one],
        };
        Ok(Self { stores: None, conditions })
    }

    /// Only what is in one of these stores. Nobody but [`stores`](super::stores) knows that they are the tenant's, and there.
    pub(super) fn of_stores(stores: BTreeSet<VectorStoreId>) -> Self {
        Self { stores: Some(stores), conditions: Vec::new() }
    }

    /// What counts for both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.stores = match (self.stores, other.stores) {
            (Some(these), Some(those)) => Some(these.intersection(&those).copied().collect()),
            (these, those) => these.or(those),
        };
        self.conditions.extend(other.conditions);
        self
    }

    /// The documents that count; `None` where all do. Whoever asks on an end user's behalf gets what that one may see.
    ///
    /// Stores, access and equal values are looked up; only what is left after that is held against fields that have to be opened.
    pub(super) async fn resolve(
        &self,
        fields: &Fields,
        now: Timestamp,
        home: TenantId,
        knowledge: &mut Knowledge,
        opener: &Arc<Opener>,
        reader: Option<&str>,
    ) -> Result<Option<HashSet<DocumentId>>> {
        let mut counting = Counting(None);
        if let Some(stores) = &self.stores {
            let mut found = HashSet::new();
            for store in stores {
                found.extend(knowledge.in_store(*store).await?);
            }
            counting.narrow(found);
        }
        if let Some(reader) = reader {
            let facets = [open_facet(opener), reader_facet(opener, reader)];
            counting.narrow(knowledge.holders(&facets).await?.into_iter().collect());
        }
        let (looked_up, compared): (Vec<_>, Vec<_>) = self.conditions.iter().partition(|condition| condition.is_looked_up());
        for condition in looked_up {
            counting.narrow(holders(condition, knowledge, opener).await?);
        }
        if !compared.is_empty() {
            let compared: Vec<Condition> = compared.into_iter().cloned().collect();
            let holds = move |fields: &Metadata| compared.iter().all(|condition| condition.holds(fields));
            counting = Counting(Some(fields.that_hold(home, knowledge, opener, counting.0.take(), holds).await?));
        }
        let withdrawn = knowledge.withdrawn(now).await?;
        if !withdrawn.is_empty() {
            let all = match counting.0.take() {
                Some(all) => all,
                None => knowledge.published().await?.into_iter().map(|document| document.id).collect(),
            };
            let withdrawn = withdrawn.into_iter().collect();
            counting.narrow(all.difference(&withdrawn).copied().collect());
        }
        Ok(counting.0)
    }

    /// Whether a document counts, by its own words: what was looked up by hashes is looked at again before it goes out.
    pub(super) fn admits(&self, detail: &Detail, reader: Option<&str>) -> bool {
        let is_in = |stores: &BTreeSet<VectorStoreId>| detail.stored.is_some_and(|stored| stores.contains(&stored.store));
        self.stores.as_ref().is_none_or(is_in)
            && reader.is_none_or(|reader| detail.may_be_seen_by(reader))
            && self.conditions.iter().all(|condition| condition.holds(&detail.metadata))
    }
}

/// The documents that count so far; all where absent.
struct Counting(Option<HashSet<DocumentId>>);

impl Counting {
    fn narrow(&mut self, to: HashSet<DocumentId>) {
        self.0 = Some(match self.0.take() {
            Some(counting) => counting.intersection(&to).copied().collect(),
            None => to,
        });
    }
}

/// The documents for which a condition holds, all of whose values can be looked up.
fn holders<'a>(
    condition: &'a Condition,
    knowledge: &'a mut Knowledge,
    opener: &'a Opener,
) -> Pin<Box<dyn Future<Output = Result<HashSet<DocumentId>>> + Send + 'a>> {
    Box::pin(async move {
        match condition {
            Condition::Has { field, values } => {
                let facets: Vec<i64> = values.iter().map(|value| value.facet(opener, field)).collect();
                Ok(knowledge.holders(&facets).await?.into_iter().collect())
            }
            Condition::All(parts) => {
                let mut all = Counting(None);
                for part in parts {
                    all.narrow(holders(part, knowledge, opener).await?);
                }
                Ok(all.0.unwrap_or_default())
            }
            Condition::Any(parts) => {
                let mut any = HashSet::new();
                for part in parts {
                    any.extend(holders(part, knowledge, opener).await?);
                }
                Ok(any)
            }
            Condition::Lacks { .. } | Condition::Compares { .. } => {
                Err(Error::internal("what has to be compared was to be looked up"))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use insula_model::FileId;
    use serde_json::json;

    use super::{
        super::{Metadata, detail::Stored},
        *,
    };

    fn parse(filter: Value) -> Result<Filter> {
        Filter::parse(&serde_json::from_value(filter).unwrap())
    }

    fn detail(metadata: Value, access: &[&str]) -> Detail {
        let metadata = Metadata::parse(&serde_json::from_value(metadata).unwrap()).unwrap();
        Detail { metadata, access: access.iter().map(|reader| (*reader).to_owned()).collect(), ..Detail::default() }
    }

    #[test]
    fn a_document_counts_by_its_own_words() {
        let law = detail(json!({"kind": "law", "year": 2024, "tags": ["a", "b"], "live": true, "type": "act"}), &[]);
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
            (json!({"tags": {"nin": ["x", "b"]}}), false),
            (json!({"year": {"gt": 2023}}), true),
            (json!({"year": {"lte": 2023}}), false),
            (json!({"kind": {"ne": "law"}}), false),
            (json!({"other": "law"}), false),
            (json!({"type": "act"}), true),
            (json!({"type": "eq", "key": "kind", "value": "law"}), true),
            (json!({"type": "and", "filters": [{"type": "eq", "key": "kind", "value": "x"}]}), false),
        ] {
            assert_eq!(parse(filter.clone()).unwrap().admits(&law, None), admits, "{filter}");
        }
        let private = detail(json!({}), &["ann"]);
        let all = Filter::default();
        assert!(all.admits(&private, None) && all.admits(&private, Some("ann")) && all.admits(&law, Some("ann")));
        assert!(!all.admits(&private, Some("bob")));
    }

    #[test]
    fn a_store_holds_what_is_in_it() {
        let [one, other] = [1, 2].map(|n| VectorStoreId::from_bytes([n; 16]));
        let stored = Some(Stored { store: one, file: FileId::from_bytes([3; 16]), chunking: None });
        let within = Detail { stored, ..detail(json!({"kind": "law"}), &[]) };
        let of = |stores: &[VectorStoreId]| Filter::of_stores(stores.iter().copied().collect());
        assert!(of(&[one]).admits(&within, None) && of(&[other, one]).admits(&within, None));
        assert!(!of(&[other]).admits(&within, None) && !of(&[one]).admits(&detail(json!({}), &[]), None));
        let kind = |kind: &str| parse(json!({"kind": kind})).unwrap();
        assert!(of(&[one]).and(kind("law")).admits(&within, None) && !kind("x").and(of(&[one])).admits(&within, None));
        assert!(!of(&[one]).and(of(&[other])).admits(&within, None), "of nothing");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for wrong in [
            json!({"a": null}),
            json!({"a": ["x"]}),
            json!({"a": {"in": []}}),
            json!({"a": {"gt": true}}),
            json!({"a": {"like": 1}}),
            json!({"a": {"in": [{}]}}),
        ] {
            assert_eq!(parse(wrong.clone()).unwrap_err().param(), Some("filter.a"), "{wrong}");
        }
        let many = (0..17).map(|n| (n.to_string(), json!(1))).collect();
        assert_eq!(Filter::parse(&many).unwrap_err().param(), Some("filter"));
        // Each field may have as many values as all together.
        let values = |count: usize| json!({"in": (0..count).collect::<Vec<_>>()});
        assert!(parse(json!({"a": values(VALUES_MAX)})).is_ok());
        assert_eq!(parse(json!({"a": values(VALUES_MAX), "b": 1})).unwrap_err().param(), Some("filter"));
        assert_eq!(parse(json!({"a": values(VALUES_MAX), "b": {"gt": 1}})).unwrap_err().param(), Some("filter"));
    }
}
