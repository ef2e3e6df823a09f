//! Values that a JSON schema accepts, made up from a seed.
//!
//! It knows `type`, `enum`, `const`, `anyOf`, `oneOf`, `allOf` (one of them), local `$ref`, `properties`,
//! `required`, `items`, and the bounds of arrays, strings and numbers. It does not know `pattern`, nor how keywords
//! that contradict each other are to be reconciled, nor `multipleOf` for anything but integers.

use serde_json::{Map, Number, Value};

use crate::seeded::Seeded;
use crate::text;

/// Nesting below which only empty values are made, so that a schema that refers to itself ends.
const DEPTH_MAX: usize = 16;
/// Nesting down to which the first of several alternatives is taken.
const FIRST_ALTERNATIVE_DEPTH_MAX: usize = 4;
/// Values made for one schema, so that one that refers to itself twice ends soon.
const VALUES_MAX: usize = 2_000;
/// Longest string that `minLength` gets.
const STRING_CHARS_MAX: u64 = 4_096;
/// Most items that `minItems` gets.
const ITEMS_MAX: u64 = 64;
/// Words of a free string.
const WORDS: u64 = 3;

/// A value for `schema`; the same for the same seed.
pub(crate) fn generate(schema: &Value, seed: u64) -> Value {
    let mut generator = Generator { root: schema, seeded: Seeded::new(seed), values_left: VALUES_MAX };
    generator.value(schema, 0)
}

struct Generator<'a> {
    root: &'a Value,
    seeded: Seeded,
    values_left: usize,
}

impl<'a> Generator<'a> {
    fn value(&mut self, schema: &'a Value, depth: usize) -> Value {
        let Some(left) = self.values_left.checked_sub(1) else { return Value::Null };
        self.values_left = left;

        if let Some(value) = schema.get("const") {
            return value.clone();
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            return self.seeded.pick(values).cloned().unwrap_or_default();
        }
        if let Some(target) = self.referred(schema, depth) {
            return if depth < DEPTH_MAX { self.value(target, depth + 1) } else { Value::Null };
        }
        match kind(schema) {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, depth),
            "string" => Value::String(self.string(schema)),
            "integer" => self.integer(schema),
            "number" => number(schema),
            "boolean" => Value::Bool(self.seeded.below(2) == 1),
            _ => Value::Null,
        }
    }

    /// The schema that this one stands for, where it stands for another. Deep down the last alternative is taken instead
    /// of the first: schemas that refer to themselves end with the way out, such as `{"type":"null"}`.
    fn referred(&self, schema: &'a Value, depth: usize) -> Option<&'a Value> {
        if let Some(pointer) = schema.get("$ref").and_then(Value::as_str) {
            return self.root.pointer(pointer.strip_prefix('#')?);
        }
        let alternatives = ["anyOf", "oneOf", "allOf"].iter().find_map(|key| schema.get(key)?.as_array())?;
        if depth <= FIRST_ALTERNATIVE_DEPTH_MAX { alternatives.first() } else { alternatives.last() }
    }

    /// Required properties; all of them where the schema requires none.
    fn object(&mut self, schema: &'a Value, depth: usize) -> Value {
        let mut object = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object);
        if let Some(properties) = properties.filter(|_| depth < DEPTH_MAX) {
            let required = schema.get("required").and_then(Value::as_array);
            for (name, property) in properties {
                if required.is_none_or(|required| required.iter().any(|wanted| wanted == name)) {
                    object.insert(name.clone(), self.value(property, depth + 1));
                }
            }
        }
        Value::Object(object)
    }

    fn array(&mut self, schema: &'a Value, depth: usize) -> Value {
        let bound = |name: &str| schema.get(name).and_then(Value::as_u64);
        let least = bound("minItems").unwrap_or(u64::from(depth < DEPTH_MAX)).min(ITEMS_MAX);
        let count = least.min(bound("maxItems").unwrap_or(u64::MAX));
        let items = schema.get("items").unwrap_or(&Value::Null);
        (0..count).map(|_| self.value(items, depth + 1)).collect()
    }

    fn string(&mut self, schema: &Value) -> String {
        let formatted = match schema.get("format").and_then(Value::as_str) {
            Some("date-time") => Some("2025-01-01T00:00:00Z"),
            Some("date") => Some("2025-01-01"),
            Some("time") => Some("00:00:00Z"),
            Some("email") => Some("someone@example.com"),
            Some("uri") => Some("https://example.com/"),
            Some("uuid") => Some("00000000-0000-4000-8000-000000000000"),
            _ => None,
        };
        if let Some(formatted) = formatted {
            return formatted.to_owned();
        }
        let bound = |name: &str| schema.get(name).and_then(Value::as_u64);
        let least = bound("minLength").unwrap_or(0).min(STRING_CHARS_MAX) as usize;
        let most = bound("maxLength").map_or(usize::MAX, |most| most as usize);
        let words: Vec<_> = (0..WORDS).map(|_| text::word(&mut self.seeded)).collect();
        let mut string = words.join(" ");
        while string.len() < least {
            string.push(' ');
            string.push_str(text::word(&mut self.seeded));
        }
        string.truncate(most);
        string
    }

    fn integer(&mut self, schema: &Value) -> Value {
        let (least, most) = range(schema, 1.0);
        let step = schema.get("multipleOf").and_then(Value::as_i64).unwrap_or(1).max(1);
        let first = -(-least.ceil() as i64).div_euclid(step);
        let last = (most.floor() as i64).div_euclid(step);
        let span = last.saturating_sub(first).saturating_add(1).max(1);
        first.saturating_add(self.seeded.below(span as u64) as i64).saturating_mul(step).into()
    }
}

