//! The other gateways on the same Redis: what they say of their calls, and of what they have changed.
//!
//! Said over pub/sub, which forgets whom it does not reach; so every gateway also has its live calls in a hash, and whoever begins to listen reads
//! those first. A gateway that is not heard of any more has its calls taken off everybody's list.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;

use super::address::Address;
use super::client::{Client, Script};
use super::reply::{Commands, Reply};
use super::rows::PREFIX;
use crate::call::{CallRecord, Order};
use crate::call_id::CallId;
use crate::store::limits::{NAME_LOOKS, NODE_LEASE, REDIS_PING_ANSWER, REDIS_PING_EVERY};
use crate::store::seal::Index;
use crate::store::text;

/// The way to the other gateways.
#[derive(Clone)]
pub struct Neighbours {
    address: Arc<Address>,
    names: hmac::Key,
    counts: [u8; 16],
}

/// What is heard of another gateway.
#[derive(Clone, Debug)]
pub enum News {
    /// A call of the gateway of this name is new, has changed or has ended.
    Call(String, Arc<CallRecord>),
    /// The gateway of this name begins anew, or ends: none of its calls lasts.
    Gone(String),
    /// Somebody orders something about a call that may be ours.
    Order(CallId, Order),
    /// A journal, a shelf or a setting of this name is another than it was.
    Changed(String),
    /// Somebody tried to sign in there: in the words of those who count that.
    Tried(String),
    /// A phone, by its name, is left alone no longer: a supervisor said so there.
    Rested(String),
    /// A person or a phone, as targets of queues are written, is left alone there: why (`wrap_up`, `skipped`), and for how long from now.
    Rests(String, String, Duration),
    /// What is counted at the gateway of this name, in the words of those who count.
    Counted(String, String),
    /// Nobody listened for a while: everything may be another than it was.
    Missed,
}

/// Another gateway that is there.
#[derive(Clone, Debug)]
pub struct Other {
    pub node: String,
    /// Its live calls.
    pub calls: Vec<Arc<CallRecord>>,
}

/// Says what this gateway does. After an error it is of no use any more.
pub struct Mouth {
    client: Client,
    address: Arc<Address>,
    /// This process, among those that may have had the same name.
    instance: String,
}

/// Hears what others do. After an error it is of no use any more.
pub struct Ear {
    listening: Client,
    asking: Client,
    node: String,
    /// How long nothing was heard, and since it was asked whether Redis is there still; None = it was not asked since.
    silent: Duration,
    unanswered: Option<Duration>,
}

/// Channels are not bound to a database: its number is in the name.
pub(super) fn channel(address: &Address) -> String {
    format!("{PREFIX}{}:news", address.database)
}

impl Neighbours {
    pub(super) fn of(address: Arc<Address>, index: &Index) -> Neighbours {
        let names = index.key_for("names that were tried");
        let tag = hmac::sign(&index.key_for("who is counted"), b"calls");
        let mut counts = [0; 16];
        counts.copy_from_slice(&tag.as_ref()[..16]);
        Neighbours {
            address,
            names,
            counts,
        }
    }

    /// Under what the others know names that somebody tried to sign in by: whoever only listens learns none of them.
    pub fn names(&self) -> &hmac::Key {
        &self.names
    }

    /// Under which gateways tell each other whose calls they count.
    pub fn key_of_counts(&self) -> [u8; 16] {
        self.counts
    }

    /// This gateway's name.
    pub fn node(&self) -> &str {
        &self.address.node
    }

    /// Begins to speak: what is shown of our calls from now on is `calls`. `instance` is another for each process.
    ///
    /// # Errors
    ///
    /// Why not, in words. Blocks for seconds at most, like everything here.
    pub fn mouth(&self, instance: &str, calls: &[Arc<CallRecord>]) -> Result<Mouth, String> {
        let mut mouth = Mouth {
            client: Client::connect(&self.address)?,
            address: self.address.clone(),
            instance: instance.into(),
        };
        let node = &self.address.node;
        let mut commands = Commands::default();
        commands.add(&["DEL", &live_key(node)]);
        commands.add(&["SADD", &format!("{PREFIX}nodes"), node]);
        commands.add(&["SET", &lease_key(node), instance, "PX", &lease()]);
        commands.add(&["PUBLISH", &channel(&self.address), &format!("gone {node}")]);
        mouth.client.all(&commands)?;
        mouth.tell(calls)?;
        Ok(mouth)
    }

