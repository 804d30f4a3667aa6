//! `[banner]` of a policy: the words for phones and people. Which of them a call gets is the banner's business.

use super::limits::{PREFIX_CHARS_MAX, SAY_CHARS_MAX};
use crate::document::{Section, shown};
use crate::screening::Label;

/// `[banner]` of a policy: display-name prefixes (ASCII, at most 12 characters) and suggested lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wording {
    pub prefix: Prefixes,
    pub say: Say,
}

/// Put before the caller's name on every phone. An empty one adds nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefixes {
    pub genuine: String,
    pub unproven: String,
    /// Not proven here; the carrier says that it verified the number.
    pub carrier: String,
    pub forged: String,
    pub synthetic: String,
    /// The number was reported as a scam.
    pub scam: String,
}

/// One line the person answering may say or do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Say {
    pub genuine: String,
    pub known: String,
    pub unproven: String,
    pub suspect: String,
    pub forged: String,
    pub synthetic: String,
    pub campaign: String,
    pub emergency: String,
    /// The number was reported as a scam.
    pub scam: String,
    /// Somebody claims an emergency and nothing proves it.
    pub emergency_claimed: String,
}

impl Say {
    pub fn for_label(&self, label: Label) -> &str {
        match label {
            Label::Genuine => &self.genuine,
            Label::Known => &self.known,
            Label::Unproven => &self.unproven,
            Label::Suspect => &self.suspect,
            Label::Forged => &self.forged,
            Label::Synthetic => &self.synthetic,
            Label::Campaign => &self.campaign,
            Label::Emergency => &self.emergency,
        }
    }
}

impl Default for Wording {
    /// What a policy without `[banner]` says; the same as in `policies/default.toml`.
    fn default() -> Wording {
        Wording {
            prefix: Prefixes {
                genuine: "NUMBER OK".into(),
                unproven: "UNPROVEN".into(),
                carrier: "CARRIER OK".into(),
                forged: "FORGED".into(),
                synthetic: "SYNTHETIC?".into(),
                scam: "KNOWN SCAM".into(),
            },
            say: Say {
                genuine: "The number is the caller's own. Who is speaking is still yours to find out.".into(),
                known: "You know this number. Ask for the name if anything unusual is wanted.".into(),
                unproven:
                    "Ask who is calling. For anything that matters, call back on a number you already have."
                        .into(),
                suspect: "Give nothing away. Ask for a name and call back on a number you already have."
                    .into(),
                forged:
                    "This is not the number it shows. Give nothing away; hang up and call the real number."
                        .into(),
                synthetic: "Ask something only the real person knows. Agree to nothing on this call.".into(),
                campaign: "This recording has called before. Hang up.".into(),
                emergency: "Emergency line: answer at once.".into(),
                scam: "This number was reported as a scam. Give nothing away and hang up.".into(),
                emergency_claimed: "It may be an emergency: answer at once. Nothing proves the number."
                    .into(),
            },
        }
    }
}

/// Words a banner never says, because no check can know them to be true.
const NEVER: &[&str] = &["safe", "secure", "human", "harmless", "trustworthy"];

/// Reads `[banner]`; what is not given stays as in the default.
pub(super) fn read(policy: &Section<'_, '_>) -> Wording {
    let mut wording = Wording::default();
    let Some(banner) = policy.section("banner") else {
        return wording;
    };

    let prefix = &mut wording.prefix;
    let prefixes = [
        ("genuine", &mut prefix.genuine),
        ("unproven", &mut prefix.unproven),
        ("carrier", &mut prefix.carrier),
        ("forged", &mut prefix.forged),
        ("synthetic", &mut prefix.synthetic),
        ("scam", &mut prefix.scam),
    ];
    let mut known: Vec<&str> = prefixes.iter().map(|(key, _)| *key).collect();
    known.push("say");
    banner.only(&known);
    for (key, words) in prefixes {
        read_words(&banner, key, PREFIX_CHARS_MAX, words);
    }

    let Some(section) = banner.section("say") else {
        return wording;
    };
    let say = &mut wording.say;
    let lines = [
        ("genuine", &mut say.genuine),
        ("known", &mut say.known),
        ("unproven", &mut say.unproven),
        ("suspect", &mut say.suspect),
        ("forged", &mut say.forged),
        ("synthetic", &mut say.synthetic),
        ("campaign", &mut say.campaign),
        ("emergency", &mut say.emergency),
        ("scam", &mut say.scam),
        ("emergency_claimed", &mut say.emergency_claimed),
    ];
    let known: Vec<&str> = lines.iter().map(|(key, _)| *key).collect();
    section.only(&known);
    for (key, words) in lines {
        read_words(&section, key, SAY_CHARS_MAX, words);
    }
    wording
}

fn read_words(section: &Section<'_, '_>, key: &str, chars_max: usize, into: &mut String) {
    let Some(value) = section.string(key) else { return };
    let is_prefix = chars_max == PREFIX_CHARS_MAX;
    let words = value.get;
    let count = words.chars().count();
    let fault = if count > chars_max {
        Some(format!("{key} has {count} characters; at most {chars_max}"))
    } else if is_prefix
        && !words
            .chars()
            .all(|c| c == ' ' || c.is_ascii_graphic() && !"\"\\<>;,".contains(c))
    {
        Some(format!(
            "{key} is {:?}; a prefix is plain ASCII without quotes, brackets or separators",
            shown(words)
        ))
    } else if words.chars().any(char::is_control) {
        Some(format!("{key} must be one line"))
    } else {
        let lower = words.to_ascii_lowercase();
        let found = lower
            .split(|c: char| !c.is_alphanumeric())
            .find(|word| NEVER.contains(word));
        found.map(|word| format!("a banner never says {word:?}: no check can know it"))
    };
    match fault {
        Some(message) => section.fault(value.at, message, None),
        None => *into = words.trim().to_string(),
    }
}
