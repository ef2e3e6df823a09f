//! What the server says that it offers.

use std::collections::BTreeSet;

use insula_tests::Caller;
use serde_json::{Map, Value};

/// One operation.
#[derive(Debug, Clone)]
pub struct Operation {
    /// `GET /api/v1/tenants/{tenant}`: how the table of cases calls it.
    pub name: String,
    /// Everything that a caller can send: `path tenant`, `query cursor`, `header If-Match`, `body slug`.
    pub inputs: BTreeSet<String>,
    /// The statuses that it documents.
    pub statuses: BTreeSet<u16>,
    /// The credential that it says it needs (`x-credential`).
    pub credential: String,
}

impl Operation {
    /// Its method.
    pub fn method(&self) -> http::Method {
        self.name.split(' ').next().unwrap_or_default().parse().unwrap()
    }

    /// Its path, with `{names}`.
    pub fn path(&self) -> &str {
        self.name.split(' ').nth(1).unwrap_or_default()
    }
}

/// Every code that an error can have.
pub async fn error_codes(anyone: &Caller) -> BTreeSet<String> {
    let document = anyone.get("/openapi.json").await.expect(200).json();
    let codes = document.pointer("/components/schemas/Problem/properties/code/enum").and_then(Value::as_array).unwrap();
    codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect()
}

/// All operations, in the order of the document.
pub async fn operations(anyone: &Caller) -> Vec<Operation> {
    let document = anyone.get("/openapi.json").await.expect(200).json();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{}", document["openapi"]);
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(name, _)| name.as_str() != "parameters") {
            let shared = item.get("parameters").and_then(Value::as_array).into_iter().flatten();
            let own = operation.get("parameters").and_then(Value::as_array).into_iter().flatten();
            let mut inputs: BTreeSet<String> =
                shared.chain(own).map(|parameter| parameter_name(&document, parameter)).collect();
            if let Some(schema) = operation.pointer("/requestBody/content/application~1json/schema") {
                fields(&document, schema, "body", &mut inputs, 0);
            }
            let statuses =
                operation["responses"].as_object().unwrap().keys().filter_map(|status| status.parse().ok()).collect();
            let credential = operation["x-credential"].as_str().unwrap_or_default().to_owned();
            found.push(Operation { name: format!("{} {path}", method.to_uppercase()), inputs, statuses, credential });
        }
    }
    found
}

fn parameter_name(document: &Value, parameter: &Value) -> String {
    let parameter = resolve(document, parameter);
    format!("{} {}", parameter["in"].as_str().unwrap(), parameter["name"].as_str().unwrap())
}

/// Collects the names of all properties of a body, also of those inside arrays and alternatives.
fn fields(document: &Value, schema: &Value, prefix: &str, into: &mut BTreeSet<String>, depth: usize) {
    assert!(depth < 20, "a schema that contains itself");
    let schema = resolve(document, schema);
    for (name, property) in schema.get("properties").and_then(Value::as_object).unwrap_or(&Map::new()) {
        into.insert(format!("{prefix} {name}"));
        fields(document, property, &format!("{prefix} {name}"), into, depth + 1);
    }
    if let Some(items) = schema.get("items") {
        fields(document, items, prefix, into, depth + 1);
    }
    for word in ["oneOf", "anyOf", "allOf"] {
        for part in schema.get(word).and_then(Value::as_array).into_iter().flatten() {
            fields(document, part, prefix, into, depth + 1);
        }
    }
}

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(reference) => {
            document.pointer(reference.trim_start_matches('#')).unwrap_or_else(|| panic!("dangling {reference}"))
        }
        None => value,
    }
}
