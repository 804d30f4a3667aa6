//! STIR/SHAKEN verification as a sans-IO library (skeleton).
#![forbid(unsafe_code)]

mod report;

pub use report::{Attestation, Check, CheckResult, HeaderReport, Outcome, Report, Signer, Standing};