    /// Begins to listen.
    ///
    /// # Errors
    ///
    /// As [`Neighbours::mouth`].
    pub fn ear(&self) -> Result<Ear, String> {
        let mut listening = Client::connect(&self.address)?;
        listening.ask(&["SUBSCRIBE", &channel(&self.address)])?;
        Ok(Ear {
            listening,
            asking: Client::connect(&self.address)?,
            node: self.address.node.clone(),
            silent: Duration::ZERO,
            unanswered: None,
        })
    }
}

/// Whether a gateway of this name is there and is not the one that was killed a moment ago. Blocks until a claim to the name was
/// renewed, or ran out.
pub(super) fn is_taken(on: &mut Client, node: &str) -> Result<bool, String> {
    let key = lease_key(node);
    let claim = |on: &mut Client| -> Result<Option<(String, i64)>, String> {
        let mut commands = Commands::one(&["GET", &key]);
        commands.add(&["PTTL", &key]);
        let mut replies = on.all(&commands)?.into_iter();
        let instance = replies.next().and_then(Reply::text);
        let left = replies.next().and_then(|left| left.number());
        Ok(instance.zip(left))
    };
    let Some(mut before) = claim(on)? else {
        return Ok(false);
    };
    for _ in 0..NAME_LOOKS {
        std::thread::sleep(NAME_LOOKED_AT);
        let Some(now) = claim(on)? else {
            return Ok(false);
        };
        if now.0 != before.0 || now.1 > before.1 {
            return Ok(true);
        }
        before = now;
    }
    Ok(false)
}

impl Mouth {
    /// Tells of calls that are new, have changed or have ended.
    ///
    /// # Errors
    ///
    /// As [`Neighbours::mouth`].
    pub fn tell(&mut self, calls: &[Arc<CallRecord>]) -> Result<(), String> {
        let (node, channel) = (&self.address.node, channel(&self.address));
        let script = self.client.name(Script::Tell).to_string();
        for some in calls.chunks(100) {
            let mut commands = Commands::default();
            for record in some {
                let (id, text) = (record.id.to_string(), text::of_record(record));
                let is_over = if record.timings.ended_ms.is_some() {
                    "1"
                } else {
                    "0"
                };
                commands.add(&[
                    "EVALSHA", &script, "0", PREFIX, node, &channel, &id, &text, is_over,
                ]);
            }
            self.client.all(&commands)?;
        }
        Ok(())
    }

    /// Asks whoever has this call to do something about it.
    ///
    /// # Errors
    ///
    /// As [`Neighbours::mouth`].
    pub fn order(&mut self, call: CallId, order: &Order) -> Result<(), String> {
        // Our own plain data always has a JSON form.
        let text = serde_json::to_string(order).unwrap_or_default();
        self.say("order", &format!("{call} {text}"))
    }

    /// Tells of somebody who tried to sign in.
    ///
    /// # Errors
    ///
    /// As [`Neighbours::mouth`].
    pub fn tried(&mut self, text: &str) -> Result<(), String> {
        self.say("tried", text)
    }

    /// Tells that a phone is left alone no longer.
    ///
    /// # Errors
    ///
    /// As [`Neighbours::mouth`].
    pub fn rested(&mut self, device: &str) -> Result<(), String> {
        self.say("rested", device)
    }

    /// Tells that a person or a phone is left alone: why, and for how long from now (clocks need not agree).
    ///
    /// # Errors
    ///
    /// As [`Neighbours::mouth`].
    pub fn rests(&mut self, target: &str, why: &str, left: Duration) -> Result<(), String> {
        self.say("rests", &format!("{why} {} {target}", left.as_millis()))
    }

    /// Tells what is counted here.
    ///
    /// # Errors
    ///
    /// As [`Neighbours::mouth`].
    pub fn counted(&mut self, text: &str) -> Result<(), String> {
        self.say("counted", text)
    }

    /// One message to all others: what it is about, by whom, and the rest.
    fn say(&mut self, what: &str, rest: &str) -> Result<(), String> {
        let message = format!("{what} {} {rest}", self.address.node);
        self.client
            .ask(&["PUBLISH", &channel(&self.address), &message])
            .map(|_| ())
    }

    /// Says that this gateway is there; to be said every [`NODE_LEASE`] / 3. False = another process says so under the same name.
    ///
    /// # Errors
    ///
    /// As [`Neighbours::mouth`].
    pub fn beat(&mut self) -> Result<bool, String> {
        let key = lease_key(&self.address.node);
        let mut commands = Commands::one(&["GET", &key]);
        commands.add(&["SET", &key, &self.instance, "PX", &lease()]);
        let before = self.client.all(&commands)?.swap_remove(0).text();
        Ok(before.is_none_or(|before| before == self.instance))
    }

