//! From a request on the wire to an authenticated call with its body.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, header, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use insula_engine::{Call, directory::Credential};
use insula_model::{Cause, Complexity, Error, ErrorKind, RequestId, Result};

use super::{cache, room::BodyPermit, tags};
use crate::{App, auth, errors};

/// The longest `Idempotency-Key`.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// A request whose credential was verified before a byte of its body was read.
pub(super) struct Arrival {
    pub call: Call,
    /// What came before the body.
    pub head: Parts,
    body: Body,
}

/// A body, with the room that it takes.
pub(super) struct Received {
    pub bytes: Bytes,
    /// To be kept for as long as the request is served, a stream to its end: so long the body is in memory.
    pub room: Option<BodyPermit>,
}

/// A request that was turned away, with the id that its caller is told.
pub(super) struct TurnedAway {
    pub error: Error,
    pub request: RequestId,
}

impl Arrival {
    /// Verifies the credential.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthenticated`] and its kin; an operator's credential opens no tenant's data plane.
    pub async fn new(app: &App, request: Request<Body>) -> Result<Self, Box<TurnedAway>> {
        let engine = &app.engine;
        let (started_at, started) = (engine.clock.now(), engine.clock.elapsed());
        let (parts, body) = request.into_parts();
        let turned_away = |error| Box::new(TurnedAway { error, request: engine.request_id([0; 4]) });
        let credential = match auth::credential(&app.engine, &parts.headers).await.map_err(turned_away)? {
            Credential::Tenant(credential) => credential,
            Credential::Operator(_) => {
                let message = "an operator key opens no tenant's data plane; use a tenant key, or mint a tenant token";
                return Err(turned_away(Error::new(ErrorKind::Forbidden, message)));
            }
        };
        let id = engine.request_id(credential.tenant.request_tag);
        let turned_away = |error| Box::new(TurnedAway { error, request: id });
        let idempotency_key = idempotency_key(&parts.headers).map_err(turned_away)?;
        let tags = tags::read(&parts.headers).map_err(turned_away)?;
        let call = Call {
            credential,
            request: id,
            started_at,
            started,
            idempotency_key,
            cache: cache::read(&parts.headers),
            tags,
            end_user: None,
            complexity: complexity(&parts.headers).map_err(turned_away)?,
            cause: Cause::Base,
            is_background: false,
            status_of: errors::status,
        };
        Ok(Self { call, head: parts, body })
    }

    /// The body as it arrives, for what is never whole in memory.
    pub fn into_body(self) -> Body {
        self.body
    }

    /// Reads the body up to its bound.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] above its bound; [`ErrorKind::Invalid`] when it breaks off; [`ErrorKind::Unavailable`] when
    /// other large bodies hold all the room there is.
    pub async fn read(self, app: &App) -> (Call, Result<Received>) {
        let body_bytes_max = app.settings.body_bytes_max;
        let too_large = || {
            let message = format!("the body is larger than {body_bytes_max} bytes");
            Error::new(ErrorKind::TooLarge, message)
        };
        let size = http_body::Body::size_hint(&self.body);
        if size.lower() > body_bytes_max as u64 {
            return (self.call, Err(too_large()));
        }
        // A body that does not say how large it is may become as large as any.
        let tenant = self.call.credential.scope.tenant();
        let room = match app.body_room.take(tenant, size.exact().unwrap_or(body_bytes_max as u64)) {
            Ok(room) => room,
            Err(error) => return (self.call, Err(error)),
        };
        let read = Limited::new(self.body, body_bytes_max).collect().await;
        let body = match read {
            Ok(body) => Ok(Received { bytes: body.to_bytes(), room }),
            Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
            Err(_) => Err(Error::invalid("the body broke off before its end")),
        };
        (self.call, body)
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>> {
    let mut values = headers.get_all("idempotency-key").iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return match headers.contains_key("idempotency-key") {
            true => Err(Error::invalid("send one Idempotency-Key").at("Idempotency-Key")),
            false => Ok(None),
        };
    };
    let wrong = || Error::invalid("an Idempotency-Key has 1 to 255 visible ASCII characters").at("Idempotency-Key");
    let text = value.to_str().map_err(|_| wrong())?;
    if text.is_empty() || text.len() > IDEMPOTENCY_KEY_BYTES_MAX {
        return Err(wrong());
    }
    Ok(Some(text.to_owned()))
}

/// How demanding the caller says that its request is.
fn complexity(headers: &HeaderMap) -> Result<Option<Complexity>> {
    let Some(value) = headers.get("x-insula-complexity") else { return Ok(None) };
    let stated = value.to_str().ok().and_then(Complexity::from_name);
    stated.map(Some).ok_or_else(|| Error::invalid("write `simple` or `complex`").at("x-insula-complexity"))
}

/// The media type of JSON.
pub(super) const JSON: header::HeaderValue = header::HeaderValue::from_static("application/json");
