//! Providers' errors in Insula's terms, with nothing in them that is not the caller's business.

use std::{error::Error as StdError, io, time::Duration};

use chrono::DateTime;
use http::{HeaderMap, StatusCode, header};
use insula_model::{Error, ErrorKind};
use serde_json::{Value, value::RawValue};

use super::{SendFailure, allowance::read_allowance, scrub::Scrub};

/// The longest wait that a provider is believed to ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// What a provider said when it refused, as far as a caller may know it. The private source of the error that it caused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the provider answered {status} ({})", code.as_deref().unwrap_or("no code"))]
pub struct UpstreamError {
    /// The HTTP status; 200 when the error stood inside an answer.
    pub status: u16,
    /// The vendor's code, such as `context_length_exceeded`.
    pub code: Option<String>,
}

impl UpstreamError {
    /// What the provider said, if `error` came from one.
    pub fn of(error: &Error) -> Option<&Self> {
        error.private_source()?.downcast_ref()
    }
}

/// The shapes that vendors write errors in, in one.
#[derive(Debug, Default)]
struct Said {
    message: Option<String>,
    param: Option<String>,
    code: Option<String>,
    kind: Option<String>,
    /// Google's word for the kind, such as `INVALID_ARGUMENT`, and what its `details` say besides.
    status: Option<String>,
    reason: Option<String>,
    retry_delay: Option<Duration>,
}

impl Said {
    /// `{"error":{...}}` (OpenAI, Anthropic), `[{"error":{...}}]` (Gemini), `{"error":"..."}` (Ollama), `{"message":...}` (vLLM),
    /// `{"detail":"..."}` (FastAPI).
    fn read(body: &[u8]) -> Self {
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        let whole = value.get(0).unwrap_or(&value);
        Self::of(whole.get("error").unwrap_or(whole))
    }

    fn of(error: &Value) -> Self {
        let text = |name: &str| match error.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let message = error.as_str().map(str::to_owned).or_else(|| text("message")).or_else(|| text("detail"));
        let details = || error.get("details").and_then(Value::as_array).into_iter().flatten();
        let detail = |name: &str| details().find_map(|detail| detail.get(name)?.as_str());
        let seconds = detail("retryDelay").and_then(|text| text.strip_suffix('s')?.parse().ok());
        Self {
            message,
            param: text("param"),
            code: text("code"),
            kind: text("type"),
            status: text("status"),
            reason: detail("reason").map(str::to_owned),
            retry_delay: seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        }
    }

    /// Google answers 400 where its key is wrong or its account is not set up.
    fn is_of_googles_account(&self) -> bool {
        self.reason.as_deref() == Some("API_KEY_INVALID") || self.status.as_deref() == Some("FAILED_PRECONDITION")
    }

    fn names(&self, word: &str) -> bool {
        [&self.code, &self.kind].into_iter().flatten().any(|said| said.contains(word))
    }
}

/// An answer with an error status.
pub(super) fn from_status(status: StatusCode, headers: &HeaderMap, body: &[u8], scrub: &Scrub) -> SendFailure {
    let said = Said::read(body);
    let delay = retry_after(headers).or(said.retry_delay.map(|delay| delay.min(RETRY_AFTER_MAX)));
    let error = classify(status.as_u16(), delay, &said, scrub);
    match status.as_u16() {
        // A gateway gave up waiting; behind it the provider may go on, and bill.
        504 | 524 => SendFailure::Broken { error },
        _ => SendFailure::Rejected { error },
    }
}

/// An error that stands where an answer should, under a good status.
pub(crate) fn from_answer(error: &RawValue, scrub: &Scrub) -> Error {
    let value: Value = serde_json::from_str(error.get()).unwrap_or_default();
    let said = Said::of(&value);
    let status = match said.code.as_deref().and_then(|code| code.parse().ok()) {
        Some(status @ 400..=599) => status,
        _ if said.names("rate_limit") => 429,
        _ if said.names("context_length") || said.names("content_filter") || said.names("invalid_request") => 400,
        _ => 500,
    };
    classify(status, None, &said, scrub)
}

