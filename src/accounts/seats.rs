//! People signed in to devices: who sits at which phone, since when and until when, and who takes no calls for now and why.
//! Whatever is changed is on disk together with its entry in the audit, so a restart signs nobody out.
//!
//! Everybody signs in himself; the API lets nobody sign another in. A device has one person: whoever finds it taken waits for
//! him, or for a supervisor, to sign him out. A supervisor may also pause others, and phones, and have them take calls again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::By;
use super::devices::Devices;
use super::limits::{DESKS_MAX, PAUSE_CHARS_MAX, RETRIES};
use crate::store::{Act, Audit, Store, StoreError, Write};

const SHELF: &str = "seats";

/// Phones that are not rung for now: by device, its [`Pause`].
const PAUSED: &str = "paused devices";

/// One person at his phones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sitting {
    /// The name of the account.
    pub person: String,
    /// By device; at most [`DESKS_MAX`].
    pub desks: BTreeMap<String, Seat>,
    /// None = he takes calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pause>,
}

/// Unix ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    pub since_ms: u64,
    /// He is signed out then by himself.
    pub until_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    pub reason: String,
    /// Unix ms.
    pub since_ms: u64,
    /// The supervisor who paused him, or the phone. None = he himself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// Why somebody was not signed in or out, or not paused.
#[derive(Debug, thiserror::Error)]
pub enum NoSeat {
    #[error("no such device")]
    NoSuchDevice,
    #[error("{0} is signed in there: {0} or a supervisor signs out first")]
    Taken(String),
    #[error("signed in to {DESKS_MAX} devices already: sign out of one first")]
    TooMany,
    #[error("nobody is signed in there")]
    NobodyThere,
    #[error("somebody else is signed in there; a supervisor may sign him out")]
    NotYours,
    #[error("not signed in to any device")]
    NotAtWork,
    #[error("nobody of that name is signed in to a device")]
    NobodyAtWork,
    #[error("this phone is not paused")]
    NotPaused,
    #[error("a pause has a reason of 1 to {PAUSE_CHARS_MAX} characters")]
    NoReason,
    #[error("who sits where was changed from elsewhere; try again")]
    Raced,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Changes who sits where. Blocks, always.
pub struct Seats {
    store: Arc<dyn Store>,
    audit: Arc<Audit>,
    /// How long somebody stays signed in who does not sign out.
    shift: Duration,
}

impl Seats {
    /// Where it is kept: what another gateway changes there is looked at.
    pub const SHELVES: [&str; 2] = [SHELF, PAUSED];

    pub fn new(store: Arc<dyn Store>, audit: Arc<Audit>, shift: Duration) -> Seats {
        Seats { store, audit, shift }
    }

    /// Everybody who is signed in at this moment, in the order of the names, and the revision of what that comes from. What
    /// cannot be read signs nobody in, and the log says so.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn read(store: &dyn Store, now_ms: u64) -> Result<(u64, Vec<Sitting>), StoreError> {
        let shelf = store.shelf(SHELF)?;
        let mut all = Vec::new();
        for (name, text) in &shelf.documents {
            match serde_json::from_str::<Sitting>(text) {
                Ok(mut sitting) if sitting.person == *name => {
                    sitting.desks.retain(|_, seat| now_ms < seat.until_ms);
                    if !sitting.desks.is_empty() {
                        all.push(sitting);
                    }
                }
                _ => tracing::error!(%name, "who sits where cannot be read in the store: he is signed out"),
            }
        }
        Ok((shelf.revision, all))
    }

