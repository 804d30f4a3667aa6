//! Challenges to requests of ours (401, 407), answered with the credentials that belong to whom they came from.
//!
//! A stage never sees a challenge that was answered: its transaction goes on under the same name.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use crate::digest::{Ask, Challenge, Credentials};
use crate::sip::{ClientTxn, Endpoint, Flow, Message, Request};
use crate::time::Now;

use super::limits::{CHALLENGEABLE_MAX, LOGIN_ADDRESSES_MAX};
use super::{Config, TrunkConfig};

/// Credentials, by their place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Login(usize);

/// What we prove ourselves with, and requests that may still be challenged.
pub(crate) struct Logins {
    known: Vec<Credentials>,
    trunks: HashMap<String, Login>,
    hosts: HashMap<IpAddr, Login>,
    /// By name, with the addresses it had last.
    names: BTreeMap<Arc<str>, (Login, Vec<IpAddr>)>,
    /// By the name of their transaction.
    pending: HashMap<u64, Pending>,
    /// By the Call-ID of requests that are pending: the highest number among them and those after them, and how many
    /// are pending. What is sent again must be higher than all that went out meanwhile (RFC 3261 §12.2.2).
    numbers: HashMap<String, (u32, usize)>,
}

struct Pending {
    login: Login,
    request: Request,
    flow: Flow,
    sent_by: String,
    /// What was answered so far, by 401 and by 407.
    by_peer: Option<Answered>,
    by_proxy: Option<Answered>,
}

struct Answered {
    challenge: Challenge,
    /// How often its nonce was used.
    count: u32,
    /// It stands for one that had gone stale: it gets no second chance.
    is_second: bool,
}

/// A request was sent again in a dialog, under this number.
pub(crate) struct Repeated {
    pub(crate) sip_call_id: String,
    pub(crate) cseq: u32,
}

impl Logins {
    pub(crate) fn new(config: &Config) -> Logins {
        let mut logins = Logins {
            known: Vec::new(),
            trunks: HashMap::new(),
            hosts: HashMap::new(),
            names: BTreeMap::new(),
            pending: HashMap::new(),
            numbers: HashMap::new(),
        };
        for trunk in &config.trunks {
            if let (Some(credentials), false) = (&trunk.credentials, trunk.is_challenged) {
                let login = logins.add(credentials);
                logins.trunks.insert(trunk.name.clone(), login);
            }
        }
        for of_host in &config.credentials {
            let login = logins.add(&of_host.credentials);
            for address in &of_host.addresses {
                logins.hosts.entry(address.to_canonical()).or_insert(login);
            }
            for host in &of_host.hosts {
                logins
                    .names
                    .entry(host.clone())
                    .or_insert_with(|| (login, Vec::new()));
            }
        }
        logins
    }

    /// Those of a trunk, for whatever goes out over it.
    pub(crate) fn of_trunk(&self, trunk: &TrunkConfig) -> Option<Login> {
        self.trunks.get(&trunk.name).copied()
    }

    /// Those for a phone, or what stands before it: by the host that a request to it goes to (`maddr` before the
    /// host of the URI), else by the address it has.
    pub(crate) fn of_host(&self, host: Option<&str>, address: IpAddr) -> Option<Login> {
        if self.names.is_empty() {
            return self.hosts.get(&address.to_canonical()).copied();
        }
        let host = host.map(|host| host.trim_end_matches('.').to_ascii_lowercase());
        let named = host.and_then(|host| self.names.get(host.as_str()));
        let address = address.to_canonical();
        let found = || {
            let mut names = self.names.values();
            names.find(|(_, addresses)| addresses.contains(&address))
        };
        let by_address = || self.hosts.get(&address).copied();
        (named.map(|(login, _)| *login))
            .or_else(by_address)
            .or_else(|| found().map(|(login, _)| *login))
    }

    /// Where a host of the configuration is now. Others, and a name service that knows of no address, change nothing.
    pub(crate) fn learn(&mut self, host: &str, addresses: &[IpAddr]) {
        if let Some((_, known)) = self.names.get_mut(host)
            && !addresses.is_empty()
        {
            let canonical = addresses.iter().map(IpAddr::to_canonical);
            *known = canonical.take(LOGIN_ADDRESSES_MAX).collect();
        }
    }

    /// Keeps a copy of a request until its final response.
    pub(crate) fn keep(&mut self, txn: ClientTxn, request: Request, flow: Flow, sent_by: &str, login: Login) {
        if self.pending.len() >= CHALLENGEABLE_MAX {
            return;
        }
        self.count(&request);
        let pending = Pending {
            login,
            request,
            flow,
            sent_by: sent_by.to_string(),
            by_peer: None,
            by_proxy: None,
        };
        self.pending.insert(txn.0, pending);
    }

