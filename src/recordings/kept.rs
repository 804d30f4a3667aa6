//! Recordings as they are kept over a restart: what is known of one as JSON, its landmarks as text.
//!
//! Both are checked when they are read again: what breaks a bound of this room is no recording of ours. What a later version says of
//! one beside that is passed over: an older one that starts once must not take everything away.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::landmarks::{HASH_BITS, Landmark};
use super::limits::{CALLERS_MAX, CALLS_MAX, LANDMARKS_MAX, NOTE_CHARS_MAX, TITLE_CHARS_MAX};
use crate::call_id::CallId;

/// Begins the text of landmarks; another layout begins otherwise.
const LAYOUT: &str = "1 ";

/// Bits of a landmark's frame.
const AT_BITS: u32 = 10;

/// What people said of a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Said {
    /// What they call it; empty = it has only the name we gave it. At most [`TITLE_CHARS_MAX`] characters.
    pub title: String,
    /// At most [`NOTE_CHARS_MAX`] characters.
    pub note: String,
    /// It is wanted, whoever it comes from: nobody's campaign.
    pub is_allowed: bool,
    /// How often people said something; 0 = never.
    pub revision: u64,
    /// Who said it last, and when (Unix ms).
    pub by: String,
    pub at_ms: u64,
}

/// What is known of a recording, beside its landmarks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Pseudonyms of callers, at most [`CALLERS_MAX`].
    pub callers: Vec<u64>,
    /// Callers that nobody knows again, because their numbers were erased or their time is over: they still count.
    #[serde(default)]
    pub nameless: u32,
    /// Since when the first of `callers` is remembered, Unix ms: their retention counts from then, whatever becomes of the landmarks.
    /// 0 = `first_seen_ms`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub callers_since_ms: u64,
    pub calls: u32,
    /// The newest calls, the last one last; at most [`CALLS_MAX`].
    pub newest: Vec<CallId>,
    /// Unix ms.
    pub first_seen_ms: u64,
    pub last_seen_ms: u64,
    /// Since when its landmarks are remembered, Unix ms: the retention counts from then.
    pub kept_ms: u64,
    #[serde(default)]
    pub said: Said,
}

fn is_zero(ms: &u64) -> bool {
    *ms == 0
}

impl Standing {
    /// Since when the first of its callers is remembered, Unix ms.
    pub fn callers_since_ms(&self) -> u64 {
        match self.callers_since_ms {
            0 => self.first_seen_ms,
            since => since,
        }
    }

    /// Different callers, as far as they are told apart.
    pub fn callers(&self) -> u32 {
        self.nameless.saturating_add(self.callers.len() as u32)
    }

    /// Takes a caller out; he still counts. None = he is not in it; true = it came from nobody else and people do not want it,
    /// so that it is to be known no more.
    pub fn forget_caller(&mut self, caller: u64) -> Option<bool> {
        let place = self.callers.iter().position(|known| *known == caller)?;
        self.callers.remove(place);
        self.nameless = self.nameless.saturating_add(1);
        Some(self.callers() == 1 && !self.said.is_allowed)
    }

    /// As text. At most about 6 kB.
    pub fn text(&self) -> String {
        // Our own plain data always has a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// From its text; None = it is none, or breaks a bound.
    pub fn of(text: &str) -> Option<Standing> {
        let standing: Standing = serde_json::from_str(text).ok()?;
        let is_whole = standing.callers.len() <= CALLERS_MAX
            && standing.newest.len() <= CALLS_MAX
            && standing.first_seen_ms <= standing.last_seen_ms
            && standing.said.title.chars().count() <= TITLE_CHARS_MAX
            && standing.said.note.chars().count() <= NOTE_CHARS_MAX;
        is_whole.then_some(standing)
    }
}

/// Landmarks as text: four octets each, the hash above ten bits of the frame, in base64. About 6 kB for 15 s.
pub fn landmarks_text(landmarks: &[Landmark]) -> String {
    let words = landmarks
        .iter()
        .map(|landmark| landmark.hash << AT_BITS | (u32::from(landmark.at) & ((1 << AT_BITS) - 1)));
    let octets: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
    format!("{LAYOUT}{}", STANDARD.encode(octets))
}

/// From their text; None = they are none, of another layout, or more than one recording has.
pub fn landmarks_of(text: &str) -> Option<Vec<Landmark>> {
    let octets = STANDARD.decode(text.strip_prefix(LAYOUT)?).ok()?;
    let (words, rest) = octets.as_chunks::<4>();
    if !rest.is_empty() || words.is_empty() || words.len() > LANDMARKS_MAX {
        return None;
    }
    let landmarks = words.iter().map(|octets| {
        let word = u32::from_le_bytes(*octets);
        let hash = word >> AT_BITS;
        (hash < 1 << HASH_BITS).then_some(Landmark {
            hash,
            at: (word & ((1 << AT_BITS) - 1)) as u16,
        })
    });
    landmarks.collect()
}

#[cfg(test)]
mod tests {
    use super::super::landmarks::tests::{babble, landmarks};
    use super::*;

    #[test]
    fn landmarks_are_the_same_after_a_restart_and_what_is_not_ours_is_none() {
        let heard = landmarks(&babble(1, 15));
        let text = landmarks_text(&heard);
        assert!(text.len() < 7000, "{}", text.len());
        assert_eq!(landmarks_of(&text), Some(heard));
        let too_many = vec![Landmark { hash: 1, at: 1 }; LANDMARKS_MAX + 1];
        for bad in [
            "",
            "1 ",
            "1 AAA=",
            "2 AAAAAA==",
            "1 AAAA!A==",
            "1 //////",
            "1 /////w==",
            &text[..text.len() - 3],
            &landmarks_text(&too_many),
        ] {
            assert_eq!(landmarks_of(bad), None, "{}", &bad[..bad.len().min(20)]);
        }
    }

    #[test]
    fn what_is_known_is_the_same_after_a_restart_and_what_breaks_a_bound_is_none() {
        let standing = Standing {
            callers: vec![7, u64::MAX],
            nameless: 1,
            calls: 4,
            newest: vec![CallId(5), CallId(u128::MAX)],
            first_seen_ms: 1_000,
            last_seen_ms: 2_000,
            kept_ms: 1_000,
            callers_since_ms: 1_500,
            said: Said {
                title: "clinic's reminder".into(),
                is_allowed: true,
                revision: 2,
                ..Said::default()
            },
        };
        assert_eq!(standing.callers(), 3);
        assert_eq!(Standing::of(&standing.text()), Some(standing.clone()));
        // A later version says more of it.
        let later = standing.text().replacen('{', "{\"stranger\":[1],", 1);
        let later = later.replacen("\"title\"", "\"guest\":1,\"title\"", 1);
        assert_eq!(Standing::of(&later), Some(standing.clone()), "{later}");
        type Change = fn(&mut Standing);
        let changes: [Change; 4] = [
            |bad| bad.callers = vec![1; CALLERS_MAX + 1],
            |bad| bad.newest = vec![CallId(1); CALLS_MAX + 1],
            |bad| bad.last_seen_ms = 999,
            |bad| bad.said.title = "x".repeat(TITLE_CHARS_MAX + 1),
        ];
        for change in changes {
            let mut bad = standing.clone();
            change(&mut bad);
            assert_eq!(Standing::of(&bad.text()), None, "{bad:?}");
        }
        for bad in ["", "{}", "[]", "{\"callers\":[],\"stranger\":1}"] {
            assert_eq!(Standing::of(bad), None, "{bad}");
        }
    }
}
