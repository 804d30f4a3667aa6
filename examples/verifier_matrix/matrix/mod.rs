//! Hostile calls, what a correct verifier must say to each, and what verifiers really say.
//!
//! Shared by the example that writes `docs/verifier-matrix.md` and by the test that holds Ringward's column.

pub mod authority;
pub mod cases;
pub mod der;
pub mod host;
pub mod message;
pub mod peers;
pub mod table;

use std::path::Path;

use rcgen::CertificateParams;

use authority::{Holder, Lists, World};
use host::{Hosts, Page, Place};
use message::{Invite, Token};

/// What a correct verifier must say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Must {
    /// Verified, and no header failed.
    Verify,
    /// Verified, and the caller's signed name may be shown.
    VerifyNamed,
    /// Verified, and no signed name may be shown.
    VerifyUnnamed,
    /// The number is verified; nobody has attested whose it is, so there is no letter.
    VerifyNumber,
    /// Verified through a complete chain of diversions.
    VerifyDiverted,
    /// Verified by one header while another one failed with this code.
    VerifyBeside(u16),
    /// Verified, and known as a token that another call has used.
    NoticeReuse,
    /// Failed, and one header with this code (RFC 8224 §6.2.2).
    Refuse(u16),
    /// Valid, but for another called number than the one dialled, and no chain explains it.
    Diverted,
    /// Not verified, and not held against the caller: the verifier could not tell.
    Unchecked,
    /// There is nothing of a kind that is evaluated: neither good nor bad.
    Nothing,
}

impl Must {
    /// The one bit that a verifier without finer answers can give.
    pub fn is_good(self) -> bool {
        !matches!(
            self,
            Must::Refuse(_) | Must::Diverted | Must::Unchecked | Must::Nothing
        )
    }

    /// Is the answer about rich call data?
    pub fn is_about_name(self) -> bool {
        matches!(self, Must::VerifyNamed | Must::VerifyUnnamed)
    }

    pub fn words(self) -> String {
        match self {
            Must::Verify => "verified".into(),
            Must::VerifyNamed => "verified, with the signed name".into(),
            Must::VerifyUnnamed => "verified; the signed name is not shown".into(),
            Must::VerifyNumber => "verified, without a letter".into(),
            Must::VerifyDiverted => "verified, diverted".into(),
            Must::VerifyBeside(code) => format!("verified; the other one {code}"),
            Must::NoticeReuse => "verified once; the second time: token reused".into(),
            Must::Refuse(code) => format!("not verified, {code}"),
            Must::Diverted => "not verified: diverted, unproven".into(),
            Must::Unchecked => "not verified: could not be checked".into(),
            Must::Nothing => "not verified: nothing to evaluate".into(),
        }
    }
}

/// One row of the matrix.
pub struct Case {
    pub name: &'static str,
    /// What is special about the call, in one phrase.
    pub what: &'static str,
    pub must: Must,
    /// The clause that says so.
    pub why: &'static str,
    /// What matters stands outside of the Identity value: a tool that is given only that cannot judge it.
    pub is_about_message: bool,
    /// The standards leave it open; `must` is our choice, and another answer is not counted as wrong.
    pub is_open: bool,
    /// Against the standard, but no attack: an honest signer could have made it by mistake.
    pub is_only_malformed: bool,
    pub build: fn(&Stage<'_>) -> Scene,
}

/// A row of the ordinary kind; see the methods for the others.
pub fn case(
    name: &'static str,
    what: &'static str,
    must: Must,
    why: &'static str,
    build: fn(&Stage<'_>) -> Scene,
) -> Case {
    Case {
        name,
        what,
        must,
        why,
        is_about_message: false,
        is_open: false,
        is_only_malformed: false,
        build,
    }
}

impl Case {
    pub fn about_message(self) -> Case {
        Case {
            is_about_message: true,
            ..self
        }
    }

    pub fn only_malformed(self) -> Case {
        Case {
            is_only_malformed: true,
            ..self
        }
    }

    pub fn open(self) -> Case {
        Case {
            is_open: true,
            ..self
        }
    }
}

/// Whether a call is made twice, with one token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    No,
    /// Somebody has answered the first one.
    Answered,
    /// Nobody has answered the first one: a carrier tries its next route.
    Unanswered,
}

/// A case ready to be sent.
pub struct Scene {
    pub invite: Invite,
    /// The revocation list that the verifier is configured with.
    pub lists: Lists,
    /// Sent twice as two calls, and the second one is judged.
    pub repeat: Repeat,
}

impl Scene {
    pub fn new(invite: Invite) -> Scene {
        Scene {
            invite,
            lists: Lists::Current,
            repeat: Repeat::No,
        }
    }

