//! What all calls of a shard share, and what a stage has in its hands while it handles an input.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::flood;
use crate::identity;
use crate::lists::Lookup;
use crate::policy::Lineup;
use crate::prompts::Prompts;
use crate::queue;
use crate::reputation::Reputations;
use crate::route::{Candidate, Cause, Change};
use crate::sip::{
    ClientTxn, Endpoint, Flow, LargeWay, Message, PeerName, Request, Response, ServerTxn, Transport, Uri,
};
use crate::time::Now;

use super::admission::Admission;
use super::drill::Drills;
use super::error::Unringable;
use super::gate::Gate;
use super::index::{Index, Name};
use super::leg::Hop;
use super::logins::{Logins, Repeated};
use super::moved::Moved;
use super::numbers::Numbers;
use super::probing::Probes;
use super::random::Randomness;
use super::refusal::Refusal;
use super::registrants::Registrants;
use super::routes::Routes;
use super::signals::Said;
use super::stray::Strays;
use super::tolls::Ledger;
use super::transfer::{Errand, Handed};
use super::{Config, Counter, Listener, Output, TrunkConfig, names};

pub(crate) struct Desk {
    pub(crate) endpoint: Endpoint,
    pub(crate) identity: identity::Engine,
    pub(crate) lineup: Arc<Lineup>,
    pub(crate) lists: Arc<Lookup>,
    pub(crate) reputations: Arc<Reputations>,
    pub(crate) prompts: Arc<Prompts>,
    /// Calls to the outside, those of all shards.
    pub(crate) ledger: Ledger,
    /// Phones send no call on, and nothing leaves over a trunk but calls for help.
    pub(crate) is_locked_down: bool,
    pub(crate) config: Config,
    pub(crate) queues: Arc<[queue::Config]>,
    /// How each trunk writes telephone numbers, by its name.
    pub(crate) numbers: BTreeMap<String, Arc<Numbers>>,
    /// How phones write them: by the country of the gateway.
    pub(crate) own_numbers: Arc<Numbers>,
    pub(crate) admission: Admission,
    pub(crate) gate: Gate,
    pub(crate) registrants: Registrants,
    pub(crate) logins: Logins,
    /// What [`PeerName`] counts in.
    pub(crate) tls_names: Vec<String>,
    /// Where carriers want calls of ours to pass (RFC 3608), by trunk.
    pub(crate) service_routes: BTreeMap<String, Vec<String>>,
    pub(crate) index: Index,
    pub(crate) strays: Strays,
    pub(crate) routes: Routes,
    /// What the phones have been doing, on all shards.
    pub(crate) usage: queue::Usage,
    /// Who waits in which queue, on all shards.
    pub(crate) line: queue::Line,
    /// A phone may be free for somebody who waits.
    pub(crate) is_floor_news: bool,
    pub(crate) probes: Probes,
    pub(crate) random: Randomness,
    pub(crate) outputs: VecDeque<Output>,
    /// Questions of one call to another, and the answer.
    pub(crate) errands: VecDeque<Errand>,
    pub(crate) handed: Option<Handed>,
    /// Dialogs that other shards have.
    pub(crate) moved: Moved,
    /// How much is taken from whom, over all shards.
    pub(crate) flood: flood::Shared,
    /// Who is not heard for a while.
    pub(crate) blocks: Arc<flood::Blocks>,
    /// Training calls that go on, those of all shards.
    pub(crate) drills: Drills,
    /// Of the INVITE that is being handled, until a call has it.
    pub(crate) ticket: Option<flood::Ticket>,
    /// Set by every input before anything asks.
    pub(crate) clock: Option<Now>,
    /// The call that is being handled.
    pub(crate) call: usize,
    /// What was said about it since its event came.
    pub(crate) said: Vec<Said>,
}

impl Desk {
    pub(crate) fn now(&self) -> Now {
        self.clock
            .expect("every input brings its time before it is handled")
    }

