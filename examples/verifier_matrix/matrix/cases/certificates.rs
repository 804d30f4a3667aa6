//! What can be wrong with the certificate that x5u names. In all of these the token is signed with its key.

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};

use crate::matrix::authority::{
    AUTHORITY_INFORMATION_ACCESS, CLAIM_CONSTRAINTS, ENHANCED_CLAIM_CONSTRAINTS, TN_AUTH_LIST, extension,
    holder_of, provider, valid,
};
use crate::matrix::der::TnEntry;
use crate::matrix::host::{Page, Place};
use crate::matrix::message::{Invite, Token};
use crate::matrix::{Case, Must, Scene, Stage, case, der};

const P256: &str = "RFC 8226 §4, ATIS-1000080: P-256 and ecdsa-with-SHA256";
const AUTHORITY: &str = "RFC 8224 §6.2 step 3, RFC 8226 §9: authority over orig, else 437";
const UNDERSTOOD: &str = "RFC 5280 §4.2: a critical extension that is not understood refuses the certificate";
const CONSTRAINED: &str = "RFC 8226 §8: a claim that the certificate does not permit, 438 by RFC 8224 §6.2.2";

pub fn cases() -> Vec<Case> {
    let mut cases = kinds();
    cases.extend(authority());
    cases.extend(by_reference());
    cases
}

fn kinds() -> Vec<Case> {
    vec![
        case(
            "self-hosted-key",
            "a certificate that the attacker made and hosts himself",
            Must::Refuse(437),
            "RFC 8224 §6.2 step 3, RFC 8226 §4: a path to an anchor",
            |stage| {
                let own = crate::matrix::authority::Holder::root(provider("SHAKEN 1234", stage.now));
                let chain = own.pem.clone();
                stage.call_by(&own, chain)
            },
        ),
        case(
            "expired",
            "the certificate ended an hour ago",
            Must::Refuse(437),
            "RFC 5280 §6.1.3; RFC 8224 §6.2.2",
            |stage| changed(stage, |params, now| valid(params, now - 7200, now - 3600)),
        ),
        case(
            "not-yet-valid",
            "the certificate begins in an hour",
            Must::Refuse(437),
            "RFC 5280 §6.1.3",
            |stage| changed(stage, |params, now| valid(params, now + 3600, now + 7200)),
        ),
        case(
            "not-valid-at-signing",
            "signed 50 seconds ago with a certificate that began 20 seconds ago",
            Must::Refuse(437),
            "RFC 8224 §6.2 step 3, RFC 8226 §4: valid when it signed",
            |stage| {
                let mut params = provider("SHAKEN 1234", stage.now);
                valid(&mut params, stage.now - 20, stage.now + 3600);
                let leaf = stage.world.issuing.issue(params);
                let url = stage.publish(Page::Text(stage.world.chain_of(&leaf)));
                let token = Token::new(&url, stage.now - 50);
                Scene::new(Invite::new(&token.signed(&leaf.key)))
            },
        ),
        case(
            "rsa",
            "an RSA certificate behind an ES256 token",
            Must::Refuse(437),
            P256,
            |stage| {
                let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048);
                with_key(stage, key)
            },
        ),
        case(
            "p-384",
            "a P-384 certificate behind an ES256 token",
            Must::Refuse(437),
            P256,
            |stage| with_key(stage, KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384)),
        ),
        case(
            "authority-as-signer",
            "the signing certificate is a certification authority",
            Must::Refuse(437),
            "RFC 5280 §4.2.1.9, ATIS-1000080: an end-entity certificate signs",
            |stage| {
                changed(stage, |params, _| {
                    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
                    params.key_usages.push(KeyUsagePurpose::KeyCertSign);
                })
            },
        ),
        case(
            "key-usage",
            "keyUsage is keyAgreement only",
            Must::Refuse(437),
            "RFC 5280 §4.2.1.3: digitalSignature is needed to sign",
            |stage| {
                changed(stage, |params, _| {
                    params.key_usages = vec![KeyUsagePurpose::KeyAgreement]
                })
            },
        ),
        case(
            "web-server",
            "extendedKeyUsage is serverAuth: a web site's certificate",
            Must::Refuse(437),
            "RFC 5280 §4.2.1.12: only for the purposes named",
            |stage| {
                changed(stage, |params, _| {
                    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]
                })
            },
        ),
        case(
            "unknown-critical",
            "a critical extension that nobody knows",
            Must::Refuse(437),
            UNDERSTOOD,
            |stage| {
                changed(stage, |params, _| {
                    params
                        .custom_extensions
                        .push(extension(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0], true))
                })
            },
        ),
        case(
            "empty-file",
            "the file is empty",
            Must::Refuse(436),
            "RFC 8224 §6.2.2: 436, info cannot be dereferenced",
            |stage| body(stage, Page::Text(String::new())),
        ),
        case(
            "web-page",
            "status 200 and a web page",
            Must::Refuse(436),
            "RFC 8224 §6.2.2: 436",
            |stage| {
                body(
                    stage,
                    Page::Text("<html>Our certificates have moved</html>".into()),
                )
            },
        ),
        case(
            "der-file",
            "the certificate in DER, not PEM",
            Must::Refuse(436),
            "ATIS-1000074 §5.3.1, RFC 8555 §9.1: application/pem-certificate-chain",
            |stage| {
                let der = stage.world.signer.der.clone();
                body(stage, Page::Octets(der))
            },
        ),
        case(
            "broken-pem",
            "a PEM block that is not base64",
            Must::Refuse(436),
            "RFC 7468 §3",
            |stage| {
                body(
                    stage,
                    Page::Text("-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n".into()),
                )
            },
        ),
    ]
}