    pub fn with_lists(self, lists: Lists) -> Scene {
        Scene { lists, ..self }
    }

    pub fn repeated(self, repeat: Repeat) -> Scene {
        Scene { repeat, ..self }
    }
}

/// What cases are built with.
pub struct Stage<'w> {
    pub world: &'w World,
    pub hosts: &'w Hosts,
    /// Unix seconds: the moment of the call.
    pub now: i64,
}

impl Stage<'_> {
    /// An ordinary token of the ordinary provider, whose certificate is served as it should be.
    pub fn token(&self) -> Token {
        let chain = self.world.chain_of(&self.world.signer);
        Token::new(&self.publish(Page::Text(chain)), self.now)
    }

    /// A page on the public host.
    pub fn publish(&self, page: Page) -> String {
        self.hosts.publish(Place::Public, page)
    }

    /// Signs as the ordinary provider.
    pub fn sign(&self, token: &Token) -> String {
        token.signed(&self.world.signer.key)
    }

    /// The ordinary call with this token, signed by the ordinary provider.
    pub fn call(&self, token: &Token) -> Scene {
        Scene::new(Invite::new(&self.sign(token)))
    }

    /// The ordinary call in every word, signed with the key of `leaf` and with `chain` behind its x5u.
    pub fn call_by(&self, leaf: &Holder, chain: String) -> Scene {
        let token = Token::new(&self.publish(Page::Text(chain)), self.now);
        Scene::new(Invite::new(&token.signed(&leaf.key)))
    }

    /// A call signed by the first of these; its x5u has all of them, in this order.
    pub fn call_under(&self, holders: &[&Holder]) -> Scene {
        let chain: String = holders.iter().map(|holder| holder.pem.as_str()).collect();
        self.call_by(holders[0], chain)
    }

    /// The ordinary call by a provider with this certificate, issued as usual.
    pub fn call_with_certificate(&self, params: CertificateParams) -> Scene {
        let leaf = self.world.issuing.issue(params);
        let chain = self.world.chain_of(&leaf);
        self.call_by(&leaf, chain)
    }

    /// The ordinary call with the ordinary certificate served at `place` by `page`.
    pub fn call_from(&self, place: Place, page: impl FnOnce(String) -> Page) -> Scene {
        let url = self
            .hosts
            .publish(place, page(self.world.chain_of(&self.world.signer)));
        self.call(&Token::new(&url, self.now))
    }
}

/// What one verifier said to one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The call is good; a few words more, or none.
    Accepts(String),
    /// The call is not good; its own code or words.
    Refuses(String),
    /// The verifier cannot be shown this case; why.
    NotShown(&'static str),
    /// It gave no answer at all.
    Broken(String),
}

/// Files that every verifier of a run is configured with.
pub fn write_files(folder: &Path, world: &World, hosts: &Hosts) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("anchors.pem"), world.anchors_pem())?;
    std::fs::write(folder.join("web.pem"), &hosts.web_anchor_pem)?;
    for lists in [
        Lists::Current,
        Lists::BadSignature,
        Lists::Stale,
        Lists::OfAStranger,
    ] {
        std::fs::write(folder.join(list_file(lists)), world.revocation_pem(lists))?;
    }
    Ok(())
}

pub fn list_file(lists: Lists) -> &'static str {
    match lists {
        Lists::Current => "current.crl",
        Lists::BadSignature => "bad-signature.crl",
        Lists::Stale => "stale.crl",
        Lists::OfAStranger => "stranger.crl",
    }
}
