//! One message on its way through: what it says, what it still needs.

use std::sync::Arc;

use crate::beside::Beside;
use crate::chain::Path;
use crate::chains::{ChainFault, Chains};
use crate::claims::Claims;
use crate::diversion;
use crate::findings::Findings;
use crate::header::split_values;
use crate::kind::{Kind, Role};
use crate::limits::{IDENTITY_HEADERS_MAX, PASSPORTS_MAX};
use crate::message::MessageView;
use crate::opening;
use crate::party::Shown;
use crate::passport::Passport;
use crate::placing;
use crate::report::{HeaderReport, Signer};
use crate::shelf::FetchFailure;
use crate::verifier::VerifierConfig;
use crate::x5u::X5u;

/// A verification under way. Owns what it needs of the message.
///
/// ```text
///            opening.rs          placing.rs        (wanted, supply)      judging.rs        diversion.rs    summary.rs
///  message ──► each header ──► iat, Date, dest ──► certificates ──► each token by itself ──► together ──► Report
/// ```
#[derive(Debug)]
pub struct Verification {
    pub(crate) headers: Vec<HeaderState>,
    pub(crate) bodies: Bodies,
    pub(crate) chains: Arc<Chains>,
    /// Whole seconds since the Unix epoch.
    pub(crate) arrived: i64,
    pub(crate) shown: Shown,
    /// There were more Identity headers than are looked at.
    pub(crate) is_cut: bool,
}

/// What was supplied: a handful.
#[derive(Debug, Default)]
pub(crate) struct Bodies(Vec<Supplied>);

#[derive(Debug)]
pub(crate) struct Supplied {
    url: String,
    pub(crate) body: Result<Arc<[u8]>, FetchFailure>,
    /// Of a certificate, under the anchors of when it came.
    pub(crate) path: Option<Result<Arc<Path>, ChainFault>>,
    /// Lists of numbers that the certificates of the path refer to (RFC 8226 §10.1).
    references: Vec<String>,
}

impl Bodies {
    pub(crate) fn get(&self, url: &str) -> Option<&Supplied> {
        self.0.iter().find(|supplied| supplied.url == url)
    }

    fn put(&mut self, supplied: Supplied) {
        match self.0.iter_mut().find(|known| known.url == supplied.url) {
            Some(known) => *known = supplied,
            None => self.0.push(supplied),
        }
    }
}

/// One Identity header.
#[derive(Debug)]
pub(crate) enum HeaderState {
    /// Nothing a certificate could change.
    Done {
        role: Option<Role>,
        report: Box<HeaderReport>,
    },
    /// Its token, and after it what a `div-o` holds, outermost first. Never empty.
    Open {
        /// The parameter of the header, as it is shown.
        ppt: Option<String>,
        tokens: Vec<Token>,
    },
}

/// A PASSporT whose claims could be read.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) findings: Findings,
    pub(crate) passport: Passport,
    pub(crate) claims: Claims,
    /// Place of the asserted identity that `orig` is; None: it is From, or nobody.
    pub(crate) asserted: Option<usize>,
    /// None: the URL breaks the rules.
    pub(crate) x5u: Option<X5u>,
    /// The Date header, when it is looked at, readable and fresh.
    pub(crate) date: Option<i64>,
    /// Which freshness checks only the wider window of diverted calls can pass; decided with the chain.
    pub(crate) late: Late,
    /// Where it leads was judged: there is no diversion to wait for.
    pub(crate) is_placed: bool,
    /// Of the certificate, once it was judged.
    pub(crate) signer: Option<Signer>,
    pub(crate) beside: Beside,
    /// It came in compact form (RFC 8225 §7) and was made again from the message.
    pub(crate) is_rebuilt: bool,
    /// A token in compact form may have been made over each of the callers shown. The first is the token
    /// itself until the signature tells.
    pub(crate) others: Vec<Rebuilt>,
}

