//! From the certificate to an anchor: what can be wrong on the way.

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyUsagePurpose};

use crate::matrix::authority::{Holder, authority, holder_of, provider, valid};
use crate::matrix::der::TnEntry;
use crate::matrix::{Case, Must, Stage, case};

const PATH: &str = "RFC 5280 §6.1, RFC 8226 §4: a path to an anchor of the list";
const ENCOMPASSED: &str = "RFC 9060: a delegate has authority over no number that its parent has not";

pub fn cases() -> Vec<Case> {
    vec![
        case(
            "untrusted-root",
            "a whole chain of good form under a root that nobody trusts",
            Must::Refuse(437),
            PATH,
            |stage| {
                let root = Holder::root(authority("Another STI root", stage.now));
                let issuing = root.issue(authority("Another STI issuing CA", stage.now));
                let leaf = issuing.issue(provider("SHAKEN 1234", stage.now));
                stage.call_under(&[&leaf, &issuing, &root])
            },
        ),
        case(
            "namesake-root",
            "the same with the name of the trusted root",
            Must::Refuse(437),
            PATH,
            |stage| {
                let root = Holder::root(authority("Matrix STI root", stage.now));
                let leaf = root.issue(provider("SHAKEN 1234", stage.now));
                stage.call_under(&[&leaf, &root])
            },
        ),
        case(
            "intermediate-missing",
            "the file has the certificate and not its authority's",
            Must::Refuse(437),
            "RFC 5280 §6.1; ATIS-1000080: the file carries the chain",
            |stage| {
                let world = stage.world;
                stage.call_by(&world.signer, world.signer.pem.clone())
            },
        ),
        case(
            "authority-first",
            "the authority's certificate stands first in the file",
            Must::Refuse(437),
            "RFC 8555 §9.1: the end-entity certificate first",
            |stage| {
                let world = stage.world;
                stage.call_by(
                    &world.signer,
                    format!("{}{}", world.issuing.pem, world.signer.pem),
                )
            },
        ),
        case(
            "two-authorities-out-of-order",
            "three levels, the two authorities in the wrong order",
            Must::Verify,
            "RFC 5280 §6.1 asks for a path, not for an order in the file",
            |stage| {
                let world = stage.world;
                let lower = world
                    .issuing
                    .issue(authority("Matrix lower issuing CA", stage.now));
                let leaf = lower.issue(provider("SHAKEN 1234", stage.now));
                stage.call_under(&[&leaf, &world.issuing, &lower])
            },
        )
        .open(),
        case(
            "provider-as-authority",
            "an honest provider's certificate was used to issue another",
            Must::Refuse(437),
            "RFC 5280 §4.2.1.9: only an authority issues",
            |stage| {
                let world = stage.world;
                let leaf = world.signer.issue(provider("SHAKEN 6666", stage.now));
                stage.call_under(&[&leaf, &world.signer, &world.issuing])
            },
        ),
        case(
            "authority-may-not-issue",
            "an authority whose keyUsage is cRLSign only issued it",
            Must::Refuse(437),
            "RFC 5280 §4.2.1.3: keyCertSign",
            |stage| {
                let mut params = authority("Matrix list signer", stage.now);
                params.key_usages = vec![KeyUsagePurpose::CrlSign];
                let issuing = stage.world.root.issue(params);
                let leaf = issuing.issue(provider("SHAKEN 1234", stage.now));
                stage.call_under(&[&leaf, &issuing])
            },
        ),
        case(
            "path-length",
            "one authority more than pathLenConstraint allows",
            Must::Refuse(437),
            "RFC 5280 §4.2.1.9",
            |stage| {
                let mut params = authority("Matrix last issuing CA", stage.now);
                params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
                let issuing = stage.world.root.issue(params);
                let lower = issuing.issue(authority("Matrix one too many", stage.now));
                let leaf = lower.issue(provider("SHAKEN 1234", stage.now));
                stage.call_under(&[&leaf, &lower, &issuing])
            },
        ),
        case(
            "expired-authority",
            "the issuing authority's certificate has ended",
            Must::Refuse(437),
            "RFC 5280 §6.1.3: every certificate of the path",
            |stage| {
                let mut params = authority("Matrix issuing CA of last year", stage.now);
                valid(&mut params, stage.now - 86_400, stage.now - 3600);
                let issuing = stage.world.root.issue(params);
                let leaf = issuing.issue(provider("SHAKEN 1234", stage.now));
                stage.call_under(&[&leaf, &issuing])
            },
        ),
        case(
            "seven-certificates",
            "the good chain with four authorities more that nobody needs",
            Must::Refuse(436),
            "ours: at most six certificates are looked at",
            |stage| {
                let world = stage.world;
                let chain = format!(
                    "{}{}",
                    world.chain_of(&world.signer),
                    world.second_root.pem.repeat(5)
                );
                stage.call_by(&world.signer, chain)
            },
        )
        .open(),
        case(
            "delegate",
            "a company's delegate certificate within its provider's range",
            Must::Verify,
            ENCOMPASSED,
            |stage| {
                let parent = delegating(stage, "14045550100");
                let leaf = parent.issue(company(stage));
                stage.call_under(&[&leaf, &parent, &stage.world.issuing])
            },
        ),
        case(
            "delegate-beyond-parent",
            "a delegate certificate for our number under a parent that has not got it",
            Must::Refuse(437),
            ENCOMPASSED,
            |stage| {
                let parent = delegating(stage, "13125550100");
                let leaf = parent.issue(company(stage));
                stage.call_under(&[&leaf, &parent, &stage.world.issuing])
            },
        ),
        case(
            "delegate-as-provider",
            "a delegate that calls itself a provider under a parent with one range",
            Must::Refuse(437),
            ENCOMPASSED,
            |stage| {
                let parent = delegating(stage, "13125550100");
                let leaf = parent.issue(provider("SHAKEN 6666", stage.now));
                stage.call_under(&[&leaf, &parent, &stage.world.issuing])
            },
        ),
    ]
}

/// An authority of a provider with a hundred numbers from `first` on.
fn delegating(stage: &Stage<'_>, first: &str) -> Holder {
    let mut params = authority("Provider that delegates", stage.now);
    params.custom_extensions = holder_of(&[TnEntry::Range(first, 100)], "", stage.now).custom_extensions;
    stage.world.issuing.issue(params)
}

/// The certificate of a company for the calling number.
fn company(stage: &Stage<'_>) -> CertificateParams {
    holder_of(&[TnEntry::Number("14045550123")], "A company", stage.now)
}
