//! Training calls: made here on a line of our own, through the same door as every call, and kept with who ordered them.
//!
//! Each has a thread while it lasts. What came of it stands in the record of its call; here is only that there was one.

mod numbers;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::caller::clip::Clip;
use super::caller::line::Line;
use super::caller::{Plan, Signals, call_on};
use super::entropy;
use super::limits::{DRILL_ENDS_WITHIN, DRILLS_AT_ONCE, DRILLS_KEPT};
use crate::call::{Drill, Drills as Calls};
use crate::call_id::CallId;
use crate::queue;
use crate::screening::NumberLight;
use crate::store::{Store, StoreError};

pub use numbers::{WHICH, is_fictional};

const SHELF: &str = "drills";
/// How often a document is put on the shelf again when another gateway was first.
const WRITES_MAX: usize = 5;

/// What the gateway has to make one.
pub struct Place {
    /// Where it hears SIP over UDP; None = nowhere.
    pub sip: Option<SocketAddr>,
    /// Where callers' audio is heard.
    pub media: IpAddr,
    pub trunks: Vec<String>,
    pub queues: Vec<queue::Config>,
}

/// What somebody orders.
#[derive(Clone, Debug)]
pub struct Wish {
    pub queue: String,
    /// None = the first of the configuration.
    pub trunk: Option<String>,
    /// The number that is dialled; None = the first whole one of the queue.
    pub called: Option<String>,
    /// Canonical, and nobody's; None = hidden.
    pub number: Option<String>,
    /// The name that the caller claims.
    pub name: Option<String>,
    /// What is proven of the number.
    pub shows: NumberLight,
    /// Mu-law, 8 kHz.
    pub recording: Arc<[u8]>,
    /// How long the caller talks, once answered.
    pub talks: Duration,
    /// How long the caller lets it ring.
    pub rings: Duration,
}

/// One that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Those that were made later sort behind.
    pub id: String,
    /// Unix ms.
    pub at_ms: u64,
    pub by: String,
    pub queue: String,
    pub trunk: String,
    pub called: String,
    pub number: Option<String>,
    pub name: Option<String>,
    pub shows: NumberLight,
    /// Of the recording.
    pub recorded_ms: u64,
    /// As which call it was taken; None = not yet, or never.
    pub call: Option<CallId>,
    /// What the caller heard, once it is over.
    pub told: Option<Told>,
}

/// How it went from the caller's end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The final SIP status; None = none came.
    pub status: Option<u16>,
    /// Plain words when the call itself could not be made.
    pub problem: Option<String>,
}

/// Why none was made.
#[derive(Debug, thiserror::Error)]
pub enum NoDrill {
    #[error("there is no such queue")]
    NoSuchQueue,
    #[error("this queue takes no training calls: its configuration does not say drills = true")]
    NotWilling,
    #[error("there is no such trunk")]
    NoSuchTrunk,
    #[error("a training call comes as over a trunk, and none is configured")]
    NoTrunk,
    #[error("called: this queue has no whole number; say which one is dialled")]
    NobodyCalled,
    #[error("number: {WHICH}")]
    SomebodysNumber,
    #[error(
        "a training call is made over UDP: [sip] listen needs an address for it, such as udp:127.0.0.1:5060"
    )]
    NoUdp,
    #[error("{DRILLS_AT_ONCE} training calls go on already")]
    TooMany,
    #[error("the call could not be made: {0}")]
    Broken(#[from] io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub struct Drills {
    store: Arc<dyn Store>,
    calls: Calls,
    place: Place,
    /// Those that go on, by their ids. Held for moments.
    going: Mutex<BTreeMap<String, Going>>,
    /// The calls of those that are over, as many as are kept, since the start. Held for moments.
    over: Mutex<VecDeque<CallId>>,
}

struct Going {
    from: SocketAddr,
    stop: Arc<AtomicBool>,
}

impl Drills {
    pub fn new(store: Arc<dyn Store>, calls: Calls, place: Place) -> Drills {
        Drills {
            store,
            calls,
            place,
            going: Mutex::default(),
            over: Mutex::default(),
        }
    }

