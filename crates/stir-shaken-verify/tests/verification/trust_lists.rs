//! C-02: the authority's signed trust list (ATIS-1000084), and what follows when a part of it is missing.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use stir_shaken_verify::*;

use crate::authority::*;

/// The policy administrator: an authority of its own and the certificate that signs lists.
struct Administrator {
    authority: Holder,
    signer: Holder,
}

impl Administrator {
    fn new() -> Administrator {
        let authority = Holder::root(authority_params("Policy administrator root"));
        let mut params = params("Policy administrator list signer");
        params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
        let signer = authority.issue(params);
        Administrator { authority, signer }
    }

    fn sign(&self, header: &Value, payload: &Value) -> String {
        sign_with(&self.signer, header, payload)
    }

    /// Trusting the signing certificate itself.
    fn pinned(&self) -> ListAuthority {
        ListAuthority::from_pem(self.signer.pem.as_bytes()).unwrap()
    }

    fn above(&self) -> ListAuthority {
        ListAuthority::from_pem(self.authority.pem.as_bytes()).unwrap()
    }
}

fn sign_with(by: &Holder, header: &Value, payload: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(payload));
    let key = EncodingKey::from_ec_der(&by.key.serialize_der());
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, Algorithm::ES256).unwrap();
    format!("{signed}.{signature}")
}

fn header() -> Value {
    json!({"alg": "ES256", "typ": "JWT", "x5u": "https://authority.example.org/signer.pem"})
}

fn payload(certificates: &[Value]) -> Value {
    json!({"version": 1, "sequence": 7, "exp": NOW + 3600, "trustList": certificates})
}

fn verify(list: &str, authority: &ListAuthority) -> Result<TrustList, TrustListFault> {
    TrustList::verify(list.as_bytes(), authority, None, NOW)
}

fn fault(list: &str, authority: &ListAuthority) -> TrustListFault {
    verify(list, authority).map(drop).unwrap_err()
}

#[test]
fn c_02_a_signed_list_becomes_the_anchors_that_calls_are_verified_by() {
    let world = World::new();
    let administrator = Administrator::new();
    let der = json!(STANDARD.encode(&world.root.der));
    for certificate in [json!(world.root.pem), der] {
        let list = administrator.sign(&header(), &payload(&[certificate]));
        let list = verify(&format!("{list}\n"), &administrator.pinned()).unwrap();
        assert_eq!((list.sequence(), list.expires()), (Some(7), Some(NOW + 3600)));
        assert!(list.signer().contains("list signer") && list.skipped().is_empty());
        let mut config = world.config();
        config.anchors = list.anchors().clone();
        let report = world.judged(config);
        assert_eq!(report.standing, Standing::Verified);
    }
}

#[test]
fn c_02_the_signer_is_pinned_or_has_a_path_to_the_configured_authority() {
    let world = World::new();
    let administrator = Administrator::new();
    let body = payload(&[json!(world.root.pem)]);
    let list = administrator.sign(&header(), &body);
    let x5u = TrustList::signer_url(list.as_bytes());
    assert_eq!(x5u.as_deref(), Some("https://authority.example.org/signer.pem"));
    let with = |signer: &Holder| {
        let signer = Some(signer.pem.as_bytes());
        TrustList::verify(list.as_bytes(), &administrator.above(), signer, NOW).map(drop)
    };
    assert_eq!(with(&administrator.signer), Ok(()));
    assert_eq!(with(&world.signer), Err(TrustListFault::Signature));
    // Without the certificate at hand the authority alone cannot tell.
    assert_eq!(fault(&list, &administrator.above()), TrustListFault::Signature);
    let inside = json!({"alg": "ES256", "x5c": [STANDARD.encode(&administrator.signer.der)]});
    assert!(verify(&administrator.sign(&inside, &body), &administrator.above()).is_ok());
}

