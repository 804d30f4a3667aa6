//! The side that asks: challenges strangers, judges their answers, and keeps count of both.

use std::net::IpAddr;

use aws_lc_rs::constant_time::verify_slices_are_equal;

use super::algorithm::{Algorithm, Hash, Qop};
use super::authorization::Authorization;
use super::challenge::Challenge;
use super::credentials::Credentials;
use super::error::HeaderFault;
use super::kept::Kept;
use super::nonce::Nonces;
use super::proof::{Base, Proof};
use super::source::Sources;
use crate::time::Now;

/// Whom we let in by user and password. One a shard: its nonces are its own.
pub struct Guard {
    realm: String,
    /// What is offered, strongest first; nothing else is taken.
    offered: Vec<Hash>,
    logins: Vec<Login>,
    /// Stands for every user that does not exist: whoever asks for one waits as long for the same answer.
    nobody: Login,
    nonces: Nonces,
    sources: Sources,
    /// Messages of strangers that were passed on unread.
    passed_on: Sources,
}

struct Login {
    user: String,
    /// By hash function, in the order of [`Hash::ALL`].
    bases: [Base; 3],
}

/// A request that wants in.
pub struct Question<'a> {
    pub method: &'a str,
    /// The Request-URI.
    pub uri: &'a str,
    pub body: &'a [u8],
    /// The Authorization lines.
    pub answers: &'a [&'a str],
    pub source: IpAddr,
}

/// What becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It proved to be this one of the credentials.
    Passed(usize),
    /// It is asked: the values of WWW-Authenticate, strongest algorithm first.
    Asked { challenges: Vec<String>, why: Why },
    /// It gets no answer: too many of its kind.
    Ignored,
}

/// Why a request is asked to prove itself. Only [`Why::Stale`] can be seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It said nothing of who it is.
    Unproven,
    /// The nonce is not good any more, or its count has been used: the right password may be tried again.
    Stale,
    /// No such user, or not its password: nobody is told which.
    Wrong,
    /// An answer in a form that was not asked for.
    Unusable(HeaderFault),
}

impl Why {
    /// Something was said of who it is, and it was not right: a guess, or an answer of a form that was not asked for.
    pub fn is_wrong(self) -> bool {
        matches!(self, Why::Wrong | Why::Unusable(_))
    }
}

impl Guard {
    /// `seed` keys the nonces and must not be used for anything else, here or elsewhere. `hashes` are what is offered, in
    /// any order.
    pub fn new(realm: &str, credentials: &[Credentials], hashes: &[Hash], seed: &[u8; 32]) -> Guard {
        let mut offered = hashes.to_vec();
        offered.sort_by_key(|hash| std::cmp::Reverse(*hash));
        offered.dedup();
        let login = |user: &str, base: &dyn Fn(Hash) -> Base| Login {
            user: user.to_string(),
            bases: Hash::ALL.map(base),
        };
        Guard {
            realm: realm.to_string(),
            offered,
            logins: credentials
                .iter()
                .map(|known| {
                    login(&known.user, &|hash| {
                        Base::new(hash, &known.user, realm, &known.password)
                    })
                })
                .collect(),
            nobody: login("", &|hash| Base::of_nobody(hash, seed)),
            nonces: Nonces::new(seed),
            sources: Sources::default(),
            passed_on: Sources::default(),
        }
    }

    /// Whom it lets in from now on, by what is kept of their passwords. [`Verdict::Passed`] counts in their order.
    pub fn set_kept(&mut self, kept: &[Kept]) {
        let nobody = &self.nobody;
        let login = |known: &Kept| Login {
            user: known.user.clone(),
            bases: Hash::ALL.map(|hash| match known.of(hash) {
                Some(digest) => Base::kept(digest),
                None => nobody.bases[hash as usize].clone(),
            }),
        };
        let logins: Vec<Login> = kept.iter().map(login).collect();
        self.logins = logins;
    }

    /// Whether an address has failed so often that nothing of it is looked at for a while.
    pub fn is_barred(&self, source: IpAddr, now: Now) -> bool {
        self.sources.is_barred(source, now.instant)
    }

    /// Whether a stranger's message may be passed on to another guard before it is read: counted here, because only so
    /// many may be.
    pub fn may_pass_on(&mut self, source: IpAddr, now: Now) -> bool {
        !self.is_barred(source, now) && self.passed_on.may_ask(source, now.instant)
    }

