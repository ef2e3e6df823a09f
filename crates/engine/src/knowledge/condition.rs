//! What must hold of a document's fields, as a tree: read from either of two forms, and held against the fields themselves.

use std::cmp::Ordering;

use insula_model::{Error, Result};
use serde_json::{Map, Value};

use super::metadata::{Metadata, Scalar};

/// Comparisons in a tree, and values in all of them together.
const COMPARISONS_MAX: usize = 64;
pub(super) const VALUES_MAX: usize = 256;
/// Levels of a tree.
const DEPTH_MAX: usize = 8;

/// Something that must hold. A field that has several values has it where any of them does.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    /// The field has one of these values.
    Has { field: String, values: Vec<Scalar> },
    /// The field has none of these values, or is not there.
    Lacks { field: String, values: Vec<Scalar> },
    /// A value of the field stands so to this one. Numbers are compared with numbers and text with text, code point by code point.
    Compares { field: String, order: Order, bound: Scalar },
    /// All of these hold.
    All(Vec<Condition>),
    /// Any of these holds.
    Any(Vec<Condition>),
}

/// How a value stands to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Above,
    AtLeast,
    Below,
    AtMost,
}

impl Order {
    fn holds(self, found: Ordering) -> bool {
        match self {
            Order::Above => found.is_gt(),
            Order::AtLeast => found.is_ge(),
            Order::Below => found.is_lt(),
            Order::AtMost => found.is_le(),
        }
    }
}

impl Condition {
    /// Whether it holds for these fields.
    pub fn holds(&self, fields: &Metadata) -> bool {
        let any_of = |field: &str, values: &[Scalar]| {
            let has = fields.values(field);
            values.iter().any(|value| has.iter().any(|own| own.is(value)))
        };
        match self {
            Self::Has { field, values } => any_of(field, values),
            Self::Lacks { field, values } => !any_of(field, values),
            Self::Compares { field, order, bound } => {
                fields.values(field).iter().any(|own| own.compare(bound).is_some_and(|found| order.holds(found)))
            }
            Self::All(parts) => parts.iter().all(|part| part.holds(fields)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(fields)),
        }
    }

    /// Whether it can be told by looking values up: there is nothing in it that must be compared.
    pub fn is_looked_up(&self) -> bool {
        match self {
            Self::Has { .. } => true,
            Self::Lacks { .. } | Self::Compares { .. } => false,
            Self::All(parts) | Self::Any(parts) => parts.iter().all(Self::is_looked_up),
        }
    }

    /// How many values a field is held against in it.
    pub fn values(&self) -> usize {
        match self {
            Self::Has { values, .. } | Self::Lacks { values, .. } => values.len(),
            Self::Compares { .. } => 1,
            Self::All(parts) | Self::Any(parts) => parts.iter().map(Self::values).sum(),
        }
    }

    /// What is wanted of one field: a value, or `{"in": [..]}`, `{"gt": ..}` and the like.
    pub fn of_field(field: &str, wanted: &Value) -> Result<Self> {
        let (kind, value) = match wanted {
            Value::Object(one) if one.len() == 1 => {
                one.iter().next().map_or(("", wanted), |(kind, value)| (kind.as_str(), value))
            }
            Value::Object(_) | Value::Array(_) => ("", wanted),
            one => ("eq", one),
        };
        compare(kind, field, value).ok_or_else(|| {
            let at = format!("filter.{}", field.chars().take(64).collect::<String>());
            let message = format!(
                "write a value, {{\"in\": [..]}} or {{\"nin\": [..]}} with 1 to {VALUES_MAX} of them, or {{\"ne\"|\"gt\"|\"gte\"|\"lt\"|\"lte\": \
                 value}}; a value is text, a number, true or false"
            );
            Error::invalid(message).at(at)
        })
    }

