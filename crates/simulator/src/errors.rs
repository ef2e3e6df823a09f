//! Refusals, in OpenAI's shape, `{"error":{"message","type","param","code"}}`, in Anthropic's,
//! `{"type":"error","error":{"type","message"}}`, and in Google's, `{"error":{"code","message","status"}}`.

use bytes::Bytes;
use hyper::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

/// What the `retry-after` header of a simulated 429 says.
pub(crate) const RETRY_AFTER_S: u32 = 1;

/// An error answer. Messages follow OpenAI's own where it has one.
#[derive(Debug)]
pub(crate) struct ApiError {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// What went wrong, for people.
    pub(crate) message: String,
    /// The error's class, `type` on the wire.
    pub(crate) kind: &'static str,
    /// The offending parameter, where there is one.
    pub(crate) param: Option<String>,
    /// For programs, where OpenAI has one.
    pub(crate) code: Option<&'static str>,
    /// Seconds, for the header.
    pub(crate) retry_after_s: Option<u32>,
}

#[derive(Serialize)]
struct Wire<'a> {
    error: WireError<'a>,
}

#[derive(Serialize)]
struct WireError<'a> {
    message: &'a str,
    r#type: &'a str,
    param: Option<&'a str>,
    code: Option<&'a str>,
}

#[derive(Serialize)]
struct GoogleWire<'a> {
    error: GoogleError<'a>,
}

#[derive(Serialize)]
struct GoogleError<'a> {
    code: u16,
    message: &'a str,
    status: &'static str,
}

impl ApiError {
    /// A request that is refused for what it says as a whole.
    pub(crate) fn new(status: StatusCode, code: Option<&'static str>, message: impl Into<String>) -> ApiError {
        let kind = if status.is_server_error() { "server_error" } else { "invalid_request_error" };
        ApiError { status, message: message.into(), kind, param: None, code, retry_after_s: None }
    }

    /// A 400 for one parameter.
    pub(crate) fn field(param: &str, message: impl Into<String>) -> ApiError {
        ApiError { param: Some(param.to_owned()), ..ApiError::new(StatusCode::BAD_REQUEST, None, message) }
    }

    /// A 400 for a body that is not JSON, or not the JSON that the endpoint takes.
    pub(crate) fn unreadable(error: &serde_json::Error) -> ApiError {
        if !error.is_data() {
            let message = format!("We could not parse the JSON body of your request: {error}");
            return ApiError::new(StatusCode::BAD_REQUEST, None, message);
        }
        let message = error.to_string();
        let missing = message.strip_prefix("missing field `").and_then(|rest| rest.split_once('`'));
        match missing {
            Some((param, _)) => ApiError {
                code: Some("missing_required_parameter"),
                ..ApiError::field(param, format!("Missing required parameter: '{param}'."))
            },
            None => ApiError::new(StatusCode::BAD_REQUEST, None, format!("Invalid request: {message}")),
        }
    }

    /// The 429 of the fault `rate_limit`.
    pub(crate) fn rate_limit() -> ApiError {
        let message = format!("Rate limit reached. Please try again in {RETRY_AFTER_S}s.");
        ApiError {
            kind: "requests",
            retry_after_s: Some(RETRY_AFTER_S),
            ..ApiError::new(StatusCode::TOO_MANY_REQUESTS, Some("rate_limit_exceeded"), message)
        }
    }

    /// The 500 of the fault `server_error`, and the event of `error_in_stream`.
    pub(crate) fn server_error() -> ApiError {
        let message = "The server had an error while processing your request. Sorry about that!";
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, None, message)
    }

    /// The error object.
    pub(crate) fn to_json(&self) -> Bytes {
        let error = WireError { message: &self.message, r#type: self.kind, param: self.param.as_deref(), code: self.code };
        to_json(&Wire { error })
    }

    /// The error object in Anthropic's shape.
    pub(crate) fn to_anthropic(&self) -> Value {
        let kind = match self.status.as_u16() {
            401 => "authentication_error",
            404 => "not_found_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            500.. => "api_error",
            _ => "invalid_request_error",
        };
        json!({"type": "error", "error": {"type": kind, "message": self.message}})
    }

    /// The same as bytes.
    pub(crate) fn to_anthropic_json(&self) -> Bytes {
        to_json(&self.to_anthropic())
    }

    /// The error object in Google's shape.
    pub(crate) fn to_google_json(&self) -> Bytes {
        let code = self.status.as_u16();
        let status = match code {
            404 => "NOT_FOUND",
            429 => "RESOURCE_EXHAUSTED",
            400..=499 => "INVALID_ARGUMENT",
            _ => "INTERNAL",
        };
        to_json(&GoogleWire { error: GoogleError { code, message: &self.message, status } })
    }
}

/// Serialises one of our own types.
pub(crate) fn to_json(value: &impl Serialize) -> Bytes {
    match serde_json::to_vec(value) {
        Ok(json) => json.into(),
        Err(error) => {
            // Our types have string keys and no failing `Serialize`, so this is a bug; the client sees an empty body.
            tracing::error!(%error, "answer could not be serialised");
            Bytes::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_all_four_members() {
        let json: serde_json::Value = serde_json::from_slice(&ApiError::rate_limit().to_json()).unwrap();
        assert_eq!(json["error"]["type"], "requests");
        assert_eq!(json["error"]["code"], "rate_limit_exceeded");
        assert!(json["error"]["param"].is_null());
        assert!(json["error"]["message"].is_string());
    }
}