    /// Signs a person in to a device: the one who asks. Signed in there already, his time begins anew.
    ///
    /// # Errors
    ///
    /// [`NoSeat`]; nothing is changed then.
    pub fn sign_in(&self, device: &str, by: By<'_>) -> Result<(), NoSeat> {
        let devices = Devices::read(&*self.store, None)?.map_or_else(Vec::new, |(_, devices)| devices);
        if !devices.iter().any(|known| known.name == device) {
            return Err(NoSeat::NoSuchDevice);
        }
        let until_ms = by.at_ms.saturating_add(self.shift.as_millis() as u64);
        self.carry_out("desk sign in", device, by, |all| {
            if let Some(other) = all.iter().find(|other| other.desks.contains_key(device))
                && other.person != by.who
            {
                return Err(NoSeat::Taken(other.person.clone()));
            }
            let known = all.iter().find(|known| known.person == by.who).cloned();
            let mut sitting = known.unwrap_or_else(|| Sitting {
                person: by.who.into(),
                desks: BTreeMap::new(),
                pause: None,
            });
            if !sitting.desks.contains_key(device) && sitting.desks.len() >= DESKS_MAX {
                return Err(NoSeat::TooMany);
            }
            let since_ms = sitting.desks.get(device).map_or(by.at_ms, |seat| seat.since_ms);
            sitting
                .desks
                .insert(device.to_string(), Seat { since_ms, until_ms });
            Ok((sitting, String::new()))
        })
    }

    /// Signs whoever sits there out: himself, or anybody where `may_others`.
    ///
    /// # Errors
    ///
    /// [`NoSeat`]; nothing is changed then.
    pub fn sign_out(&self, device: &str, may_others: bool, by: By<'_>) -> Result<(), NoSeat> {
        self.carry_out("desk sign out", device, by, |all| {
            let mut sitting = all
                .iter()
                .find(|known| known.desks.contains_key(device))
                .cloned()
                .ok_or(NoSeat::NobodyThere)?;
            if sitting.person != by.who && !may_others {
                return Err(NoSeat::NotYours);
            }
            sitting.desks.remove(device);
            let note = match sitting.person == by.who {
                true => String::new(),
                false => format!("of {}", sitting.person),
            };
            Ok((sitting, note))
        })
    }

    /// The one who asks takes no calls until he says otherwise, or signs out of his last device; None = he takes calls again.
    ///
    /// # Errors
    ///
    /// [`NoSeat`]; nothing is changed then.
    pub fn pause(&self, reason: Option<&str>, by: By<'_>) -> Result<(), NoSeat> {
        self.pause_of(by.who, reason, by).map_err(|why| match why {
            NoSeat::NobodyAtWork => NoSeat::NotAtWork,
            why => why,
        })
    }

    /// The same for another person: who paused him stands beside the reason. He may take calls again by himself.
    ///
    /// # Errors
    ///
    /// [`NoSeat`]; nothing is changed then.
    pub fn pause_of(&self, person: &str, reason: Option<&str>, by: By<'_>) -> Result<(), NoSeat> {
        let reason = sound(reason)?;
        let what = match reason {
            Some(_) => "desk pause",
            None => "desk resume",
        };
        self.carry_out(what, person, by, |all| {
            let mut sitting = all
                .iter()
                .find(|known| known.person == person)
                .cloned()
                .ok_or(NoSeat::NobodyAtWork)?;
            sitting.pause = reason.map(|reason| Pause::of(reason, person, by));
            Ok((sitting, reason.unwrap_or_default().into()))
        })
    }

    /// This phone is not rung, whoever sits there, until somebody says otherwise; None = it is again.
    ///
    /// # Errors
    ///
    /// [`NoSeat`]; nothing is changed then.
    pub fn pause_device(&self, device: &str, reason: Option<&str>, by: By<'_>) -> Result<(), NoSeat> {
        let reason = sound(reason)?;
        let devices = Devices::read(&*self.store, None)?.map_or_else(Vec::new, |(_, devices)| devices);
        let is_known = |name: &str| devices.iter().any(|known| known.name == name);
        if !is_known(device) {
            return Err(NoSeat::NoSuchDevice);
        }
        for _ in 0..RETRIES {
            let kept = self.store.shelf(PAUSED)?;
            if reason.is_none() && !kept.documents.iter().any(|(name, _)| name == device) {
                return Err(NoSeat::NotPaused);
            }
            // Our own plain data always has a JSON form.
            let text =
                reason.map(|reason| serde_json::to_string(&Pause::of(reason, "", by)).unwrap_or_default());
            // What was said of devices that are gone goes with it.
            let names = kept.documents.iter().map(|(name, _)| name);
            let gone = names.filter(|name| !is_known(name));
            let mut changes: Vec<_> = gone.map(|name| (name.clone(), None)).collect();
            changes.push((device.to_string(), text));
            let act = Act {
                at_ms: by.at_ms,
                by: by.who,
                what: if reason.is_some() {
                    "phone pause"
                } else {
                    "phone resume"
                },
                about: device,
                note: reason.unwrap_or_default(),
            };
            let write = Write::Reshelve {
                shelf: PAUSED,
                revision: kept.revision + 1,
                changes,
            };
            if self.audit.write_with(&act, &[write])?.is_some() {
                return Ok(());
            }
        }
        Err(NoSeat::Raced)
    }

