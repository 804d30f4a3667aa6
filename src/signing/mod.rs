//! The other side of STIR/SHAKEN, thrown away after use: an authority, signers, their certificates' HTTPS host.
//!
//! For whoever has to show that the verifier works: the demo and the self-test. Every key is made fresh in memory. The
//! gateway itself never signs, and knows nothing of this room.

pub mod certificate_host;
pub mod der;
pub mod limits;
pub mod passport;
pub mod pki;
