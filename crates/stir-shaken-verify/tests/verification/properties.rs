//! No altered token, certificate, list or message ever verifies.

use proptest::prelude::*;
use stir_shaken_verify::*;

use crate::authority::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any single octet of header, payload or signature changed to any other.
    #[test]
    fn a_token_with_one_octet_changed_never_verifies(place in 0usize..10_000, replacement in 0u8..=127) {
        let shared = shared();
        let token_length = shared.identity.find(';').unwrap();
        let place = place % token_length;
        prop_assume!(shared.identity.as_bytes()[place] != replacement);
        let mut octets = shared.identity.clone().into_bytes();
        octets[place] = replacement;
        let altered = String::from_utf8(octets).unwrap();
        let report = judge(&mut shared.world.verifier(), &message(&altered), &shared.world.chain(), NOW);
        prop_assert_ne!(report.standing, Standing::Verified, "{}", altered);
        prop_assert_eq!(report.attestation, None);
    }

    /// Any single octet of the parameters changed: never another meaning. What still verifies
    /// names the same certificate.
    #[test]
    fn altered_parameters_never_lead_to_another_certificate(place in 0usize..10_000, replacement in 0u8..=127) {
        let shared = shared();
        let start = shared.identity.find(';').unwrap();
        let place = start + place % (shared.identity.len() - start);
        let mut octets = shared.identity.clone().into_bytes();
        octets[place] = replacement;
        let altered = String::from_utf8(octets).unwrap();
        let verification = shared.world.verifier().begin(&message(&altered), at(NOW));
        prop_assert!(verification.named().iter().all(|url| *url == URL));
    }

    /// Parts left out, doubled or moved.
    #[test]
    fn a_token_cut_or_stretched_never_verifies(cut in 0usize..10_000, length in 1usize..40, again in any::<bool>()) {
        let shared = shared();
        let end = shared.identity.find(';').unwrap();
        let cut = cut % end;
        let to = (cut + length).min(end);
        let piece = if again { shared.identity[cut..to].repeat(2) } else { String::new() };
        let altered = format!("{}{}{}", &shared.identity[..cut], piece, &shared.identity[to..]);
        let report = judge(&mut shared.world.verifier(), &message(&altered), &shared.world.chain(), NOW);
        prop_assert_ne!(report.standing, Standing::Verified);
    }
}

/// Every octet of header, payload and signature with each of its bits turned over: none verifies. Bits that leave ASCII
/// make no text and therefore no header.
#[test]
fn a_token_with_any_one_bit_turned_never_verifies() {
    let shared = shared();
    let end = shared.identity.find(';').unwrap();
    let mut verifier = shared.world.verifier();
    for (place, bit) in (0..end).flat_map(|place| (0..7).map(move |bit| (place, bit))) {
        let mut octets = shared.identity.clone().into_bytes();
        octets[place] ^= 1 << bit;
        let altered = String::from_utf8(octets).unwrap();
        let report = judge(&mut verifier, &message(&altered), &shared.world.chain(), NOW);
        assert_ne!(report.standing, Standing::Verified, "{altered}");
        assert_eq!((report.attestation, report.hops.len()), (None, 0));
    }
}

/// The same for every octet of leaf and intermediate, three bits of each, before they are written as PEM.
#[test]
fn a_certificate_with_any_one_bit_turned_never_verifies() {
    let shared = shared();
    let ders = [&shared.world.signer.der, &shared.world.intermediate.der];
    let verification = message(&shared.identity);
    let mut verifier = shared.world.verifier();
    for (bent, der) in ders.iter().enumerate() {
        for (place, bit) in (0..der.len()).flat_map(|place| [0, 3, 7].map(move |bit| (place, bit))) {
            let mut chain = String::new();
            for (one, der) in ders.iter().enumerate() {
                let mut der = der.to_vec();
                if one == bent {
                    der[place] ^= 1 << bit;
                }
                chain += &pem(&der);
            }
            let report = judge(&mut verifier, &verification, &chain, NOW);
            assert_ne!(
                report.standing,
                Standing::Verified,
                "certificate {bent}, octet {place}, bit {bit}"
            );
            assert_eq!(report.attestation, None);
        }
    }
}

