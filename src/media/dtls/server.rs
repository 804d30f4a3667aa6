//! The side that waits: the party begins.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::rand;

use super::association::{Line, Step};
use super::flight::Flight;
use super::hello::{ClientHello, ServerHello};
use super::identity::{self, Scheme};
use super::secrets::{CipherSuite, Exchange, Group, Master, Randoms};
use super::wire::{Reader, Write};
use super::{Fault, Outcome, Role, Terms, kind};
use crate::sdp::Suite;

/// Kinds of certificates in a CertificateRequest: what a key may be (RFC 5246 §7.4.4, RFC 8422 §5.5).
const RSA_SIGN: u8 = 1;
const ECDSA_SIGN: u8 = 64;

/// The only kind of curve that there is (RFC 8422 §5.4).
pub(super) const NAMED_CURVE: u8 = 3;

pub(super) struct Server {
    /// What the client's first message was, once it was answered.
    hello: Option<Vec<u8>>,
    waits_for: WaitsFor,
}

enum WaitsFor {
    Hello,
    Certificate(Option<Offered>),
    KeyExchange(Option<Offered>, Vec<u8>),
    Verify(Option<Agreed>, Vec<u8>),
    Finished(Agreed),
    Nothing,
}

/// What our flight offered.
struct Offered {
    suite: CipherSuite,
    profile: Suite,
    randoms: Randoms,
    is_extended: bool,
    exchange: Exchange,
}

struct Agreed {
    profile: Suite,
    master: Master,
}

impl Server {
    pub(super) fn new() -> Server {
        Server {
            hello: None,
            waits_for: WaitsFor::Hello,
        }
    }

    /// Whether this is the ClientHello that we have answered.
    pub(super) fn is_of(&self, hello: &[u8]) -> bool {
        self.hello.as_deref() == Some(hello)
    }

    /// Whether a hello was answered.
    pub(super) fn has_answered(&self) -> bool {
        self.hello.is_some()
    }

    /// Whether this is a ClientHello that could be answered, before it costs anything.
    pub(super) fn understands(terms: &Terms, hello: &[u8]) -> bool {
        ClientHello::read(hello).is_ok_and(|hello| choose(terms, &hello).is_some())
    }

    /// Whether the message that was refused has changed nothing.
    pub(super) fn is_intact(&self) -> bool {
        !matches!(self.waits_for, WaitsFor::Nothing)
    }

    /// # Errors
    ///
    /// As whatever is wrong with the message; it has changed nothing then, unless [`Server::is_intact`] says otherwise.
    pub(super) fn handle(
        &mut self,
        terms: &Terms,
        line: &mut Line,
        (kind, sequence, body): (u8, u16, &[u8]),
    ) -> Result<Step, Fault> {
        let (next, step) = match (&mut self.waits_for, kind) {
            (WaitsFor::Hello, kind::CLIENT_HELLO) => {
                line.heard(kind, sequence, body);
                let offered = answer(terms, line, body)?;
                self.hello = Some(body.to_vec());
                (WaitsFor::Certificate(Some(offered)), Step::Answer)
            }
            (WaitsFor::Certificate(offered), kind::CERTIFICATE) => {
                let certificate = read_certificate(body)?;
                if !identity::is_described(certificate, &terms.fingerprints) {
                    return Err(Fault::Fingerprint);
                }
                line.flight.rest();
                line.heard(kind, sequence, body);
                (
                    WaitsFor::KeyExchange(offered.take(), certificate.to_vec()),
                    Step::Wait,
                )
            }
            (WaitsFor::KeyExchange(offered, certificate), kind::CLIENT_KEY_EXCHANGE) => {
                let public = Reader(body).vector(1).ok_or(Fault::Malformed)?.0;
                line.heard(kind, sequence, body);
                let (offered, certificate) = (offered.take(), std::mem::take(certificate));
                // Past here there is no way back: our half of the exchange is used once.
                self.waits_for = WaitsFor::Nothing;
                let offered = offered.ok_or(Fault::Ours)?;
                let secret = offered.exchange.agree(public)?;
                let session = offered.is_extended.then_some(&line.said[..]);
                let master = Master::new(offered.suite, offered.randoms, &secret, session)?;
                let (theirs, ours) = master.ciphers()?;
                line.cipher = Some(theirs);
                line.sender.cipher = Some(ours);
                let agreed = Agreed {
                    profile: offered.profile,
                    master,
                };
                (WaitsFor::Verify(Some(agreed), certificate), Step::Wait)
            }
            (WaitsFor::Verify(agreed, certificate), kind::CERTIFICATE_VERIFY) => {
                read_verify(body, certificate, &line.said)?;
                line.heard(kind, sequence, body);
                let agreed = agreed.take().ok_or(Fault::Ours)?;
                // Only the end is missing, and it is encrypted.
                line.hears_plain = false;
                (WaitsFor::Finished(agreed), Step::Wait)
            }
            (WaitsFor::Finished(agreed), kind::FINISHED) => {
                let expected = agreed.master.finished(Role::Client, &line.said)?;
                verify_slices_are_equal(&expected, body).map_err(|_| Fault::Unproven)?;
                line.heard(kind, sequence, body);
                line.flight = Flight::default();
                line.change_cipher();
                let finished = agreed.master.finished(Role::Server, &line.said)?;
                line.say(kind::FINISHED, true, &finished);
                let keys = agreed.master.media_keys(agreed.profile, Role::Server)?;
                (WaitsFor::Nothing, Step::Done(Outcome::Keys(keys)))
            }
            (WaitsFor::Certificate(_), kind::CLIENT_KEY_EXCHANGE) => return Err(Fault::NoCertificate),
            (WaitsFor::Verify(..), kind::FINISHED) => return Err(Fault::Unproven),
            _ => return Err(Fault::Malformed),
        };
        self.waits_for = next;
        Ok(step)
    }
}