fn classify(status: u16, retry_after: Option<Duration>, said: &Said, scrub: &Scrub) -> Error {
    let told = |text: &str, bytes_max| word(text, bytes_max).filter(|word| !scrub.is_in(word));
    let source = UpstreamError { status, code: said.code.as_deref().and_then(|code| told(code, 64)) };
    let error = match status {
        // How Anthropic says that the platform has not paid.
        400 if said.message.as_deref().is_some_and(|message| message.contains("credit balance is too low")) => {
            account_refused(scrub)
        }
        400 if said.is_of_googles_account() => account_refused(scrub),
        400 | 404 | 413 | 422 => {
            let message = said.message.as_deref().map(|message| scrub.clean(message)).filter(|message| !message.is_empty());
            let message = message.unwrap_or_else(|| format!("the provider refused the request with status {status}"));
            let error = Error::new(ErrorKind::ProviderRejected(status), message);
            match said.param.as_deref().and_then(|param| told(param, 100)) {
                Some(param) => error.at(param),
                None => error,
            }
        }
        // The platform's account, not the caller's pace: waiting does not help.
        429 if said.names("insufficient_quota") => account_refused(scrub),
        401..=403 => account_refused(scrub),
        429 => Error::new(ErrorKind::ProviderRateLimited { retry_after }, limited(scrub)),
        408 | 504 | 524 => Error::new(ErrorKind::ProviderTimeout, "the provider took too long; try again"),
        _ => Error::new(ErrorKind::ProviderFailed, "the provider failed; try again"),
    };
    error.caused_by(source)
}

fn account_refused(scrub: &Scrub) -> Error {
    let message = match scrub.is_own_account() {
        false => "the provider refused the platform's account; this is for the operator to mend",
        true => {
            "the provider refused your own credential: it is wrong, was revoked, or its account may not do this; store another \
             with PUT /api/v1/tenants/{tenant}/provider-credentials/{provider}, or remove it"
        }
    };
    Error::new(ErrorKind::ProviderFailed, message)
}

fn limited(scrub: &Scrub) -> &'static str {
    match scrub.is_own_account() {
        false => "the provider is limiting this platform; try again later",
        true => "the provider is limiting the account of your own credential; try again later",
    }
}

/// A machine's word, such as a code or the name of a parameter; `None` if it is anything else.
fn word(text: &str, bytes_max: usize) -> Option<String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'[' | b']');
    (!text.is_empty() && text.len() <= bytes_max && text.bytes().all(plain)).then(|| text.to_owned())
}

/// How long to wait: `retry-after-ms`, or `retry-after` in seconds or as a date, which is measured from the provider's own
/// `date`; else until an allowance that is used up is renewed.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let seconds = |text: &str| text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let date = |text: &str| DateTime::parse_from_rfc2822(text).ok();
    let wait = text("retry-after-ms")
        .and_then(|text| text.parse().ok())
        .map(Duration::from_millis)
        .or_else(|| seconds(text(header::RETRY_AFTER.as_str())?))
        .or_else(|| {
            let until = date(text(header::RETRY_AFTER.as_str())?)?;
            (until - date(text(header::DATE.as_str())?)?).to_std().ok()
        })
        .or_else(|| {
            let allowance = read_allowance(headers);
            let spent = [allowance.requests, allowance.tokens].into_iter().flatten().filter(|left| left.remaining == 0);
            spent.map(|left| left.reset).max()
        });
    wait.map(|wait| wait.min(RETRY_AFTER_MAX))
}

