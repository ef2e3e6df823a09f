//! Query strings of the management API.

use std::error::Error as _;

use axum::extract::{FromRequestParts, Query, rejection::QueryRejection};
use http::{Uri, request::Parts};
use insula_model::{Error, Result};
use serde::de::{DeserializeOwned, value};

use super::wrong;
use crate::{App, errors::Failure};

/// A query string read as `T`: unknown and repeated parameters and wrong values are refused, naming the parameter.
pub(crate) struct StrictQuery<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<App> for StrictQuery<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Failure> {
        Ok(Self(parse(&parts.uri)?))
    }
}

/// Reads the query string of `uri`, as [`StrictQuery`] does.
pub(crate) fn parse<T: DeserializeOwned>(uri: &Uri) -> Result<T> {
    let Query(read) = Query::try_from_uri(uri).map_err(refused)?;
    Ok(read)
}

/// The parameter stands in an error below the one that the router's own reader gives.
fn refused(rejection: QueryRejection) -> Error {
    let mut below = rejection.source();
    while let Some(error) = below {
        if let Some(error) = error.downcast_ref::<serde_path_to_error::Error<value::Error>>() {
            return wrong::error(error.path(), error.inner().to_string());
        }
        below = error.source();
    }
    Error::invalid(rejection.body_text())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Page {
        limit: Option<u32>,
        cursor: Option<String>,
    }

    fn read(query: &str) -> Result<Page> {
        parse(&format!("/list?{query}").parse().expect("a URI"))
    }

    #[test]
    fn names_what_is_wrong() {
        assert_eq!(read("limit=3&cursor=a%2Bb").ok(), Some(Page { limit: Some(3), cursor: Some("a+b".into()) }));
        for (query, name) in [("limit=x", "limit"), ("limit=-1", "limit"), ("limt=1", "limt"), ("limit=1&limit=2", "limit")] {
            assert_eq!(read(query).expect_err(query).param(), Some(name), "{query}");
        }
    }
}
