//! Who sits at which phone: read from the store, told to all shards, shown to people. A change that is made here counts at
//! once; one that another gateway made, within a second; one of the command line, within seconds.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::clock;
use super::inbox::{Mailboxes, ToShard};
use super::limits::{REST_MAX, RESTS_TOLD};
use super::phones::Phones;
use crate::accounts::{By, Devices, NoSeat, Pause, Seats, Sitting, Users};
use crate::queue::{
    self, AtWork, DEVICE, Line, Needed, PERSON, Rest, Roster, Skills, Standing, Usage, Used, What,
};
use crate::store::{Audit, Store, StoreError};

/// How often the store is looked at: what others did, accounts that were shut, and shifts that are over.
const LOOK: Duration = Duration::from_secs(2);

/// Clone freely.
#[derive(Clone)]
pub struct Floor(Arc<Shared>);

struct Shared {
    store: Arc<dyn Store>,
    seats: Seats,
    users: Users,
    phones: Phones,
    mailboxes: Mailboxes,
    /// Held from reading to telling: the shards hear everything in its order.
    turn: Mutex<()>,
    /// Who can do what, as the configuration says.
    skills: Arc<Skills>,
    state: Mutex<State>,
    /// Who rests, or no longer does, which the other gateways are still to be told; None = there are no others.
    to_tell: Option<Mutex<VecDeque<Word>>>,
}

#[derive(Default)]
struct State {
    sittings: Vec<Sitting>,
    /// Phones that are not rung for now.
    paused: BTreeMap<String, Pause>,
    roster: Arc<Roster>,
    /// What phones and people do, and who waits, as the shards say.
    usage: Usage,
    line: Line,
    /// A shard had no room for the last news.
    is_untold: bool,
}

/// What the other gateways are told of those who are left alone.
pub enum Word {
    /// This phone, and whoever sits there, is left alone no longer.
    Rested(String),
    /// This person (`person:NAME`), or phone where nobody is signed in, is left alone until then.
    Rests(Arc<str>, Rest),
}

/// A phone that may register, and who sits there.
pub struct Desk {
    pub device: String,
    pub is_registered: bool,
    /// Nobody is rung there for now, whoever sits there.
    pub pause: Option<Pause>,
    pub person: Option<String>,
    /// A call of ours rings or goes on there.
    pub is_taken: bool,
    /// Why it is left alone, `wrap_up` or `skipped`, and until when (Unix ms).
    pub rest: Option<(&'static str, u64)>,
    /// What it, or whoever sits there, is able to do, and how well.
    pub skills: BTreeMap<String, u8>,
}

/// Callers who wait in a queue.
pub struct Waits {
    pub queue: String,
    pub callers: usize,
    /// How long the first of them has waited.
    pub longest: Duration,
    /// What callers insist on in whoever takes their call, and how many of them.
    pub needs: BTreeMap<Needed, usize>,
}

impl Floor {
    /// Blocks. `shift`: who does not sign out is signed out after so long.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn open(
        store: Arc<dyn Store>,
        audit: Arc<Audit>,
        phones: Phones,
        mailboxes: Mailboxes,
        shift: Duration,
        queues: &[queue::Config],
    ) -> Result<Floor, StoreError> {
        let floor = Floor(Arc::new(Shared {
            seats: Seats::new(store.clone(), audit.clone(), shift),
            users: Users::open(store.clone(), audit)?,
            to_tell: store.neighbours().map(|_| Mutex::default()),
            store,
            phones,
            mailboxes,
            turn: Mutex::default(),
            skills: queues
                .iter()
                .map(|queue| queue.service.by_skill.skills.clone())
                .find(|skills| **skills != Skills::default())
                .unwrap_or_default(),
            state: Mutex::new(State {
                usage: Usage::new(queues),
                ..State::default()
            }),
        }));
        floor.look(clock::now().unix_ms())?;
        Ok(floor)
    }

    /// See [`Seats::sign_in`]. Blocks.
    ///
    /// # Errors
    ///
    /// [`NoSeat`]; nothing is changed then.
    pub fn sign_in(&self, device: &str, by: By<'_>) -> Result<(), NoSeat> {
        // Whoever is not at work any more holds no desk.
        self.look(by.at_ms)?;
        if let Some(person) = self.ghost_at(device, by.at_ms)? {
            self.0.seats.sign_out(device, true, By { who: "gateway", ..by })?;
            tracing::info!(%device, %person, "the desk of an account that takes no calls any more was freed");
        }
        self.0.seats.sign_in(device, by)?;
        Ok(self.look(by.at_ms)?)
    }

    /// See [`Seats::sign_out`]. Blocks.
    ///
    /// # Errors
    ///
    /// [`NoSeat`]; nothing is changed then.
    pub fn sign_out(&self, device: &str, may_others: bool, by: By<'_>) -> Result<(), NoSeat> {
        self.0.seats.sign_out(device, may_others, by)?;
        Ok(self.look(by.at_ms)?)
    }

