//! The two lights, the label, and the sum of weights.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Tag;

/// Is the number shown the caller's own. Never merged with the voice light.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberLight {
    Genuine,
    Unproven,
    Forged,
}

/// Is it a person speaking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoiceLight {
    /// "No sign of synthesis": never "human", never "safe".
    Person,
    Unsure,
    Synthetic,
    Pending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    Genuine,
    Known,
    Unproven,
    Suspect,
    Forged,
    Synthetic,
    Campaign,
    Emergency,
}

/// A tag with the weight the policy gives it, in tenths (12 = 1.2). Positive = worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub tag: Tag,
    pub tenths: i32,
}

impl Verdict {
    /// Whether the tag was found.
    pub fn has(&self, tag: Tag) -> bool {
        self.findings.iter().any(|finding| finding.tag == tag)
    }
}

/// Weights in tenths, from the policy file. A tag without one weighs 0.
pub type Weights = BTreeMap<Tag, i32>;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// In the order of [`Tag`]; no tag twice.
    pub findings: Vec<Finding>,
    /// The exact sum of `findings`, in tenths.
    pub tenths: i32,
    pub number: NumberLight,
    pub voice: VoiceLight,
    pub label: Label,
}

/// Names as written in policies, headers, records and the API.
macro_rules! names {
    ($type:ident { $($variant:ident $name:literal)* }) => {
        impl $type {
            pub const ALL: &'static [$type] = &[$($type::$variant),*];

            /// As written in policies, headers, records and the API.
            pub fn name(self) -> &'static str {
                match self { $($type::$variant => $name,)* }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.pad(self.name())
            }
        }
    };
}
pub(super) use names;

names!(NumberLight { Genuine "genuine" Unproven "unproven" Forged "forged" });
names!(VoiceLight { Person "person" Unsure "unsure" Synthetic "synthetic" Pending "pending" });
names!(Label {
    Genuine "genuine" Known "known" Unproven "unproven" Suspect "suspect"
    Forged "forged" Synthetic "synthetic" Campaign "campaign" Emergency "emergency"
});

impl Label {
    /// How bad it is, 0 = mildest. An emergency from a trusted line stands apart and above: nothing outranks it.
    pub fn severity(self) -> u8 {
        match self {
            Label::Known => 0,
            Label::Genuine => 1,
            Label::Unproven => 2,
            Label::Suspect => 3,
            Label::Campaign => 4,
            Label::Synthetic => 5,
            Label::Forged => 6,
            Label::Emergency => 7,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_serde_prints() {
        for label in Label::ALL {
            assert_eq!(serde_json::to_value(label).unwrap(), label.name());
        }
        for light in NumberLight::ALL {
            assert_eq!(serde_json::to_value(light).unwrap(), light.name());
        }
        for light in VoiceLight::ALL {
            assert_eq!(serde_json::to_value(light).unwrap(), light.name());
        }
    }
}
