//! Signatures after the specification Standard Webhooks 1.0.0 (<https://www.standardwebhooks.com>).
//!
//! `webhook-signature` holds `v1,` and the base64 of HMAC-SHA256 over `{webhook-id}.{webhook-timestamp}.{body}`. A secret is
//! shown as `whsec_` and base64. No secret is stored: each is derived from the platform's, the webhook's id and how often it
//! was rotated.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::Mac;
use insula_model::{EventId, Timestamp, WebhookId};
use insula_store::Webhook;
use zeroize::Zeroizing;

use crate::directory::keyed;

/// How long after a rotation the old secret signs beside the new one.
pub(crate) const OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);

/// Derives the secrets of all webhooks.
pub(crate) struct SigningSecrets(Zeroizing<[u8; 32]>);

impl SigningSecrets {
    pub(super) fn new(platform: [u8; 32]) -> Self {
        Self(Zeroizing::new(platform))
    }

    /// The secret as its receiver is told it.
    pub(crate) fn shown(&self, webhook: &Webhook) -> String {
        format!("whsec_{}", BASE64_STANDARD.encode(*self.derive(webhook.id, webhook.rotation)))
    }

    /// The value of `webhook-signature`, during a rotation with both secrets.
    pub(super) fn sign(&self, webhook: &Webhook, event: EventId, at: Timestamp, body: &str) -> String {
        let (id, seconds) = (event.to_string(), at.seconds());
        let newest = signature(&self.derive(webhook.id, webhook.rotation), &id, seconds, body);
        match webhook.rotated_at {
            Some(rotated_at) if at < rotated_at.plus(OVERLAP) && webhook.rotation > 0 => {
                format!("{newest} {}", signature(&self.derive(webhook.id, webhook.rotation - 1), &id, seconds, body))
            }
            _ => newest,
        }
    }

    fn derive(&self, webhook: WebhookId, rotation: u32) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(mac(&self.0, &[webhook.as_bytes(), &rotation.to_be_bytes()]))
    }
}

fn signature(secret: &[u8; 32], id: &str, seconds: i64, body: &str) -> String {
    let seconds = seconds.to_string();
    let parts = [id, ".", &seconds, ".", body].map(str::as_bytes);
    format!("v1,{}", BASE64_STANDARD.encode(mac(secret, &parts)))
}

/// HMAC-SHA256 (RFC 2104) of the parts, one behind the other.
fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = keyed(key);
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn the_published_example_is_signed_alike() {
        let mut secret = [0; 32];
        // A shorter key is padded with zeros, as HMAC says.
        secret[..24].copy_from_slice(&BASE64_STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap());
        let signed = signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_rotation_signs_with_both_for_a_day() {
        let secrets = SigningSecrets::new([7; 32]);
        let now = Timestamp::parse("2026-03-15T12:00:00Z").unwrap();
        let webhook = |rotation, rotated_at| Webhook {
            id: WebhookId::from_bytes([1; 16]),
            tenant: None,
            url: String::new(),
            events: Default::default(),
            description: String::new(),
            active: true,
            rotation,
            created_at: now,
            rotated_at,
        };
        let (first, rotated) = (webhook(0, None), webhook(1, Some(now)));
        assert_ne!(secrets.shown(&first), secrets.shown(&rotated));
        assert_eq!(secrets.shown(&first).len(), "whsec_".len() + 44);
        let sign = |webhook: &Webhook, at| secrets.sign(webhook, EventId::from_bytes([2; 16]), at, "{}");
        let later = now.plus(OVERLAP);
        let (before, both, after) = (sign(&first, now), sign(&rotated, now), sign(&rotated, later));
        assert_eq!(both.split(' ').nth(1), Some(before.as_str()));
        assert!(!after.contains(' ') && sign(&first, later) != after);
    }
}
