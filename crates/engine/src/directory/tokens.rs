//! Short-lived tenant tokens: what an operator, or a tenant's admin, hands to a program that acts for one tenant.
//!
//! A token is a JWT signed with HS256. It names a tenant and perhaps an end user, has the role `service`, and dies with
//! the key that issued it, so that revoking a stolen key also ends what was minted with it.

use insula_model::{Error, KeyId, Name, Random, Result, Role, TenantId, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::base62;

/// Longer texts are not looked at; a token with the longest end user fits well within it.
const TOKEN_BYTES_MAX: usize = 2_048;
const TOKEN_ID_LEN: usize = 22;

/// What a token says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TokenClaims {
    pub(super) tenant: TenantId,
    pub(super) end_user: Option<Name>,
    /// The key that issued it; absent for the credential that a process makes for itself, which no restart survives.
    pub(super) issuer: Option<KeyId>,
    pub(super) issued_at: Timestamp,
    pub(super) expires_at: Timestamp,
}

/// The claims as they stand in the token.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireClaims {
    sub: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end_user: Option<Name>,
    role: Role,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    iat: i64,
    exp: i64,
    jti: String,
}

/// Signs and reads tokens under one platform secret.
pub(super) struct TokenSigner {
    signing: EncodingKey,
    reading: DecodingKey,
    rules: Validation,
}

impl TokenSigner {
    pub(super) fn new(secret: &[u8; 32]) -> Self {
        let mut rules = Validation::new(Algorithm::HS256);
        // The library would read the machine's clock; `read` compares with ours instead.
        rules.validate_exp = false;
        Self { signing: EncodingKey::from_secret(secret), reading: DecodingKey::from_secret(secret), rules }
    }

    /// The token's text. Times are cut to whole seconds, as the format wants.
    pub(super) fn sign(&self, claims: &TokenClaims, random: &dyn Random) -> Result<String> {
        let mut jti = String::with_capacity(TOKEN_ID_LEN);
        base62::push_random(&mut jti, TOKEN_ID_LEN, random);
        let wire = WireClaims {
            sub: claims.tenant.to_string(),
            end_user: claims.end_user.clone(),
            role: Role::Service,
            issuer: claims.issuer.map(|id| id.to_string()),
            iat: claims.issued_at.seconds(),
            exp: claims.expires_at.seconds(),
            jti,
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &wire, &self.signing).map_err(Error::internal)
    }

    /// Reads a token that is genuine and not yet over at `now`.
    pub(super) fn read(&self, text: &str, now: Timestamp) -> Option<TokenClaims> {
        if text.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let wire = jsonwebtoken::decode::<WireClaims>(text, &self.reading, &self.rules).ok()?.claims;
        if wire.role != Role::Service || now.seconds() >= wire.exp {
            return None;
        }
        Some(TokenClaims {
            tenant: wire.sub.parse().ok()?,
            end_user: wire.end_user,
            issuer: wire.issuer.map(|id| id.parse()).transpose().ok()?,
            issued_at: Timestamp::from_micros(wire.iat.checked_mul(1_000_000)?),
            expires_at: Timestamp::from_micros(wire.exp.checked_mul(1_000_000)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use insula_model::SeededRandom;
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn claims(end_user: &str) -> TokenClaims {
        TokenClaims {
            tenant: TenantId::from_bytes([5; 16]),
            end_user: Name::try_from(end_user.to_owned()).ok(),
            issuer: Some(KeyId::from_bytes([6; 16])),
            issued_at: NOW,
            expires_at: NOW.plus(std::time::Duration::from_secs(60)),
        }
    }

    fn signed(claims: &TokenClaims) -> (TokenSigner, String) {
        let signer = TokenSigner::new(&[9; 32]);
        let text = signer.sign(claims, &SeededRandom::new(3)).expect("signs");
        (signer, text)
    }

    #[test]
    fn reads_what_it_signed_until_it_expires() {
        let claims = claims("ada");
        let (signer, text) = signed(&claims);
        assert_eq!(signer.read(&text, NOW), Some(claims.clone()));
        assert_eq!(signer.read(&text, claims.expires_at), None);
        assert_eq!(TokenSigner::new(&[8; 32]).read(&text, NOW), None, "another platform's secret");
    }

    #[test]
    fn the_longest_end_user_fits() {
        let claims = claims(&"\"\u{1f642}".repeat(100));
        let (signer, text) = signed(&claims);
        assert!(claims.end_user.is_some());
        assert_eq!(signer.read(&text, NOW), Some(claims));
    }

    #[test]
    fn unsigned_and_foreign_algorithms_are_refused() {
        let (signer, text) = signed(&claims("ada"));
        let body = text.split('.').nth(1).expect("three parts");
        // {"alg":"none","typ":"JWT"} and no signature
        assert_eq!(signer.read(&format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{body}."), NOW), None);
        let other = jsonwebtoken::encode(
            &Header::new(Algorithm::HS512),
            &serde_json::json!({"sub": TenantId::from_bytes([5; 16]).to_string(), "role": "service", "iat": 0, "exp": i64::MAX, "jti": "x"}),
            &EncodingKey::from_secret(&[9; 32]),
        );
        assert_eq!(signer.read(&other.expect("signs"), NOW), None);
    }

    proptest! {
        #[test]
        fn nonsense_never_panics(text in "[A-Za-z0-9._-]{0,300}") {
            let (signer, _) = signed(&claims("ada"));
            prop_assert_eq!(signer.read(&text, NOW), None);
        }

        #[test]
        fn any_changed_character_is_refused(at: prop::sample::Index, to in "[A-Za-z0-9._-]") {
            let (signer, text) = signed(&claims("ada"));
            let at = at.index(text.len() - 1);
            prop_assume!(text[at..=at] != to);
            prop_assert_eq!(signer.read(&format!("{}{to}{}", &text[..at], &text[at + 1..]), NOW), None);
        }
    }
}
