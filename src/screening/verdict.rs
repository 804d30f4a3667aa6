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
