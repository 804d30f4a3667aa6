//! The side that begins: the party waits for us.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::rand;

use super::association::{Line, Step};
use super::flight::Flight;
use super::hello::{ClientHello, ServerHello, read_cookie};
use super::identity;
use super::secrets::{CipherSuite, Exchange, Group, Master, Randoms};
use super::server::{NAMED_CURVE, read_certificate, read_signature, write_certificate, write_signature};
use super::wire::{Reader, Write};
use super::{Fault, Outcome, Role, Terms, kind};
use crate::sdp::Suite;

pub(super) struct Client {
    random: [u8; 32],
    waits_for: WaitsFor,
    repeats: u8,
}

/// How often a hello with a cookie goes out again before one without goes out instead.
const COOKIE_REPEATS: u8 = 2;

enum WaitsFor {
    /// A cookie is taken once.
    Hello {
        has_cookie: bool,
    },
    Certificate(Chosen),
    KeyExchange(Chosen, Vec<u8>),
    Request(Chosen, Option<Exchange>, Vec<u8>),
    Done(Chosen, Option<Exchange>, Vec<u8>),
    Finished(Suite, Master),
    Nothing,
}

/// What the server chose of what we offered.
#[derive(Clone, Copy)]
struct Chosen {
    suite: CipherSuite,
    profile: Suite,
    randoms: Randoms,
    is_extended: bool,
}

impl Client {
    /// Says hello; with the same `random` as before, where it begins anew: to a server that has heard it that is the same hello once
    /// more, which it answers with what it has said already.
    pub(super) fn begin(random: Option<[u8; 32]>, terms: &Terms, line: &mut Line) -> Result<Client, Fault> {
        let random = match random {
            Some(random) => random,
            None => {
                let mut random = [0; 32];
                rand::fill(&mut random).map_err(|_| Fault::Ours)?;
                random
            }
        };
        let hello = ClientHello::write(&random, &[], terms.suites);
        line.say(kind::CLIENT_HELLO, false, &hello);
        Ok(Client {
            random,
            waits_for: WaitsFor::Hello { has_cookie: false },
            repeats: 0,
        })
    }

    /// Whether a server has said hello.
    pub(super) fn is_answered(&self) -> bool {
        !matches!(self.waits_for, WaitsFor::Hello { .. } | WaitsFor::Nothing)
    }

    pub(super) fn random(&self) -> [u8; 32] {
        self.random
    }

    /// Whether the message that was refused has changed nothing.
    pub(super) fn is_intact(&self) -> bool {
        !matches!(self.waits_for, WaitsFor::Nothing)
    }

    /// The flight is about to be repeated. True where it had better begin anew: the cookie in it moved nobody, and whoever asked for
    /// it need not have been the party.
    pub(super) fn gives_up_cookie(&mut self) -> bool {
        self.repeats = self.repeats.saturating_add(1);
        self.repeats >= COOKIE_REPEATS && matches!(self.waits_for, WaitsFor::Hello { has_cookie: true })
    }

