//! STIR/SHAKEN verification (RFC 8224, 8225, 8226, 8588, 8946) as a sans-IO library.
//!
//! It decides; somebody else talks. The message comes in as text ([`MessageView`]), the moment
//! of arrival as an argument, certificates as octets. What comes out is a [`Report`]: every check
//! by name, one outcome per Identity header, one standing for the call. URL rules ([`X5u`]),
//! address rules ([`AddressRules`]) and the certificate cache with single flight ([`Shelf`]) are
//! pure as well.
//!
//! What it does not know: a clock, a socket, a SIP stack, and what to do about the answer.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

/// The README's example is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod address;
mod authority;
mod beside;
mod canonical;
mod certificate;
mod chain;
mod chains;
mod checks;
mod claims;
mod clean;
mod compact;
mod constraints;
mod countries;
mod crl;
mod date;
mod der;
mod digest;
mod diversion;
mod findings;
pub mod fuzz;
mod header;
mod json;
mod judging;
mod kind;
pub mod limits;
mod message;
mod mky;
mod nesting;
mod number;
mod opening;
mod party;
mod passport;
mod placing;
mod rcd;
mod report;
mod rph;
mod shelf;
mod summary;
mod tn_auth_list;
mod trust_list;
mod verification;
mod verifier;
mod x5u;

pub use address::{AddressRules, Cidr, NotACidr};
pub use certificate::CertificateFault;
pub use chain::{AnchorStatus, Anchors, AnchorsFault};
pub use claims::ShakenClaims;
pub use countries::{Country, country};
pub use crl::{CrlFault, CrlStatus, Crls, RevocationPolicy, Untold};
pub use date::parse_sip_date;
pub use digest::{ContentDigest, NotADigest};
pub use header::{HeaderFault, IdentityHeader, split_values};
pub use json::JsonFault;
pub use message::MessageView;
pub use number::{NumberError, NumberRules, TelephoneNumber, UnknownCountry};
pub use passport::{Passport, PassportFault, PassportHeader};
pub use report::{
    Attestation, Check, CheckResult, HeaderReport, Hop, Outcome, Priority, Report, RichCallData, Signer,
    Standing,
};
pub use shelf::{FetchFailure, Shelf, ShelfConfig, ShelfOutput};
pub use tn_auth_list::{TnAuthList, TnAuthListFault, TnEntry};
pub use trust_list::{ListAuthority, TrustList, TrustListFault};
pub use verification::Verification;
pub use verifier::{Verifier, VerifierConfig};
pub use x5u::{X5u, X5uFault};