#[test]
fn c_02_a_list_by_anybody_else_is_refused() {
    let world = World::new();
    let administrator = Administrator::new();
    let body = payload(&[json!(world.root.pem)]);
    let stranger = Administrator::new();
    let list = stranger.sign(&header(), &body);
    for authority in [administrator.pinned(), administrator.above()] {
        assert_eq!(fault(&list, &authority), TrustListFault::Signature);
        // With a certificate of the same name by the stranger's own authority.
        let own = json!({"alg": "ES256", "x5c": [STANDARD.encode(&stranger.signer.der)]});
        assert_eq!(
            fault(&stranger.sign(&own, &body), &authority),
            TrustListFault::Signature
        );
    }
    // A provider that may sign calls may not sign lists of authorities.
    let by_provider = sign_with(&world.signer, &header(), &body);
    assert_eq!(
        fault(&by_provider, &administrator.above()),
        TrustListFault::Signature
    );
    // Nor when the authority over the list is the one over the provider.
    let same = ListAuthority::from_pem(world.root.pem.as_bytes()).unwrap();
    let chain = [&world.signer.der, &world.intermediate.der].map(|der| STANDARD.encode(der));
    let by_provider = sign_with(&world.signer, &json!({"alg": "ES256", "x5c": chain}), &body);
    assert_eq!(fault(&by_provider, &same), TrustListFault::Signature);
    // Every octet is signed.
    let list = administrator.sign(&header(), &body);
    let middle = list.find('.').unwrap() + 20;
    let other = if &list[middle..=middle] == "A" { "B" } else { "A" };
    let altered = format!("{}{other}{}", &list[..middle], &list[middle + 1..]);
    assert_eq!(
        fault(&altered, &administrator.pinned()),
        TrustListFault::Signature
    );
}

#[test]
fn c_02_a_list_signer_outside_its_own_dates_signs_nothing() {
    let world = World::new();
    let administrator = Administrator::new();
    let body = json!({"sequence": 7, "trustList": [world.root.pem]});
    let list = administrator.sign(&header(), &body);
    let at = |second| TrustList::verify(list.as_bytes(), &administrator.pinned(), None, second).map(drop);
    assert_eq!(at(NOW + 86_400), Ok(()));
    assert_eq!(at(NOW + 86_401), Err(TrustListFault::Signature));
    assert_eq!(at(NOW - 86_401), Err(TrustListFault::Signature));
}

#[test]
fn c_02_what_is_no_list_is_named() {
    let world = World::new();
    let administrator = Administrator::new();
    let pinned = administrator.pinned();
    let good = payload(&[json!(world.root.pem)]);
    for form in ["", "a", "a.b", &world.root.pem, "..", "a.b.c.d"] {
        assert!(
            matches!(
                fault(form, &pinned),
                TrustListFault::Form | TrustListFault::Header
            ),
            "{form}"
        );
    }
    for header in [
        json!({"alg": "none"}),
        json!({"alg": "RS256"}),
        json!({"typ": "JWT"}),
        json!({"alg": "ES256", "crit": ["x"]}),
        json!([]),
    ] {
        assert_eq!(
            fault(&administrator.sign(&header, &good), &pinned),
            TrustListFault::Header
        );
    }
    for payload in [
        json!({}),
        json!({"trustList": "x"}),
        json!({"trustList": [1]}),
        json!({"trustList": [], "sequence": -1}),
        json!({"trustList": [], "exp": "soon"}),
        json!([]),
    ] {
        assert_eq!(
            fault(&administrator.sign(&header(), &payload), &pinned),
            TrustListFault::Payload,
            "{payload}"
        );
    }
    let empty = administrator.sign(&header(), &payload(&[]));
    assert_eq!(fault(&empty, &pinned), TrustListFault::Empty);
    let many = administrator.sign(&header(), &payload(&vec![json!("x"); 257]));
    assert_eq!(fault(&many, &pinned), TrustListFault::TooMany);
    assert_eq!(
        fault(&"x".repeat(1024 * 1024 + 1), &pinned),
        TrustListFault::TooLarge
    );
    let text = json!({"sequence": "8", "exp": (NOW + 1).to_string(), "trustList": [world.root.pem]});
    let list = verify(&administrator.sign(&header(), &text), &pinned).unwrap();
    assert_eq!((list.sequence(), list.expires()), (Some(8), Some(NOW + 1)));
}

