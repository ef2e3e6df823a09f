//! What a tenant writes to a document, to filter by; and who of its end users may see it.

use std::{cmp::Ordering, collections::BTreeMap};

use insula_model::{Error, Result};
use insula_store::Opener;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

/// Fields of a document, and the characters of their names and values.
const FIELDS_MAX: usize = 32;
const NAME_CHARS_MAX: usize = 64;
const TEXT_CHARS_MAX: usize = 512;
/// Values of one field.
const VALUES_MAX: usize = 64;
/// Bytes of all names and values of a document's fields: they are opened with each of its hits.
const METADATA_BYTES_MAX: usize = 16 * 1024;
/// What a value counts beside its text: so much it takes in memory, and it has an entry that it is looked up by.
const VALUE_BYTES: usize = 24;
/// End users whom a document names, the characters of each, and the bytes of all.
const READERS_MAX: usize = 256;
const READER_CHARS_MAX: usize = 255;
const READERS_BYTES_MAX: usize = 16 * 1024;

/// One value of a field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Scalar {
    /// `true` or `false`.
    Flag(bool),
    /// A number.
    Number(Number),
    /// Text.
    Text(String),
}

impl Scalar {
    /// Reads one; nothing where the value is none, or too long.
    pub fn parse(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(flag) => Some(Self::Flag(*flag)),
            Value::Number(number) => Some(Self::Number(number.clone())),
            Value::String(text) if text.chars().count() <= TEXT_CHARS_MAX => Some(Self::Text(text.clone())),
            _ => None,
        }
    }

    /// The same for values that are equal, and for no others: `1` and `1.0` are one number.
    fn canonical(&self) -> (u8, String) {
        match self {
            Self::Flag(flag) => (b'f', flag.to_string()),
            Self::Number(number) => (b'n', number.as_i64().map_or_else(|| whole(number), |whole| whole.to_string())),
            Self::Text(text) => (b't', text.clone()),
        }
    }

    /// Whether both are the same value. A search asks this of every value of every document: it takes no memory.
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Flag(one), Self::Flag(other)) => one == other,
            (Self::Text(one), Self::Text(other)) => one == other,
            (Self::Number(one), Self::Number(other)) => is_same_number(one, other),
            _ => false,
        }
    }

    /// How it stands to another; nothing where they cannot be compared.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Number(one), Self::Number(other)) => match (one.as_i64(), other.as_i64()) {
                (Some(one), Some(other)) => Some(one.cmp(&other)),
                _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
            },
            (Self::Text(one), Self::Text(other)) => Some(one.cmp(other)),
            _ => None,
        }
    }

    /// What a document that has this value in `field` is looked up by.
    pub fn facet(&self, opener: &Opener, field: &str) -> i64 {
        let (kind, text) = self.canonical();
        opener.index_key(&[b"field", field.as_bytes(), &[kind], text.as_bytes()])
    }
}

/// Below this every whole number is a float of its own.
const WHOLE_FLOAT_MAX: f64 = 9e15;

/// A number that is no 64-bit integer, as text: without a fraction where it has none.
fn whole(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if float.fract() == 0.0 && float.abs() < WHOLE_FLOAT_MAX => format!("{float:.0}"),
        _ => number.to_string(),
    }
}

/// Whether two numbers are written the same in [`Scalar::canonical`].
fn is_same_number(one: &Number, other: &Number) -> bool {
    match (one.as_i64(), other.as_i64()) {
        (Some(one), Some(other)) => one == other,
        (Some(integer), None) => is_whole(other, integer),
        (None, Some(integer)) => is_whole(one, integer),
        (None, None) if one.is_f64() && other.is_f64() => one.as_f64().map(f64::to_bits) == other.as_f64().map(f64::to_bits),
        (None, None) => one.as_u64().is_some() && one.as_u64() == other.as_u64(),
    }
}

/// Whether a number that is no 64-bit integer is this one all the same.
fn is_whole(number: &Number, integer: i64) -> bool {
    number.as_f64().is_some_and(|float| float.abs() < WHOLE_FLOAT_MAX && float.to_bits() == (integer as f64).to_bits())
}

/// What a document that anybody of its tenant may see is looked up by.
pub(crate) fn open_facet(opener: &Opener) -> i64 {
    opener.index_key(&[b"open"])
}

/// What a document that names this end user is looked up by.
pub(crate) fn reader_facet(opener: &Opener, reader: &str) -> i64 {
    opener.index_key(&[b"reader", reader.as_bytes()])
}

/// The fields of a document, each with its values.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Metadata(BTreeMap<String, Vec<Scalar>>);