    /// A filter as OpenAI writes it: `{"type": "eq", "key", "value"}`, or `{"type": "and", "filters": [..]}`. `at` is what the
    /// caller calls it.
    ///
    /// # Errors
    /// [`insula_model::ErrorKind::Invalid`], naming what is wrong.
    pub fn tree(filter: &Value, at: &str) -> Result<Self> {
        Reader { comparisons: 0, values: 0 }.read(filter, at, 1)
    }
}

/// Whether this is a filter as OpenAI writes it, and not a field that is called `type`.
pub(super) fn is_tree(object: &serde_json::Map<String, Value>) -> bool {
    let is_one = |names: &[&str]| object.len() == names.len() && names.iter().all(|name| object.contains_key(*name));
    is_one(&["type", "key", "value"]) || is_one(&["type", "filters"])
}

/// Reads a tree, and counts what is in it.
struct Reader {
    comparisons: usize,
    values: usize,
}

impl Reader {
    fn read(&mut self, filter: &Value, at: &str, depth: usize) -> Result<Condition> {
        let wrong = |message: String| Error::invalid(message).at(at);
        if depth > DEPTH_MAX {
            return Err(wrong(format!("a filter has at most {DEPTH_MAX} levels")));
        }
        let form = "a filter is {\"type\": \"eq\"|\"ne\"|\"gt\"|\"gte\"|\"lt\"|\"lte\"|\"in\"|\"nin\", \"key\", \"value\"}, or {\"type\": \
                    \"and\"|\"or\", \"filters\": [..]}";
        let object = filter.as_object().filter(|object| is_tree(object)).ok_or_else(|| wrong(form.to_owned()))?;
        let kind = object.get("type").and_then(Value::as_str).unwrap_or_default();
        let Some(parts) = object.get("filters") else { return self.comparison(kind, object, at) };
        let parts = parts.as_array().filter(|parts| !parts.is_empty()).ok_or_else(|| wrong(form.to_owned()))?;
        let mut read = Vec::new();
        for (n, part) in parts.iter().enumerate() {
            read.push(self.read(part, &format!("{at}.filters[{n}]"), depth + 1)?);
        }
        match kind {
            "and" => Ok(Condition::All(read)),
            "or" => Ok(Condition::Any(read)),
            _ => Err(wrong(form.to_owned())),
        }
    }

    fn comparison(&mut self, kind: &str, object: &Map<String, Value>, at: &str) -> Result<Condition> {
        let wrong = |message: String| Error::invalid(message).at(at);
        let key = object.get("key").and_then(Value::as_str).ok_or_else(|| wrong("`key` is the name of a field".to_owned()))?;
        let value = object.get("value").unwrap_or(&Value::Null);
        self.comparisons += 1;
        self.values += value.as_array().map_or(1, Vec::len);
        if self.comparisons > COMPARISONS_MAX || self.values > VALUES_MAX {
            return Err(wrong(format!(
                "a filter has at most {COMPARISONS_MAX} comparisons, with {VALUES_MAX} values together"
            )));
        }
        compare(kind, key, value).ok_or_else(|| {
            wrong(
                "`type` is `eq` or `ne` with a value, `gt`, `gte`, `lt` or `lte` with text or a number, or `in` or `nin` with a list; \
                 a value is text, a number, true or false"
                    .to_owned(),
            )
        })
    }
}

/// A comparison; nothing where its kind is none, or its value is not one of that kind.
fn compare(kind: &str, field: &str, value: &Value) -> Option<Condition> {
    let field = field.to_owned();
    let order = match kind {
        "eq" => return Some(Condition::Has { field, values: vec![Scalar::parse(value)?] }),
        "ne" => return Some(Condition::Lacks { field, values: vec![Scalar::parse(value)?] }),
        "in" => return Some(Condition::Has { field, values: several(value)? }),
        "nin" => return Some(Condition::Lacks { field, values: several(value)? }),
        "gt" => Order::Above,
        "gte" => Order::AtLeast,
        "lt" => Order::Below,
        "lte" => Order::AtMost,
        _ => return None,
    };
    let bound = Scalar::parse(value).filter(|bound| !matches!(bound, Scalar::Flag(_)))?;
    Some(Condition::Compares { field, order, bound })
}