    /// The phones that are not rung for now, in the order of their names.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn paused_devices(store: &dyn Store) -> Result<BTreeMap<String, Pause>, StoreError> {
        let shelf = store.shelf(PAUSED)?;
        let read = |(name, text): &(String, String)| match serde_json::from_str(text) {
            Ok(pause) => Some((name.clone(), pause)),
            Err(_) => {
                tracing::error!(%name, "the pause of a phone cannot be read in the store: it is rung");
                None
            }
        };
        Ok(shelf.documents.iter().filter_map(read).collect())
    }

    /// Somebody is left alone no longer after his call: written down, and nothing else of it is kept.
    ///
    /// # Errors
    ///
    /// [`NoSeat`]; nothing is written then.
    pub fn end_rest(&self, device: &str, by: By<'_>) -> Result<(), NoSeat> {
        let devices = Devices::read(&*self.store, None)?.map_or_else(Vec::new, |(_, devices)| devices);
        if !devices.iter().any(|known| known.name == device) {
            return Err(NoSeat::NoSuchDevice);
        }
        self.audit
            .write(by.at_ms, by.who, "desk rest ended", device, "")?;
        Ok(())
    }

    /// One person's sitting is written anew; who has no desk any more is taken away, and with him whatever has expired.
    fn carry_out(
        &self,
        what: &str,
        about: &str,
        by: By<'_>,
        plan: impl Fn(&[Sitting]) -> Result<(Sitting, String), NoSeat>,
    ) -> Result<(), NoSeat> {
        for _ in 0..RETRIES {
            let kept = self.store.shelf(SHELF)?;
            let (revision, all) = Seats::read(&*self.store, by.at_ms)?;
            if kept.revision != revision {
                continue;
            }
            let (sitting, note) = plan(&all)?;
            // Our own plain data always has a JSON form.
            let text =
                (!sitting.desks.is_empty()).then(|| serde_json::to_string(&sitting).unwrap_or_default());
            let is_over =
                |name: &String| *name != sitting.person && !all.iter().any(|known| known.person == *name);
            let mut changes: Vec<(String, Option<String>)> = kept
                .documents
                .iter()
                .filter(|(name, _)| is_over(name))
                .map(|(name, _)| (name.clone(), None))
                .collect();
            changes.push((sitting.person.clone(), text));
            let act = Act {
                at_ms: by.at_ms,
                by: by.who,
                what,
                about,
                note: &note,
            };
            let write = Write::Reshelve {
                shelf: SHELF,
                revision: revision + 1,
                changes,
            };
            if self.audit.write_with(&act, &[write])?.is_some() {
                return Ok(());
            }
        }
        Err(NoSeat::Raced)
    }
}

impl Pause {
    /// `person`: who is paused.
    fn of(reason: &str, person: &str, by: By<'_>) -> Pause {
        Pause {
            reason: reason.into(),
            since_ms: by.at_ms,
            by: (by.who != person).then(|| by.who.into()),
        }
    }
}

