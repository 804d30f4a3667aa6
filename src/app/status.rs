//! What the gateway says of itself at `/status`, put together from the rooms whenever somebody asks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;

use crate::accounts::Lockdown;
use crate::flood::{self, Hand, Rest};
use crate::runtime::alarms::Alarms;
use crate::runtime::clock;
use crate::runtime::clock_alarm::ClockAlarm;
use crate::runtime::dns::Dns;
use crate::runtime::feed::FeedKeeper;
use crate::runtime::inbox::Mailboxes;
use crate::runtime::lockdown::LockdownKeeper;
use crate::runtime::mail::Mail;
use crate::runtime::models::Models;
use crate::runtime::phones::Phones;
use crate::runtime::policies::Policies;
use crate::runtime::registrations::Registry;
use crate::runtime::repeats::Repeats;
use crate::runtime::scoring::Counters;
use crate::runtime::standings::Standings;
use crate::runtime::stream::{Streams, Tls};
use crate::runtime::trust::Lists;
use crate::runtime::webhooks::Webhooks;
use crate::selftest::watch::LastRun;
use crate::sip::Transport;

pub(super) struct Status {
    pub(super) started_ms: u64,
    pub(super) policies: Arc<Policies>,
    pub(super) lockdown: Arc<LockdownKeeper>,
    pub(super) alarms: Arc<Alarms>,
    /// None = no list of others is read.
    pub(super) feed: Option<Arc<FeedKeeper>>,
    /// None = no alarm is sent by e-mail.
    pub(super) mail: Option<Arc<Mail>>,
    pub(super) prompts: super::prompts::Standing,
    pub(super) repeats: Option<Arc<Repeats>>,
    pub(super) models: Option<Arc<Models>>,
    pub(super) heard: Option<Arc<Counters>>,
    pub(super) lists: Lists,
    pub(super) flood: flood::Shared,
    pub(super) blocks: Arc<flood::Blocks>,
    pub(super) clock_alarm: ClockAlarm,
    pub(super) sip: Vec<(Transport, SocketAddr)>,
    pub(super) queues: Vec<String>,
    pub(super) live_calls: Vec<Arc<AtomicUsize>>,
    pub(super) live_entries: Vec<Arc<AtomicUsize>>,
    pub(super) mailboxes: Mailboxes,
    pub(super) dns: Arc<Dns>,
    pub(super) standings: Standings,
    pub(super) streams: Arc<Streams>,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) is_draining: Arc<AtomicBool>,
    pub(super) registrations: Registry,
    /// None = phones do not register here.
    pub(super) phones: Option<Phones>,
    pub(super) webhooks: Arc<Webhooks>,
    pub(super) selftest: Box<dyn Fn() -> Option<LastRun> + Send + Sync>,
}

impl Status {
    pub(super) fn read(&self) -> serde_json::Value {
        let standing = self.flood.standing(clock::now().instant);
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "started_ms": self.started_ms,
            "lockdown": self.lockdown(),
            "alarms": self.alarms.status(),
            "alarm_emails": self.mail.as_ref().map(|mail| mail.status()),
            "policy": self.policies.lineup().live().revision(),
            "policy_file_problem": self.policies.file_problem(),
            "prompts_problem": self.prompts.read(),
            "model": self.models.as_ref().map(|models| models.standing().current),
            "model_trial": self.models.as_ref().map(|models| models.standing()),
            "scoring": self.heard.as_ref().map(|heard| heard.read()),
            "recordings": self.repeats.as_ref().map(|repeats| {
                let remembered = repeats.remembered();
                json!({
                    "known": remembered.known,
                    "octets": remembered.octets,
                    "unwritten": remembered.unwritten,
                    "is_read": remembered.is_read,
                })
            }),
            "lists": self.lists.status(),
            "clock_shift_seconds": self.clock_alarm.shift(),
            "sip": self.sip.iter().map(|(transport, address)| format!("{transport}:{address}")).collect::<Vec<_>>(),
            "queues": self.queues,
            "shards": self.live_calls.len(),
            "ringing": standing.ringing,
            "tdos": tdos(&standing.surge),
            "blocked": self.blocked(),
            "blocked_feed": self.feed.as_ref().map(|feed| feed.status()),
            "live_calls": self.live_calls.iter().map(|calls| calls.load(Ordering::Relaxed)).sum::<usize>(),
            "live_entries": self.live_entries.iter().map(|entries| entries.load(Ordering::Relaxed)).sum::<usize>(),
            "tcp_connections": self.streams.open_connections(),
            "tls_certificate_expires_seconds": self.tls.as_ref().map(|tls| tls.expires_in(clock::now().utc)),
            "inbox_messages_lost": self.mailboxes.lost(),
            "targets": { "names": self.dns.status(), "down": self.standings.status() },
            "devices": self.phones.as_ref().map(Phones::status),
            "registrations": self.registrations.states(),
            "webhooks": self.webhooks(),
            "selftest": (self.selftest)(),
            "is_draining": self.is_draining.load(Ordering::Relaxed),
        })
    }

    /// Which addresses are not heard, and how much longer.
    fn blocked(&self) -> Vec<serde_json::Value> {
        let blocks = self.blocks.list(clock::now().instant).into_iter();
        blocks
            .map(|block| {
                json!({
                    "address": block.address.to_string(),
                    "seconds": block.left.as_secs(),
                    "times": block.times,
                })
            })
            .collect()
    }

    /// Null = there is none.
    fn lockdown(&self) -> serde_json::Value {
        let lasting = self.lockdown.last().filter(Lockdown::lasts);
        json!(lasting.map(|lockdown| {
            json!({
                "since_ms": lockdown.since_ms,
                "by": lockdown.by,
                "why": lockdown.why,
                "undo_asked_by": lockdown.undo.map(|undo| undo.by),
            })
        }))
    }

    /// Only how they are doing: who may see where they are asks `/api/v1/webhooks`.
    fn webhooks(&self) -> Vec<serde_json::Value> {
        let standings = self.webhooks.standings().into_iter();
        standings
            .map(|(hook, standing)| {
                json!({
                    "name": hook.name,
                    "waiting": standing.waiting,
                    "dead": standing.dead,
                    "problem": standing.problem,
                })
            })
            .collect()
    }
}

/// Whether there are so many calls that it is an attack, and from how many on.
fn tdos(standing: &flood::SurgeStanding) -> serde_json::Value {
    json!({
        "is_on": standing.is_on,
        "mode": match standing.hand {
            Hand::Auto => "auto",
            Hand::On => "on",
            Hand::Off => "off",
        },
        "rest": match standing.rest {
            Rest::Label => "label",
            Rest::Challenge => "challenge",
            Rest::Refuse => "refuse",
        },
        "lasts_seconds": standing.lasts.as_secs(),
        "begun": standing.begun,
        "arrivals": standing.arrivals,
        "arrivals_at": standing.arrivals_at,
        "ringing": standing.ringing,
        "ringing_at": standing.ringing_at,
        "normal": (standing.normal * 10.0).round() / 10.0,
        "learned_minutes": standing.learned_minutes,
    })
}