/// What else the signature of a compact token may be over.
#[derive(Debug)]
pub(crate) struct Rebuilt {
    pub(crate) passport: Passport,
    pub(crate) claims: Claims,
    pub(crate) asserted: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Late {
    pub(crate) iat: bool,
    pub(crate) date: bool,
}

impl Verification {
    pub(crate) fn begin(
        config: &VerifierConfig,
        chains: &Arc<Chains>,
        message: &MessageView<'_>,
        arrived: i64,
    ) -> Verification {
        let values: Vec<&str> = message
            .identity
            .iter()
            .flat_map(|line| values_of(line))
            .take(IDENTITY_HEADERS_MAX + 1)
            .collect();
        // Most calls carry nothing: nothing is read of them.
        let shown = match values.is_empty() {
            true => Shown::default(),
            false => Shown::of(&config.numbers, message),
        };
        let mut inside_left = PASSPORTS_MAX - values.len().min(IDENTITY_HEADERS_MAX);
        let mut headers: Vec<HeaderState> = values
            .iter()
            .take(IDENTITY_HEADERS_MAX)
            .map(|value| opening::open(config, &shown, value, &mut inside_left))
            .collect();
        placing::place(config, message, &shown, arrived, &mut headers);
        Verification {
            headers,
            bodies: Bodies::default(),
            chains: chains.clone(),
            arrived,
            shown,
            is_cut: values.len() > IDENTITY_HEADERS_MAX,
        }
    }

    /// The URLs to fetch, each once: those of headers that could still pass. A header that has
    /// failed already costs nobody a fetch.
    ///
    /// A certificate with a path to an anchor may refer to lists of numbers (RFC 8226 §10.1), so that after
    /// [`Verification::supply`] there may be more: ask again until [`Verification::is_complete`]. There is no
    /// third round: a list refers to nothing.
    pub fn wanted(&self) -> Vec<&str> {
        once_each(self.urls(|token| token.findings.is_hopeful()))
    }

    /// Those of [`Verification::wanted`] that were not supplied yet: what to fetch next.
    pub fn missing(&self) -> Vec<&str> {
        let mut wanted = self.wanted();
        wanted.retain(|url| self.bodies.get(url).is_none());
        wanted
    }

    /// Every URL that keeps the rules, also of headers that have failed: for a tool that has the
    /// certificates at hand and wants all checks made.
    pub fn named(&self) -> Vec<&str> {
        once_each(self.urls(|_| true))
    }

    /// What `url` holds: the body as fetched, or why there is none. Unknown URLs are ignored.
    pub fn supply(&mut self, url: &str, result: Result<Arc<[u8]>, FetchFailure>) {
        if !self.urls(|_| true).any(|named| named == url) {
            return;
        }
        let mut tokens = self.headers.iter().flat_map(HeaderState::tokens);
        let is_certificate = tokens.any(|token| token.x5u.as_ref().is_some_and(|x5u| x5u.as_str() == url));
        let path = match &result {
            Ok(body) if is_certificate => Some(self.chains.path(body)),
            _ => None,
        };
        let references = match &path {
            Some(Ok(path)) => self.chains.references(path),
            _ => Vec::new(),
        };
        self.bodies.put(Supplied {
            url: url.into(),
            body: result,
            path,
            references,
        });
    }

    /// Nothing more is wanted.
    pub fn is_complete(&self) -> bool {
        self.missing().is_empty()
    }

    /// All tokens judged by themselves: what do they say together?
    pub(crate) fn settle(&mut self, config: &VerifierConfig) -> Option<diversion::Proof> {
        diversion::settle(config, &self.shown, self.is_cut, &mut self.headers)
    }

    fn urls(&self, is_meant: impl Fn(&Token) -> bool) -> impl Iterator<Item = &str> {
        let tokens = self.headers.iter().flat_map(HeaderState::tokens);
        let named = tokens.filter_map(move |token| token.x5u.as_ref().filter(|_| is_meant(token)));
        named.flat_map(|x5u| {
            let supplied = self.bodies.get(x5u.as_str());
            let references = supplied.map_or(&[][..], |supplied| &supplied.references);
            std::iter::once(x5u.as_str()).chain(references.iter().map(String::as_str))
        })
    }
}

fn once_each<'u>(all: impl Iterator<Item = &'u str>) -> Vec<&'u str> {
    let mut urls = Vec::new();
    for url in all {
        if !urls.contains(&url) {
            urls.push(url);
        }
    }
    urls
}

impl HeaderState {
    pub(crate) fn tokens(&self) -> &[Token] {
        match self {
            HeaderState::Done { .. } => &[],
            HeaderState::Open { tokens, .. } => tokens,
        }
    }

    pub(crate) fn tokens_mut(&mut self) -> &mut [Token] {
        match self {
            HeaderState::Done { .. } => &mut [],
            HeaderState::Open { tokens, .. } => tokens,
        }
    }
}

/// An empty header is still a header, and malformed.
fn values_of(line: &str) -> impl Iterator<Item = &str> {
    let mut values = split_values(line).peekable();
    let empty = values.peek().is_none().then_some("");
    empty.into_iter().chain(values)
}
