//! What the called person sees. Imports screening and policy. Says what is known and why; never "safe".
// DOOR

use serde::{Deserialize, Serialize};

use crate::call_id::CallId;
use crate::policy::{Decision, Policy};
use crate::screening::{Facts, Label, NumberLight, VoiceLight};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Banner {
    pub number: NumberLight,
    pub voice: VoiceLight,
    pub label: Label,
    /// One line per light, in plain words, e.g. "Number: proven by its carrier" / "Voice: no sign of synthesis".
    pub number_text: String,
    pub voice_text: String,
    /// Up to three reasons, worst first.
    pub reasons: Vec<String>,
    /// One suggested line to say or do.
    pub say: String,
    /// Display-name prefix, ASCII, at most 12 characters; empty when nothing should be added.
    pub prefix: String,
}

/// What goes on leg B.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegBHeaders {
    /// Prefix + cleaned caller name or number, ASCII-safe, to be quoted by the SIP printer. At most 40 characters.
    pub display_name: String,
    /// Value for the `verstat` URI parameter.
    pub verstat: String,
    /// `number=...; voice=...; label=...; call=<id>`
    pub ringward_trust: String,
    /// `<url>;purpose=card`, when a public URL is configured.
    pub call_info: Option<String>,
    pub alert_info: Option<String>,
}

pub fn compose(facts: &Facts, decision: &Decision, policy: &Policy) -> Banner {
    let _ = (facts, decision, policy);
    todo!()
}

/// `card_url`: `[api] public_url` + the unguessable card path, or None.
pub fn leg_b_headers(
    banner: &Banner,
    facts: &Facts,
    verstat: &str,
    call: CallId,
    card_url: Option<&str>,
) -> LegBHeaders {
    let _ = (banner, facts, verstat, call, card_url);
    todo!()
}

/// Removes look-alikes of our marks (prefixes, "verified", "[V]", check marks, confusable letters) and control/bidi characters
/// from a caller's own display name. Second value: something was removed.
pub fn clean_display_name(name: &str) -> (String, bool) {
    let _ = name;
    todo!()
}