/// Halfway between the bounds, so within exclusive ones too.
fn number(schema: &Value) -> Value {
    let (least, most) = range(schema, 0.0);
    Number::from_f64(least + (most - least) / 2.0).map_or(Value::Null, Value::Number)
}

/// What kind of value a schema wants: the first of its types, or what its other keywords imply.
fn kind(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str).unwrap_or_default(),
        _ if schema.get("properties").is_some() => "object",
        _ if schema.get("items").is_some() => "array",
        _ => "string",
    }
}

/// The bounds of a number; a bound that is missing lies 100 from the other. `apart` is the least step off an exclusive one.
fn range(schema: &Value, apart: f64) -> (f64, f64) {
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    let least = bound("minimum").or(bound("exclusiveMinimum").map(|least| least + apart));
    let most = bound("maximum").or(bound("exclusiveMaximum").map(|most| most - apart));
    match (least, most) {
        (Some(least), Some(most)) => (least, most),
        (Some(least), None) => (least, least + 100.0),
        (None, Some(most)) => ((most - 100.0).max(0.0).min(most), most),
        (None, None) => (0.0, 100.0),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_has_what_is_required() {
        let schema = json!({
            "type": "object",
            "required": ["city", "days", "unit", "tags", "strict", "score", "nothing"],
            "properties": {
                "city": {"type": "string", "minLength": 30, "maxLength": 40},
                "days": {"type": "integer", "minimum": 3, "exclusiveMaximum": 5},
                "unit": {"enum": ["c", "f"]},
                "tags": {"type": "array", "items": {"type": "string"}, "minItems": 2},
                "strict": {"type": "boolean"},
                "score": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
                "nothing": {"type": ["null", "string"]},
                "optional": {"type": "string"}
            }
        });
        for seed in 0..50 {
            let value = generate(&schema, seed);
            assert_eq!(value, generate(&schema, seed));
            assert!((30..=40).contains(&value["city"].as_str().unwrap().len()));
            assert!((3..=4).contains(&value["days"].as_i64().unwrap()));
            assert!(["c", "f"].contains(&value["unit"].as_str().unwrap()));
            assert_eq!(value["tags"].as_array().unwrap().len(), 2);
            assert!(value["strict"].is_boolean() && value["nothing"].is_null());
            let score = value["score"].as_f64().unwrap();
            assert!(score > 0.0 && score <= 1.0);
            assert!(value.get("optional").is_none());
        }
    }

    #[test]
    fn integers_keep_their_bounds() {
        for (schema, allowed) in [
            (json!({"type": "integer", "minimum": -3, "maximum": -2}), -3..=-2),
            (json!({"type": "integer", "minimum": 7, "maximum": 13, "multipleOf": 5}), 10..=10),
            (json!({"type": "integer", "maximum": -200}), -300..=-200),
            (json!({"type": "integer"}), 0..=100),
        ] {
            for seed in 0..50 {
                let value = generate(&schema, seed).as_i64().unwrap();
                assert!(allowed.contains(&value), "{value} for {schema}");
            }
        }
    }

    #[test]
    fn references_are_followed() {
        let schema = json!({
            "properties": {"step": {"$ref": "#/$defs/Step"}, "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]}},
            "$defs": {"Step": {"type": "object", "properties": {"text": {"const": "go"}}}}
        });
        let value = generate(&schema, 1);
        assert_eq!(value["step"]["text"], "go");
        assert!(value["maybe"].is_i64());
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let tree = json!({"type": "object", "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}});
        assert!(generate(&tree, 1).is_object());
        let list = json!({"type": "array", "items": {"$ref": "#"}, "minItems": 64});
        assert!(generate(&list, 1).is_array());
        assert!(generate(&json!({"$ref": "#"}), 1).is_null());

        let child = json!({"anyOf": [{"$ref": "#"}, {"type": "null"}]});
        let optional = json!({"type": "object", "required": ["child"], "properties": {"child": child}});
        assert_eq!(generate(&optional, 1).to_string(), r#"{"child":{"child":{"child":null}}}"#);
    }
}