/// A change in the text of the PEM file that still verifies is one around the base64: the certificate is the same.
#[test]
fn a_pem_file_with_any_one_octet_changed_verifies_only_as_the_same_certificate() {
    let shared = shared();
    let chain = shared.world.chain();
    let mut verifier = shared.world.verifier();
    let good = judge(&mut verifier, &message(&shared.identity), &chain, NOW).signer;
    for place in 0..chain.len() {
        let mut octets = chain.clone().into_bytes();
        octets[place] ^= 1;
        let altered = String::from_utf8(octets).unwrap();
        let report = judge(&mut verifier, &message(&shared.identity), &altered, NOW);
        if report.standing == Standing::Verified {
            assert_eq!(report.signer, good, "octet {place}");
        }
    }
}

/// Three bits of every octet of a list that revokes the signer: what is left of it revokes, or cannot be used. It never clears.
#[test]
fn a_revocation_list_with_any_one_bit_turned_never_clears_who_is_revoked() {
    let shared = shared();
    let world = &shared.world;
    let revoked = [Revoked {
        serial: &[0x42, 0x01],
        issuer: Some(name_of(&world.intermediate.der)),
    }];
    let list = crl(&world.root, true, &revoked, NOW - 60, NOW + 60);
    let standing = |list: &[u8]| {
        let mut config = world.config();
        // A file that cannot be read is a fault at start, not a list.
        config.crls.add(list).ok()?;
        let mut verifier = Verifier::new(config);
        Some(judge(&mut verifier, &message(&shared.identity), &world.chain(), NOW).standing)
    };
    assert_eq!(standing(&list), Some(Standing::Failed));
    for (place, bit) in (0..list.len()).flat_map(|place| [0, 3, 7].map(move |bit| (place, bit))) {
        let mut altered = list.clone();
        altered[place] ^= 1 << bit;
        let standing = standing(&altered);
        assert_ne!(standing, Some(Standing::Verified), "octet {place}, bit {bit}");
    }
}

/// Every octet of the URIs that a signature speaks about, replaced by each other printable one: what still verifies shows
/// the same digits.
#[test]
fn a_message_with_any_one_octet_of_a_number_changed_never_verifies() {
    let shared = shared();
    let chain = shared.world.chain();
    let mut verifier = shared.world.verifier();
    let good = message(&shared.identity);
    let uris = [
        good.from.to_string(),
        good.to.to_string(),
        good.request_uri.to_string(),
    ];
    for (one, uri) in uris.iter().enumerate() {
        let end = uri.find('@').unwrap();
        for (place, replacement) in (0..end).flat_map(|place| (0x20..0x7f).map(move |other| (place, other))) {
            if uri.as_bytes()[place] == replacement {
                continue;
            }
            let mut octets = uri.clone().into_bytes();
            octets[place] = replacement;
            let altered = String::from_utf8(octets).unwrap();
            let mut changed = good.clone();
            match one {
                0 => changed.from = altered.as_str().into(),
                1 => changed.to = altered.as_str().into(),
                _ => changed.request_uri = altered.as_str().into(),
            }
            let report = judge(&mut verifier, &changed, &chain, NOW);
            if report.standing == Standing::Verified {
                assert_eq!(digits(&altered), digits(uri), "{altered}");
            }
        }
    }
}

/// Digits of the user part, up to its parameters.
fn digits(uri: &str) -> String {
    let user = uri.split(['@', ';']).next().unwrap_or_default();
    user.chars().filter(char::is_ascii_digit).collect()
}

fn pem(der: &[u8]) -> String {
    use base64::Engine as _;
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        base64::engine::general_purpose::STANDARD.encode(der)
    )
}

struct Shared {
    world: World,
    identity: String,
}

fn shared() -> &'static Shared {
    static SHARED: std::sync::OnceLock<Shared> = std::sync::OnceLock::new();
    SHARED.get_or_init(|| {
        let world = World::new();
        let identity = world.token().signed();
        let report = judge(&mut world.verifier(), &message(&identity), &world.chain(), NOW);
        assert_eq!(report.standing, Standing::Verified);
        Shared { world, identity }
    })
}