/// Why a request got no response.
pub(super) fn from_send(error: hyper_util::client::legacy::Error) -> SendFailure {
    let unreachable = |kind, error: hyper_util::client::legacy::Error| {
        SendFailure::NotSent(Error::new(kind, "the provider cannot be reached; try again").caused_by(error))
    };
    let cause = error.source().and_then(|source| source.downcast_ref::<hyper::Error>());
    if error.is_connect() {
        let kind = if is_late(&error) { ErrorKind::ProviderTimeout } else { ErrorKind::ProviderFailed };
        return unreachable(kind, error);
    }
    if cause.is_some_and(hyper::Error::is_canceled) {
        // hyper gives the request back, and says `canceled`, only while it still waits in the connection's queue: nothing
        // of it was written (hyper 1.12, proto/h1/dispatch.rs, `Client::recv_msg`).
        return unreachable(ErrorKind::ProviderFailed, error);
    }
    SendFailure::Broken { error: broken().caused_by(error) }
}

/// Whether time ran out somewhere behind `error`.
fn is_late(error: &(dyn StdError + 'static)) -> bool {
    let timed_out = |error: &io::Error| error.kind() == io::ErrorKind::TimedOut;
    error.is::<tokio::time::error::Elapsed>()
        || error.downcast_ref().is_some_and(timed_out)
        || error.source().is_some_and(is_late)
}

/// The connection broke.
pub(super) fn broken() -> Error {
    Error::new(ErrorKind::ProviderFailed, "the connection to the provider broke before its answer ended; try again")
}

/// The answer makes no sense.
pub(crate) fn unreadable(why: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    Error::new(ErrorKind::ProviderFailed, "the provider's answer could not be read; try again").caused_by(why)
}

/// The answer is longer than its bound.
pub(super) fn too_long(what: &str, bytes_max: u64) -> Error {
    let message = format!("the provider sent {what} longer than {bytes_max} bytes; ask for less output");
    Error::new(ErrorKind::AnswerTooLarge, message)
}

/// The stream ended without saying so.
pub(super) fn ended_early() -> Error {
    Error::new(ErrorKind::ProviderFailed, "the provider's answer ended early; try again")
}

/// An error body is text for nobody: only so much of it is read.
pub(super) const ERROR_BYTES_MAX: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> SendFailure {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        from_status(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes(), &Scrub::default())
    }

    fn rejected(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Error {
        match failed(status, headers, body) {
            SendFailure::Rejected { error } => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_the_caller_wrote_wrong_is_told() {
        let body = r#"{"error":{"message":"This model's maximum context length is 8192 tokens.","type":"invalid_request_error",
            "param":"messages","code":"context_length_exceeded"}}"#;
        let error = rejected(400, &[], body);
        assert_eq!(error.kind(), &ErrorKind::ProviderRejected(400));
        assert_eq!((error.message(), error.param()), ("This model's maximum context length is 8192 tokens.", Some("messages")));
        let code = UpstreamError::of(&error).and_then(|said| said.code.clone());
        assert_eq!(code.as_deref(), Some("context_length_exceeded"));
    }

    #[test]
    fn other_shapes_are_read() {
        for body in [
            r#"{"error":"bad thing"}"#,
            r#"[{"error":{"code":400,"message":"bad thing","status":"INVALID_ARGUMENT"}}]"#,
            r#"{"object":"error","message":"bad thing","code":400}"#,
            r#"{"detail":"bad thing"}"#,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"bad thing"},"request_id":"req_1"}"#,
        ] {
            assert_eq!(rejected(422, &[], body).message(), "bad thing");
        }
        for body in ["", "<html>nginx</html>", "null", "[]", r#"{"error":{"message":7}}"#] {
            assert!(!rejected(400, &[], body).message().contains("nginx"));
        }
    }

    #[test]
    fn what_is_the_operators_business_is_not_told() {
        let body = r#"{"error":{"message":"Incorrect API key provided: sk-secret","code":"invalid_api_key"}}"#;
        for status in [401, 402, 403, 500, 502, 503, 418] {
            let error = rejected(status, &[], body);
            assert_eq!(error.kind(), &ErrorKind::ProviderFailed, "{status}");
            assert!(!error.message().contains("key"), "{error}");
        }
        let unpaid = r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low"}}"#;
        assert_eq!(rejected(400, &[], unpaid).kind(), &ErrorKind::ProviderFailed);
        for body in [
            r#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#,
            r#"{"error":{"code":400,"message":"User location is not supported.","status":"FAILED_PRECONDITION"}}"#,
        ] {
            assert_eq!(rejected(400, &[], body).kind(), &ErrorKind::ProviderFailed);
        }
        let quota = rejected(429, &[], r#"{"error":{"code":"insufficient_quota","message":"You exceeded your quota"}}"#);
        assert_eq!(quota.kind(), &ErrorKind::ProviderFailed);
    }

    #[test]
    fn whose_account_was_refused_is_told() {
        let own = Scrub::new(["qqqq1234".to_owned()]).of_own_account();
        let body = r#"{"error":{"message":"no such key: QQQQ1234","code":"qqqq1234","param":"qqqq1234"}}"#;
        for (status, word) in [(401, "your own credential"), (429, "your own credential"), (400, "no such key: [removed]")] {
            let failure = from_status(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes(), &own);
            let SendFailure::Rejected { error } = failure else { panic!("{failure:?}") };
            assert!(error.message().contains(word), "{error}");
            assert!(!format!("{error:?}").to_lowercase().contains("qqqq1234"), "{error:?}");
        }
    }

    #[test]
    fn waits_are_read_in_every_form() {
        let limited = |headers: &[_]| match rejected(429, headers, "").kind() {
            ErrorKind::ProviderRateLimited { retry_after } => *retry_after,
            other => panic!("{other:?}"),
        };
        let seconds = |n| Some(Duration::from_secs(n));
        assert_eq!(limited(&[("retry-after", "7")]), seconds(7));
        assert_eq!(limited(&[("retry-after", "7"), ("retry-after-ms", "1500")]), Some(Duration::from_millis(1_500)));
        let date = ("retry-after", "Wed, 21 Oct 2026 07:28:30 GMT");
        assert_eq!(limited(&[date, ("date", "Wed, 21 Oct 2026 07:28:00 GMT")]), seconds(30));
        assert_eq!(limited(&[("retry-after", "9999999")]), Some(RETRY_AFTER_MAX));
        let used_up = [("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "1m30s")];
        assert_eq!(limited(&used_up), seconds(90));
        let said = r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"@type":"x"},{"retryDelay":"34.5s"}]}}"#;
        let kind = ErrorKind::ProviderRateLimited { retry_after: Some(Duration::from_millis(34_500)) };
        assert_eq!(rejected(429, &[], said).kind(), &kind);
        for nonsense in ["-1", "NaN", "inf", "soon", "Wed, 21 Oct 2026 07:28:30 GMT"] {
            assert_eq!(limited(&[("retry-after", nonsense)]), None, "{nonsense}");
        }
    }

    #[test]
    fn a_gateways_timeout_may_have_been_billed() {
        assert!(matches!(failed(504, &[], ""), SendFailure::Broken { error } if *error.kind() == ErrorKind::ProviderTimeout));
        assert_eq!(rejected(408, &[], "").kind(), &ErrorKind::ProviderTimeout);
    }

    #[test]
    fn errors_inside_answers_are_classified() {
        let kind = |text: &str| from_answer(serde_json::from_str(text).unwrap(), &Scrub::default()).kind().clone();
        assert_eq!(
            kind(r#"{"message":"slow down","type":"rate_limit_error"}"#),
            ErrorKind::ProviderRateLimited { retry_after: None }
        );
        assert_eq!(kind(r#"{"message":"too long","code":"context_length_exceeded"}"#), ErrorKind::ProviderRejected(400));
        assert_eq!(kind(r#"{"message":"bad","code":502}"#), ErrorKind::ProviderFailed);
        assert_eq!(kind(r#""boom""#), ErrorKind::ProviderFailed);
    }
}
