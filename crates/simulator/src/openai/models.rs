//! `GET /v1/models`, and which model a request may name.

use bytes::Bytes;
use hyper::StatusCode;
use serde::Serialize;

use super::CREATED;
use crate::errors::{ApiError, to_json};
use crate::scenario::Scenario;

const BUILT_IN: [&str; 4] = ["sim-small", "sim-large", "sim-embed", "sim-moderation"];
/// In a scenario's `models`: any name.
const ANY: &str = "*";

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Model<'a>>,
}

#[derive(Serialize)]
struct Model<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
}

/// The list of models, the scenario's own last.
pub(crate) fn list(scenario: &Scenario) -> Bytes {
    let own = scenario.models.iter().map(String::as_str).filter(|name| *name != ANY);
    let model = |id| Model { id, object: "model", created: CREATED, owned_by: "insula-simulator" };
    to_json(&List { object: "list", data: BUILT_IN.into_iter().chain(own).map(model).collect() })
}

/// Refuses a model that is not there. Any model may be asked for anything.
pub(crate) fn check(scenario: &Scenario, name: &str) -> Result<(), ApiError> {
    if BUILT_IN.contains(&name) || scenario.models.iter().any(|own| own == name || own == ANY) {
        return Ok(());
    }
    let message = format!("The model `{name}` does not exist or you do not have access to it.");
    Err(ApiError::new(StatusCode::NOT_FOUND, Some("model_not_found"), message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_adds_models() {
        let mut scenario = Scenario::default();
        assert!(check(&scenario, "sim-small").is_ok());
        assert_eq!(check(&scenario, "gpt-x").unwrap_err().code, Some("model_not_found"));
        scenario.models = vec!["gpt-x".to_owned()];
        assert!(check(&scenario, "gpt-x").is_ok());
        assert!(check(&scenario, "gpt-y").is_err());
        scenario.models = vec!["*".to_owned()];
        assert!(check(&scenario, "gpt-y").is_ok());
    }
}