    /// See [`Seats::pause`]. Blocks.
    ///
    /// # Errors
    ///
    /// [`NoSeat`]; nothing is changed then.
    pub fn pause(&self, reason: Option<&str>, by: By<'_>) -> Result<(), NoSeat> {
        self.0.seats.pause(reason, by)?;
        Ok(self.look(by.at_ms)?)
    }

    /// See [`Seats::pause_of`]. Blocks.
    ///
    /// # Errors
    ///
    /// [`NoSeat`]; nothing is changed then.
    pub fn pause_of(&self, person: &str, reason: Option<&str>, by: By<'_>) -> Result<(), NoSeat> {
        self.0.seats.pause_of(person, reason, by)?;
        Ok(self.look(by.at_ms)?)
    }

    /// See [`Seats::pause_device`]. Blocks.
    ///
    /// # Errors
    ///
    /// [`NoSeat`]; nothing is changed then.
    pub fn pause_device(&self, device: &str, reason: Option<&str>, by: By<'_>) -> Result<(), NoSeat> {
        self.0.seats.pause_device(device, reason, by)?;
        Ok(self.look(by.at_ms)?)
    }

    /// Whoever sits at this phone, and the phone itself, is left alone no longer: his time after a call is over, and so is being passed
    /// over for what he did not answer. It counts at once for whoever waits here, and within a second at the other gateways on the same
    /// store. Blocks.
    ///
    /// # Errors
    ///
    /// [`NoSeat`]; nothing is changed then.
    pub fn end_rest(&self, device: &str, by: By<'_>) -> Result<(), NoSeat> {
        self.0.seats.end_rest(device, by)?;
        self.rested(device);
        self.tell(Word::Rested(device.to_string()));
        Ok(())
    }

    fn tell(&self, word: Word) {
        let Some(to_tell) = &self.0.to_tell else { return };
        let mut to_tell = to_tell.lock().unwrap_or_else(PoisonError::into_inner);
        if to_tell.len() >= RESTS_TOLD {
            to_tell.pop_front();
        }
        to_tell.push_back(word);
    }

    /// Whose rest began or was ended here since this was asked last, in that order, for [`Floor::rests`] and [`Floor::rested`] at the other
    /// gateways.
    pub fn to_tell(&self) -> VecDeque<Word> {
        let to_tell = self.0.to_tell.as_ref();
        let to_tell = to_tell.map(|to_tell| to_tell.lock().unwrap_or_else(PoisonError::into_inner));
        to_tell.map_or_else(VecDeque::new, |mut to_tell| std::mem::take(&mut *to_tell))
    }

    /// The rest of this phone, and of whoever sits there, was ended: here, or at another gateway.
    pub fn rested(&self, device: &str) {
        let phone = format!("{DEVICE}{device}");
        let person = {
            let state = self.lock();
            let person = state.roster.person_at(&phone);
            person.map(|person| format!("{PERSON}{person}"))
        };
        for target in std::iter::once(phone).chain(person) {
            self.hear(target.into(), What::Rested);
        }
    }

    /// Another gateway says that this person or phone is left alone for so long.
    pub fn rests(&self, target: &str, why: &str, left: Duration) {
        let until = clock::now().instant + left.min(REST_MAX);
        let rest = match why {
            "wrap_up" => Rest::WrapUp(until),
            "skipped" => Rest::Skipped(until),
            // What a later version says.
            _ => return,
        };
        self.hear(target.into(), What::Rests(rest));
    }

    fn hear(&self, target: Arc<str>, what: What) {
        let at = clock::now().instant;
        let used = Used { target, what, at };
        self.lock().usage.take(&used);
        self.0.mailboxes.broadcast(|| ToShard::Used(used.clone()));
    }

    /// Everybody at work, in the order of the names.
    pub fn sittings(&self) -> Vec<Sitting> {
        self.lock().sittings.clone()
    }

