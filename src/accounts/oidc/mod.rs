//! Signing in elsewhere: whom a provider vouches for (OpenID Connect Core 1.0, the authorisation code with PKCE).
//!
//! Knows what a provider says of somebody and what of it is believed. Does not know HTTP, and never reads a clock.

mod attempt;
mod jwt;
pub mod limits;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::Role;
use crate::redact::Redacted;
use limits::{GROUPS_MAX, SKEW, SUBJECT_MAX, TOKEN_AGE_MAX};

pub use attempt::{Attempt, Attempts};
pub use jwt::{BadToken, Claims, Keys};

/// `[oidc]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// As the provider writes it, to the letter.
    pub issuer: String,
    pub client_id: String,
    /// None = a public client.
    pub client_secret: Option<Redacted<String>>,
    /// What the button says.
    pub label: String,
    /// What is asked for, `openid` among it.
    pub scopes: Vec<String>,
    /// The claim that an account is named by when it is first signed in to. It has to be one that people cannot edit themselves.
    pub name_claim: String,
    /// The claim that roles follow from, dots between its parts; None = roles are given here.
    pub roles_claim: Option<String>,
    /// From a value of that claim to roles.
    pub roles: BTreeMap<String, Vec<Role>>,
    /// Whoever has a role that way gets an account.
    pub makes_accounts: bool,
    /// Values of `amr` and of `acr` that mean a second factor.
    pub strong_amr: Vec<String>,
    pub strong_acr: Vec<String>,
    /// Address ranges that may be reached in spite of the guard, and web anchors beside the system's.
    pub allow: Vec<String>,
    pub anchors: Vec<PathBuf>,
}

/// Whom a provider vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    pub issuer: String,
    /// Names him there, for ever.
    pub subject: String,
    /// What an account of his is called; it may change there, so it names nobody who is known already.
    pub name: Option<String>,
    pub person: Option<String>,
    /// None = the provider says nothing of roles.
    pub roles: Option<Vec<Role>>,
    /// He has shown a second factor there.
    pub is_strong: bool,
    pub makes_accounts: bool,
    /// Roles are only taken away, and nobody comes to an account that he has not come to before: in a lockdown.
    pub is_narrowing: bool,
}

/// What is wrong with what a provider says (OpenID Connect Core §3.1.3.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadClaims {
    #[error("the token is of another issuer")]
    Issuer,
    #[error("the token is for somebody else")]
    Audience,
    #[error("the token has expired, or is not of now")]
    Time,
    #[error("the token is not of this sign-in")]
    Nonce,
    #[error("the token names nobody")]
    Subject,
}

impl Config {
    /// What is believed of the claims of a token whose signature is right.
    ///
    /// # Errors
    ///
    /// [`BadClaims`].
    pub fn vouched(&self, claims: &Claims, nonce: &str, now_ms: u64) -> Result<Vouched, BadClaims> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        if text("iss") != Some(&self.issuer) {
            return Err(BadClaims::Issuer);
        }
        if !self.is_for_us(claims) {
            return Err(BadClaims::Audience);
        }
        let seconds = |name: &str| claims.get(name).and_then(Value::as_f64);
        let (now, skew) = (now_ms as f64 / 1_000.0, SKEW.as_secs_f64());
        let is_of_now = seconds("exp").is_some_and(|end| now < end + skew)
            && seconds("iat")
                .is_some_and(|at| at <= now + skew && now < at + TOKEN_AGE_MAX.as_secs_f64() + skew)
            && seconds("nbf").is_none_or(|from| from <= now + skew);
        if !is_of_now {
            return Err(BadClaims::Time);
        }
        if text("nonce") != Some(nonce) {
            return Err(BadClaims::Nonce);
        }
        let subject = text("sub").filter(|subject| !subject.is_empty() && subject.len() <= SUBJECT_MAX);
        Ok(Vouched {
            issuer: self.issuer.clone(),
            subject: subject.ok_or(BadClaims::Subject)?.to_string(),
            name: self.name_of(claims),
            person: text("name").map(str::to_string),
            roles: self
                .roles_claim
                .as_deref()
                .map(|claim| self.roles_of(claims, claim)),
            is_strong: self.is_strong(claims),
            makes_accounts: self.makes_accounts,
            is_narrowing: false,
        })
    }

    /// What an account is found by the first time. An address of mail is one that somebody typed until the provider has seen that
    /// it is his (OpenID Connect Core §5.1).
    fn name_of(&self, claims: &Claims) -> Option<String> {
        let is_his = self.name_claim != EMAIL
            || match claims.get("email_verified") {
                Some(Value::Bool(is_verified)) => *is_verified,
                // Some providers write it so.
                Some(Value::String(text)) => text == "true",
                _ => false,
            };
        let name = claims.get(&self.name_claim).and_then(Value::as_str);
        name.filter(|_| is_his).map(str::to_string)
    }

    fn is_for_us(&self, claims: &Claims) -> bool {
        let audiences = values(claims.get("aud"));
        let party = claims.get("azp");
        let is_ours = audiences.contains(&self.client_id.as_str());
        // Of several audiences one has asked for it, and that has to be us.
        is_ours
            && match party {
                Some(party) => party.as_str() == Some(&self.client_id),
                None => audiences.len() == 1,
            }
    }

    fn roles_of(&self, claims: &Claims, claim: &str) -> Vec<Role> {
        // A name with dots in it (such as a URL) first, then the parts.
        let found = claims.get(claim).or_else(|| {
            let mut parts = claim.split('.');
            let first = claims.get(parts.next()?)?;
            parts.try_fold(first, |value, part| value.get(part))
        });
        let mut roles: Vec<Role> = values(found)
            .into_iter()
            .take(GROUPS_MAX)
            .filter_map(|group| self.roles.get(group))
            .flatten()
            .copied()
            .collect();
        roles.sort_unstable();
        roles.dedup();
        roles
    }

    fn is_strong(&self, claims: &Claims) -> bool {
        let is_among = |known: &[String], found: Vec<&str>| {
            found.iter().any(|value| known.iter().any(|known| known == value))
        };
        is_among(&self.strong_amr, values(claims.get("amr")))
            || is_among(&self.strong_acr, values(claims.get("acr")))
    }
}