    pub fn judge(&mut self, question: &Question<'_>, now: Now) -> Verdict {
        if self.is_barred(question.source, now) {
            return Verdict::Ignored;
        }
        self.nonces.tidy(now.unix_ms());
        let why = match self.verify(question, now) {
            Ok(login) => return Verdict::Passed(login),
            Err(why) => why,
        };
        if why == Why::Wrong {
            self.sources.failed(question.source, now.instant);
        }
        if !self.sources.may_ask(question.source, now.instant) {
            return Verdict::Ignored;
        }
        Verdict::Asked {
            challenges: self.challenges(question.source, why == Why::Stale, now),
            why,
        }
    }

    /// Entries in the tables: nonces in use, addresses counted. For leak checks and metrics.
    pub fn len(&self) -> (usize, usize) {
        (self.nonces.len(), self.sources.len())
    }

    fn verify(&mut self, question: &Question<'_>, now: Now) -> Result<usize, Why> {
        let answer = self.answer_of(question)?;
        let (Some(qop), true) = (answer.qop, is_uri_of(&answer.uri, question.uri)) else {
            // Without a count nothing would keep an answer from being used again.
            return Err(Why::Unusable(HeaderFault::Missing("qop")));
        };
        if !self.offered.contains(&answer.algorithm.hash) {
            return Err(Why::Unusable(HeaderFault::Algorithm));
        }
        // The user does not decide how long this takes: every name is compared, and somebody's answer is computed.
        let mut found = None;
        for (index, login) in self.logins.iter().enumerate() {
            if verify_slices_are_equal(login.user.as_bytes(), answer.user.as_bytes()).is_ok() {
                found = Some(index);
            }
        }
        let login = found.map_or(&self.nobody, |index| &self.logins[index]);
        let hash = answer.algorithm.hash;
        let proof = Proof {
            algorithm: answer.algorithm,
            nonce: &answer.nonce,
            qop: Some(qop),
            cnonce: &answer.cnonce,
            count: answer.count,
            method: question.method,
            uri: &answer.uri,
            body: question.body,
        };
        let expected = proof.response(&login.bases[hash as usize]);
        let given = answer.response.to_ascii_lowercase();
        let is_right = verify_slices_are_equal(expected.as_bytes(), given.as_bytes()).is_ok();
        // Whether the password is right is no news to whoever brings a nonce of his own making.
        let ticket = self
            .nonces
            .known(&answer.nonce, question.source, now.unix_ms())
            .ok_or(Why::Stale)?;
        let index = found.filter(|_| is_right).ok_or(Why::Wrong)?;
        match self.nonces.use_up(ticket, answer.count) {
            true => Ok(index),
            false => Err(Why::Stale),
        }
    }

    /// The answer that is for us: a request may carry others, for other realms.
    fn answer_of(&self, question: &Question<'_>) -> Result<Authorization, Why> {
        let mut fault = None;
        for line in question.answers {
            match Authorization::parse(line) {
                Ok(answer) if answer.realm == self.realm => return Ok(answer),
                Ok(_) => {}
                Err(problem) => fault = fault.or(Some(problem)),
            }
        }
        Err(fault.map_or(Why::Unproven, Why::Unusable))
    }

    /// One challenge for each hash function (RFC 8760 §2.3), strongest first, all with one nonce.
    fn challenges(&mut self, source: IpAddr, is_stale: bool, now: Now) -> Vec<String> {
        let nonce = self.nonces.give_out(source, now.unix_ms());
        let challenge = |hash: Hash| Challenge {
            realm: self.realm.clone(),
            nonce: nonce.clone(),
            opaque: None,
            algorithm: Algorithm::plain(hash),
            is_stale,
            qops: vec![Qop::Auth, Qop::AuthInt],
        };
        self.offered
            .iter()
            .map(|hash| challenge(*hash).to_string())
            .collect()
    }
}

/// Whether an answer computed over `answered` is one to a request for `requested` (RFC 3261 §22.4): the same URI, or the
/// same host without a user, as some peers write it. A proxy on the way may not have changed more than parameters.
fn is_uri_of(answered: &str, requested: &str) -> bool {
    let whole = |uri: &str| {
        uri.split([';', '?'])
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase()
    };
    let (answered, requested) = (whole(answered), whole(requested));
    if answered == requested {
        return true;
    }
    let host = |uri: &str| {
        let rest = uri.split_once(':').map_or("", |(_, rest)| rest);
        rest.rsplit_once('@').map_or(rest, |(_, host)| host).to_string()
    };
    !answered.contains('@') && !host(&answered).is_empty() && host(&answered) == host(&requested)
}

const _: () = assert!(Hash::Md5 as usize == 0 && Hash::Sha512_256 as usize == 2);
