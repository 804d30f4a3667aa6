//! The shard's bounded inbox and how others reach it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::call_backs;
use super::limits::{COMMAND_PATIENCE, INBOX_MESSAGES, INBOX_SIP_MESSAGES};
use crate::call::{Asker, CallBack, Handed, LegAsked, Order, shard_of};
use crate::call_id::CallId;
use crate::identity::{Fetched, Trust};
use crate::lists::Lookup;
use crate::media::Hop;
use crate::policy::Lineup;
use crate::prompts::Prompts;
use crate::reputation::Reputations;
use crate::route::{Change, Known};
use crate::screening::{HistoryFacts, RecordingFacts};
use crate::sip::{Flow, TransportFault};
use crate::voice::Opinion;

/// What other threads tell a shard.
pub enum ToShard {
    Sip {
        flow: Flow,
        octets: Box<[u8]>,
        /// How often it was sent on because its dialog is on another shard than its Call-ID says.
        hops: u8,
    },
    TransportError {
        flow: Flow,
        fault: TransportFault,
        /// When it was given up: what is sent later goes by another connection.
        at: Instant,
    },
    Fetched(Fetched),
    Known {
        call: CallId,
        history: HistoryFacts,
        is_reused: Option<bool>,
    },
    /// Another call was answered with this call's PASSporT before.
    Reused {
        call: CallId,
    },
    /// An opinion, and the hop's buffer back when a hop led to it.
    Scored {
        call: CallId,
        opinion: Box<Opinion>,
        hop: Option<Hop>,
    },
    /// A hop that no scorer heard, though one took it; its buffer comes back.
    NotScored {
        call: CallId,
        hop: Hop,
    },
    /// Which model hears the call.
    HeardBy {
        call: CallId,
        model: String,
    },
    /// The same recording was heard in other calls.
    Repeated {
        call: CallId,
        recording: Box<RecordingFacts>,
    },
    /// A second opinion on the voice was wanted and there was no room for it.
    SecondShed {
        call: CallId,
    },
    /// Where a target is, or that nobody knows.
    Resolved(Box<Known>),
    /// What another shard found out of an address.
    Standing(Change),
    /// Where a call of another shard stands in line.
    Stands(crate::queue::Standing),
    /// What a phone did in a call of another shard.
    Used(crate::queue::Used),
    SetPolicies(Arc<Lineup>),
    SetPrompts(Arc<Prompts>),
    SetLists(Arc<Lookup>),
    /// Since when there is a lockdown, Unix ms.
    SetLockdown(Option<u64>),
    SetReputations(Arc<Reputations>),
    /// For the shard with the registrar: which devices may register.
    SetDevices(Arc<[crate::registrar::Device]>),
    /// Where devices are registered.
    SetBound(Arc<crate::registrar::Bound>),
    /// Who is signed in to which device.
    SetRoster(Arc<crate::queue::Roster>),
    /// Where mirrored signalling goes, the first address first.
    Collector(Vec<SocketAddr>),
    /// New anchors and revocation lists; the shard says when they count.
    SetTrust {
        trust: Box<Trust>,
        taken: Sender<()>,
    },
    /// Where a host of `[[credentials]]` is now.
    LoginHost {
        host: Arc<str>,
        addresses: Vec<IpAddr>,
    },
    /// Where a carrier wants calls of ours to pass, as the shard that registers heard it.
    ServiceRoute {
        trunk: String,
        route: Vec<String>,
    },
    HangUp {
        call: CallId,
    },
    /// What a person wants done with a call.
    Order {
        call: CallId,
        order: Order,
    },
    /// A person calls an organisation back. The answer: why not, if not.
    CallBack {
        wanted: Box<CallBack>,
        answer: call_backs::Answer,
    },
    /// This shard's Call-ID, another shard's dialog.
    Moved {
        sip_call_id: String,
        shard: u16,
        is_over: bool,
    },
    LegAsked(Box<LegAsked>),
    /// A connection is quiet: whoever has a call over it says so.
    IsNeeded {
        flow: Flow,
        is_needed: Arc<AtomicBool>,
    },
    LegHanded {
        asker: Asker,
        handed: Option<Box<Handed>>,
    },
    Drain,
    Stop,
}

/// One shard's address: clone freely, send from any thread, never waits.
#[derive(Clone)]
pub struct Mailbox {
    sender: Sender<ToShard>,
    waker: Arc<mio::Waker>,
    lost: Arc<AtomicU64>,
}

