//! The registrar: who may register, where everybody is, and what of that has changed.
//!
//! ```text
//!   REGISTER ─► locked? ── yes ──► no answer
//!                 │ no
//!                 ▼
//!              digest ── wrong, nobody ──► 401, counted against address and name alike
//!                 │ right
//!                 ▼
//!              Contact, Expires ─► 200, 400, 403, 423, 500
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::bindings::Bindings;
use super::bound::Bound;
use super::contacts::Wish;
use super::device::Device;
use super::limits::{ALERT_WINDOW, ALERTS_MAX, NAME_MAX};
use super::locks::{Attempt, Locks};
use super::{Config, REALM};
use crate::cidr::neighbourhood;
use crate::digest::{Authorization, Guard, Question, Verdict};
use crate::sip::{Flow, Message};
use crate::time::Now;

pub struct Registrar {
    config: Config,
    guard: Guard,
    /// In the order of the guard's logins.
    devices: Arc<[Device]>,
    locks: Locks,
    bindings: BTreeMap<String, Bindings>,
    /// From where each device registered last.
    homes: BTreeMap<String, IpAddr>,
    bound: Arc<Bound>,
    news: VecDeque<News>,
    /// Since when there is a lockdown, Unix ms.
    locked_since_ms: Option<u64>,
    /// Since when alerts are counted, and how many there were.
    alerts: Option<(Instant, u32)>,
}

/// What becomes of a REGISTER whose sender has to prove himself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// It is from this device.
    Passed(String),
    /// It is asked: the values of WWW-Authenticate, and whether it had said something wrong.
    Asked {
        challenges: Vec<String>,
        was_wrong: bool,
        /// It was a wrong password, over a nonce that was given to this very address.
        is_guess: bool,
    },
    /// No answer: too much, or locked.
    Ignored,
}

/// What a device has registered now: each Contact and the seconds it has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    pub contacts: Vec<(String, u64)>,
}

/// Why a device's REGISTER is not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// 400: it cannot be read, or wants too much.
    Bad,
    /// 403: the address of another device.
    NotItsOwn,
    /// 423, with the shortest registration there is.
    TooBrief(Duration),
    /// 503: there is a lockdown, its secret was made before, and it was somewhere else.
    LockedDown,
    /// 500 (RFC 3261 §10.3 step 7): a later request of the same Call-ID was carried out before.
    Overtaken,
}

/// What others should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Where devices are, from now on.
    Bound(Arc<Bound>),
    Alert(Alert),
}

/// What a person should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alert {
    /// The same credentials are in use at two places.
    TwoPlaces {
        device: String,
        here: IpAddr,
        there: IpAddr,
    },
    /// Somebody guessed too often. `device` is a name as it was tried, and none when no such device exists: what strangers
    /// make up does not fill an audit.
    Locked {
        device: Option<String>,
        address: IpAddr,
        lasts: Duration,
    },
}

impl Registrar {
    /// `seed` keys the nonces and must not be used for anything else.
    pub fn new(config: Config, seed: &[u8; 32]) -> Registrar {
        Registrar {
            guard: Guard::new(REALM, &[], &config.hashes, seed),
            config,
            devices: Arc::default(),
            locks: Locks::default(),
            bindings: BTreeMap::new(),
            homes: BTreeMap::new(),
            bound: Arc::default(),
            news: VecDeque::new(),
            locked_since_ms: None,
            alerts: None,
        }
    }

    /// The devices there are from now on. Whose secret is another, or who is gone, is not registered any more.
    pub fn set_devices(&mut self, devices: Arc<[Device]>) {
        let is_as_before = |name: &String| {
            let of = |all: &[Device]| all.iter().find(|device| device.name == *name).cloned();
            let known = of(&devices);
            known.is_some() && known == of(&self.devices)
        };
        self.bindings.retain(|name, _| is_as_before(name));
        // Another secret does not move the phone: what goes wrong there until it has it is still its own.
        self.homes
            .retain(|name, _| devices.iter().any(|device| device.name == *name));
        let kept: Vec<_> = devices.iter().map(Device::kept).collect();
        self.guard.set_kept(&kept);
        self.devices = devices;
        self.publish();
    }

    /// There is a lockdown since then (Unix ms), or none any more. While there is one a device registers only from the address it registered
    /// from last, so that calls go on to ring where the phones are, unless its secret was made since.
    pub fn set_lockdown(&mut self, since_ms: Option<u64>) {
        self.locked_since_ms = since_ms;
    }

