//! What each phone saw of each call: the banner as it arrived on the wire.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::limits::SIGHTINGS_MAX;
use crate::call_id::CallId;
use crate::sip::{Message, NameAddr};

/// `Ringward-Trust` as a phone reads it; words it does not know stay words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    pub number: String,
    pub voice: String,
    pub label: String,
    pub call: CallId,
}

impl Trust {
    /// `number=...; voice=...; label=...; call=<id>`, in any order; None when one of them is missing or the id is none.
    pub fn parse(value: &str) -> Option<Trust> {
        let part = |name: &str| {
            value.split(';').find_map(|part| {
                let (key, word) = part.split_once('=')?;
                (key.trim() == name).then(|| word.trim().to_owned())
            })
        };
        Some(Trust {
            number: part("number")?,
            voice: part("voice")?,
            label: part("label")?,
            call: part("call")?.parse().ok()?,
        })
    }
}

/// One phone ringing for one call.
#[derive(Clone, Debug)]
pub struct Sighting {
    pub phone: &'static str,
    pub trust: Trust,
    /// Display name in From: what every phone can show.
    pub display: Option<String>,
    /// `verstat` of P-Asserted-Identity, or of From.
    pub verstat: Option<String>,
    pub call_info: Option<String>,
    pub alert_info: Option<String>,
    /// The INVITE as it came, to look for what should not be in it.
    pub octets: Vec<u8>,
    pub is_answered: bool,
    /// Audio packets this phone heard; None until it has hung up.
    pub heard: Option<u64>,
}

impl Sighting {
    /// Reads the banner of an INVITE; None when it carries no `Ringward-Trust` that can be read.
    pub fn read(phone: &'static str, invite: &Message) -> Option<Sighting> {
        let trust = Trust::parse(&invite.header("Ringward-Trust")?)?;
        let from = invite.from();
        let asserted = invite
            .header("P-Asserted-Identity")
            .and_then(|value| NameAddr::parse(&value).ok());
        let verstat = asserted.as_ref().and_then(verstat).or_else(|| verstat(&from));
        Some(Sighting {
            phone,
            trust,
            display: from.display.clone(),
            verstat,
            call_info: invite.header("Call-Info").map(|value| value.into_owned()),
            alert_info: invite.header("Alert-Info").map(|value| value.into_owned()),
            octets: invite.octets().to_vec(),
            is_answered: false,
            heard: None,
        })
    }

    /// Nothing more will be written here: the phone never answered, or has hung up.
    pub fn is_complete(&self) -> bool {
        !self.is_answered || self.heard.is_some()
    }

    /// The digits of `number` stand nowhere in what the phone received.
    pub fn keeps_secret(&self, number: &str) -> bool {
        let digits = number.trim_start_matches('+').as_bytes();
        digits.is_empty() || !self.octets.windows(digits.len()).any(|window| window == digits)
    }
}

fn verstat(address: &NameAddr) -> Option<String> {
    let in_uri = address
        .uri
        .user_param("verstat")
        .or_else(|| address.uri.param("verstat"));
    let value = in_uri.map(|value| value.into_owned());
    value.or_else(|| {
        address
            .params
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("verstat"))
            .and_then(|(_, value)| value.clone())
    })
}

/// What to do when the first phone rings for a call. Called from the phone's thread: must not wait.
pub type OnRing = Box<dyn Fn(&Sighting) + Send + Sync>;

/// Shared by all phones. Holds the newest [`SIGHTINGS_MAX`].
#[derive(Default)]
pub struct Board {
    sightings: Mutex<VecDeque<Sighting>>,
    on_ring: Option<OnRing>,
}

impl Board {
    /// A board that tells somebody of each call when its first phone rings.
    pub fn told_to(on_ring: OnRing) -> Board {
        Board {
            on_ring: Some(on_ring),
            ..Board::default()
        }
    }

    pub fn saw(&self, sighting: Sighting) {
        let mut sightings = self.sightings.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = sightings
            .iter()
            .all(|other| other.trust.call != sighting.trust.call);
        if let Some(on_ring) = self.on_ring.as_ref().filter(|_| is_first) {
            on_ring(&sighting);
        }
        if sightings.len() >= SIGHTINGS_MAX {
            sightings.pop_front();
        }
        sightings.push_back(sighting);
    }