impl Mailbox {
    pub fn new(waker: mio::Waker) -> (Mailbox, Receiver<ToShard>) {
        let (sender, receiver) = bounded(INBOX_MESSAGES);
        (
            Mailbox {
                sender,
                waker: Arc::new(waker),
                lost: Arc::default(),
            },
            receiver,
        )
    }

    /// Hands a message over; false = no room, the message is gone and counted.
    pub fn send(&self, message: ToShard) -> bool {
        self.offer(message).is_ok()
    }

    /// The same for what must not be gone: without room it comes back, counted.
    ///
    /// # Errors
    ///
    /// The message.
    #[allow(
        clippy::result_large_err,
        reason = "what comes back is the message itself, as it was handed over"
    )]
    pub fn offer(&self, message: ToShard) -> Result<(), ToShard> {
        let is_sip = matches!(message, ToShard::Sip { .. });
        let sent = if is_sip && self.sender.len() >= INBOX_SIP_MESSAGES {
            Err(message)
        } else {
            self.sender.try_send(message).map_err(TrySendError::into_inner)
        };
        if sent.is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        } else {
            // The message is in the inbox: if the wake-up fails the shard still finds it at its next timer.
            let _ = self.waker.wake();
        }
        sent
    }

    /// For orders that must not be lost (drain, stop, a new policy): waits for room, at most `COMMAND_PATIENCE`.
    /// False = the shard takes nothing any more. Never from a shard.
    pub fn command(&self, message: ToShard) -> bool {
        let is_taken = self.sender.send_timeout(message, COMMAND_PATIENCE).is_ok();
        let _ = self.waker.wake();
        is_taken
    }

    /// Messages lost for want of room since the start.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// Every shard's mailbox, in shard order.
#[derive(Clone)]
pub struct Mailboxes(Arc<[Mailbox]>);

impl Mailboxes {
    pub fn new(boxes: Vec<Mailbox>) -> Mailboxes {
        Mailboxes(boxes.into())
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn shard(&self, index: u16) -> Option<&Mailbox> {
        self.0.get(usize::from(index))
    }

    /// The shard that owns a SIP message, by its Call-ID header.
    pub fn owner_of_sip(&self, sip_call_id: &[u8]) -> u16 {
        shard_of(sip_call_id, self.0.len() as u16)
    }

    /// The shard that a SIP message is for: phones register with the first one, everything else goes by its Call-ID.
    pub fn owner_of_message(&self, octets: &[u8], sip_call_id: &[u8]) -> u16 {
        match octets.trim_ascii_start().starts_with(b"REGISTER ") {
            true => 0,
            false => self.owner_of_sip(sip_call_id),
        }
    }

    /// The shard that owns one of our calls (its number is the first octet of the id).
    pub fn owner_of(&self, call: CallId) -> Option<&Mailbox> {
        self.0.get((call.0 >> 120) as usize)
    }

    /// To every shard but `from`.
    pub fn tell_others(&self, from: u16, message: impl Fn() -> ToShard) {
        for (index, mailbox) in self.0.iter().enumerate() {
            if index != usize::from(from) {
                mailbox.send(message());
            }
        }
    }

    /// To every shard; the message is made anew for each.
    pub fn broadcast(&self, message: impl Fn() -> ToShard) {
        for mailbox in self.0.iter() {
            mailbox.send(message());
        }
    }

    /// An order to every shard; see [`Mailbox::command`]. False = a shard did not take it.
    pub fn command(&self, message: impl Fn() -> ToShard) -> bool {
        // Not `all`: the others get theirs whatever one does.
        self.0
            .iter()
            .filter(|mailbox| !mailbox.command(message()))
            .count()
            == 0
    }

    pub fn lost(&self) -> u64 {
        self.0.iter().map(Mailbox::lost).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_waits_for_room_where_an_answer_is_dropped() {
        let poll = mio::Poll::new().unwrap();
        let waker = mio::Waker::new(poll.registry(), mio::Token(0)).unwrap();
        let (mailbox, inbox) = Mailbox::new(waker);
        while mailbox.send(ToShard::Drain) {}
        assert_eq!(mailbox.lost(), 1);
        let reader = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(50));
            inbox
                .iter()
                .find(|message| matches!(message, ToShard::Stop))
                .is_some()
        });
        assert!(mailbox.command(ToShard::Stop));
        assert!(reader.join().unwrap());
        // The shard is gone: nobody waits for it.
        assert!(!mailbox.command(ToShard::Stop));
    }
}
