//! `/_sim/...`: what people and tests steer and read the simulator by.

use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde::Serialize;

use crate::errors::{ApiError, to_json};
use crate::log::{Fields, Snapshot};
use crate::scenario::Scenario;
use crate::world::World;

#[derive(Serialize)]
struct Count {
    count: u64,
}

#[derive(Serialize)]
struct Requests {
    data: Snapshot,
}

/// Answers one control call.
pub(crate) fn answer(world: &World, method: &Method, path: &str, query: Option<&str>, body: &[u8]) -> Result<Bytes, ApiError> {
    match (method, path) {
        (&Method::GET, "/_sim/count") => Ok(to_json(&Count { count: world.log.count() })),
        (&Method::GET, "/_sim/requests") => Ok(to_json(&Requests { data: world.log.snapshot(fields(query)?) })),
        (&Method::GET, "/_sim/scenario") => Ok(to_json(&*world.scenario())),
        (&Method::POST, "/_sim/scenario") => {
            world.set_scenario(Scenario::from_json(body)?);
            Ok(to_json(&*world.scenario()))
        }
        (&Method::POST, "/_sim/reset") => {
            world.reset();
            Ok(to_json(&Count { count: world.log.count() }))
        }
        _ => Err(ApiError::new(StatusCode::NOT_FOUND, None, format!("Invalid URL ({method} {path})"))),
    }
}

fn fields(query: Option<&str>) -> Result<Fields, ApiError> {
    match query {
        None | Some("") => Ok(Fields::All),
        Some("fields=light") => Ok(Fields::Light),
        Some(query) => Err(ApiError::field("fields", format!("the only query here is `fields=light`, not `{query}`"))),
    }
}