    /// The queues that are willing, in the order of the configuration.
    pub fn willing(&self) -> Vec<String> {
        let queues = self.place.queues.iter().filter(|queue| queue.service.drills);
        queues.map(|queue| queue.name.clone()).collect()
    }

    /// Makes the call; it goes on when this returns. Blocks for the store.
    ///
    /// # Errors
    ///
    /// [`NoDrill`]; no call was made then.
    pub fn start(self: &Arc<Self>, wish: Wish, by: &str, now_ms: u64) -> Result<Kept, NoDrill> {
        let (trunk, called) = self.check(&wish)?;
        let gateway = reachable(self.place.sip.ok_or(NoDrill::NoUdp)?);
        let seed = entropy::seed().map_err(io::Error::other)?;
        let secret: String = seed.iter().take(16).map(|octet| format!("{octet:02x}")).collect();
        let kept = Kept {
            id: format!("{now_ms:013}-{}", &secret[..8]),
            at_ms: now_ms,
            by: by.to_string(),
            queue: wish.queue.clone(),
            trunk,
            called,
            number: wish.number.clone(),
            name: wish.name.clone(),
            shows: wish.shows,
            recorded_ms: wish.recording.len() as u64 / 8,
            call: None,
            told: None,
        };
        // Not the octets that its public name shows.
        let sip_call_id = format!("{}@{}", &secret[8..], gateway.ip());
        let line = Line::open(gateway.ip(), "Ringward-Caller")?;
        let from = line.address();
        let stop = Arc::new(AtomicBool::new(false));
        {
            let mut going = self.going();
            if going.len() >= DRILLS_AT_ONCE {
                return Err(NoDrill::TooMany);
            }
            let stop = stop.clone();
            going.insert(kept.id.clone(), Going { from, stop });
        }
        let drill = Drill {
            sip_call_id: sip_call_id.clone(),
            trunk: kept.trunk.clone(),
            queue: kept.queue.clone(),
            number: kept.shows,
        };
        self.calls.expect(from, drill);
        let plan = plan(&wish, &kept, gateway, self.place.media, sip_call_id);
        let begun = self.put(&kept).map_err(NoDrill::from).and_then(|()| {
            let (drills, kept) = (self.clone(), kept.clone());
            let call = move || drills.call(line, &plan, &stop, kept);
            Ok(std::thread::Builder::new().name("drill".into()).spawn(call)?)
        });
        match begun {
            // It ends by itself.
            Ok(_thread) => Ok(kept),
            Err(why) => {
                self.calls.forget(from);
                self.going().remove(&kept.id);
                Err(why)
            }
        }
    }

    fn check(&self, wish: &Wish) -> Result<(String, String), NoDrill> {
        let mut queues = self.place.queues.iter();
        let queue = queues.find(|queue| queue.name == wish.queue);
        let queue = queue.ok_or(NoDrill::NoSuchQueue)?;
        if !queue.service.drills {
            return Err(NoDrill::NotWilling);
        }
        let trunk = match &wish.trunk {
            Some(name) => self
                .place
                .trunks
                .iter()
                .find(|known| *known == name)
                .ok_or(NoDrill::NoSuchTrunk)?,
            None => self.place.trunks.first().ok_or(NoDrill::NoTrunk)?,
        };
        if wish.number.as_ref().is_some_and(|number| !is_fictional(number)) {
            return Err(NoDrill::SomebodysNumber);
        }
        let whole = || {
            queue
                .numbers
                .iter()
                .find(|number| !number.ends_with('*'))
                .cloned()
        };
        let called = wish.called.clone().or_else(whole).ok_or(NoDrill::NobodyCalled)?;
        Ok((trunk.clone(), called))
    }

    /// On a thread of its own, until the call is over.
    fn call(&self, line: Line, plan: &Plan, stop: &AtomicBool, mut kept: Kept) {
        let from = line.address();
        let answered = AtomicBool::new(false);
        let signals = Signals {
            stop,
            answered: &answered,
        };
        let told = match call_on(line, plan, signals) {
            Ok(told) => Told {
                status: told.status,
                problem: told.problem,
            },
            Err(error) => Told {
                status: None,
                problem: Some(error.to_string()),
            },
        };
        // Before it is forgotten there: whoever asks meanwhile finds it at one of the two.
        if let Some(call) = self.calls.call(from) {
            let mut over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
            over.push_back(call);
            if over.len() > DRILLS_KEPT {
                over.pop_front();
            }
        }
        kept.call = self.calls.forget(from);
        kept.told = Some(told);
        if let Err(error) = self.put(&kept) {
            tracing::error!(%error, drill = kept.id, "what came of a training call could not be kept");
        }
        self.going().remove(&kept.id);
    }

