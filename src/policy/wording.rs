//! `[banner]` of a policy: the words for phones and people. Which of them a call gets is the banner's business.

use std::collections::BTreeMap;

use super::limits::{LANGUAGES_MAX, PREFIX_CHARS_MAX, SAY_CHARS_MAX};
use super::load::read_tag;
use crate::document::{Section, closest, shown};
use crate::screening::{Label, Tag};

/// `[banner]` of a policy: display-name prefixes (ASCII, at most 12 characters) and suggested lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wording {
    pub prefix: Prefixes,
    pub say: Say,
    /// What a finding means in these words; of the others, [`Tag::meaning`].
    pub reasons: BTreeMap<Tag, String>,
}

impl Wording {
    /// A finding in words for the person answering.
    pub fn reason(&self, tag: Tag) -> &str {
        self.reasons.get(&tag).map_or(tag.meaning(), String::as_str)
    }
}

/// The words of every language, and which queue speaks which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wordings {
    main: Wording,
    others: Vec<Language>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Language {
    name: String,
    queues: Vec<String>,
    wording: Wording,
}

impl Wordings {
    pub(super) fn of(&self, queue: &str) -> &Wording {
        let other = self
            .others
            .iter()
            .find(|language| language.queues.iter().any(|name| name == queue));
        other.map_or(&self.main, |language| &language.wording)
    }
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
    /// The call shows a number or a name of ours and nothing proves it.
    pub impostor: String,
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
                impostor:
                    "It may be somebody who pretends to be one of us. Hang up and call the number you have."
                        .into(),
                emergency_claimed: "It may be an emergency: answer at once. Nothing proves the number."
                    .into(),
            },
            reasons: BTreeMap::new(),
        }
    }
}

/// Words a banner never says, because no check can know them to be true; in the languages of `[[banner.language]]` too.
const NEVER: &[&str] = &[
    "safe",
    "secure",
    "human",
    "harmless",
    "trustworthy",
    "sicher",
    "harmlos",
    "vertrauenswürdig",
    "seguro",
    "segura",
    "sûr",
    "sûre",
    "sicuro",
    "sicura",
    "veilig",
];

/// Reads `[banner]`; what is not given stays as in the default. `queues`: those that there are, where they are known.
pub(super) fn read(policy: &Section<'_, '_>, queues: Option<&[String]>) -> Wordings {
    let mut words = Wordings {
        main: Wording::default(),
        others: Vec::new(),
    };
    let Some(banner) = policy.section("banner") else {
        return words;
    };
    read_wording(&banner, &mut words.main, &["language"]);
    let languages = banner.sections("language");
    if let Some(first) = languages.get(LANGUAGES_MAX) {
        first.fault(
            first.at.clone(),
            format!("more than {LANGUAGES_MAX} languages"),
            None,
        );
    }
    for section in languages.iter().take(LANGUAGES_MAX) {
        let language = read_language(section, &words, queues);
        words.others.push(language);
    }
    words
}

/// One `[[banner.language]]`: its queues and its words; what it does not say is as in `[banner]`.
fn read_language(section: &Section<'_, '_>, words: &Wordings, queues: Option<&[String]>) -> Language {
    let mut wording = words.main.clone();
    read_wording(section, &mut wording, &["name", "queues"]);
    let name = section.required_string("name").map(|name| name.get.to_string());
    let name = name.unwrap_or_default();
    if words.others.iter().any(|other| other.name == name) {
        section.fault(
            section.place("name"),
            format!("a second language is called {:?}", shown(&name)),
            None,
        );
    }
    let given = section.strings("queues").unwrap_or_default();
    if section.value("queues").is_none() {
        section.fault(section.at.clone(), "[[banner.language]] needs \"queues\"", None);
    }
    let mut names = Vec::new();
    for queue in given {
        if let Some(known) = queues.filter(|known| !known.iter().any(|known| known == queue.get)) {
            let suggestion = closest(queue.get, known.iter().map(String::as_str));
            section.fault(
                queue.at,
                format!("no queue is called {:?}", shown(queue.get)),
                suggestion,
            );
        } else if words
            .others
            .iter()
            .any(|other| other.queues.iter().any(|name| name == queue.get))
        {
            section.fault(
                queue.at,
                format!("{:?} has a language already", shown(queue.get)),
                None,
            );
        } else {
            names.push(queue.get.to_string());
        }
    }
    Language {
        name,
        queues: names,
        wording,
    }
}

/// Prefixes, `say` and `reasons` of one language; `beside`: what else may stand in its section.
fn read_wording(banner: &Section<'_, '_>, wording: &mut Wording, beside: &[&str]) {
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
    known.extend(["say", "reasons"]);
    known.extend(beside);
    banner.only(&known);
    for (key, words) in prefixes {
        read_words(banner, key, PREFIX_CHARS_MAX, words);
    }
    read_reasons(banner, &mut wording.reasons);

    let Some(section) = banner.section("say") else {
        return;
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
        ("impostor", &mut say.impostor),
        ("emergency_claimed", &mut say.emergency_claimed),
    ];
    let known: Vec<&str> = lines.iter().map(|(key, _)| *key).collect();
    section.only(&known);
    for (key, words) in lines {
        read_words(&section, key, SAY_CHARS_MAX, words);
    }
}

/// `reasons`: findings in other words than ours, by tag.
fn read_reasons(banner: &Section<'_, '_>, reasons: &mut BTreeMap<Tag, String>) {
    let Some(section) = banner.section("reasons") else {
        return;
    };
    for (key, _) in section.entries() {
        let Some(tag) = read_tag(&section, &key) else {
            continue;
        };
        let mut words = String::new();
        read_words(&section, key.get, SAY_CHARS_MAX, &mut words);
        if !words.is_empty() {
            reasons.insert(tag, words);
        }
    }
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
        let lower = words.to_lowercase();
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
