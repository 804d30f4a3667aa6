//! One entry of the audit as it is kept: what stays for good, and apart from it what it says of people.
//!
//! The chain holds number, time, kind and a salted digest of the rest. The rest (who, about whom, in which words) lies sealed
//! beside it under a key of its own; who destroys the key has erased it, and the chain is whole all the same.

use aws_lc_rs::{digest, rand};
use serde::{Deserialize, Serialize};

use super::audit::Act;
use super::hexadecimal;
use super::limits::AUDIT_TEXT_MAX;

/// An entry that says which entries the store had taken and has no more.
pub(super) const LOST: &str = "audit lost";
/// An entry that says where the chain of another gateway is: `about` its name, `note` number and hash.
pub(super) const ANCHOR: &str = "audit anchor";
/// An entry that says of which entries what they said of people was erased: `note` their numbers.
pub(super) const ERASED: &str = "audit erased";

/// An entry that says how the entries of older gateways stood before what they said of people was erased: `note` how many, and a digest.
pub(super) const CARRIED: &str = "audit carried over";

/// What the gateway says of the chain itself. It is about nobody, and has to be read for good.
fn is_of_the_chain(what: &str) -> bool {
    [LOST, ANCHOR, ERASED, CARRIED].contains(&what)
}

/// One thing that was done. It names no caller and no number: those stand in records, which may be erased.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    /// From 1, without gaps.
    pub number: u64,
    /// Unix ms.
    pub at_ms: u64,
    /// The name of a token, `gateway` for what it does by itself, the address of who could not sign in. Empty = erased.
    pub by: String,
    /// `POST /api/v1/tokens`, `policy activate`, `sign in`, ...
    pub what: String,
    /// To what it was done. Empty when erased.
    pub about: String,
    /// How it ended, or why it was done. Empty when erased.
    pub note: String,
    /// What it said of people was erased.
    pub is_erased: bool,
    /// SHA-256 over `salt` and the three texts about people, hexadecimal; None = the entry holds them itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub people: Option<String>,
    /// 64 hexadecimal digits; erased with the texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
    /// Hash of the entry before, hexadecimal; of the first, 64 zeros.
    pub before: String,
    /// SHA-256 over number, time, kind, `people` and `before`; without `people` over the three texts in its place.
    pub hash: String,
}

/// What an entry says of people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parts {
    /// None = written by an older gateway, whose hash is over the texts themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    salt: Option<String>,
    by: String,
    about: String,
    note: String,
}

impl Parts {
    pub fn read(text: &str) -> Option<Parts> {
        serde_json::from_str(text).ok()
    }

    pub fn text(&self) -> String {
        // Our own plain data always has a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What the chain holds of it.
    fn commitment(&self) -> String {
        let salt = self.salt.as_deref().unwrap_or_default();
        hashed(
            b"ringward audit people",
            &[],
            &[salt, &self.by, &self.about, &self.note],
        )
    }

    /// Whether somebody of this name stands there, as a word.
    pub fn name(&self, name: &str) -> bool {
        [&self.by, &self.about, &self.note]
            .iter()
            .any(|text| has_word(text, name))
    }
}

/// Whether the name of an account or token stands there as a word. A `.` or `-` at either end of a word may be the sentence's.
pub fn has_word(text: &str, name: &str) -> bool {
    let is_sign = |sign: char| !(sign.is_alphanumeric() || "-_.@".contains(sign));
    let is_name = |word: &str| {
        let around = word.split_once(name);
        around.is_some_and(|(before, after)| {
            before
                .chars()
                .chain(after.chars())
                .all(|sign| ".-".contains(sign))
        })
    };
    !name.is_empty() && text.split(is_sign).any(is_name)
}

/// An entry as it lies in the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub number: u64,
    pub at_ms: u64,
    pub what: String,
    /// What the entry says in clear; all three or none of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub people: Option<String>,
    pub before: String,
    pub hash: String,
}

/// In which of its forms an entry stands. What stands in none of them was not written by any gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// What it says stands in it: an entry about the chain itself, or one of an older gateway that has not been carried over.
    Clear,
    /// What it says of people lies beside it, and the chain holds a digest of that.
    Sealed,
    /// An entry of an older gateway that was carried over: what it says of people lies beside it, and its hash is over that. Once that
    /// is erased its hash cannot be counted anew.
    Legacy,
}

impl Kept {
    /// The next entry after the one with this hash, and what of it is to be sealed. Long texts are cut. None = the system has no randomness to give.
    pub fn after(before: &str, number: u64, act: &Act<'_>) -> Option<(Kept, Option<Parts>)> {
        let mut kept = Kept {
            number,
            at_ms: act.at_ms,
            what: cut(act.what),
            by: None,
            about: None,
            note: None,
            people: None,
            before: before.into(),
            hash: String::new(),
        };
        let mut parts = Parts {
            salt: None,
            by: cut(act.by),
            about: cut(act.about),
            note: cut(act.note),
        };
        if is_of_the_chain(&kept.what) {
            kept.hash = kept.hash_over(&parts);
            (kept.by, kept.about, kept.note) = (Some(parts.by), Some(parts.about), Some(parts.note));
            return Some((kept, None));
        }
        let mut salt = [0; 32];
        rand::fill(&mut salt).ok()?;
        parts.salt = Some(hexadecimal(&salt));
        kept.people = Some(parts.commitment());
        kept.hash = kept.hash_over_people();
        Some((kept, Some(parts)))
    }

