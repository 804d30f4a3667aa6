//! Health probes: OPTIONS to every address of the targets that want it (`[[queue]] probe`), from one shard only.
//!
//! Any final answer but 408 and 503 says that somebody is there (RFC 3261 §11): a phone may well answer 404 or 405.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::queue;
use crate::route::{Candidate, Target};
use crate::sip::{ClientTxn, Flow, Method, Request, Uri};

use super::desk::Desk;
use super::leg::Hop;
use super::limits::{PROBE_PATIENCE, PROBED_MAX};
use super::routes::Routes;
use super::shard;

/// The addresses that are probed, and the probes under way.
#[derive(Default)]
pub(crate) struct Probes {
    /// Targets and how often, from the configuration.
    wanted: Vec<(String, Target, Duration)>,
    plans: BTreeMap<Candidate, Plan>,
    /// When each plan is next looked at.
    agenda: BTreeSet<(Instant, Candidate)>,
    /// Probes without a final answer yet. Their transactions end by themselves.
    asked: BTreeMap<u64, Candidate>,
}

struct Plan {
    uri: String,
    every: Duration,
    at: Instant,
    /// The probe that was sent last has been judged.
    is_judged: bool,
    txn: Option<u64>,
}

impl Probes {
    /// Nothing is probed unless this is the first shard.
    pub(crate) fn new(queues: &[queue::Config], shard: u16) -> Probes {
        let mut wanted: Vec<(String, Target, Duration)> = Vec::new();
        for queue in queues.iter().filter(|_| shard == 0) {
            for uri in &queue.targets {
                let target = Uri::parse(uri).ok().and_then(|uri| Target::of(&uri));
                if let (Some(target), Some(every)) = (target, queue.reach.probe) {
                    wanted.push((uri.clone(), target, every));
                }
            }
        }
        // Whoever asks most often decides.
        wanted.sort_by_key(|(_, _, every)| *every);
        Probes {
            wanted,
            ..Probes::default()
        }
    }

    pub(crate) fn is_wanted(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// Compares what is probed with where the targets are now. New addresses begin at a random moment of their interval:
    /// probes of many phones must not come in one burst.
    pub(crate) fn plan(&mut self, routes: &Routes, now: Instant, mut draw: impl FnMut(u64) -> u64) {
        let mut plans = BTreeMap::new();
        for (uri, target, every) in &self.wanted {
            for candidate in routes.all(target) {
                if plans.len() >= PROBED_MAX || plans.contains_key(&candidate) {
                    continue;
                }
                let known = self.plans.remove(&candidate);
                let plan = known.unwrap_or_else(|| Plan {
                    uri: uri.clone(),
                    every: *every,
                    at: now + Duration::from_millis(draw(every.as_millis().max(1) as u64)),
                    is_judged: true,
                    txn: None,
                });
                plans.insert(candidate, plan);
            }
        }
        self.plans = plans;
        let current = self.plans.iter();
        self.agenda = current.map(|(candidate, plan)| (plan.at, *candidate)).collect();
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.agenda.first().map(|(at, _)| *at)
    }

    pub(crate) fn owns(&self, txn: ClientTxn) -> bool {
        self.asked.contains_key(&txn.0)
    }

    pub(crate) fn under_way(&self) -> usize {
        self.asked.len()
    }

    /// The next address that is due now, with what is to be done.
    fn due(&mut self, now: Instant) -> Option<(Candidate, Due)> {
        let (at, candidate) = *self.agenda.first().filter(|(at, _)| *at <= now)?;
        self.agenda.remove(&(at, candidate));
        let plan = self.plans.get_mut(&candidate)?;
        let due = if plan.is_judged {
            plan.at = now + PROBE_PATIENCE.min(plan.every);
            plan.is_judged = false;
            Due::Send(plan.uri.clone())
        } else {
            plan.at = now + plan.every.saturating_sub(PROBE_PATIENCE);
            plan.is_judged = true;
            Due::Judge
        };
        self.agenda.insert((plan.at, candidate));
        Some((candidate, due))
    }

    /// An answer, or the end of the transaction without one. The address, when the probe has not been judged yet: what
    /// comes later says how things were, and two late answers at once would look like two good probes.
    fn ended(&mut self, txn: ClientTxn, now: Instant) -> Option<Candidate> {
        let candidate = self.asked.remove(&txn.0)?;
        let plan = self.plans.get_mut(&candidate)?;
        if plan.txn != Some(txn.0) || plan.is_judged {
            return None;
        }
        self.agenda.remove(&(plan.at, candidate));
        plan.at = now + plan.every;
        plan.is_judged = true;
        self.agenda.insert((plan.at, candidate));
        Some(candidate)
    }
}

enum Due {
    Send(String),
    /// No answer in time.
    Judge,
}

impl Desk {
    /// Sends the probes that are due, and judges those that were not answered.
    pub(crate) fn tick_probes(&mut self) {
        let now = self.now().instant;
        while let Some((candidate, due)) = self.probes.due(now) {
            match due {
                Due::Send(uri) => self.send_probe(candidate, &uri),
                Due::Judge => self.probed(candidate, false),
            }
        }
    }

    /// A final response to a probe, or none at all.
    pub(crate) fn on_probe_ended(&mut self, txn: ClientTxn, status: Option<u16>) {
        let is_answered = status.is_some_and(|status| status != 408 && status != 503);
        let now = self.now().instant;
        if let Some(candidate) = self.probes.ended(txn, now) {
            self.probed(candidate, is_answered);
        }
    }

    fn send_probe(&mut self, candidate: Candidate, uri: &str) {
        let Ok(parsed) = Uri::parse(uri) else { return };
        let Ok(listener) = self.listener_towards(candidate.transport, candidate.address) else {
            return;
        };
        let flow = Flow {
            transport: candidate.transport,
            local: listener.bound,
            remote: candidate.address,
            connection: None,
            peer: self.peer_name(&parsed),
        };
        let way = Target::of(&parsed);
        let login = self
            .logins
            .of_host(way.as_ref().map(Target::host), candidate.address.ip());
        let hop = Hop::new(flow, listener, parsed.is_sips()).with_login(login);
        let call_id = shard::leg_b_call_id(self.config.shard, &self.endpoint.token());
        let tag = self.endpoint.token();
        let options = Request::new(Method::Options, uri)
            .header("Max-Forwards", "70")
            .header("From", format!("<sip:ringward@{}>;tag={tag}", hop.sent_by))
            .header("To", format!("<{uri}>"))
            .header("Call-ID", call_id)
            .header("CSeq", "1 OPTIONS")
            .header("Contact", &hop.contact)
            .header("Accept", "application/sdp");
        let txn = self.request(options, flow, &hop);
        self.probes.asked.insert(txn.0, candidate);
        if let Some(plan) = self.probes.plans.get_mut(&candidate) {
            plan.txn = Some(txn.0);
        }
    }
}
