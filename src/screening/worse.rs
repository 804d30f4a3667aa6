//! Ways in which a call can be worse than it is: what no policy may answer with a milder label or a milder action.

use super::{Facts, IdentityFacts, List, Listed, Reputable, Reputed, Standing, VoiceState};

/// A change to the facts, by name.
type Change = (&'static str, fn(&mut Facts));

/// Ways to make a call worse, whatever else is known of it.
pub(crate) const WORSE: &[Change] = &[
    ("forged", |f| f.identity.is_forged = true),
    ("reused", |f| {
        // A copied priority loses the one label that stands apart from good and bad.
        if !f.identity.has_priority {
            f.identity.is_reused = Some(true);
        }
    }),
    ("reported", |f| f.history.reported_scam += 1),
    ("blocked", |f| list(f, List::Block)),
    ("not to originate", |f| list(f, List::DoNotOriginate)),
    ("ill reputed", |f| ill_repute(f, Reputable::Number)),
    ("signed by somebody ill reputed", |f| {
        ill_repute(f, Reputable::Spc)
    }),
    ("spoof", |f| f.voice.state = VoiceState::Spoof),
    ("hidden", |f| {
        f.caller.is_hidden = true;
        f.caller.number = None;
    }),
    ("fast", |f| f.history.calls_last_minute = 100),
    ("imitates", |f| f.caller.name_imitates_label = true),
    ("unsigned", |f| {
        // Losing a good signature is worse; losing a bad one is not.
        let identity = &f.identity;
        if identity.standing == Standing::Verified
            && !identity.is_forged
            && !identity.is_stale
            && !identity.is_untrusted
        {
            // A proven priority is another question than the number, and stands above every label.
            f.identity = IdentityFacts {
                is_reused: f.identity.is_reused,
                has_priority: f.identity.has_priority,
                is_emergency: f.identity.is_emergency,
                ..IdentityFacts::default()
            };
        }
    }),
];

fn list(facts: &mut Facts, list: List) {
    if facts.listed(list).is_none() {
        facts.lists.push(Listed {
            list,
            entry: 1,
            what: String::new().into(),
            reason: String::new(),
            is_number: true,
            is_name: false,
            call_back: None,
        });
    }
}

fn ill_repute(facts: &mut Facts, of: Reputable) {
    facts.reputation.retain(|reputed| reputed.of != of);
    facts.reputation.push(Reputed {
        of,
        reports: 1_000,
        good: 0.0,
        scam: 1_000.0,
        bad: 1.0,
    });
}