    /// A REGISTER that nobody has looked at yet. `flow` is how it came.
    pub fn judge(&mut self, register: &Message, flow: &Flow, now: Now) -> Judged {
        let address = flow.remote.ip().to_canonical();
        let lines = register.header_lines("Authorization");
        let answers: Vec<&str> = lines.iter().map(|line| &**line).collect();
        let named = named(&answers);
        let name = named.as_deref().unwrap_or_default();
        let attempt = Attempt {
            device: name,
            address,
            is_at_home: self.is_at_home(name, address),
        };
        // Who names nobody guesses nobody's secret: he is asked, as everybody is at first.
        if !name.is_empty() && self.locks.is_locked(attempt, now.instant) {
            return Judged::Ignored;
        }
        let question = Question {
            method: "REGISTER",
            uri: register.request_uri().unwrap_or_default(),
            body: register.body(),
            answers: &answers,
            source: address,
        };
        match self.guard.judge(&question, now) {
            Verdict::Passed(login) => {
                self.locks.worked(attempt);
                match self.devices.get(login) {
                    Some(device) => Judged::Passed(device.name.clone()),
                    None => Judged::Ignored,
                }
            }
            Verdict::Asked { challenges, why } => {
                let was_wrong = why.is_wrong();
                // Only what answers a question that was put to this very address counts: the rest anybody may send in
                // anybody's name.
                let is_guess = why == crate::digest::Why::Wrong && !name.is_empty();
                if is_guess && let Some(lasts) = self.locks.failed(attempt, now.instant) {
                    let is_known = self.devices.iter().any(|device| device.name == name);
                    self.alert(
                        Alert::Locked {
                            device: is_known.then(|| name.to_string()),
                            address,
                            lasts,
                        },
                        now.instant,
                    );
                }
                Judged::Asked {
                    challenges,
                    was_wrong,
                    is_guess,
                }
            }
            Verdict::Ignored => Judged::Ignored,
        }
    }

    /// The REGISTER of a device that has proved itself.
    ///
    /// # Errors
    ///
    /// [`Why`]; nothing is changed then.
    pub fn register(
        &mut self,
        device: &str,
        register: &Message,
        flow: Flow,
        now: Now,
    ) -> Result<Registered, Why> {
        if register.to_address().user().as_deref() != Some(device) {
            return Err(Why::NotItsOwn);
        }
        let address = flow.remote.ip().to_canonical();
        let mut bindings = self.bindings.get(device).cloned().unwrap_or_default();
        bindings.expire(now.instant);
        // Whoever is registered goes on, wherever the device registered last.
        let is_here = bindings.has(address) || self.is_at_home(device, address);
        if self.is_locked(device) && !is_here {
            return Err(Why::LockedDown);
        }
        let wish = Wish::of(register, &self.config)?;
        // Told once, when a second place comes; not with every refresh.
        let was_here = bindings.has(address);
        let before = bindings.places();
        let named = (register.call_id(), register.cseq().0);
        bindings.carry_out(wish, named, flow, now.instant)?;
        let registered = bindings.registered(now.instant);
        if bindings.has(address) {
            self.homes.insert(device.to_string(), address);
            if let Some(there) = bindings.elsewhere(address).filter(|_| !was_here) {
                let device = device.to_string();
                let here = address;
                self.alert(Alert::TwoPlaces { device, here, there }, now.instant);
            }
        }
        let is_news = bindings.places() != before;
        match bindings.is_empty() {
            true => self.bindings.remove(device),
            false => self.bindings.insert(device.to_string(), bindings),
        };
        if is_news {
            self.publish();
        }
        Ok(registered)
    }

    /// Nothing more can be sent or heard this way.
    pub fn lost(&mut self, flow: &Flow) {
        let Some(connection) = flow.connection else {
            return;
        };
        for bindings in self.bindings.values_mut() {
            bindings.lose(connection);
        }
        self.publish();
    }

    pub fn tick(&mut self, now: Instant) {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        for bindings in self.bindings.values_mut() {
            bindings.expire(now);
        }
        self.publish();
    }

    /// When the next registration ends.
    pub fn deadline(&self) -> Option<Instant> {
        self.bindings.values().filter_map(Bindings::deadline).min()
    }

    pub fn poll_news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    /// Entries in the tables: what may be locked, and nonces and addresses of the guard.
    pub fn len(&self) -> usize {
        let (nonces, sources) = self.guard.len();
        self.locks.len() + nonces + sources
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// There is a lockdown, and this device's secret was made before it.
    fn is_locked(&self, device: &str) -> bool {
        let Some(since_ms) = self.locked_since_ms else {
            return false;
        };
        let device = self.devices.iter().find(|known| known.name == device);
        device.is_none_or(|device| device.made_ms < since_ms)
    }

    fn is_at_home(&self, device: &str, address: IpAddr) -> bool {
        let home = self.homes.get(device);
        home.is_some_and(|home| neighbourhood(*home) == neighbourhood(address))
    }

    /// Tells everybody, if it is news.
    fn publish(&mut self) {
        self.bindings.retain(|_, bindings| !bindings.is_empty());
        let places = self.bindings.iter();
        let bound = Bound::new(places.map(|(name, of)| (name.clone(), of.places())).collect());
        if bound != *self.bound {
            self.bound = Arc::new(bound);
            self.news.push_back(News::Bound(self.bound.clone()));
        }
    }

    fn alert(&mut self, alert: Alert, now: Instant) {
        let (since, count) = self.alerts.get_or_insert((now, 0));
        if now.saturating_duration_since(*since) >= ALERT_WINDOW {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        if *count <= ALERTS_MAX {
            self.news.push_back(News::Alert(alert));
        }
    }
}

/// Whom the answers to our challenge name.
fn named(answers: &[&str]) -> Option<String> {
    let mut own = answers
        .iter()
        .filter_map(|line| Authorization::parse(line).ok())
        .filter(|answer| answer.realm == REALM);
    let name = own.next()?.user;
    // A longer one is nobody's: all of them are one.
    Some(name).filter(|name| name.len() <= NAME_MAX)
}