    /// # Errors
    ///
    /// As whatever is wrong with the message; it has changed nothing then, unless [`Client::is_intact`] says otherwise.
    pub(super) fn handle(
        &mut self,
        terms: &Terms,
        line: &mut Line,
        (kind, sequence, body): (u8, u16, &[u8]),
    ) -> Result<Step, Fault> {
        let (next, step) = match (&mut self.waits_for, kind) {
            (WaitsFor::Hello { has_cookie: false }, kind::HELLO_VERIFY_REQUEST) => {
                let cookie = read_cookie(body).ok_or(Fault::Malformed)?;
                // Neither the first hello nor this is one of the messages that are hashed (RFC 6347 §4.2.1).
                line.said.clear();
                line.flight = Flight::default();
                let hello = ClientHello::write(&self.random, cookie, terms.suites);
                line.say(kind::CLIENT_HELLO, false, &hello);
                (WaitsFor::Hello { has_cookie: true }, Step::Answer)
            }
            (WaitsFor::Hello { .. }, kind::SERVER_HELLO) => {
                let hello = ServerHello::read(body, terms.suites)?;
                line.heard(kind, sequence, body);
                let chosen = Chosen {
                    suite: hello.suite,
                    profile: hello.profile,
                    randoms: Randoms {
                        client: self.random,
                        server: hello.random,
                    },
                    is_extended: hello.is_extended,
                };
                (WaitsFor::Certificate(chosen), Step::Wait)
            }
            (WaitsFor::Certificate(chosen), kind::CERTIFICATE) => {
                let certificate = read_certificate(body)?;
                if !identity::is_described(certificate, &terms.fingerprints) {
                    return Err(Fault::Fingerprint);
                }
                line.heard(kind, sequence, body);
                (WaitsFor::KeyExchange(*chosen, certificate.to_vec()), Step::Wait)
            }
            (WaitsFor::KeyExchange(chosen, certificate), kind::SERVER_KEY_EXCHANGE) => {
                let (group, public) = read_exchange(body, certificate, &chosen.randoms)?;
                let exchange = Some(Exchange::new(group)?);
                line.heard(kind, sequence, body);
                (WaitsFor::Request(*chosen, exchange, public), Step::Wait)
            }
            (WaitsFor::Request(chosen, exchange, public), kind::CERTIFICATE_REQUEST) => {
                line.heard(kind, sequence, body);
                let (exchange, public) = (exchange.take(), std::mem::take(public));
                (WaitsFor::Done(*chosen, exchange, public), Step::Wait)
            }
            (WaitsFor::Done(chosen, exchange, public), kind::SERVER_HELLO_DONE) => {
                line.heard(kind, sequence, body);
                let (chosen, exchange, public) = (*chosen, exchange.take(), std::mem::take(public));
                // Past here there is no way back: half of what we say may have been said.
                self.waits_for = WaitsFor::Nothing;
                let master = answer(line, &chosen, exchange.ok_or(Fault::Ours)?, &public)?;
                (WaitsFor::Finished(chosen.profile, master), Step::Answer)
            }
            (WaitsFor::Finished(profile, master), kind::FINISHED) => {
                let expected = master.finished(Role::Server, &line.said)?;
                verify_slices_are_equal(&expected, body).map_err(|_| Fault::Unproven)?;
                let keys = master.media_keys(*profile, Role::Client)?;
                (WaitsFor::Nothing, Step::Done(Outcome::Keys(keys)))
            }
            (WaitsFor::Request(..), kind::SERVER_HELLO_DONE) => return Err(Fault::NoCertificate),
            _ => return Err(Fault::Malformed),
        };
        self.waits_for = next;
        Ok(step)
    }
}

/// The server's half of the exchange, which it has signed.
fn read_exchange(body: &[u8], certificate: &[u8], randoms: &Randoms) -> Result<(Group, Vec<u8>), Fault> {
    let mut reader = Reader(body);
    if reader.u8() != Some(NAMED_CURVE) {
        return Err(Fault::NothingInCommon);
    }
    let group = reader.u16().ok_or(Fault::Malformed)?;
    let group = Group::of(group).ok_or(Fault::NothingInCommon)?;
    let public = reader.vector(1).ok_or(Fault::Malformed)?.0;
    let params = &body[..body.len() - reader.0.len()];
    let signed = [&randoms.joined(Role::Client)[..], params].concat();
    read_signature(&mut reader, certificate, &signed)?;
    Ok((group, public.to_vec()))
}

/// Our flight: who we are, our half of the exchange, and that both are ours.
fn answer(line: &mut Line, chosen: &Chosen, exchange: Exchange, public: &[u8]) -> Result<Master, Fault> {
    line.flight = Flight::default();
    line.say(
        kind::CERTIFICATE,
        false,
        &write_certificate(&line.identity.certificate),
    );
    let mut ours = Vec::new();
    ours.vector(1, |out| out.extend_from_slice(&exchange.public));
    line.say(kind::CLIENT_KEY_EXCHANGE, false, &ours);
    let secret = exchange.agree(public)?;
    let session = chosen.is_extended.then_some(&line.said[..]);
    let master = Master::new(chosen.suite, chosen.randoms, &secret, session)?;
    let (ours, theirs) = master.ciphers()?;
    line.sender.cipher = Some(ours);
    line.cipher = Some(theirs);
    // Only the end is missing, and it is encrypted.
    line.hears_plain = false;
    let mut verify = Vec::new();
    write_signature(&mut verify, &line.identity.sign(&line.said)?);
    line.say(kind::CERTIFICATE_VERIFY, false, &verify);
    line.change_cipher();
    let finished = master.finished(Role::Client, &line.said)?;
    line.say(kind::FINISHED, true, &finished);
    Ok(master)
}