/// A reason as people may read it; None = there is to be no pause.
fn sound(reason: Option<&str>) -> Result<Option<&str>, NoSeat> {
    let Some(text) = reason.map(str::trim) else {
        return Ok(None);
    };
    let is_sound =
        !text.is_empty() && text.chars().count() <= PAUSE_CHARS_MAX && !text.chars().any(char::is_control);
    is_sound.then_some(Some(text)).ok_or(NoSeat::NoReason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store;

    struct Office {
        store: Arc<dyn Store>,
        seats: Seats,
    }

    fn office() -> Office {
        let url = "sqlite::memory:".into();
        let store = store::open(&store::Config { url }).unwrap();
        let audit = Arc::new(Audit::open(store.clone()).unwrap());
        let devices = Devices::new(store.clone(), audit.clone());
        for n in 0..10 {
            devices.add(&format!("desk-{n}"), false, by("boss", 1)).unwrap();
        }
        let seats = Seats::new(store.clone(), audit, Duration::from_secs(60));
        Office { store, seats }
    }

    fn by(who: &str, at_ms: u64) -> By<'_> {
        By { who, at_ms }
    }

    /// `ann:desk-1,desk-2 bob:desk-3(lunch)` at this time.
    fn shown(office: &Office, now_ms: u64) -> String {
        let (_, all) = Seats::read(&*office.store, now_ms).unwrap();
        let one = |sitting: &Sitting| {
            let desks: Vec<&str> = sitting.desks.keys().map(String::as_str).collect();
            let pause = sitting.pause.as_ref().map(|pause| format!("({})", pause.reason));
            format!(
                "{}:{}{}",
                sitting.person,
                desks.join(","),
                pause.unwrap_or_default()
            )
        };
        all.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_person_signs_in_to_several_devices_and_a_device_has_one_person() {
        let office = office();
        let seats = &office.seats;
        seats.sign_in("desk-1", by("ann", 10)).unwrap();
        seats.sign_in("desk-2", by("ann", 11)).unwrap();
        seats.sign_in("desk-3", by("bob", 12)).unwrap();
        assert_eq!(shown(&office, 20), "ann:desk-1,desk-2 bob:desk-3");
        assert!(matches!(seats.sign_in("desk-1", by("bob", 13)), Err(NoSeat::Taken(who)) if who == "ann"));
        assert!(matches!(
            seats.sign_in("desk-x", by("bob", 13)),
            Err(NoSeat::NoSuchDevice)
        ));
        assert!(matches!(
            seats.sign_out("desk-1", false, by("bob", 14)),
            Err(NoSeat::NotYours)
        ));
        assert!(matches!(
            seats.sign_out("desk-9", true, by("bob", 14)),
            Err(NoSeat::NobodyThere)
        ));
        seats.sign_out("desk-1", true, by("boss", 15)).unwrap();
        seats.sign_in("desk-1", by("bob", 16)).unwrap();
        assert_eq!(shown(&office, 20), "ann:desk-2 bob:desk-1,desk-3");
        let (entries, _) = store::audit_page(&*office.store, 0).unwrap();
        let last = &entries[entries.len() - 2];
        assert_eq!(
            (last.what.as_str(), last.by.as_str(), last.note.as_str()),
            ("desk sign out", "boss", "of ann")
        );
    }

    #[test]
    fn who_does_not_sign_out_is_signed_out_when_his_shift_is_over_and_his_desk_is_free() {
        let office = office();
        office.seats.sign_in("desk-1", by("ann", 0)).unwrap();
        office.seats.pause(Some("lunch"), by("ann", 1)).unwrap();
        assert_eq!(shown(&office, 59_999), "ann:desk-1(lunch)");
        assert_eq!(shown(&office, 60_000), "");
        office.seats.sign_in("desk-1", by("bob", 60_000)).unwrap();
        assert_eq!(shown(&office, 60_001), "bob:desk-1");
        assert_eq!(
            office.store.shelf(SHELF).unwrap().documents.len(),
            1,
            "what is over is taken away"
        );
        // Signed in again, his time begins anew, and he came when he came.
        office.seats.sign_in("desk-1", by("bob", 100_000)).unwrap();
        let (_, all) = Seats::read(&*office.store, 150_000).unwrap();
        assert_eq!(all[0].desks["desk-1"].since_ms, 60_000);
    }

    #[test]
    fn a_pause_is_ones_own_has_a_reason_and_ends_with_the_last_desk() {
        let office = office();
        let seats = &office.seats;
        assert!(matches!(
            seats.pause(Some("lunch"), by("ann", 1)),
            Err(NoSeat::NotAtWork)
        ));
        seats.sign_in("desk-1", by("ann", 1)).unwrap();
        for reason in ["", "  ", "a\nb", &"x".repeat(PAUSE_CHARS_MAX + 1)] {
            assert!(matches!(
                seats.pause(Some(reason), by("ann", 2)),
                Err(NoSeat::NoReason)
            ));
        }
        seats.pause(Some(" lunch "), by("ann", 2)).unwrap();
        assert_eq!(shown(&office, 3), "ann:desk-1(lunch)");
        seats.pause(None, by("ann", 3)).unwrap();
        assert_eq!(shown(&office, 3), "ann:desk-1");
        seats.pause(Some("lunch"), by("ann", 4)).unwrap();
        seats.sign_out("desk-1", false, by("ann", 5)).unwrap();
        seats.sign_in("desk-1", by("ann", 6)).unwrap();
        assert_eq!(shown(&office, 7), "ann:desk-1");
    }

    #[test]
    fn a_supervisor_pauses_others_and_phones_and_who_did_it_stands_with_it() {
        let office = office();
        let seats = &office.seats;
        assert!(matches!(
            seats.pause_of("ann", Some("training"), by("boss", 1)),
            Err(NoSeat::NobodyAtWork)
        ));
        seats.sign_in("desk-1", by("ann", 1)).unwrap();
        seats.pause_of("ann", Some("training"), by("boss", 2)).unwrap();
        let pause = |office: &Office| Seats::read(&*office.store, 9).unwrap().1[0].pause.clone();
        let paused = pause(&office).unwrap();
        assert_eq!(
            (paused.reason.as_str(), paused.by.as_deref(), paused.since_ms),
            ("training", Some("boss"), 2)
        );
        seats.pause(Some("lunch"), by("ann", 3)).unwrap();
        assert_eq!(pause(&office).unwrap().by, None, "her own");
        seats.pause_of("ann", None, by("boss", 4)).unwrap();
        assert_eq!(pause(&office), None);

        let phones = |office: &Office| Seats::paused_devices(&*office.store).unwrap();
        assert!(matches!(
            seats.pause_device("desk-x", Some("broken"), by("boss", 5)),
            Err(NoSeat::NoSuchDevice)
        ));
        assert!(matches!(
            seats.pause_device("desk-1", None, by("boss", 5)),
            Err(NoSeat::NotPaused)
        ));
        seats
            .pause_device("desk-1", Some(" broken "), by("boss", 5))
            .unwrap();
        assert_eq!(phones(&office)["desk-1"].reason, "broken");
        assert_eq!(phones(&office)["desk-1"].by.as_deref(), Some("boss"));
        seats.pause_device("desk-1", None, by("boss", 6)).unwrap();
        assert!(phones(&office).is_empty());
        let (entries, _) = store::audit_page(&*office.store, 0).unwrap();
        let whats: Vec<_> = entries
            .iter()
            .filter(|entry| entry.by == "boss" && entry.at_ms > 1)
            .map(|entry| format!("{} {}", entry.what, entry.about))
            .collect();
        assert_eq!(
            whats,
            [
                "desk pause ann",
                "desk resume ann",
                "phone pause desk-1",
                "phone resume desk-1"
            ]
        );
    }

    #[test]
    fn nobody_takes_all_desks() {
        let office = office();
        for n in 0..DESKS_MAX {
            office.seats.sign_in(&format!("desk-{n}"), by("ann", 1)).unwrap();
        }
        let over = format!("desk-{DESKS_MAX}");
        assert!(matches!(
            office.seats.sign_in(&over, by("ann", 2)),
            Err(NoSeat::TooMany)
        ));
    }
}