    /// As an older gateway wrote it, `number` ms after 1970.
    #[cfg(test)]
    pub fn in_clear_after(before: &str, number: u64, what: &str, texts: [String; 3]) -> Kept {
        let [by, about, note] = texts;
        let (salt, people) = (None, None);
        let parts = Parts {
            salt,
            by,
            about,
            note,
        };
        let mut kept = Kept {
            number,
            at_ms: number,
            what: what.into(),
            by: None,
            about: None,
            note: None,
            people,
            before: before.into(),
            hash: String::new(),
        };
        kept.hash = kept.hash_over(&parts);
        (kept.by, kept.about, kept.note) = (Some(parts.by), Some(parts.about), Some(parts.note));
        kept
    }

    pub fn read(text: &str) -> Option<Kept> {
        serde_json::from_str(text).ok()
    }

    pub fn text(&self) -> String {
        // Our own plain data always has a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// None = it stands in none.
    pub fn shape(&self) -> Option<Shape> {
        let said = [&self.by, &self.about, &self.note].map(|text| text.is_some());
        let shape = match (said, &self.people) {
            ([true, true, true], None) => Shape::Clear,
            ([false, false, false], Some(_)) => Shape::Sealed,
            ([false, false, false], None) => Shape::Legacy,
            _ => return None,
        };
        // What is said of the chain is read for good: never sealed, never erased.
        (shape == Shape::Clear || !is_of_the_chain(&self.what)).then_some(shape)
    }

    /// What it says in clear, if it does.
    fn in_clear(&self) -> Option<Parts> {
        if self.shape() != Some(Shape::Clear) {
            return None;
        }
        Some(Parts {
            salt: None,
            by: self.by.clone()?,
            about: self.about.clone()?,
            note: self.note.clone()?,
        })
    }

    /// An entry of an older gateway, which holds in clear what it says of people, without that; and that. None = there is nothing to take out.
    pub fn carried_over(mut self) -> Option<(Kept, Parts)> {
        if is_of_the_chain(&self.what) {
            return None;
        }
        let parts = self.in_clear()?;
        (self.by, self.about, self.note) = (None, None, None);
        Some((self, parts))
    }

    /// Whether it stands as it was written, with the parts that were found. Of an entry of an older gateway whose parts are erased
    /// only the chain says something: what follows it holds its hash. Whoever asks looks whether such a one may be there.
    pub fn is_as_written(&self, parts: Option<&Parts>) -> bool {
        match self.shape() {
            None => false,
            Some(Shape::Clear) => self
                .in_clear()
                .is_some_and(|clear| self.hash_over(&clear) == self.hash),
            Some(Shape::Sealed) => {
                let fits = |parts: &Parts| self.people.as_ref() == Some(&parts.commitment());
                self.hash_over_people() == self.hash && parts.is_none_or(fits)
            }
            Some(Shape::Legacy) => parts.is_none_or(|parts| self.hash_over(parts) == self.hash),
        }
    }

    /// As it is shown.
    pub fn shown(self, parts: Option<Parts>) -> AuditEntry {
        let parts = self.in_clear().or(parts);
        let is_erased = parts.is_none();
        let parts = parts.unwrap_or_default();
        AuditEntry {
            number: self.number,
            at_ms: self.at_ms,
            by: parts.by,
            what: self.what,
            about: parts.about,
            note: parts.note,
            is_erased,
            people: self.people,
            salt: parts.salt,
            before: self.before,
            hash: self.hash,
        }
    }

    /// Every field with its length before it, so that no text can pass for the end of another.
    fn hash_over(&self, parts: &Parts) -> String {
        let texts = [&parts.by, &self.what, &parts.about, &parts.note, &self.before];
        hashed(b"", &[self.number, self.at_ms], &texts.map(String::as_str))
    }

    fn hash_over_people(&self) -> String {
        let people = self.people.as_deref().unwrap_or_default();
        hashed(
            b"ringward audit entry",
            &[self.number, self.at_ms],
            &[&self.what, people, &self.before],
        )
    }
}

fn cut(text: &str) -> String {
    text.chars().take(AUDIT_TEXT_MAX).collect()
}

fn hashed(kind: &[u8], numbers: &[u64], texts: &[&str]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(kind);
    for number in numbers {
        context.update(&number.to_be_bytes());
    }
    for text in texts {
        context.update(&(text.len() as u64).to_be_bytes());
        context.update(text.as_bytes());
    }
    hexadecimal(context.finish().as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(before: &str, what: &str) -> (Kept, Option<Parts>) {
        let act = Act {
            at_ms: 9,
            by: "ann",
            what,
            about: "/api/v1/users/bob",
            note: "left",
        };
        Kept::after(before, 7, &act).unwrap()
    }

    #[test]
    fn an_entry_names_nobody_and_holds_what_is_said_apart_from_it() {
        let (kept, parts) = after("0", "account remove");
        let parts = parts.unwrap();
        assert!(!kept.text().contains("ann") && !kept.text().contains("bob"));
        assert_eq!(Kept::read(&kept.text()), Some(kept.clone()));
        assert_eq!(Parts::read(&parts.text()), Some(parts.clone()));
        assert!(kept.is_as_written(Some(&parts)) && kept.is_as_written(None));
        let other = Parts {
            by: "eve".into(),
            ..parts.clone()
        };
        assert!(!kept.is_as_written(Some(&other)));
        for changed in [
            Kept {
                at_ms: 8,
                ..kept.clone()
            },
            Kept {
                what: "account add".into(),
                ..kept.clone()
            },
            Kept {
                people: Some(other.commitment()),
                ..kept.clone()
            },
        ] {
            assert!(!changed.is_as_written(None), "{changed:?}");
        }
        // The same octets one field further.
        let further = Parts {
            about: parts.about.clone() + "l",
            note: "eft".into(),
            ..parts.clone()
        };
        assert!(!kept.is_as_written(Some(&further)));
        let (same, again) = after("0", "account remove");
        assert!(
            same.people != kept.people && again.unwrap().salt != parts.salt,
            "salted"
        );
        for (name, expected) in [
            ("ann", true),
            ("bob", true),
            ("an", false),
            ("users", true),
            ("", false),
        ] {
            assert_eq!(parts.name(name), expected, "{name}");
        }
        assert!(kept.clone().shown(None).is_erased);
        assert_eq!(kept.shown(Some(parts)).by, "ann");
    }

    #[test]
    fn a_name_is_a_word_wherever_in_a_sentence_it_stands() {
        for text in [
            "ann",
            "asked by ann.",
            "ann: gone",
            "- ann -",
            "(ann)",
            "ann's",
            "users/ann...",
            "-ann",
        ] {
            assert!(has_word(text, "ann"), "{text}");
        }
        for text in ["", "anna.", "j.ann", "ann.b", "ann-b", "ann@example.com", "ann_"] {
            assert!(!has_word(text, "ann"), "{text}");
        }
        assert!(has_word("asked by a.b-.", "a.b-") && !has_word("asked by a.b.", "a.b-"));
        assert!(!has_word("anything", ""));
    }

    #[test]
    fn what_is_said_of_the_chain_itself_stays_in_clear() {
        let (kept, parts) = after("0", ANCHOR);
        assert!(parts.is_none() && kept.is_as_written(None));
        assert!(kept.clone().carried_over().is_none());
        assert_eq!(kept.shown(None).by, "ann");
    }

    #[test]
    fn an_entry_of_an_older_gateway_keeps_its_hash() {
        // As gateways before wrote it.
        let text = "{\"number\":1,\"at_ms\":5,\"by\":\"ann\",\"what\":\"sign in\",\"about\":\"ann\",\"note\":\"from 192.0.2.1\",\"before\":\"0\",\"hash\":\"\"}";
        let mut old = Kept::read(text).unwrap();
        old.hash = old.hash_over(&old.in_clear().unwrap());
        let (kept, parts) = old.clone().carried_over().unwrap();
        assert!(kept.hash == old.hash && !kept.text().contains("ann"));
        assert!(kept.is_as_written(Some(&parts)) && kept.is_as_written(None));
        let other = Parts {
            note: "from 192.0.2.2".into(),
            ..parts
        };
        assert!(!kept.is_as_written(Some(&other)));
        assert!(kept.carried_over().is_none(), "once");
    }

    #[test]
    fn an_entry_stands_in_one_of_three_forms_or_was_changed() {
        let (sealed, _) = after("0", "sign in");
        let (clear, _) = after("0", ERASED);
        assert_eq!(
            (sealed.shape(), clear.shape()),
            (Some(Shape::Sealed), Some(Shape::Clear))
        );
        let bare = Kept {
            people: None,
            ..sealed.clone()
        };
        assert_eq!(bare.shape(), Some(Shape::Legacy));
        let text = || Some(String::new());
        let mut wrong = vec![
            Kept {
                by: text(),
                ..sealed.clone()
            },
            Kept {
                note: text(),
                ..bare.clone()
            },
            Kept {
                about: None,
                ..clear.clone()
            },
            Kept {
                people: text(),
                ..clear.clone()
            },
        ];
        for what in [LOST, ANCHOR, ERASED] {
            let what = || what.to_string();
            wrong.extend([&sealed, &bare].map(|of| Kept {
                what: what(),
                ..of.clone()
            }));
        }
        for wrong in wrong {
            assert!(wrong.shape().is_none() && !wrong.is_as_written(None), "{wrong:?}");
        }
    }
}