    /// Every phone that may register, in the order of the names. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn desks(&self) -> Result<Vec<Desk>, StoreError> {
        let devices = Devices::read(&*self.0.store, None)?.map_or_else(Vec::new, |(_, devices)| devices);
        let now = clock::now();
        let (roster, usage) = {
            let state = self.lock();
            let of = |target: &str| state.usage.of(target);
            let rest = |device: &str| {
                let target = format!("{DEVICE}{device}");
                let person = state
                    .roster
                    .person_at(&target)
                    .map(|name| of(&format!("{PERSON}{name}")));
                let phone = of(&target);
                let rest = person.and_then(|person| person.rest(now.instant));
                let is_taken =
                    phone.is_taken(now.instant) || person.is_some_and(|person| person.is_taken(now.instant));
                (is_taken, rest.or_else(|| phone.rest(now.instant)))
            };
            let usage: Vec<_> = devices.iter().map(|device| rest(&device.name)).collect();
            (state.roster.clone(), usage)
        };
        let paused = self.lock().paused.clone();
        let until = |at: std::time::Instant| {
            let left = at.saturating_duration_since(now.instant);
            now.unix_ms() + left.as_millis() as u64
        };
        let desks = devices
            .into_iter()
            .zip(usage)
            .map(|(device, (is_taken, rest))| Desk {
                skills: {
                    let target = format!("{DEVICE}{}", device.name);
                    let person = roster.person_at(&target);
                    self.0.skills.of(&target, person.map(|name| &**name))
                },
                is_taken,
                rest: match rest {
                    Some(Rest::WrapUp(at)) => Some(("wrap_up", until(at))),
                    Some(Rest::Skipped(at)) => Some(("skipped", until(at))),
                    Some(Rest::Paused) | None => None,
                },
                is_registered: self.0.phones.is_registered(&device.name),
                pause: paused.get(&device.name).cloned(),
                person: roster
                    .person_at(&format!("{DEVICE}{}", device.name))
                    .map(|name| name.to_string()),
                device: device.name,
            });
        Ok(desks.collect())
    }

    /// The queues in which somebody waits.
    pub fn waits(&self) -> Vec<Waits> {
        let now = clock::now().instant;
        let mut state = self.lock();
        state.line.tick(now);
        let all = state.line.all().map(|(queue, places)| Waits {
            queue: queue.to_string(),
            callers: places.len(),
            needs: state.line.needs(queue),
            longest: places
                .iter()
                .map(|place| now.saturating_duration_since(place.since))
                .max()
                .unwrap_or_default(),
        });
        all.collect()
    }

    /// What a phone did, as a shard says. Who is left alone from now on is so at the other gateways, too.
    pub fn note_used(&self, used: &Used) {
        let rest = self.lock().usage.take_rest(used);
        if let Some(rest) = rest {
            self.tell(Word::Rests(used.target.clone(), rest));
        }
    }

    /// Where a call waits, as its shard says.
    pub fn note_standing(&self, standing: &Standing) {
        self.lock().line.take(standing);
    }

    /// Reads who sits where, and tells the shards if that is another than before. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store; what was known before counts then.
    pub fn look(&self, now_ms: u64) -> Result<(), StoreError> {
        let _turn = self.0.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, mut sittings) = Seats::read(&*self.0.store, now_ms)?;
        if !sittings.is_empty() {
            self.0.users.refresh()?;
            sittings.retain(|sitting| self.takes_calls(&sitting.person));
        }
        let people = sittings.iter().map(|sitting| {
            let at_work = AtWork {
                devices: sitting.desks.keys().cloned().collect(),
                pause: sitting.pause.as_ref().map(|pause| pause.reason.clone()),
            };
            (sitting.person.clone(), at_work)
        });
        let paused = Seats::paused_devices(&*self.0.store)?;
        let reasons = paused
            .iter()
            .map(|(device, pause)| (device.clone(), pause.reason.clone()));
        let roster = Roster::new(people).with_paused(reasons);
        let roster = {
            let mut state = self.lock();
            (state.sittings, state.paused) = (sittings, paused);
            if *state.roster == roster && !state.is_untold {
                return Ok(());
            }
            state.usage.know(&roster);
            state.roster = Arc::new(roster);
            state.roster.clone()
        };
        let mailboxes = &self.0.mailboxes;
        let all = (0..mailboxes.len() as u16).filter_map(|index| mailboxes.shard(index));
        let untold = all.filter(|shard| !shard.send(ToShard::SetRoster(roster.clone())));
        self.lock().is_untold = untold.count() > 0;
        Ok(())
    }

    /// For ever.
    pub async fn keep(self) {
        loop {
            tokio::time::sleep(LOOK).await;
            let floor = self.clone();
            match tokio::task::spawn_blocking(move || floor.look(clock::now().unix_ms())).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(%error, "who sits where could not be read; what was known before counts")
                }
                Err(error) => tracing::error!(%error, "reading who sits where ended"),
            }
        }
    }

    /// Who holds this desk in the store and is not at work: his account was shut since.
    fn ghost_at(&self, device: &str, now_ms: u64) -> Result<Option<String>, StoreError> {
        let (_, kept) = Seats::read(&*self.0.store, now_ms)?;
        let holder = kept
            .into_iter()
            .find(|sitting| sitting.desks.contains_key(device));
        Ok(holder
            .map(|sitting| sitting.person)
            .filter(|person| !self.takes_calls(person)))
    }

    fn takes_calls(&self, person: &str) -> bool {
        let user = self.0.users.one(person).filter(|user| !user.is_disabled);
        user.is_some_and(|user| user.roles.iter().any(|role| role.takes_calls()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is one assignment: a panic cannot leave it half-changed.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
