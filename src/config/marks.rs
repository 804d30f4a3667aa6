//! `[marks]`, and `marks` of a queue: what phones are told of the verification.

use crate::banner::{Dialect, MarkHeader, Marks, Placement};
use crate::document::{Section, closest, one_of, shown};

const HEADERS: &[(&str, MarkHeader)] = &[
    ("attestation-info", MarkHeader::AttestationInfo),
    ("p-attestation-info", MarkHeader::PAttestationInfo),
    ("p-attestation-indicator", MarkHeader::PAttestationIndicator),
    ("x-twilio-verstat", MarkHeader::XTwilioVerstat),
];

/// What the section does not say stays as in `base`.
pub(super) fn read(section: &Section<'_, '_>, base: &Marks) -> Marks {
    section.only(&["verstat", "placement", "headers", "identity"]);
    let mut marks = base.clone();
    let dialects = [
        ("3gpp", Dialect::ThreeGpp),
        ("telnyx", Dialect::Telnyx),
        ("twilio", Dialect::Twilio),
        ("off", Dialect::Off),
    ];
    if let Some(dialect) = section.choice("verstat", &dialects) {
        marks.verstat = dialect;
    }
    let placements = [
        ("uri", Placement::Uri),
        ("user", Placement::User),
        ("both", Placement::Both),
    ];
    if let Some(placement) = section.choice("placement", &placements) {
        marks.placement = placement;
    }
    if let Some(passes) = section.choice("identity", &[("strip", false), ("pass", true)]) {
        marks.passes_identity = passes;
    }
    let Some(written) = section.strings("headers") else {
        return marks;
    };
    marks.headers.clear();
    for value in written {
        match HEADERS.iter().find(|(name, _)| *name == value.get) {
            Some((_, header)) if marks.headers.contains(header) => {
                section.fault(value.at, format!("{:?} is listed twice", value.get), None);
            }
            Some((_, header)) => marks.headers.push(*header),
            None => {
                let names = HEADERS.iter().map(|(name, _)| *name);
                let message = format!(
                    "headers has {:?}; expected {}",
                    shown(value.get),
                    one_of(names.clone())
                );
                section.fault(value.at, message, closest(value.get, names));
            }
        }
    }
    marks
}
