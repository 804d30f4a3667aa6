//! Diversions in any number and order, against an oracle that tries everything (D-02 to D-05).

use proptest::prelude::*;
use stir_shaken_verify::*;

use crate::authority::*;
use crate::carriers::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// D-02 for any length and any order.
    #[test]
    fn any_order_of_a_complete_chain_is_verified(hops in 0usize..=8, seed in any::<u64>()) {
        let shared = shared();
        let mut identity = shared.chain[..=hops].to_vec();
        shuffle(&mut identity, seed);
        let report = shared.carriers.judge(&diverted(&identity, hops), NOW);
        prop_assert_eq!(report.standing, Standing::Verified);
        prop_assert_eq!(report.hops.len(), hops);
        prop_assert_eq!(report.is_diverted, hops > 0);
    }

    /// D-04: a link removed, doubled or altered, wherever it stands and in whatever order.
    #[test]
    fn a_chain_with_one_link_removed_doubled_or_altered_is_never_verified(
        hops in 1usize..=7, place in 0usize..8, how in 0u8..4, at in 0usize..10_000, seed in any::<u64>()
    ) {
        let shared = shared();
        let mut identity = shared.chain[..=hops].to_vec();
        let place = 1 + place % hops;
        match how {
            0 => { identity.remove(place); }
            1 => identity.push(identity[place].clone()),
            2 => identity.push(shared.carriers.div(place - 1)),
            _ => {
                let token = identity[place].find(';').unwrap();
                let mut octets = identity[place].clone().into_bytes();
                let octet = &mut octets[at % token];
                *octet = if *octet == b'A' { b'B' } else { b'A' };
                identity[place] = String::from_utf8(octets).unwrap();
            }
        }
        shuffle(&mut identity, seed);
        let report = shared.carriers.judge(&diverted(&identity, hops), NOW);
        prop_assert_ne!(report.standing, Standing::Verified, "{:#?}", report);
        prop_assert_eq!(report.attestation, None);
        prop_assert!(report.hops.is_empty() && !report.is_diverted);
    }
}

/// What a call with these bases (by whom they are addressed to) and links must come to, found by trying every order.
fn is_provable(bases: &[usize], links: &[(usize, usize)], dialled: usize) -> bool {
    let [base] = bases else { return false };
    if links.is_empty() {
        return *base == dialled;
    }
    permutations(links.len()).iter().any(|order| {
        let mut seen = vec![*base];
        order.iter().all(|place| {
            let (from, to) = links[*place];
            let is_next = seen.last() == Some(&from) && !seen.contains(&to);
            seen.push(to);
            is_next
        }) && seen.last() == Some(&dialled)
    })
}

/// Numbers in a soup of tokens.
const PLACES: usize = 4;

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// D-02 to D-04: any handful of good tokens, against every order tried by hand.
    #[test]
    fn a_soup_of_good_tokens_is_verified_exactly_when_it_is_one_chain(
        bases in prop::collection::vec(prop_oneof![8 => Just(0), 1 => 0..PLACES], 1..=2),
        links in prop::collection::vec((0..PLACES, 0..PLACES), 1..=4),
        dialled in 0..PLACES,
        seed in any::<u64>(),
        // Half of the time a single base, so that enough of them can be right.
        is_single in any::<bool>(),
    ) {
        let shared = shared();
        let bases = if is_single { &bases[..1] } else { &bases[..] };
        let tokens = bases.iter().map(|to| shared.bases[*to].clone());
        let links_as_tokens = links.iter().map(|(from, to)| shared.links[*from][*to].clone());
        let mut identity: Vec<String> = tokens.chain(links_as_tokens).collect();
        shuffle(&mut identity, seed);
        // To names the first number; a base for another one is told by that.
        let message = MessageView {
            to: format!("sip:+{}@example.com", number(bases[0])).into(),
            ..diverted(&identity, dialled)
        };
        let report = shared.carriers.judge(&message, NOW);
        let expected = is_provable(bases, &links, dialled);
        prop_assert_eq!(report.standing == Standing::Verified, expected, "{:?} {:?} {}", bases, links, dialled);
        prop_assert_eq!(report.attestation.is_some(), expected);
        prop_assert_eq!(report.hops.len(), if expected { links.len() } else { 0 });
    }

    /// The same, from soups that are one chain more often than not.
    #[test]
    fn a_walk_is_verified_exactly_when_it_never_comes_back(
        walk in prop::collection::vec(0..PLACES, 2..=5), seed in any::<u64>()
    ) {
        let shared = shared();
        let links: Vec<(usize, usize)> = walk.windows(2).map(|pair| (pair[0], pair[1])).collect();
        let dialled = *walk.last().unwrap_or(&0);
        let mut identity: Vec<String> = vec![shared.bases[walk[0]].clone()];
        identity.extend(links.iter().map(|(from, to)| shared.links[*from][*to].clone()));
        shuffle(&mut identity, seed);
        let message = MessageView {
            to: format!("sip:+{}@example.com", number(walk[0])).into(),
            ..diverted(&identity, dialled)
        };
        let report = shared.carriers.judge(&message, NOW);
        let is_simple = (1..walk.len()).all(|at| !walk[..at].contains(&walk[at]));
        prop_assert_eq!(report.standing == Standing::Verified, is_simple, "{:?}", walk);
        prop_assert_eq!(is_provable(&walk[..1], &links, dialled), is_simple);
    }
}

struct Shared {
    carriers: Carriers,
    /// Base and eight diversions.
    chain: Vec<String>,
    /// A base for each of the first numbers.
    bases: Vec<String>,
    /// A diversion from each to each of them.
    links: Vec<Vec<String>>,
}

fn shared() -> &'static Shared {
    static SHARED: std::sync::OnceLock<Shared> = std::sync::OnceLock::new();
    SHARED.get_or_init(|| {
        let carriers = Carriers::new();
        let chain = carriers.chain(8);
        let base = |to: usize| carriers.world.token().with(CALLED, &number(to)).signed();
        let link = |from: usize, to: usize| {
            carriers
                .first
                .token("div", &number(from), &number(to), "")
                .signed()
        };
        let links = (0..PLACES).map(|from| (0..PLACES).map(|to| link(from, to)).collect());
        Shared {
            chain,
            bases: (0..PLACES).map(base).collect(),
            links: links.collect(),
            carriers,
        }
    })
}
