//! Facts as somebody writes them down by hand: what he says over a plain call.

use serde_json::{Map, Value};

use crate::document::{closest, shown};
use crate::screening::{
    CalledFacts, CallerFacts, Facts, HistoryFacts, IdentityFacts, SignallingFacts, Stage, VoiceFacts,
};

/// A first call that nobody signed and nobody heard yet.
pub fn plain_facts() -> Facts {
    Facts {
        stage: Stage::Arrive,
        trunk: String::new(),
        arrived_ms: 0,
        caller: CallerFacts::default(),
        called: CalledFacts::default(),
        identity: IdentityFacts::default(),
        voice: VoiceFacts::default(),
        history: HistoryFacts {
            is_available: true,
            ..HistoryFacts::default()
        },
        signalling: SignallingFacts::default(),
        lists: Vec::new(),
        reputation: Vec::new(),
        talk: Default::default(),
        recording: Default::default(),
        flood: Default::default(),
        relabelled: None,
    }
}

/// Puts what was given, by the names of records, over facts.
///
/// # Errors
///
/// The name that is not there and what was probably meant, or the value that cannot be, in words.
pub fn facts_with(facts: &Facts, given: Value) -> Result<Facts, String> {
    let mut whole = serde_json::to_value(facts).map_err(|error| error.to_string())?;
    fill(&mut whole, given, "")?;
    serde_json::from_value(whole).map_err(|error| error.to_string())
}

/// The same for one fact: `history.calls_last_minute`, and its value.
pub(super) fn facts_with_one(facts: &Facts, path: &str, value: Value) -> Result<Facts, String> {
    let given = path.rsplit('.').fold(value, |inner, name| {
        Value::Object(Map::from_iter([(name.to_string(), inner)]))
    });
    facts_with(facts, given)
}

/// What records leave out when there is none of it; a given one is taken all the same.
const LEFT_OUT: &[&str] = &[
    "identity.upstream",
    "signalling.codec",
    "lists",
    "reputation",
    "talk",
    "recording",
    "relabelled",
];

fn fill(whole: &mut Value, given: Value, path: &str) -> Result<(), String> {
    let Value::Object(known) = whole else {
        *whole = given;
        return Ok(());
    };
    let Value::Object(given) = given else {
        let what = if path.is_empty() { "the whole" } else { path };
        return Err(format!("{what} must be an object"));
    };
    for (name, value) in given {
        let place = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        if let Some(inner) = known.get_mut(&name) {
            fill(inner, value, &place)?;
        } else if LEFT_OUT.contains(&place.as_str()) {
            known.insert(name, value);
        } else {
            let meant = closest(&name, known.keys().map(String::as_str));
            let meant = meant
                .map(|meant| format!(" (did you mean {meant}?)"))
                .unwrap_or_default();
            return Err(format!("no fact is called {:?}{meant}", shown(&place)));
        }
    }
    Ok(())
}