#[test]
fn c_02_a_list_lasts_to_the_second_of_its_exp() {
    let world = World::new();
    let administrator = Administrator::new();
    let list = |exp: i64| {
        let body = json!({"exp": exp, "trustList": [world.root.pem]});
        verify(&administrator.sign(&header(), &body), &administrator.pinned()).map(drop)
    };
    assert_eq!(list(NOW), Ok(()));
    assert_eq!(list(NOW - 1), Err(TrustListFault::Expired));
}

#[test]
fn c_02_an_older_list_does_not_replace_a_newer_one() {
    let world = World::new();
    let administrator = Administrator::new();
    let list = |sequence: Value| {
        let body = json!({"sequence": sequence, "trustList": [world.root.pem]});
        verify(&administrator.sign(&header(), &body), &administrator.pinned()).unwrap()
    };
    for (new, old, is_taken) in [
        (json!(8), json!(7), true),
        (json!(7), json!(7), true),
        (json!(6), json!(7), false),
        (json!(null), json!(7), false),
        (json!(1), json!(null), true),
        (json!(null), json!(null), true),
    ] {
        let taken = list(new.clone()).supersede(&list(old.clone()));
        assert_eq!(taken.is_ok(), is_taken, "{new} over {old}");
    }
}

#[test]
fn c_02_one_unusable_certificate_in_a_list_takes_no_other_away() {
    let world = World::new();
    let administrator = Administrator::new();
    let certificates = [json!("!!"), json!(world.root.pem), json!(world.signer.pem)];
    let list = verify(
        &administrator.sign(&header(), &payload(&certificates)),
        &administrator.pinned(),
    )
    .unwrap();
    assert_eq!(list.anchors().len(), 1);
    let malformed = AnchorsFault::Certificate {
        place: 1,
        fault: CertificateFault::Malformed,
    };
    assert_eq!(
        list.skipped(),
        [(1, malformed), (3, AnchorsFault::NotAnAuthority { place: 3 })]
    );
}

#[test]
fn c_02_while_a_part_of_the_trust_list_is_missing_a_chain_without_a_path_is_unchecked() {
    let world = World::new();
    let stranger = World::new();
    let mut anchors = Anchors::new();
    anchors.add_pem(stranger.root.pem.as_bytes()).unwrap();
    for (is_incomplete, expected) in [(true, Standing::Unchecked), (false, Standing::Failed)] {
        anchors.set_incomplete(is_incomplete);
        let mut config = world.config();
        config.anchors = anchors.clone();
        let mut verifier = Verifier::new(config);
        let identity = world.token().signed();
        let report = judge(&mut verifier, &message(&identity), &world.chain(), NOW);
        assert_eq!(report.standing, expected, "{report:?}");
        // What is wrong in itself is wrong whatever the list says.
        let mut usage = signer_params(Some(spc("1234")));
        usage.key_usages = vec![rcgen::KeyUsagePurpose::KeyAgreement];
        let wrong = World::with_signer(usage);
        let identity = wrong.token().signed();
        let report = judge(&mut verifier, &message(&identity), &wrong.chain(), NOW);
        assert_eq!(
            report.headers[0].outcome,
            Outcome::UntrustedCredential,
            "{report:?}"
        );
    }
}

#[test]
fn c_02_anchors_can_be_looked_at() {
    let world = World::new();
    let own = Holder::root(authority_params("Own authority"));
    let mut anchors = Anchors::new();
    anchors.add_pem(world.root.pem.as_bytes()).unwrap();
    anchors.add_private_pem(own.pem.as_bytes()).unwrap();
    let seen = anchors.describe();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].subject, "CN=Test STI root");
    assert_eq!(
        (seen[0].not_before, seen[0].not_after),
        (NOW - 86_400, NOW + 86_400)
    );
    assert_eq!((seen[0].is_private, seen[1].is_private), (false, true));
    assert_eq!(seen[0].fingerprint.len(), 64);
}
