//! What comes to be known of a call after it was decided once.

use crate::identity::Report;
use crate::screening::{HistoryFacts, RecordingFacts};
use crate::voice::Opinion;

pub(crate) enum LateFact {
    Report(Box<Report>),
    Known {
        history: HistoryFacts,
        is_reused: Option<bool>,
    },
    /// Another call was answered with the same PASSporT before.
    Reused,
    Opinion(Box<Opinion>),
    Overloaded,
    /// A second opinion was wanted and there was no room for it.
    SecondShed,
    /// The same recording was heard in other calls.
    Repeated(Box<RecordingFacts>),
    /// Which model hears the caller.
    HeardBy(String),
}
