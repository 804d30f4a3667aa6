//! Webhooks: what was done here and which calls ended, told to another machine over HTTPS, signed so that it can believe it.
//!
//! Knows what a message says, how it is signed, which receiver wants it and when it is tried again. Does not know sockets, the
//! store's engine, or a clock (times come in).

mod event;
mod letter;
pub mod limits;
mod line;
mod report;

use std::path::PathBuf;

use crate::redact::Redacted;

pub use event::{Event, Kind, OF_A_DRILL};
pub use letter::{Letter, key_octets, signature};
pub use line::{Change, Line, Next, Patience, Standing};
pub use report::{Due, Every, Report};

/// `[[webhook]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub name: String,
    /// `https://...`
    pub url: String,
    /// Shared with whoever receives: the key of the signature.
    pub secret: Redacted<String>,
    /// What is told.
    pub kinds: Vec<Kind>,
    /// Address ranges that may be reached in spite of the guard (a receiver inside the business).
    pub allow: Vec<String>,
    /// Web anchors beside the system's.
    pub anchors: Vec<PathBuf>,
}

impl Config {
    /// Whether it is to hear of it.
    pub fn wants(&self, kind: Kind) -> bool {
        kind == Kind::Test || self.kinds.contains(&kind)
    }
}