const EMAIL: &str = "email";

/// A text, or several.
fn values(claim: Option<&Value>) -> Vec<&str> {
    match claim {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: u64 = 1_790_000_000_000;

    fn config() -> Config {
        Config {
            issuer: "https://idp.example".into(),
            client_id: "ringward".into(),
            client_secret: None,
            label: "Company".into(),
            scopes: vec!["openid".into()],
            name_claim: "preferred_username".into(),
            roles_claim: Some("realm_access.roles".into()),
            roles: BTreeMap::from([
                ("desk".to_string(), vec![Role::Receptionist]),
                ("security".to_string(), vec![Role::PolicyAuthor, Role::Analyst]),
            ]),
            makes_accounts: false,
            strong_amr: vec!["mfa".into()],
            strong_acr: vec!["gold".into()],
            allow: Vec::new(),
            anchors: Vec::new(),
        }
    }

    fn claims(change: Value) -> Claims {
        let mut claims = json!({
            "iss": "https://idp.example", "aud": "ringward", "sub": "007", "nonce": "n", "exp": 1_790_000_300u64,
            "iat": 1_790_000_000u64, "preferred_username": "ann", "name": "Ann Example",
            "realm_access": { "roles": ["desk", "security", "other"] },
        });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object().unwrap().clone()
    }

    fn check(change: Value, bad: BadClaims) {
        let found = config().vouched(&claims(change.clone()), "n", NOW);
        assert_eq!(found.unwrap_err(), bad, "{change}");
    }

    #[test]
    fn whom_a_provider_vouches_for_has_the_roles_of_the_map() {
        let vouched = config()
            .vouched(&claims(json!({ "amr": ["pwd", "mfa"] })), "n", NOW)
            .unwrap();
        assert_eq!(
            (vouched.subject.as_str(), vouched.name.as_deref()),
            ("007", Some("ann"))
        );
        let roles = [Role::Receptionist, Role::Analyst, Role::PolicyAuthor];
        assert_eq!(
            (vouched.roles.as_deref(), vouched.is_strong),
            (Some(&roles[..]), true)
        );
        let of = |change: Value| config().vouched(&claims(change), "n", NOW).unwrap();
        assert!(!of(json!({ "amr": "pwd", "acr": "silver" })).is_strong);
        assert!(of(json!({ "acr": "gold" })).is_strong);
        assert_eq!(of(json!({ "realm_access": "desk" })).roles, Some(Vec::new()));
        assert_eq!(
            of(json!({ "realm_access.roles": "desk" })).roles,
            Some(vec![Role::Receptionist])
        );
        assert!(of(json!({ "aud": ["ringward", "other"], "azp": "ringward" })).subject == "007");
    }

    #[test]
    fn an_address_of_mail_names_an_account_only_once_the_provider_has_seen_that_it_is_his() {
        let mut config = config();
        config.name_claim = "email".into();
        let named = |verified: Value| {
            let claims = claims(json!({ "email": "ann@example.com", "email_verified": verified }));
            config.vouched(&claims, "n", NOW).unwrap().name
        };
        for verified in [json!(true), json!("true")] {
            assert_eq!(named(verified).as_deref(), Some("ann@example.com"));
        }
        for not in [json!(false), json!("false"), json!(null), json!(1), json!([true])] {
            assert_eq!(named(not), None);
        }
        let silent = claims(json!({ "email": "ann@example.com" }));
        assert_eq!(config.vouched(&silent, "n", NOW).unwrap().name, None);
    }

    #[test]
    fn a_token_of_another_for_another_or_of_another_time_is_not_believed() {
        check(json!({ "iss": "https://idp.example/" }), BadClaims::Issuer);
        check(json!({ "iss": ["https://idp.example"] }), BadClaims::Issuer);
        for audience in [
            json!("other"),
            json!([]),
            json!(["ringward", "other"]),
            json!(null),
            json!(7),
        ] {
            check(json!({ "aud": audience }), BadClaims::Audience);
        }
        check(json!({ "azp": "other" }), BadClaims::Audience);
        check(
            json!({ "aud": ["ringward", "other"], "azp": "other" }),
            BadClaims::Audience,
        );
        for time in [
            json!({ "exp": 1_789_999_940u64 }),
            json!({ "exp": null }),
            json!({ "exp": "1790000300" }),
            json!({ "iat": 1_790_000_061u64 }),
            json!({ "iat": 1_789_999_340u64 }),
            json!({ "iat": null }),
            json!({ "nbf": 1_790_000_061u64 }),
        ] {
            check(time, BadClaims::Time);
        }
        for nonce in [json!(null), json!("m"), json!(["n"])] {
            check(json!({ "nonce": nonce }), BadClaims::Nonce);
        }
        for subject in [json!(null), json!(""), json!("x".repeat(256)), json!(7)] {
            check(json!({ "sub": subject }), BadClaims::Subject);
        }
    }
}
