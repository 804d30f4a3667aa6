//! No altered token ever verifies.

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