    /// Whether this call, which has ended, was a training call that was made here since the start.
    pub fn was_one(&self, call: CallId) -> bool {
        let is_over = {
            let over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
            over.contains(&call)
        };
        is_over || self.calls.is_one(call)
    }

    /// Its caller gives up, or hangs up. False = it does not go on here.
    pub fn stop(&self, id: &str) -> bool {
        let going = self.going();
        let found = going.get(id);
        found
            .inspect(|going| going.stop.store(true, Ordering::Relaxed))
            .is_some()
    }

    /// The newest first, with whether it goes on. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn all(&self) -> Result<Vec<(Kept, bool)>, StoreError> {
        // First: what ends meanwhile is on the shelf with its end.
        let going: BTreeMap<String, SocketAddr> = {
            let going = self.going();
            going.iter().map(|(id, going)| (id.clone(), going.from)).collect()
        };
        let shelf = self.store.shelf(SHELF)?;
        let kept = shelf.documents.iter().rev().filter_map(|(_, text)| {
            let mut kept: Kept = serde_json::from_str(text).ok()?;
            let from = going.get(&kept.id).filter(|_| kept.told.is_none());
            kept.call = kept.call.or_else(|| self.calls.call(*from?));
            Some((kept, from.is_some()))
        });
        Ok(kept.collect())
    }

    /// Puts it on the shelf, and takes the oldest away where there are too many.
    fn put(&self, kept: &Kept) -> Result<(), StoreError> {
        for _ in 0..WRITES_MAX {
            let shelf = self.store.shelf(SHELF)?;
            // Our own plain data always has a JSON form.
            let text = serde_json::to_string(kept).unwrap_or_default();
            let mut changes = vec![(kept.id.clone(), Some(text))];
            let others = shelf.documents.iter().filter(|(id, _)| *id != kept.id);
            let too_many = (others.clone().count() + 1).saturating_sub(DRILLS_KEPT);
            changes.extend(others.take(too_many).map(|(id, _)| (id.clone(), None)));
            if self.store.reshelve(SHELF, shelf.revision + 1, changes)? {
                return Ok(());
            }
        }
        Err(StoreError::Busy {
            url: SHELF.into(),
            action: "writing a training call",
        })
    }

    fn going(&self) -> MutexGuard<'_, BTreeMap<String, Going>> {
        self.going.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn plan(wish: &Wish, kept: &Kept, gateway: SocketAddr, media: IpAddr, sip_call_id: String) -> Plan {
    let name = wish
        .name
        .as_ref()
        .map_or_else(String::new, |name| format!("\"{name}\" "));
    let uri = wish
        .number
        .as_ref()
        .map(|number| format!("<sip:{number}@{gateway};user=phone>"));
    Plan {
        gateway,
        from: match &uri {
            Some(uri) => format!("{name}{uri}"),
            None => "\"Anonymous\" <sip:anonymous@anonymous.invalid>".to_owned(),
        },
        asserted: uri.map(|uri| format!("{name}{uri}")),
        privacy: wish.number.is_none().then_some("id"),
        called: kept.called.clone(),
        identity: Vec::new(),
        more: Vec::new(),
        sip_call_id: Some(sip_call_id),
        media: match media.is_unspecified() {
            true => gateway.ip(),
            false => media,
        },
        clip: Clip {
            name: "drill",
            octets: wish.recording.clone(),
        },
        is_looped: false,
        talks: wish.talks,
        gives_up: Some(wish.rings),
        lasts_at_most: wish.rings + wish.talks + DRILL_ENDS_WITHIN,
    }
}