    /// The request will not be sent again.
    pub(crate) fn forget(&mut self, txn: ClientTxn) {
        if let Some(pending) = self.pending.remove(&txn.0) {
            self.uncount(&pending.request);
        }
    }

    /// Whether a challenge to this request could be answered.
    pub(crate) fn knows(&self, txn: ClientTxn) -> bool {
        self.pending.contains_key(&txn.0)
    }

    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }

    /// A response to a request of ours. When it is a challenge that can be answered, the request is sent again and its
    /// owner is not told.
    pub(crate) fn on_response(
        &mut self,
        txn: ClientTxn,
        response: &Message,
        cnonce: &str,
        endpoint: &mut Endpoint,
        now: Now,
    ) -> Option<Repeated> {
        let status = response.status().filter(|status| *status >= 200)?;
        let mut pending = self.pending.remove(&txn.0)?;
        let last = self.uncount(&pending.request);
        if !matches!(status, 401 | 407) {
            return None;
        }
        let cseq = response.cseq().0.max(last).checked_add(1)?;
        let credentials = &self.known[pending.login.0];
        let request = pending.answer(status, response, credentials, cseq, cnonce)?;
        self.count(&request);
        if !endpoint.repeat(txn, request, pending.flow, &pending.sent_by, now) {
            self.uncount(&pending.request);
            return None;
        }
        self.pending.insert(txn.0, pending);
        Some(Repeated {
            sip_call_id: response.call_id().to_string(),
            cseq,
        })
    }

    /// One more request with this Call-ID is pending.
    fn count(&mut self, request: &Request) {
        let Some((sip_call_id, cseq)) = numbered(request) else {
            return;
        };
        let (last, pending) = self.numbers.entry(sip_call_id.to_string()).or_default();
        *last = cseq.max(*last);
        *pending += 1;
    }

    /// One less; the highest number so far.
    fn uncount(&mut self, request: &Request) -> u32 {
        let Some((sip_call_id, _)) = numbered(request) else {
            return 0;
        };
        let Some((last, pending)) = self.numbers.get_mut(sip_call_id) else {
            return 0;
        };
        let last = *last;
        *pending -= 1;
        if *pending == 0 {
            self.numbers.remove(sip_call_id);
        }
        last
    }

    fn add(&mut self, credentials: &Credentials) -> Login {
        self.known.push(credentials.clone());
        Login(self.known.len() - 1)
    }
}

/// Call-ID and CSeq number.
fn numbered(request: &Request) -> Option<(&str, u32)> {
    let cseq = request.header_value("CSeq")?.split(' ').next()?.parse().ok()?;
    Some((request.header_value("Call-ID")?, cseq))
}

impl Pending {
    /// The request with credentials. `None` = there is nothing to answer with, or the answer was not taken before.
    fn answer(
        &mut self,
        status: u16,
        response: &Message,
        credentials: &Credentials,
        cseq: u32,
        cnonce: &str,
    ) -> Option<Request> {
        let (name, slot) = match status {
            401 => ("WWW-Authenticate", &mut self.by_peer),
            _ => ("Proxy-Authenticate", &mut self.by_proxy),
        };
        let lines = response.header_lines(name);
        let challenges = Challenge::read_all(lines.iter().map(|line| &**line));
        let challenge = Challenge::strongest(challenges, credentials)?;
        let is_second = match slot {
            None => false,
            // The password was wrong, or this goes round in circles.
            Some(last)
                if last.is_second || !challenge.is_stale || challenge.nonce == last.challenge.nonce =>
            {
                return None;
            }
            Some(_) => true,
        };
        *slot = Some(Answered {
            challenge,
            count: 0,
            is_second,
        });

        let method = self.request.method.clone();
        let mut request = self.request.clone();
        for (name, value) in &mut request.headers {
            if name.eq_ignore_ascii_case("CSeq") {
                *value = format!("{cseq} {method}");
            }
        }
        let ask = Ask {
            method: method.as_str(),
            uri: &self.request.uri,
            body: &self.request.body,
        };
        for (name, slot) in [
            ("Authorization", &mut self.by_peer),
            ("Proxy-Authorization", &mut self.by_proxy),
        ] {
            if let Some(answered) = slot {
                answered.count += 1;
                let answer = answered
                    .challenge
                    .answer(credentials, &ask, answered.count, cnonce);
                request = request.header(name, answer.to_string());
            }
        }
        Some(request)
    }
}