impl Metadata {
    /// Reads `{"field": value}`; a value is text, a number, `true`, `false`, or a list of them.
    ///
    /// # Errors
    /// [`insula_model::ErrorKind::Invalid`], naming the field that is wrong.
    pub fn parse(fields: &BTreeMap<String, Value>) -> Result<Self> {
        if fields.len() > FIELDS_MAX {
            return Err(Error::invalid(format!("`metadata` takes at most {FIELDS_MAX} fields")).at("metadata"));
        }
        let bytes: usize = fields.iter().map(|(name, value)| name.len() + value_bytes(value)).sum();
        if bytes > METADATA_BYTES_MAX {
            let message = format!(
                "names and values of `metadata` have at most {METADATA_BYTES_MAX} bytes together, each value counted {VALUE_BYTES} beside its text, not {bytes}"
            );
            return Err(Error::invalid(message).at("metadata"));
        }
        fields.iter().map(|(name, value)| Ok((name.clone(), values(name, value)?))).collect::<Result<_>>().map(Self)
    }

    /// The same as it was written.
    pub fn to_json(&self) -> BTreeMap<String, Value> {
        let json = |values: &[Scalar]| match values {
            [one] => serde_json::to_value(one),
            several => serde_json::to_value(several),
        };
        self.0.iter().map(|(name, values)| (name.clone(), json(values).unwrap_or_default())).collect()
    }

    /// The values of a field.
    pub(super) fn values(&self, field: &str) -> &[Scalar] {
        self.0.get(field).map_or(&[], Vec::as_slice)
    }

    /// About what they take in memory.
    pub(super) fn bytes(&self) -> usize {
        let scalar = |scalar: &Scalar| size_of::<Scalar>() + if let Scalar::Text(text) = scalar { text.len() } else { 0 };
        let field = |(name, values): (&String, &Vec<Scalar>)| {
            size_of::<(String, Vec<Scalar>)>() + name.len() + values.iter().map(scalar).sum::<usize>()
        };
        size_of::<Self>() + self.0.iter().map(field).sum::<usize>()
    }

    /// What the document is looked up by.
    pub(super) fn facets(&self, opener: &Opener) -> Vec<i64> {
        let all = self.0.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
        all.map(|(name, value)| value.facet(opener, name)).collect()
    }
}

/// What the texts of a value take.
fn value_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => VALUE_BYTES + text.len(),
        Value::Array(several) => several.iter().map(value_bytes).sum(),
        _ => VALUE_BYTES,
    }
}

fn values(name: &str, value: &Value) -> Result<Vec<Scalar>> {
    let at = format!("metadata.{}", name.chars().take(NAME_CHARS_MAX).collect::<String>());
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return Err(Error::invalid(format!("a field's name has 1 to {NAME_CHARS_MAX} characters")).at(at));
    }
    let several = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
    let values: Option<Vec<Scalar>> = several.iter().map(Scalar::parse).collect();
    values.filter(|values| values.len() <= VALUES_MAX).ok_or_else(|| {
        let message = format!(
            "a field's value is text of up to {TEXT_CHARS_MAX} characters, a number, true or false, or a list of up to \
             {VALUES_MAX} of them"
        );
        Error::invalid(message).at(at)
    })
}

/// Checks who of a tenant's end users may see a document; nobody named: all may.
///
/// # Errors
/// [`insula_model::ErrorKind::Invalid`] where they are too many, or a name is empty or too long.
pub fn access_list(readers: Vec<String>) -> Result<Vec<String>> {
    let fits = |reader: &String| !reader.is_empty() && reader.chars().count() <= READER_CHARS_MAX;
    let bytes: usize = readers.iter().map(String::len).sum();
    if readers.len() <= READERS_MAX && bytes <= READERS_BYTES_MAX && readers.iter().all(fits) {
        return Ok(readers);
    }
    let message = format!(
        "`access` takes at most {READERS_MAX} end users, each with 1 to {READER_CHARS_MAX} characters, of {READERS_BYTES_MAX} bytes \
         together"
    );
    Err(Error::invalid(message).at("access"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn values_count_whatever_they_are() {
        let fields = |fields: usize, values: usize| {
            let all = (0..fields).map(|n| (format!("f{n}"), json!((0..values).collect::<Vec<_>>()))).collect();
            Metadata::parse(&all).map(drop).map_err(|error| error.message().to_owned())
        };
        assert_eq!(fields(10, VALUES_MAX), Ok(()));
        let refused = fields(FIELDS_MAX, VALUES_MAX).unwrap_err();
        assert!(refused.contains("16384 bytes"), "{refused}");
    }

    fn scalar() -> impl Strategy<Value = Scalar> {
        let near = prop_oneof![-3_i64..3, Just(i64::MAX), Just(i64::MIN), Just(9_000_000_000_000_000)];
        let value = prop_oneof![
            any::<bool>().prop_map(Value::from),
            near.clone().prop_map(Value::from),
            (-6_i64..6).prop_map(|halves| json!(halves as f64 / 2.0)),
            near.prop_map(|whole| json!(whole as f64)),
            Just(json!(-0.0)),
            Just(json!(u64::MAX)),
            Just(json!(u64::MAX as f64)),
            Just(json!(1e300)),
            "[01a-]{0,2}".prop_map(Value::from),
        ];
        value.prop_map(|value| Scalar::parse(&value).unwrap())
    }

    proptest! {
        #[test]
        fn what_is_the_same_is_looked_up_the_same(one in scalar(), other in scalar()) {
            prop_assert_eq!(one.is(&other), one.canonical() == other.canonical());
        }
    }
}