    /// This gateway ends.
    ///
    /// # Errors
    ///
    /// As [`Neighbours::mouth`].
    pub fn part(mut self) -> Result<(), String> {
        let node = &self.address.node;
        let mut commands = Commands::one(&["DEL", &live_key(node), &lease_key(node)]);
        commands.add(&["SREM", &format!("{PREFIX}nodes"), node]);
        commands.add(&["PUBLISH", &channel(&self.address), &format!("gone {node}")]);
        self.client.all(&commands).map(|_| ())
    }
}

impl Ear {
    /// The other gateways that are there, with their live calls.
    ///
    /// # Errors
    ///
    /// As [`Neighbours::mouth`].
    pub fn others(&mut self) -> Result<Vec<Other>, String> {
        let mut others = Vec::new();
        for node in self.there()? {
            let texts = self.asking.ask(&["HVALS", &live_key(&node)])?.texts();
            let calls = texts
                .iter()
                .filter_map(|text| serde_json::from_str(text).ok().map(Arc::new));
            others.push(Other {
                node,
                calls: calls.collect(),
            });
        }
        Ok(others)
    }

    /// The names of the other gateways that are there.
    ///
    /// # Errors
    ///
    /// As [`Neighbours::mouth`].
    pub fn there(&mut self) -> Result<Vec<String>, String> {
        let mut nodes = self.asking.ask(&["SMEMBERS", &format!("{PREFIX}nodes")])?.texts();
        nodes.retain(|node| *node != self.node);
        nodes.sort();
        let mut commands = Commands::default();
        nodes
            .iter()
            .for_each(|node| commands.add(&["EXISTS", &lease_key(node)]));
        let there = self.asking.all(&commands)?;
        let there = nodes.into_iter().zip(there);
        Ok(there
            .filter(|(_, there)| there.number() == Some(1))
            .map(|(node, _)| node)
            .collect())
    }

    /// The next thing that another gateway says; None = nothing in `patience`.
    ///
    /// # Errors
    ///
    /// As [`Neighbours::mouth`].
    pub fn next(&mut self, patience: Duration) -> Result<Option<News>, String> {
        let Some(message) = self.listening.next(patience)? else {
            return self.ask_whether_there(patience).map(|()| None);
        };
        (self.silent, self.unanswered) = (Duration::ZERO, None);
        let text = message.texts().pop().unwrap_or_default();
        Ok(read(&text, &self.node))
    }
}

impl Ear {
    /// A connection that is half open says nothing for ever: what would have been said is not heard until somebody begins anew.
    fn ask_whether_there(&mut self, waited: Duration) -> Result<(), String> {
        self.silent += waited;
        match &mut self.unanswered {
            Some(since) => {
                *since += waited;
                if *since >= REDIS_PING_ANSWER {
                    return Err("Redis does not answer whoever listens".into());
                }
            }
            None if self.silent >= REDIS_PING_EVERY => {
                self.listening.poke()?;
                self.unanswered = Some(Duration::ZERO);
            }
            None => {}
        }
        Ok(())
    }
}

/// What a message says; None = it is our own, or none that we know.
fn read(text: &str, ours: &str) -> Option<News> {
    let (kind, rest) = text.split_once(' ')?;
    let (node, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    if node == ours {
        return None;
    }
    match kind {
        "call" => Some(News::Call(
            node.into(),
            Arc::new(serde_json::from_str(rest).ok()?),
        )),
        "gone" => Some(News::Gone(node.into())),
        "order" => {
            let (call, order) = rest.split_once(' ')?;
            Some(News::Order(call.parse().ok()?, serde_json::from_str(order).ok()?))
        }
        "counted" => Some(News::Counted(node.into(), rest.into())),
        "tried" => Some(News::Tried(rest.into())),
        "rested" => Some(News::Rested(rest.into())),
        "rests" => {
            let mut parts = rest.splitn(3, ' ');
            let (why, left, target) = (parts.next()?, parts.next()?, parts.next()?);
            let left = Duration::from_millis(left.parse().ok()?);
            Some(News::Rests(target.into(), why.into(), left))
        }
        "changed" => Some(News::Changed(rest.into())),
        _ => None,
    }
}

fn live_key(node: &str) -> String {
    format!("{PREFIX}live:{node}")
}

fn lease_key(node: &str) -> String {
    format!("{PREFIX}node:{node}")
}

const NAME_LOOKED_AT: Duration = Duration::from_millis(200);

fn lease() -> String {
    NODE_LEASE.as_millis().to_string()
}
