//! What can be wrong with the configuration of this room; calls never end in an error here.

use stir_shaken_verify::{AnchorsFault, NotACidr, UnknownCountry};

/// The engine cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("trust anchors {file}: {fault}")]
    Anchors { file: String, fault: AnchorsFault },
    #[error("[identity] country: {0}")]
    Country(#[from] UnknownCountry),
    #[error("[identity] x5u_allow: {0}")]
    Allow(#[from] NotACidr),
}