/// An address that listens everywhere is reached on this machine.
fn reachable(listens: SocketAddr) -> SocketAddr {
    let ip = match listens.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listens.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::{Overflow, Reach, Service, Strategy};

    fn queue(name: &str, numbers: &[&str], drills: bool) -> queue::Config {
        queue::Config {
            name: name.into(),
            numbers: numbers.iter().map(|number| (*number).to_string()).collect(),
            strategy: Strategy::RingAll,
            targets: Vec::new(),
            ring: Duration::from_secs(20),
            overflow: Overflow::Reject,
            reach: Reach::default(),
            service: Service {
                drills,
                ..Service::default()
            },
        }
    }

    fn drills(sip: Option<SocketAddr>) -> Arc<Drills> {
        let url = "sqlite::memory:".into();
        let store = crate::store::open(&crate::store::Config { url }).unwrap();
        let place = Place {
            sip,
            media: Ipv4Addr::LOCALHOST.into(),
            trunks: vec!["carrier".into()],
            queues: vec![
                queue("desk", &["+1212*", "+12125550100"], true),
                queue("all", &["*"], true),
                queue("others", &["+12125550101"], false),
            ],
        };
        Arc::new(Drills::new(store, Calls::default(), place))
    }

    fn wish(queue: &str) -> Wish {
        Wish {
            queue: queue.into(),
            trunk: None,
            called: None,
            number: Some("+12025550143".into()),
            name: None,
            shows: NumberLight::Unproven,
            recording: vec![0xff; 800].into(),
            talks: Duration::from_secs(1),
            rings: Duration::from_secs(1),
        }
    }

    #[test]
    fn none_is_made_but_to_a_willing_queue_from_a_number_that_is_nobodys() {
        let sip = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let drills = drills(Some(sip.local_addr().unwrap()));
        let check = |wish: Wish, expected: &str| {
            let why = drills.start(wish, "ann", 1).unwrap_err().to_string();
            assert!(why.contains(expected), "{why}");
        };
        check(wish("nobody"), "no such queue");
        check(wish("others"), "drills = true");
        check(wish("all"), "called");
        let trunk = Some("other".to_string());
        check(
            Wish {
                trunk,
                ..wish("desk")
            },
            "no such trunk",
        );
        let number = Some("+12125550200".to_string());
        check(
            Wish {
                number,
                ..wish("desk")
            },
            "fiction",
        );
        assert!(drills.all().unwrap().is_empty(), "nothing was kept of them");
        assert_eq!(drills.willing(), ["desk", "all"]);
    }

    #[test]
    fn without_udp_none_is_made() {
        let why = drills(None).start(wish("desk"), "ann", 1).unwrap_err();
        assert!(matches!(why, NoDrill::NoUdp));
    }

    #[test]
    fn a_few_go_on_at_once_and_stop_when_told_to() {
        // Nobody answers there: each of them rings on.
        let sip = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let drills = drills(Some(sip.local_addr().unwrap()));
        let ids: Vec<String> = (0..DRILLS_AT_ONCE as u64)
            .map(|number| drills.start(wish("desk"), "ann", number).unwrap().id)
            .collect();
        assert!(matches!(
            drills.start(wish("desk"), "ann", 9),
            Err(NoDrill::TooMany)
        ));
        let all = drills.all().unwrap();
        assert_eq!(all.len(), DRILLS_AT_ONCE);
        assert!(
            all.iter()
                .all(|(kept, goes_on)| *goes_on && kept.called == "+12125550100")
        );
        assert_eq!(all[0].0.id, *ids.last().unwrap(), "the newest first");
        assert!(ids.iter().all(|id| drills.stop(id)));
        assert!(!drills.stop("another"));
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let drills = drills(None);
        let mut kept = Kept {
            id: String::new(),
            at_ms: 0,
            by: "ann".into(),
            queue: "desk".into(),
            trunk: "carrier".into(),
            called: "+12125550100".into(),
            number: None,
            name: None,
            shows: NumberLight::Forged,
            recorded_ms: 0,
            call: None,
            told: None,
        };
        for number in 0..DRILLS_KEPT + 2 {
            kept.id = format!("{number:013}-a");
            drills.put(&kept).unwrap();
        }
        let all = drills.all().unwrap();
        assert_eq!(all.len(), DRILLS_KEPT);
        assert!(
            all.iter()
                .all(|(kept, goes_on)| !goes_on && kept.id >= format!("{:013}-a", 2))
        );
    }
}
