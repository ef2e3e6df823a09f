//! How a command ends: the exit codes of the contract.

use std::{fmt, process::ExitCode};

use insula_model::ErrorKind;
use serde_json::Value;

/// Why a command did not succeed. `0` is success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// It went wrong.
    Failed = 1,
    /// It was asked wrongly.
    Usage = 2,
    /// What it was asked for does not exist.
    NotFound = 3,
    /// The credential is missing, unknown or not enough.
    NotAuthorised = 4,
    /// It clashes with what exists.
    Conflict = 5,
    /// A policy or a budget said no.
    Refused = 6,
}

/// A command's failure: a code for programs, a message for people.
#[derive(Debug)]
pub struct Failure {
    code: Code,
    message: String,
    /// The server's own words, for `--json`.
    body: Option<Value>,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), body: None }
    }

    /// It went wrong.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Code::Failed, message)
    }

    /// It was asked wrongly.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Code::Usage, message)
    }

    /// What the server answered instead of what was asked for.
    pub fn refused_by_server(status: u16, body: &[u8]) -> Self {
        let body: Option<Value> = serde_json::from_slice(body).ok();
        let text = |pointer: &str| body.as_ref().and_then(|b| b.pointer(pointer)).and_then(Value::as_str);
        let message = text("/detail").or(text("/error/message")).or(text("/title"));
        let message = message.map_or_else(|| format!("the server answered {status}"), str::to_owned);
        // Many messages name the field themselves.
        let message = match text("/param").or(text("/error/param")) {
            Some(field) if !message.contains(field) => format!("{field}: {message}"),
            _ => message,
        };
        let reason = text("/code").or(text("/error/code"));
        Self { code: Code::of_status(status, reason), message, body }
    }

    /// The failure as one JSON object, the server's own where it said one.
    pub fn json(&self) -> Value {
        match &self.body {
            Some(body) => body.clone(),
            None => serde_json::json!({ "title": self.message, "exit_code": self.code as u8 }),
        }
    }

    /// The code for the process.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code as u8)
    }
}

impl Code {
    fn of_status(status: u16, reason: Option<&str>) -> Self {
        match status {
            400 | 405 | 413 | 415 | 422 => Code::Usage,
            401 | 403 => Code::NotAuthorised,
            404 => Code::NotFound,
            409 | 412 => Code::Conflict,
            429 if reason == Some("budget_exceeded") => Code::Refused,
            _ => Code::Failed,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Anything that went wrong inside this program, with its causes.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let code = match error.downcast_ref::<insula_model::Error>().map(insula_model::Error::kind) {
            Some(ErrorKind::Conflict) => Code::Conflict,
            _ => Code::Failed,
        };
        Self::new(code, format!("{error:#}"))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_become_the_codes_of_the_contract() {
        let code = |status, body: &str| Failure::refused_by_server(status, body.as_bytes()).code;
        assert_eq!(code(404, r#"{"detail":"not found","code":"not_found"}"#), Code::NotFound);
        assert_eq!(code(401, "{}"), Code::NotAuthorised);
        assert_eq!(code(412, "{}"), Code::Conflict);
        assert_eq!(code(429, r#"{"error":{"message":"over","code":"budget_exceeded"}}"#), Code::Refused);
        assert_eq!(code(429, r#"{"error":{"code":"rate_limited"}}"#), Code::Failed);
        assert_eq!(code(502, "<html>"), Code::Failed);
    }

    #[test]
    fn the_servers_words_come_through() {
        let failure = Failure::refused_by_server(400, br#"{"title":"Bad request","detail":"a slug has 1 to 63 characters"}"#);
        assert_eq!(failure.to_string(), "a slug has 1 to 63 characters");
        assert_eq!(failure.json()["title"], "Bad request");
    }
}