fn authority() -> Vec<Case> {
    vec![
        case(
            "no-tn-auth-list",
            "a certificate without TNAuthList",
            Must::Refuse(437),
            "RFC 8226 §9, ATIS-1000080: it must be there",
            |stage| changed(stage, |params, _| params.custom_extensions.clear()),
        ),
        case(
            "tn-auth-list-unreadable",
            "TNAuthList is not DER",
            Must::Refuse(437),
            "RFC 8226 §9",
            |stage| {
                changed(stage, |params, _| {
                    params.custom_extensions = vec![extension(TN_AUTH_LIST, vec![0x30, 0x7f, 1], false)]
                })
            },
        )
        .only_malformed(),
        case(
            "tn-auth-list-empty",
            "TNAuthList without an entry",
            Must::Refuse(437),
            "RFC 8226 §9: SIZE (1..MAX)",
            |stage| numbers(stage, &[]),
        )
        .only_malformed(),
        case(
            "range-without-our-number",
            "a certificate for a range that ends before our number",
            Must::Refuse(437),
            AUTHORITY,
            |stage| numbers(stage, &[TnEntry::Range("14045550100", 23)]),
        ),
        case(
            "another-number",
            "a certificate for another number",
            Must::Refuse(437),
            AUTHORITY,
            |stage| numbers(stage, &[TnEntry::Number("13125550177")]),
        ),
        case(
            "constraint-value",
            "the certificate permits attestation B only",
            Must::Refuse(438),
            CONSTRAINED,
            |stage| constrained(stage, CLAIM_CONSTRAINTS, der::permits_only("attest", "B")),
        ),
        case(
            "constraint-must-include",
            "the certificate demands an `rcd` claim",
            Must::Refuse(438),
            CONSTRAINED,
            |stage| constrained(stage, CLAIM_CONSTRAINTS, der::must_include("rcd")),
        ),
        case(
            "constraint-must-exclude",
            "the certificate forbids a claim that is there",
            Must::Refuse(438),
            "RFC 9118",
            |stage| constrained(stage, ENHANCED_CLAIM_CONSTRAINTS, der::must_exclude("origid")),
        ),
    ]
}

/// TNAuthList by reference: the numbers stand in a document of their own.
fn by_reference() -> Vec<Case> {
    const REFERENCE: &str = "RFC 8226 §10.1: a verifier MUST be able to dereference it";
    vec![
        case(
            "list-by-reference",
            "the certificate names a list of numbers, ours among them",
            Must::Verify,
            REFERENCE,
            |stage| {
                listed(
                    stage,
                    Place::Public,
                    Page::Octets(der::tn_auth_list(&[TnEntry::Range("14045550100", 100)])),
                )
            },
        ),
        case(
            "list-by-reference-without-our-number",
            "the list has other numbers",
            Must::Refuse(437),
            AUTHORITY,
            |stage| {
                listed(
                    stage,
                    Place::Public,
                    Page::Octets(der::tn_auth_list(&[TnEntry::Range("13125550100", 100)])),
                )
            },
        ),
        case(
            "list-by-reference-inside-the-network",
            "the certificate names a list at an address inside the network",
            Must::Refuse(437),
            "RFC 6890 ranges, CWE-918",
            |stage| {
                listed(
                    stage,
                    Place::Private,
                    Page::Octets(der::tn_auth_list(&[TnEntry::Range("14045550100", 100)])),
                )
            },
        ),
    ]
}

fn listed(stage: &Stage<'_>, place: Place, page: Page) -> Scene {
    let url = stage.hosts.publish(place, page);
    changed(stage, |params, _| {
        params.custom_extensions = vec![extension(AUTHORITY_INFORMATION_ACCESS, der::list_at(&url), false)];
    })
}

fn changed(stage: &Stage<'_>, change: impl FnOnce(&mut CertificateParams, i64)) -> Scene {
    let mut params = provider("SHAKEN 1234", stage.now);
    change(&mut params, stage.now);
    stage.call_with_certificate(params)
}

fn numbers(stage: &Stage<'_>, entries: &[TnEntry<'_>]) -> Scene {
    stage.call_with_certificate(holder_of(entries, "Numbers of a company", stage.now))
}

fn constrained(stage: &Stage<'_>, oid: &'static [u64], content: Vec<u8>) -> Scene {
    changed(stage, |params, _| {
        params.custom_extensions.push(extension(oid, content, false));
    })
}

fn with_key(stage: &Stage<'_>, key: Result<KeyPair, rcgen::Error>) -> Scene {
    use rcgen::SigningKey as _;
    let key = key.expect("a key can be made");
    let leaf = stage
        .world
        .issuing
        .issue_with_key(provider("SHAKEN 1234", stage.now), key);
    let url = stage.publish(Page::Text(stage.world.chain_of(&leaf)));
    let identity = Token::new(&url, stage.now).sealed(|octets| {
        // What the other key makes of it, cut to the length that ES256 has.
        let mut signature = leaf.key.sign(octets).unwrap_or_default();
        signature.resize(64, 0);
        signature
    });
    Scene::new(Invite::new(&identity))
}

fn body(stage: &Stage<'_>, page: Page) -> Scene {
    let url = stage.publish(page);
    stage.call(&Token::new(&url, stage.now))
}