    /// `phone` answered `call`.
    pub fn answered(&self, phone: &str, call: CallId) {
        self.change(phone, call, |sighting| sighting.is_answered = true);
    }

    /// `phone` heard this many audio packets of `call`.
    pub fn heard(&self, phone: &str, call: CallId, packets: u64) {
        self.change(phone, call, |sighting| sighting.heard = Some(packets));
    }

    /// The phone that answered `call`, or else the first that rang.
    pub fn best(&self, call: CallId) -> Option<Sighting> {
        let sightings = self.sightings.lock().unwrap_or_else(PoisonError::into_inner);
        let of_call = || sightings.iter().filter(|sighting| sighting.trust.call == call);
        of_call()
            .find(|sighting| sighting.is_answered)
            .or_else(|| of_call().next())
            .cloned()
    }

    fn change(&self, phone: &str, call: CallId, change: impl FnOnce(&mut Sighting)) {
        let mut sightings = self.sightings.lock().unwrap_or_else(PoisonError::into_inner);
        let mut matching = sightings.iter_mut().rev();
        if let Some(sighting) =
            matching.find(|sighting| sighting.phone == phone && sighting.trust.call == call)
        {
            change(sighting);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sighting(phone: &'static str, call: u128) -> Sighting {
        Sighting {
            phone,
            trust: Trust {
                number: "genuine".into(),
                voice: "pending".into(),
                label: "genuine".into(),
                call: CallId(call),
            },
            display: None,
            verstat: None,
            call_info: None,
            alert_info: None,
            octets: b"From: <sip:+14045550123@x>".to_vec(),
            is_answered: false,
            heard: None,
        }
    }

    #[test]
    fn the_trust_header_is_read_in_any_order_and_spacing() {
        let id = "0123456789abcdef0123456789abcdef";
        let trust = Trust::parse(&format!("voice=pending;number=forged ; label=forged; call={id}")).unwrap();
        assert_eq!(
            (&*trust.number, &*trust.voice, &*trust.label),
            ("forged", "pending", "forged")
        );
        assert_eq!(trust.call.to_string(), id);
        for broken in [
            "",
            "number=genuine",
            "number=genuine; voice=person; label=known; call=12",
        ] {
            assert_eq!(Trust::parse(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn the_phone_that_answered_speaks_for_the_call() {
        let board = Board::default();
        board.saw(sighting("anna", 1));
        board.saw(sighting("ben", 1));
        assert_eq!(board.best(CallId(1)).unwrap().phone, "anna");
        board.answered("ben", CallId(1));
        board.heard("ben", CallId(1), 9);
        let best = board.best(CallId(1)).unwrap();
        assert_eq!((best.phone, best.heard), ("ben", Some(9)));
        assert!(board.best(CallId(2)).is_none());
    }

    #[test]
    fn the_board_keeps_the_newest_only() {
        let board = Board::default();
        for call in 0..=SIGHTINGS_MAX as u128 {
            board.saw(sighting("anna", call));
        }
        assert!(board.best(CallId(0)).is_none());
        assert!(board.best(CallId(SIGHTINGS_MAX as u128)).is_some());
    }

    #[test]
    fn a_call_is_told_once_however_many_phones_ring() {
        let (tell, told) = std::sync::mpsc::channel();
        let board = Board::told_to(Box::new(move |sighting| tell.send(sighting.phone).unwrap()));
        for (phone, call) in [("anna", 1), ("ben", 1), ("ben", 2)] {
            board.saw(sighting(phone, call));
        }
        drop(board);
        assert_eq!(told.iter().collect::<Vec<_>>(), ["anna", "ben"]);
    }

    #[test]
    fn a_number_in_the_message_is_found_wherever_it_stands() {
        let sighting = sighting("anna", 1);
        assert!(!sighting.keeps_secret("+14045550123"));
        assert!(sighting.keeps_secret("+14045550124"));
    }
}
