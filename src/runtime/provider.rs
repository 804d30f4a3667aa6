//! Asks the provider that people sign in with: what it says of itself (OpenID Connect Discovery 1.0), its keys, and whom a code
//! stands for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use serde::Deserialize;
use tokio::sync::Semaphore;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::clock;
use super::outgoing::{Ask, Failure, Outgoing, OutgoingError};
use crate::accounts::oidc::limits::{
    ANSWER_OCTETS_MAX, ANSWER_TIMEOUT, ASKED_AGAIN, ASKED_IN, ASKING_MAX, KNOWN_FOR,
};
use crate::accounts::oidc::{Attempt, BadClaims, BadToken, Config, Keys, Vouched};

/// Why nobody is vouched for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoWord {
    #[error("the provider could not be asked: {0}")]
    Away(#[from] Failure),
    #[error("the provider answered {0}")]
    Status(u16),
    #[error("what the provider says of itself is not as it should be: {0}")]
    Document(&'static str),
    #[error("the provider does not know the code")]
    NoToken,
    #[error(transparent)]
    Token(#[from] BadToken),
    #[error(transparent)]
    Claims(#[from] BadClaims),
    #[error("too many sign-ins wait for the provider")]
    Busy,
}

/// What a provider says of itself, as far as it matters here.
#[derive(Clone, Debug, Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    code_challenge_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

#[derive(Deserialize)]
struct Granted {
    id_token: String,
}

/// The provider of the configuration.
pub struct Provider {
    config: Config,
    /// Where it sends people back to.
    redirect: String,
    outgoing: Outgoing,
    known: Mutex<Known>,
    places: Semaphore,
    /// How long all that is asked for one sign-in may take.
    asked_in: Duration,
}

#[derive(Default)]
struct Known {
    document: Option<(Arc<Document>, Instant)>,
    keys: Option<(Arc<Keys>, Instant)>,
    /// When asking for the document failed last, and with what.
    failed: Option<(NoWord, Instant)>,
}

impl Provider {
    /// `public_url`: where people reach the console.
    ///
    /// # Errors
    ///
    /// What of the configuration cannot be used.
    pub fn new(config: Config, public_url: &str) -> Result<Provider, OutgoingError> {
        Provider::with_patience(config, public_url, ASKED_IN)
    }

    /// The same with another bound on how long all that is asked for one sign-in may take.
    ///
    /// # Errors
    ///
    /// As [`Provider::new`].
    pub fn with_patience(
        config: Config,
        public_url: &str,
        asked_in: Duration,
    ) -> Result<Provider, OutgoingError> {
        let outgoing = Outgoing::new(&config.allow, &config.anchors, ANSWER_TIMEOUT, ANSWER_OCTETS_MAX)?;
        Ok(Provider {
            redirect: format!("{}/sign-in/oidc/callback", public_url.trim_end_matches('/')),
            config,
            outgoing,
            known: Mutex::default(),
            places: Semaphore::new(ASKING_MAX),
            asked_in,
        })
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where the browser is sent to.
    ///
    /// # Errors
    ///
    /// [`NoWord`] while nothing is known of the provider.
    pub async fn address(&self, attempt: &Attempt) -> Result<String, NoWord> {
        let _place = self.places.try_acquire().map_err(|_| NoWord::Busy)?;
        let document = self.in_time(self.document()).await?;
        let mut url = url::Url::parse(&document.authorization_endpoint)
            .map_err(|_| NoWord::Document("authorization_endpoint"))?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.config.client_id)
            .append_pair("redirect_uri", &self.redirect)
            .append_pair("scope", &self.config.scopes.join(" "))
            .append_pair("state", &attempt.state)
            .append_pair("nonce", &attempt.nonce)
            .append_pair("code_challenge", &attempt.challenge())
            .append_pair("code_challenge_method", "S256");
        Ok(url.into())
    }

    /// Whom the provider vouches for with this code. `issuer`: who the answer says that it is from (RFC 9207).
    ///
    /// # Errors
    ///
    /// [`NoWord`]; nobody is signed in then.
    pub async fn vouched(
        &self,
        code: &str,
        issuer: Option<&str>,
        attempt: &Attempt,
    ) -> Result<Vouched, NoWord> {
        let _place = self.places.try_acquire().map_err(|_| NoWord::Busy)?;
        self.in_time(self.asked(code, issuer, attempt)).await
    }

    /// All of it, whatever it is made of.
    async fn in_time<T>(&self, asked: impl Future<Output = Result<T, NoWord>>) -> Result<T, NoWord> {
        let asked = tokio::time::timeout(self.asked_in, asked);
        asked.await.unwrap_or(Err(NoWord::Away(Failure::Timeout)))
    }

    async fn asked(&self, code: &str, issuer: Option<&str>, attempt: &Attempt) -> Result<Vouched, NoWord> {
        let document = self.document().await?;
        let is_from_it = match issuer {
            Some(issuer) => issuer == self.config.issuer,
            None => !document.authorization_response_iss_parameter_supported,
        };
        if !is_from_it {
            return Err(NoWord::Claims(BadClaims::Issuer));
        }
        let token = self.exchange(&document, code, attempt).await?;
        let claims = match self.keys(&document, false).await?.verify(&token) {
            // It may have a new key.
            Err(BadToken::UnknownKey) => self.keys(&document, true).await?.verify(&token)?,
            claims => claims?,
        };
        let now_ms = clock::now().unix_ms();
        Ok(self.config.vouched(&claims, &attempt.nonce, now_ms)?)
    }

    async fn exchange(&self, document: &Document, code: &str, attempt: &Attempt) -> Result<String, NoWord> {
        let (headers, body) = self.request(document, code, attempt)?;
        let ask = Ask {
            method: reqwest::Method::POST,
            url: &document.token_endpoint,
            headers,
            body: body.into_bytes(),
        };
        let answer = self.outgoing.ask(ask).await?;
        match answer.status {
            200 => {}
            400 | 401 | 403 => return Err(NoWord::NoToken),
            other => return Err(NoWord::Status(other)),
        }
        let granted: Granted = serde_json::from_slice(&answer.body).map_err(|_| NoWord::NoToken)?;
        Ok(granted.id_token)
    }

    /// What is sent for a token (RFC 6749 §4.1.3, RFC 7636 §4.5).
    fn request(
        &self,
        document: &Document,
        code: &str,
        attempt: &Attempt,
    ) -> Result<(Headers, String), NoWord> {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", &self.redirect)
            .append_pair("code_verifier", &attempt.verifier);
        let mut headers = vec![
            (
                CONTENT_TYPE,
                HeaderValue::from_static("application/x-www-form-urlencoded"),
            ),
            (ACCEPT, HeaderValue::from_static("application/json")),
        ];
        let methods = document.token_endpoint_auth_methods_supported.as_ref();
        let is_by_post = methods.is_some_and(|methods| {
            !methods.iter().any(|method| method == "client_secret_basic")
                && methods.iter().any(|method| method == "client_secret_post")
        });
        match &self.config.client_secret {
            None => {
                form.append_pair("client_id", &self.config.client_id);
            }
            Some(secret) if is_by_post => {
                form.append_pair("client_id", &self.config.client_id)
                    .append_pair("client_secret", secret.reveal());
            }
            Some(secret) => headers.push((AUTHORIZATION, basic(&self.config.client_id, secret.reveal())?)),
        }
        Ok((headers, form.finish()))
    }

    async fn document(&self) -> Result<Arc<Document>, NoWord> {
        let now = clock::now().instant;
        {
            let known = self.known();
            if let Some((document, since)) = &known.document
                && now.saturating_duration_since(*since) < KNOWN_FOR
            {
                return Ok(Arc::clone(document));
            }
            if let Some((failure, since)) = &known.failed
                && now.saturating_duration_since(*since) < ASKED_AGAIN
            {
                return Err(failure.clone());
            }
        }
        let asked = self.ask_document().await;
        let mut known = self.known();
        match asked {
            Ok(document) => {
                let document = Arc::new(document);
                known.document = Some((Arc::clone(&document), now));
                known.failed = None;
                Ok(document)
            }
            Err(failure) => {
                tracing::warn!(%failure, "the provider of [oidc]");
                known.failed = Some((failure.clone(), now));
                Err(failure)
            }
        }
    }

    async fn ask_document(&self) -> Result<Document, NoWord> {
        let url = format!(
            "{}/.well-known/openid-configuration",
            self.config.issuer.trim_end_matches('/')
        );
        let document: Document =
            serde_json::from_slice(&self.get(&url).await?).map_err(|_| NoWord::Document("its form"))?;
        // To the letter (Discovery §4.3): whoever answers for another issuer is not listened to.
        if document.issuer != self.config.issuer {
            return Err(NoWord::Document("issuer"));
        }
        for (name, url) in [
            ("authorization_endpoint", &document.authorization_endpoint),
            ("token_endpoint", &document.token_endpoint),
            ("jwks_uri", &document.jwks_uri),
        ] {
            if !url.starts_with("https://") {
                return Err(NoWord::Document(name));
            }
        }
        let methods = document.code_challenge_methods_supported.as_ref();
        if methods.is_some_and(|methods| !methods.iter().any(|method| method == "S256")) {
            return Err(NoWord::Document("code_challenge_methods_supported"));
        }
        Ok(document)
    }

    /// Its keys; `is_fresh`: not those that are known, unless they were asked for a moment ago.
    async fn keys(&self, document: &Document, is_fresh: bool) -> Result<Arc<Keys>, NoWord> {
        let now = clock::now().instant;
        let good_for = if is_fresh { ASKED_AGAIN } else { KNOWN_FOR };
        if let Some((keys, since)) = &self.known().keys
            && now.saturating_duration_since(*since) < good_for
        {
            return Ok(Arc::clone(keys));
        }
        let keys = Keys::read(&self.get(&document.jwks_uri).await?).ok_or(NoWord::Document("jwks_uri"))?;
        let keys = Arc::new(keys);
        self.known().keys = Some((Arc::clone(&keys), now));
        Ok(keys)
    }

    async fn get(&self, url: &str) -> Result<Vec<u8>, NoWord> {
        let headers: Headers = vec![(ACCEPT, HeaderValue::from_static("application/json"))];
        let ask = Ask {
            method: reqwest::Method::GET,
            url,
            headers,
            body: Vec::new(),
        };
        let answer = self.outgoing.ask(ask).await?;
        match answer.status {
            200 => Ok(answer.body),
            other => Err(NoWord::Status(other)),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing is left half done under this lock, so a poisoned one is as good as new.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Headers = Vec<(HeaderName, HeaderValue)>;

/// RFC 6749 §2.3.1: both parts are encoded as in a form before they are joined.
fn basic(id: &str, secret: &str) -> Result<HeaderValue, NoWord> {
    let part = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let both = STANDARD.encode(format!("{}:{}", part(id), part(secret)));
    let mut value = HeaderValue::try_from(format!("Basic {both}")).map_err(|_| NoWord::NoToken)?;
    value.set_sensitive(true);
    Ok(value)
}