fn several(value: &Value) -> Option<Vec<Scalar>> {
    let values: Vec<Scalar> = value.as_array()?.iter().map(Scalar::parse).collect::<Option<_>>()?;
    (1..=VALUES_MAX).contains(&values.len()).then_some(values)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields() -> Metadata {
        let fields = json!({"kind": "law", "year": 2024, "tags": ["a", "b"], "live": true, "day": "2024-05-01"});
        Metadata::parse(&serde_json::from_value(fields).unwrap()).unwrap()
    }

    fn is(kind: &str, key: &str, value: Value) -> Value {
        json!({"type": kind, "key": key, "value": value})
    }

    #[test]
    fn a_tree_holds_or_not() {
        let (law, old) = (is("eq", "kind", json!("law")), is("lt", "year", json!(2000)));
        for (filter, holds) in [
            (law.clone(), true),
            (is("ne", "kind", json!("law")), false),
            (is("ne", "other", json!("law")), true),
            (is("in", "tags", json!(["x", "b"])), true),
            (is("nin", "tags", json!(["x", "b"])), false),
            (is("nin", "tags", json!(["x"])), true),
            (is("gt", "year", json!(2023.5)), true),
            (is("gt", "year", json!(2024)), false),
            (is("gte", "year", json!(2024.0)), true),
            (is("lte", "year", json!(2023)), false),
            (is("gt", "year", json!("2023")), false),
            (is("gte", "day", json!("2024-04-30")), true),
            (is("lt", "day", json!("2024-04-30")), false),
            (is("gt", "other", json!(0)), false),
            (json!({"type": "and", "filters": [law, old]}), false),
            (json!({"type": "or", "filters": [law, old]}), true),
            (json!({"type": "or", "filters": [old, {"type": "and", "filters": [law, is("eq", "live", json!(true))]}]}), true),
        ] {
            assert_eq!(Condition::tree(&filter, "filters").unwrap().holds(&fields()), holds, "{filter}");
        }
    }

    #[test]
    fn what_is_wrong_in_a_tree_is_named() {
        let mut deep = is("eq", "a", json!(1));
        for _ in 0..DEPTH_MAX {
            deep = json!({"type": "and", "filters": [deep]});
        }
        let many = json!({"type": "or", "filters": vec![is("eq", "a", json!(1)); COMPARISONS_MAX + 1]});
        for (filter, at) in [
            (json!([]), "filters"),
            (json!({"type": "eq", "key": "a"}), "filters"),
            (is("like", "a", json!("x")), "filters"),
            (is("eq", "a", json!(null)), "filters"),
            (is("eq", "a", json!(["x"])), "filters"),
            (is("in", "a", json!("x")), "filters"),
            (is("in", "a", json!([])), "filters"),
            (is("gt", "a", json!(true)), "filters"),
            (json!({"type": "and", "filters": []}), "filters"),
            (json!({"type": "not", "filters": [is("eq", "a", json!(1))]}), "filters"),
            (json!({"type": "and", "filters": [is("eq", "a", json!(1)), {"a": 1}]}), "filters.filters[1]"),
            (is("in", "a", json!(vec![1; VALUES_MAX + 1])), "filters"),
        ] {
            assert_eq!(Condition::tree(&filter, "filters").unwrap_err().param(), Some(at), "{filter}");
        }
        assert!(Condition::tree(&deep, "filters").is_err() && Condition::tree(&many, "filters").is_err());
    }

    #[test]
    fn only_what_is_equal_is_looked_up() {
        let looked_up = |filter: Value| Condition::tree(&filter, "filters").unwrap().is_looked_up();
        let (has, lacks) = (is("in", "a", json!([1])), is("ne", "a", json!(1)));
        assert!(looked_up(json!({"type": "or", "filters": [has, {"type": "and", "filters": [has]}]})));
        assert!(!looked_up(lacks.clone()) && !looked_up(json!({"type": "or", "filters": [has, lacks]})));
    }
}
