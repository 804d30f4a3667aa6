//! The calls of the matrix, in groups. Each says what is special about it, what a correct verifier answers, and by which
//! clause.

mod certificates;
mod chains;
mod claims;
mod diversion;
mod good;
mod headers;
mod kinds;
mod numbers;
mod revocation;
mod tokens;
mod urls;

use super::Case;

/// A heading and its rows.
pub struct Group {
    pub title: &'static str,
    pub cases: Vec<Case>,
}

/// Every case, in the order of the table.
pub fn all() -> Vec<Group> {
    let group = |title, cases| Group { title, cases };
    vec![
        group("Good calls that verifiers refuse", good::cases()),
        group("The Identity header", headers::cases()),
        group("The token: form and signature", tokens::cases()),
        group("The token: claims", claims::cases()),
        group("Numbers and the message around the token", numbers::cases()),
        group("Certificates", certificates::cases()),
        group("Chains of trust", chains::cases()),
        group("Revocation", revocation::cases()),
        group("Certificate addresses and hosts", urls::cases()),
        group("Diverted calls", diversion::cases()),
        group("Other kinds of PASSporT", kinds::cases()),
    ]
}