    pub(crate) fn say(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(crate) fn count(&mut self, counter: Counter) {
        self.say(Output::Count(counter));
    }

    pub(crate) fn respond(&mut self, txn: ServerTxn, response: Response) {
        self.note_response(&response);
        let now = self.now();
        self.endpoint.respond(txn, response, now);
    }

    /// Answers a request that belongs to no call, or inside a dialog: To already has its tag, or gets one here.
    pub(crate) fn refuse(&mut self, txn: ServerTxn, request: &Message, refusal: &Refusal) {
        let tag = self.endpoint.token();
        self.respond(txn, refusal.answer(request).to_tag(&tag));
    }

    /// Sends a request of ours; a challenge to it is answered where the hop has credentials.
    pub(crate) fn request(&mut self, request: Request, flow: Flow, hop: &Hop) -> ClientTxn {
        self.note_request(&request, flow.remote);
        let now = self.now();
        let kept = hop.login.map(|login| (login, request.clone()));
        let txn = match &hop.large {
            // Inside a dialog the transport is the dialog's.
            Some(large) if flow == hop.flow && hop.is_at_its_beginning(&request) => self
                .endpoint
                .request_by_size(request, flow, &hop.sent_by, large, now),
            _ => self.endpoint.request(request, flow, &hop.sent_by, now),
        };
        if let Some((login, request)) = kept {
            self.logins.keep(txn, request, flow, &hop.sent_by, login);
        }
        txn
    }

    /// See [`Logins::on_response`].
    pub(crate) fn answer_challenge(&mut self, txn: ClientTxn, response: &Message) -> Option<Repeated> {
        // Most requests have no credentials, and a nonce of our own is not for nothing.
        if !self.logins.knows(txn) {
            return None;
        }
        let (cnonce, now) = (format!("{:016x}", self.random.u64()), self.now());
        self.logins
            .on_response(txn, response, &cnonce, &mut self.endpoint, now)
    }

    pub(crate) fn numbers_of(&self, trunk: &TrunkConfig) -> Arc<Numbers> {
        let known = self.numbers.get(&trunk.name);
        known
            .cloned()
            .unwrap_or_else(|| Arc::new(Numbers::of(trunk, &self.config.country)))
    }

    pub(crate) fn set_service_route(&mut self, trunk: &str, route: &[String]) {
        match route {
            [] => self.service_routes.remove(trunk),
            route => self.service_routes.insert(trunk.to_string(), route.to_vec()),
        };
    }

    pub(crate) fn name(&mut self, name: Name) {
        self.index.add(self.call, name);
    }

    /// A call came to nothing at this address, and the address is at fault.
    pub(crate) fn failed_at(&mut self, candidate: Candidate, cause: Cause, retry_after: Option<Duration>) {
        let now = self.now().instant;
        let change = self.routes.health.failed(candidate, cause, retry_after, now);
        self.tell_standing(change);
    }

    /// A call was answered at this address.
    pub(crate) fn worked_at(&mut self, candidate: Candidate) {
        let now = self.now().instant;
        let change = self.routes.health.worked(candidate, now);
        self.tell_standing(change);
    }

    pub(crate) fn probed(&mut self, candidate: Candidate, is_answered: bool) {
        self.count(if is_answered {
            Counter::ProbeAnswered
        } else {
            Counter::ProbeUnanswered
        });
        let now = self.now().instant;
        let change = self.routes.health.probed(candidate, is_answered, now);
        self.tell_standing(change);
    }

    /// Something happened to a phone: this shard and the others share calls out by it.
    pub(crate) fn used(&mut self, target: &str, what: queue::What) {
        let at = self.now().instant;
        self.is_floor_news |= frees(what);
        if let Some(used) = self.usage.used(target, what, at) {
            self.say(Output::Used(used));
        }
    }

    fn tell_standing(&mut self, change: Option<Change>) {
        if let Some(change) = change {
            self.say(Output::Standing(change));
        }
    }

    /// The listener that owns the local end of a flow.
    pub(crate) fn listener_of(&self, flow: &Flow) -> Option<&Listener> {
        let listeners = || {
            self.config
                .listeners
                .iter()
                .filter(|listener| listener.transport == flow.transport)
        };
        listeners()
            .find(|listener| listener.bound == flow.local)
            .or_else(|| listeners().find(|listener| listener.bound.port() == flow.local.port()))
            .or_else(|| listeners().find(|listener| listener.bound.is_ipv4() == flow.local.is_ipv4()))
            .or_else(|| listeners().next())
            .or(self.config.listeners.first())
    }

    /// Whom the certificate has to name when `uri` is reached over TLS; None = its address.
    pub(crate) fn peer_name(&self, uri: &Uri) -> Option<PeerName> {
        names::place_of(&self.tls_names, uri.host()?)
    }

    /// Where a request to `uri` goes when it is too large for UDP: over TCP to the same place, unless the URI says which
    /// transport it is.
    pub(crate) fn large_way(&self, uri: &Uri, flow: &Flow) -> Option<LargeWay> {
        if flow.transport != Transport::Udp || uri.param("transport").is_some() {
            return None;
        }
        let listener = self.listener_towards(Transport::Tcp, flow.remote).ok()?;
        let flow = Flow {
            transport: Transport::Tcp,
            local: listener.bound,
            ..*flow
        };
        Some(LargeWay {
            flow,
            sent_by: listener.advertised.clone(),
        })
    }

    /// The listener to reach `remote` from: same transport and address family, loopback with loopback.
    pub(crate) fn listener_towards(
        &self,
        transport: Transport,
        remote: SocketAddr,
    ) -> Result<&Listener, Unringable> {
        let fits = |listener: &&Listener| {
            listener.transport == transport && listener.bound.is_ipv4() == remote.is_ipv4()
        };
        let is_near = |listener: &&Listener| {
            let bound = listener.bound.ip();
            bound.is_unspecified() || bound.is_loopback() == remote.ip().is_loopback()
        };
        let fitting = || self.config.listeners.iter().filter(fits);
        fitting()
            .find(is_near)
            .or_else(|| fitting().next())
            .ok_or(Unringable::NoListener)
    }
}

/// Whether somebody who waits may find a phone after this.
pub(super) fn frees(what: queue::What) -> bool {
    matches!(
        what,
        queue::What::Freed { .. } | queue::What::Unrung | queue::What::Rested
    )
}
