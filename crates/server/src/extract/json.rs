//! Bodies of the management API: JSON that means exactly one thing.

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use insula_model::{Error, ErrorKind, Result};
use serde::de::DeserializeOwned;

use super::wrong;
use crate::{App, errors::Failure};

/// Bytes of a management call's body; above it callers get 413.
pub(crate) const MANAGEMENT_BODY_BYTES_MAX: usize = 1024 * 1024;

/// A body read as `T`. Unknown and repeated fields, wrong types, text that is not UTF-8 and nesting deeper than 128 are
/// refused, naming the field. Whatever the content type says, the body is JSON; an absent one is an empty object.
pub(crate) struct StrictJson<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for StrictJson<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &App) -> Result<Self, Failure> {
        Ok(Self(parse(&read(request).await?)?))
    }
}

async fn read(request: Request) -> Result<Bytes> {
    let too_large = || {
        let message = format!("the body is larger than {MANAGEMENT_BODY_BYTES_MAX} bytes");
        Error::new(ErrorKind::TooLarge, message)
    };
    let body = request.into_body();
    if http_body::Body::size_hint(&body).lower() > MANAGEMENT_BODY_BYTES_MAX as u64 {
        return Err(too_large());
    }
    match Limited::new(body, MANAGEMENT_BODY_BYTES_MAX).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(Error::invalid("the body broke off before its end")),
    }
}

/// Reads `body` as [`StrictJson`] does.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let text = std::str::from_utf8(body).map_err(|wrong| {
        let at = wrong.valid_up_to();
        Error::invalid(format!("the body is not UTF-8 at byte {at}"))
    })?;
    let text = if text.trim().is_empty() { "{}" } else { text };
    let mut reader = serde_json::Deserializer::from_str(text);
    let value =
        serde_path_to_error::deserialize(&mut reader).map_err(|error| wrong::error(error.path(), error.inner().to_string()))?;
    reader.end().map_err(|error| Error::invalid(format!("more follows after the JSON: {error}")))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        name: String,
        #[serde(default)]
        inner: Vec<Inner>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        count: u32,
    }

    fn param(body: impl AsRef<[u8]>) -> Option<String> {
        parse::<Outer>(body.as_ref()).expect_err("wrong").param().map(str::to_owned)
    }

    #[test]
    fn names_what_is_wrong() {
        for (body, field) in [
            (r#"{"name":1}"#, Some("name")),
            (r#"{"nam":"x"}"#, Some("nam")),
            (r#"{}"#, Some("name")),
            ("", Some("name")),
            (r#"{"name":"x","name":"y"}"#, Some("name")),
            (r#"{"name":"x","inner":[{"count":1},{"count":-1}]}"#, Some("inner[1].count")),
            (r#"{"name":"x","inner":[{"count":1,"count":2}]}"#, Some("inner[0].count")),
            (r#"{"name":"x","inner":[{"other":1}]}"#, Some("inner[0].other")),
            (r#"{"name":"x"} {}"#, None),
            (r#"["#, None),
        ] {
            assert_eq!(param(body).as_deref(), field, "{body}");
        }
        assert_eq!(param(b"{\"name\":\"\xff\"}"), None);
    }

    #[test]
    fn depth_bombs_are_refused() {
        let deep = format!("{{\"name\":{}", "[".repeat(100_000));
        assert!(parse::<Outer>(deep.as_bytes()).is_err());
        assert!(parse::<serde_json::Value>("[".repeat(100_000).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(body: Vec<u8>) {
            let _ = parse::<Outer>(&body);
        }
    }
}