/// What we have in common with this client.
fn choose(terms: &Terms, hello: &ClientHello) -> Option<(CipherSuite, Group, Suite)> {
    let suite = CipherSuite::ALL
        .into_iter()
        .find(|suite| suite.is_ecdsa() && hello.suites.contains(suite));
    let group = Group::ALL.into_iter().find(|group| hello.groups.contains(group));
    let profile = terms.suites.iter().find(|suite| hello.profiles.contains(suite));
    let is_provable = hello.schemes.contains(&Scheme::EcdsaSha256);
    Some((suite?, group?, profile?)).filter(|_| is_provable)
}

/// Our flight, as an answer to this ClientHello.
fn answer(terms: &Terms, line: &mut Line, body: &[u8]) -> Result<Offered, Fault> {
    let hello = ClientHello::read(body)?;
    let (suite, group, profile) = choose(terms, &hello).ok_or(Fault::NothingInCommon)?;
    let mut randoms = Randoms {
        client: hello.random,
        server: [0; 32],
    };
    rand::fill(&mut randoms.server).map_err(|_| Fault::Ours)?;
    let exchange = Exchange::new(group)?;
    let said = ServerHello {
        random: randoms.server,
        suite,
        profile,
        is_extended: hello.is_extended,
    };
    line.flight = Flight::default();
    line.say(kind::SERVER_HELLO, false, &said.write(&hello));
    line.say(
        kind::CERTIFICATE,
        false,
        &write_certificate(&line.identity.certificate),
    );
    let mut params = vec![NAMED_CURVE];
    params.u16(group.number());
    params.vector(1, |out| out.extend_from_slice(&exchange.public));
    let signed = [&randoms.joined(Role::Client)[..], &params].concat();
    let signature = line.identity.sign(&signed)?;
    write_signature(&mut params, &signature);
    line.say(kind::SERVER_KEY_EXCHANGE, false, &params);
    let mut request = Vec::new();
    request.vector(1, |out| out.extend_from_slice(&[ECDSA_SIGN, RSA_SIGN]));
    request.vector(2, |out| {
        Scheme::ALL.iter().for_each(|scheme| out.u16(scheme.number()))
    });
    request.vector(2, |_| {});
    line.say(kind::CERTIFICATE_REQUEST, false, &request);
    line.say(kind::SERVER_HELLO_DONE, false, &[]);
    Ok(Offered {
        suite,
        profile,
        randoms,
        is_extended: hello.is_extended,
        exchange,
    })
}

/// The first certificate of a list: that of its author. The others sign it, and nobody asks them.
///
/// # Errors
///
/// [`Fault::NoCertificate`] for an empty list.
pub(super) fn read_certificate(body: &[u8]) -> Result<&[u8], Fault> {
    let mut list = Reader(body).vector(3).ok_or(Fault::Malformed)?;
    if list.is_empty() {
        return Err(Fault::NoCertificate);
    }
    Ok(list.vector(3).ok_or(Fault::Malformed)?.0)
}

pub(super) fn write_certificate(certificate: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.vector(3, |out| out.vector(3, |out| out.extend_from_slice(certificate)));
    out
}

/// A signature of ours, with how it was made.
pub(super) fn write_signature(out: &mut Vec<u8>, signature: &[u8]) {
    out.u16(Scheme::EcdsaSha256.number());
    out.vector(2, |out| out.extend_from_slice(signature));
}

/// CertificateVerify: a signature over all messages so far.
fn read_verify(body: &[u8], certificate: &[u8], said: &[u8]) -> Result<(), Fault> {
    let mut reader = Reader(body);
    read_signature(&mut reader, certificate, said)
}

/// A signature over `message` by the key of this certificate, with how it was made.
pub(super) fn read_signature(
    reader: &mut Reader<'_>,
    certificate: &[u8],
    message: &[u8],
) -> Result<(), Fault> {
    let scheme = reader.u16().ok_or(Fault::Malformed)?;
    let scheme = Scheme::of(scheme).ok_or(Fault::Unproven)?;
    let signature = reader.vector(2).ok_or(Fault::Malformed)?.0;
    identity::verify(certificate, scheme, message, signature)
}
