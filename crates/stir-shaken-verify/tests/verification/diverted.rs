//! Diverted calls (RFC 8946), row by row of the checklist: D-01 to D-08, and I-12.

use proptest::prelude::*;
use stir_shaken_verify::*;

use crate::authority::*;

/// A carrier that diverts calls: its own certificate, at its own URL.
pub struct Diverter {
    pub holder: Holder,
    pub url: &'static str,
}

/// A caller's carrier, and carriers that divert.
pub struct Carriers {
    pub world: World,
    pub first: Diverter,
    pub second: Diverter,
}

impl Carriers {
    pub fn new() -> Carriers {
        let world = World::new();
        let diverter = |code: &str, url| Diverter {
            holder: world.intermediate.issue(signer_params(Some(spc(code)))),
            url,
        };
        let first = diverter("5678", "https://first.example.org/sp.pem");
        let second = diverter("9012", "https://second.example.org/sp.pem");
        Carriers { world, first, second }
    }

    pub fn base(&self) -> String {
        self.world.token().signed()
    }

    /// Diverter number `hop` (from 0) sends the call from its number on to the next one.
    pub fn div(&self, hop: usize) -> String {
        self.diversion(hop).signed()
    }

    pub fn diversion(&self, hop: usize) -> Token {
        self.by(hop).token("div", &number(hop), &number(hop + 1), "")
    }

    fn by(&self, hop: usize) -> &Diverter {
        if hop.is_multiple_of(2) {
            &self.first
        } else {
            &self.second
        }
    }

    /// A call that was diverted so often, headers in order.
    pub fn chain(&self, hops: usize) -> Vec<String> {
        let links = (0..hops).map(|hop| self.div(hop));
        std::iter::once(self.base()).chain(links).collect()
    }

    pub fn judge(&self, message: &MessageView<'_>, arrived: i64) -> Report {
        self.judge_with(self.world.config(), message, arrived)
    }

    pub fn judge_with(&self, config: VerifierConfig, message: &MessageView<'_>, arrived: i64) -> Report {
        let mut verifier = Verifier::new(config);
        let mut verification = verifier.begin(message, at(arrived));
        let wanted: Vec<String> = verification.wanted().into_iter().map(str::to_string).collect();
        for url in wanted {
            if let Some(chain) = self.certificate(&url) {
                verification.supply(&url, Ok(chain.into_bytes().into()));
            }
        }
        assert!(verification.is_complete());
        verifier.conclude(verification)
    }

    pub fn certificate(&self, url: &str) -> Option<String> {
        let leaf = match url {
            URL => &self.world.signer,
            _ if url == self.first.url => &self.first.holder,
            _ if url == self.second.url => &self.second.holder,
            _ => return None,
        };
        Some(format!("{}{}", leaf.pem, self.world.intermediate.pem))
    }
}

impl Diverter {
    /// `more` are further claims after `orig`, with their comma; they must keep the payload JSON.
    pub fn token(&self, ppt: &str, from: &str, to: &str, more: &str) -> Token {
        let mut token = Token::new(&self.holder.key)
            .with_header("\"shaken\"", &format!("\"{ppt}\""))
            .with_header(URL, self.url)
            .with_parameters("\"shaken\"", &format!("\"{ppt}\""))
            .with_parameters(URL, self.url);
        token.payload = format!(
            r#"{{"dest":{{"tn":["{to}"]}},"div":{{"tn":"{from}"}},"iat":{NOW}{more},"orig":{{"tn":"{CALLER}"}}}}"#
        );
        token
    }
}

/// The number the call has after so many diversions.
pub fn number(hop: usize) -> String {
    format!("1212555{:04}", 100 + hop)
}

/// The ordinary message after so many diversions: To as the caller dialled, the Request-URI as it came to us.
pub fn diverted(identity: &[String], hops: usize) -> MessageView<'_> {
    MessageView {
        identity: identity.iter().map(|value| value.as_str().into()).collect(),
        request_uri: format!("sip:+{}@10.0.0.1", number(hops)).into(),
        ..message("")
    }
}

fn outcomes(report: &Report) -> Vec<(Outcome, Option<u16>)> {
    let headers = report.headers.iter();
    headers.map(|header| (header.outcome, header.code)).collect()
}

const PASSED: (Outcome, Option<u16>) = (Outcome::Passed, None);
/// The base of a call whose way nothing proves.
const ELSEWHERE: (Outcome, Option<u16>) = (Outcome::DestMismatch, None);

fn result(header: &HeaderReport, check: &str) -> CheckResult {
    header
        .checks
        .iter()
        .find(|known| known.name == check)
        .expect("every check of its kind is listed")
        .result
}

#[track_caller]
fn expect_unverified(report: &Report, base: usize, words: &str) {
    assert_eq!(report.standing, Standing::DivertedUnverified, "{report:#?}");
    assert_eq!((report.attestation, report.is_diverted), (None, false));
    assert!(report.hops.is_empty());
    assert_eq!(report.verstat, "No-TN-Validation");
    assert!(
        report.headers[base].reason.contains(words),
        "{:#?}",
        report.headers[base]
    );
}

#[test]
fn d_01_each_diversion_has_its_own_certificate_signer_and_checks() {
    let carriers = Carriers::new();
    let identity = carriers.chain(2);
    let report = carriers.judge(&diverted(&identity, 2), NOW + 3);
    assert_eq!(report.standing, Standing::Verified, "{report:#?}");
    assert_eq!(report.attestation, Some(Attestation::Full));
    assert_eq!((report.is_diverted, report.iat_age_seconds), (true, Some(3)));
    assert_eq!(outcomes(&report), [PASSED; 3]);
    assert_eq!(report.signer.as_ref().unwrap().spc.as_deref(), Some("1234"));
    let hops = report.hops.iter();
    let hops: Vec<_> = hops
        .map(|hop| {
            (
                hop.number_index,
                hop.signer.as_ref().unwrap().spc.as_deref().unwrap(),
            )
        })
        .collect();
    assert_eq!(hops, [(0, "5678"), (1, "9012")]);
    assert_eq!(result(&report.headers[0], "diversion"), CheckResult::Passed);
    assert_eq!(report.headers[1].ppt.as_deref(), Some("div"));
    assert!(
        report.headers[1]
            .checks
            .iter()
            .all(|check| check.name != "attest")
    );
}

/// The first diversion of two, altered before it is signed.
fn check_altered(change: impl FnOnce(Token, &Carriers) -> Token, expected: (Outcome, Option<u16>)) {
    let carriers = Carriers::new();
    let altered = change(carriers.diversion(0), &carriers).signed();
    let identity = [carriers.base(), altered, carriers.div(1)];
    let report = carriers.judge(&diverted(&identity, 2), NOW);
    assert_eq!(outcomes(&report), [ELSEWHERE, expected, PASSED], "{report:#?}");
    expect_unverified(&report, 0, "a link of the chain is missing");
    assert!(!report.is_forged());
}

#[test]
fn d_01_a_diversion_that_fails_has_its_own_code_and_breaks_the_chain() {
    check_altered(|token, _| token.with_iat(NOW - 301), (Outcome::Stale, Some(403)));
    check_altered(|token, _| token.with_iat(NOW + 61), (Outcome::Stale, Some(403)));
    check_altered(
        |token, carriers| token.with_parameters(carriers.first.url, URL),
        (Outcome::BadInfo, Some(436)),
    );
    // The base's certificate, and with it another key.
    check_altered(
        |token, carriers| {
            let url = carriers.first.url;
            token.with_header(url, URL).with_parameters(url, URL)
        },
        (Outcome::Invalid, Some(438)),
    );
    check_altered(
        |token, _| token.with(CALLER, "14045550124"),
        (Outcome::OrigMismatch, Some(438)),
    );
    check_altered(
        |token, _| token.with("\"div\":{\"tn\"", "\"div\":{\"x\""),
        (Outcome::Invalid, Some(438)),
    );
    check_altered(
        |token, _| token.with(&format!("\"div\":{{\"tn\":\"{}\"}},", number(0)), ""),
        (Outcome::Invalid, Some(438)),
    );
    check_altered(
        |token, _| token.with_header("\"div\"", "\"shaken\""),
        (Outcome::Invalid, Some(438)),
    );
    check_altered(
        |token, _| token.with_parameters("alg=ES256", "alg=RS256"),
        (Outcome::Unsupported, Some(437)),
    );
}

#[test]
fn d_01_a_diversion_is_signed_with_authority_over_the_number_that_diverts() {
    for (numbers, expected) in [
        (one_number(&number(0)), PASSED),
        (number_range(&number(0), 2), PASSED),
        (number_range(&number(1), 9), (Outcome::NoAuthority, Some(437))),
        (one_number(CALLER), (Outcome::NoAuthority, Some(437))),
    ] {
        let mut carriers = Carriers::new();
        carriers.first.holder = carriers.world.intermediate.issue(signer_params(Some(numbers)));
        let identity = carriers.chain(1);
        let report = carriers.judge(&diverted(&identity, 1), NOW);
        assert_eq!(outcomes(&report)[1], expected, "{report:#?}");
        assert_eq!(report.standing == Standing::Verified, expected == PASSED);
    }
}

#[test]
fn d_01_a_diversion_nobody_trusts_is_worth_nothing() {
    let mut carriers = Carriers::new();
    carriers.first.holder = World::new().signer;
    let identity = carriers.chain(1);
    let report = carriers.judge(&diverted(&identity, 1), NOW);
    assert_eq!(
        outcomes(&report),
        [ELSEWHERE, (Outcome::UntrustedCredential, Some(437))]
    );
    expect_unverified(&report, 0, "another number than the one dialled");
}

#[test]
fn d_02_the_order_of_the_headers_says_nothing() {
    let carriers = Carriers::new();
    let chain = carriers.chain(3);
    for order in permutations(4) {
        let identity: Vec<String> = order.iter().map(|place| chain[*place].clone()).collect();
        let report = carriers.judge(&diverted(&identity, 3), NOW);
        assert_eq!(report.standing, Standing::Verified, "{order:?}: {report:#?}");
        let signers = report
            .hops
            .iter()
            .map(|hop| hop.signer.as_ref().unwrap().spc.as_deref().unwrap());
        assert_eq!(signers.collect::<Vec<_>>(), ["5678", "9012", "5678"], "{order:?}");
        // Joined in one line as well.
        let joined = [identity.join(", ")];
        assert_eq!(carriers.judge(&diverted(&joined, 3), NOW).hops, report.hops);
    }
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for place in 0..count {
        all = all
            .into_iter()
            .flat_map(|order: Vec<usize>| {
                (0..=order.len()).map(move |at| {
                    let mut order = order.clone();
                    order.insert(at, place);
                    order
                })
            })
            .collect();
    }
    all
}

#[test]
fn d_02_each_link_must_have_been_called_by_the_one_before_and_the_last_must_be_the_dialled_number() {
    let carriers = Carriers::new();
    let identity = carriers.chain(2);
    for hops in [0, 1, 3] {
        let report = carriers.judge(&diverted(&identity, hops), NOW);
        expect_unverified(&report, 0, "ends at another number");
    }
    let second = carriers.diversion(1).with(&number(1), &number(7)).signed();
    let identity = [carriers.base(), carriers.div(0), second];
    expect_unverified(
        &carriers.judge(&diverted(&identity, 2), NOW),
        0,
        "link of the chain is missing",
    );
}

#[test]
fn d_02_a_diversion_of_another_caller_explains_nothing() {
    // Two asserted numbers: both tokens match one of them, and they are not the same.
    let carriers = Carriers::new();
    let identity = [
        carriers.base(),
        carriers.diversion(0).with(CALLER, "14045550124").signed(),
    ];
    let message = MessageView {
        asserted: vec!["tel:+14045550123".into(), "tel:+14045550124".into()],
        ..diverted(&identity, 1)
    };
    expect_unverified(&carriers.judge(&message, NOW), 0, "another caller");
}

#[test]
fn d_02_several_destinations_are_followed_where_the_next_link_says() {
    let carriers = Carriers::new();
    let both = format!("\"{}\",\"12125550177\"", number(0));
    let base = carriers
        .world
        .token()
        .with(&format!("\"{}\"", number(0)), &both)
        .signed();
    let fork = format!("\"12125550188\",\"{}\"", number(1));
    let first = carriers
        .diversion(0)
        .with(&format!("\"{}\"", number(1)), &fork)
        .signed();
    let identity = [base, first, carriers.div(1)];
    let report = carriers.judge(&diverted(&identity, 2), NOW);
    assert_eq!(report.standing, Standing::Verified, "{report:#?}");
}

#[test]
fn d_03_a_base_for_another_number_passes_only_with_a_complete_chain() {
    let carriers = Carriers::new();
    let identity = carriers.chain(1);
    assert_eq!(
        carriers.judge(&diverted(&identity, 1), NOW).standing,
        Standing::Verified
    );
    let alone = carriers.judge(&diverted(&identity[..1], 1), NOW);
    expect_unverified(&alone, 0, "another number than the one dialled");
    // To may name anybody on the way, as some hosts write it anew.
    for (to, standing) in [
        (number(0), Standing::Verified),
        (number(1), Standing::Verified),
        (number(2), Standing::Failed),
    ] {
        let message = MessageView {
            to: format!("sip:+{to}@example.com").into(),
            ..diverted(&identity, 1)
        };
        let report = carriers.judge(&message, NOW);
        assert_eq!(report.standing, standing, "{report:#?}");
        assert_eq!(report.is_diverted, standing == Standing::Verified);
        if standing == Standing::Failed {
            assert_eq!(outcomes(&report)[0], (Outcome::DestMismatch, Some(438)));
        }
    }
}

#[test]
fn d_04_a_gap_is_not_verified() {
    let carriers = Carriers::new();
    let chain = carriers.chain(3);
    for missing in 1..=3 {
        let mut identity = chain.clone();
        identity.remove(missing);
        let report = carriers.judge(&diverted(&identity, 3), NOW);
        assert_eq!(report.standing, Standing::DivertedUnverified);
        expect_unverified(
            &report,
            0,
            if missing == 3 {
                "ends at another"
            } else {
                "missing"
            },
        );
        // Each link is good by itself all the same.
        assert_eq!(outcomes(&report)[1..], [PASSED; 2]);
    }
}

#[test]
fn d_04_a_loop_is_not_verified() {
    let carriers = Carriers::new();
    let back = carriers.second.token("div", &number(1), &number(0), "").signed();
    let to_itself = carriers.first.token("div", &number(0), &number(0), "").signed();
    for (identity, hops) in [
        (vec![carriers.base(), carriers.div(0), back.clone()], 0),
        (vec![carriers.base(), carriers.div(0), back.clone()], 1),
        (vec![carriers.base(), to_itself], 0),
    ] {
        expect_unverified(&carriers.judge(&diverted(&identity, hops), NOW), 0, "circle");
    }
}

#[test]
fn d_04_a_fork_is_not_verified() {
    let carriers = Carriers::new();
    let other_way = carriers
        .first
        .token("div", &number(0), "12125550188", "")
        .signed();
    let identity = [carriers.base(), carriers.div(0), other_way];
    expect_unverified(&carriers.judge(&diverted(&identity, 1), NOW), 0, "contradict");
}

#[test]
fn d_04_the_same_diversion_twice_is_not_verified() {
    let carriers = Carriers::new();
    let div = carriers.div(0);
    let identity = [carriers.base(), div.clone(), div];
    expect_unverified(&carriers.judge(&diverted(&identity, 1), NOW), 0, "twice");
}

#[test]
fn d_04_two_bases_are_not_verified() {
    let carriers = Carriers::new();
    let other = carriers.world.token().with("\"A\"", "\"B\"").signed();
    let direct = carriers.world.token().with(&number(0), &number(1)).signed();
    for second in [carriers.base(), other, direct] {
        let identity = [carriers.base(), carriers.div(0), second];
        expect_unverified(&carriers.judge(&diverted(&identity, 1), NOW), 0, "two PASSporTs");
    }
}

#[test]
fn d_04_a_diversion_without_base_is_not_verified() {
    let carriers = Carriers::new();
    let identity = [carriers.div(0)];
    let report = carriers.judge(&diverted(&identity, 1), NOW);
    assert_eq!(
        (report.standing, outcomes(&report)),
        (Standing::DivertedUnverified, vec![PASSED])
    );
    assert_eq!(
        (report.attestation, report.is_diverted, report.hops.len()),
        (None, false, 0)
    );
    // And one that is wrong says nothing against the number of the caller.
    let identity = [Token::new(&rcgen::KeyPair::generate().unwrap())
        .signed()
        .replace("shaken", "div")];
    let report = carriers.judge(&diverted(&identity, 1), NOW);
    assert_eq!((report.standing, report.is_forged()), (Standing::Failed, false));
}

#[test]
fn d_04_a_good_diversion_that_leads_elsewhere_contradicts_a_base_that_is_addressed_to_us() {
    let carriers = Carriers::new();
    let identity = carriers.chain(1);
    expect_unverified(
        &carriers.judge(&diverted(&identity, 0), NOW),
        0,
        "ends at another number",
    );
}

#[test]
fn d_05_eight_diversions_are_followed_and_nine_are_not() {
    let carriers = Carriers::new();
    for hops in [1, 5, 8] {
        let identity = carriers.chain(hops);
        let report = carriers.judge(&diverted(&identity, hops), NOW);
        assert_eq!(
            (report.standing, report.hops.len()),
            (Standing::Verified, hops),
            "{report:#?}"
        );
    }
    let identity = carriers.chain(9);
    expect_unverified(&carriers.judge(&diverted(&identity, 9), NOW), 0, "too often");
}

#[test]
fn d_05_headers_beyond_the_bound_prove_nothing_by_being_out_of_sight() {
    let carriers = Carriers::new();
    let mut identity = carriers.chain(2);
    identity.extend(vec![
        "x.y.z;ppt=msg".to_string();
        limits::IDENTITY_HEADERS_MAX - 3
    ]);
    let report = carriers.judge(&diverted(&identity, 2), NOW);
    assert_eq!(report.standing, Standing::Verified);
    identity.push("x.y.z;ppt=msg".into());
    expect_unverified(
        &carriers.judge(&diverted(&identity, 2), NOW),
        0,
        "more Identity headers",
    );
}

/// The first diversion of `carriers`, with `inside` in it.
fn div_o(carriers: &Carriers, hop: usize, inside: &str) -> Token {
    let more = format!(r#","opt":"{}""#, inside.split(';').next().unwrap_or_default());
    carriers
        .by(hop)
        .token("div-o", &number(hop), &number(hop + 1), &more)
}

#[test]
fn d_06_a_nested_passport_is_verified_inside_and_needs_no_header() {
    let carriers = Carriers::new();
    let identity = [div_o(&carriers, 0, &carriers.base()).signed()];
    let report = carriers.judge(&diverted(&identity, 1), NOW);
    assert_eq!(report.standing, Standing::Verified, "{report:#?}");
    assert_eq!(report.attestation, Some(Attestation::Full));
    assert_eq!((report.headers.len(), report.hops.len()), (1, 1));
    assert_eq!(
        report.origid.as_deref(),
        Some("123e4567-e89b-12d3-a456-426655440000")
    );
    assert_eq!(result(&report.headers[0], "opt"), CheckResult::Passed);
    let nested = &report.headers[0].nested[0];
    assert_eq!(
        (nested.ppt.as_deref(), nested.outcome),
        (Some("shaken"), Outcome::Passed)
    );
    assert!(
        nested
            .checks
            .iter()
            .all(|check| check.name != "info" && check.name != "header")
    );
}

#[test]
fn d_06_what_is_inside_may_stand_beside_it_too() {
    let carriers = Carriers::new();
    let base = carriers.base();
    let identity = [base.clone(), div_o(&carriers, 0, &base).signed()];
    let report = carriers.judge(&diverted(&identity, 1), NOW);
    assert_eq!(
        (report.standing, report.hops.len()),
        (Standing::Verified, 1),
        "{report:#?}"
    );
}

#[test]
fn d_06_nesting_goes_on_and_mixes_with_headers() {
    let carriers = Carriers::new();
    let mut inside = carriers.base();
    for hops in 1..=4 {
        inside = div_o(&carriers, hops - 1, &inside).signed();
        let identity = [inside.clone()];
        let report = carriers.judge(&diverted(&identity, hops), NOW);
        assert_eq!(
            (report.standing, report.hops.len()),
            (Standing::Verified, hops),
            "{report:#?}"
        );
        assert_eq!(report.headers[0].nested.len(), hops);
        let identity = [carriers.div(hops), inside.clone()];
        let report = carriers.judge(&diverted(&identity, hops + 1), NOW);
        assert_eq!(
            (report.standing, report.hops.len()),
            (Standing::Verified, hops + 1)
        );
    }
}

#[test]
fn d_06_whatever_is_wrong_inside_is_wrong_outside() {
    let carriers = Carriers::new();
    let forged = Token::new(&rcgen::KeyPair::generate().unwrap()).signed();
    let stale = carriers.world.token().with_iat(NOW - 301).signed();
    let elsewhere = carriers.world.token().with(&number(0), "12125550199").signed();
    let other = carriers.world.token().with(CALLER, "14045550124").signed();
    let rich = carriers
        .world
        .token()
        .with_header("\"shaken\"", "\"rcd\"")
        .signed();
    for (inside, expected, code) in [
        (forged, Outcome::Invalid, 438),
        (stale, Outcome::Stale, 403),
        (elsewhere, Outcome::Invalid, 438),
        (other, Outcome::Invalid, 438),
        (rich, Outcome::Invalid, 438),
        ("..abc".to_string(), Outcome::Invalid, 438),
        (String::new(), Outcome::Invalid, 438),
    ] {
        let identity = [div_o(&carriers, 0, &inside).signed()];
        let report = carriers.judge(&diverted(&identity, 1), NOW);
        assert_ne!(report.standing, Standing::Verified, "{report:#?}");
        assert_eq!(outcomes(&report), [(expected, Some(code))], "{report:#?}");
        assert_eq!(result(&report.headers[0], "opt"), CheckResult::Failed);
    }
    let without = carriers.first.token("div-o", &number(0), &number(1), "").signed();
    let report = carriers.judge(&diverted(&[without], 1), NOW);
    assert_eq!(outcomes(&report), [(Outcome::Invalid, Some(438))]);
}

#[test]
fn d_06_a_forged_passport_inside_is_still_forged() {
    let carriers = Carriers::new();
    let forged = Token::new(&rcgen::KeyPair::generate().unwrap()).signed();
    let identity = [div_o(&carriers, 0, &forged).signed()];
    let report = carriers.judge(&diverted(&identity, 1), NOW);
    assert!(report.is_forged(), "{report:#?}");
    assert_eq!(report.verstat, "TN-Validation-Failed");
}

#[test]
fn d_06_the_index_of_history_info_is_shown() {
    let carriers = Carriers::new();
    for (hi, shown) in [("\"1.2.1\"", Some("1.2.1")), ("\"<x>\"", None), ("1", None)] {
        let from = format!("\"div\":{{\"tn\":\"{}\"", number(0));
        let first = carriers
            .diversion(0)
            .with(&from, &format!("{from},\"hi\":{hi}"))
            .signed();
        let identity = [carriers.base(), first];
        let report = carriers.judge(&diverted(&identity, 1), NOW);
        assert_eq!(report.hops[0].history_index.as_deref(), shown, "{report:#?}");
    }
}

#[test]
fn d_07_a_diverted_call_has_its_own_window_for_all_but_the_last_diversion() {
    let carriers = Carriers::new();
    for (base, first, last, is_verified) in [
        (60, 60, 60, true),
        (61, 61, 60, true),
        (300, 60, 0, true),
        (300, 300, 60, true),
        (301, 60, 60, false),
        (300, 301, 60, false),
        (300, 300, 61, false),
        (-60, -60, -60, true),
        (-61, 0, 0, false),
        (0, 0, -61, false),
    ] {
        let identity = [
            carriers.world.token().with_iat(NOW - base).signed(),
            carriers.diversion(0).with_iat(NOW - first).signed(),
            carriers.diversion(1).with_iat(NOW - last).signed(),
        ];
        let report = carriers.judge(&diverted(&identity, 2), NOW);
        let is_so = report.standing == Standing::Verified;
        assert_eq!(is_so, is_verified, "{base} {first} {last}: {report:#?}");
    }
}

#[test]
fn d_07_the_window_is_a_setting() {
    let carriers = Carriers::new();
    let identity = [
        carriers.world.token().with_iat(NOW - 90).signed(),
        carriers.div(0),
    ];
    for (seconds, is_verified) in [(89, false), (90, true), (0, false)] {
        let mut config = carriers.world.config();
        config.freshness_diverted = std::time::Duration::from_secs(seconds);
        let report = carriers.judge_with(config, &diverted(&identity, 1), NOW);
        assert_eq!(report.standing == Standing::Verified, is_verified, "{seconds}");
        assert_eq!(report.is_stale(), !is_verified, "{report:#?}");
    }
}

#[test]
fn d_07_only_a_complete_chain_excuses_age() {
    let carriers = Carriers::new();
    let old = carriers.world.token().with_iat(NOW - 61).signed();
    // Addressed to us, or to nobody on a chain: a diversion beside it that is no good changes nothing.
    let forged = carriers.diversion(0).with_header(carriers.first.url, URL);
    let forged = forged.with_parameters(carriers.first.url, URL).signed();
    for (identity, hops) in [
        (vec![old.clone()], 0),
        (vec![old.clone(), forged.clone()], 0),
        (vec![old.clone(), forged], 1),
        (vec![old.clone(), carriers.div(1)], 2),
    ] {
        let report = carriers.judge(&diverted(&identity, hops), NOW);
        assert_eq!(outcomes(&report)[0], (Outcome::Stale, Some(403)), "{report:#?}");
        assert_eq!(report.standing, Standing::Failed);
    }
}

#[test]
fn d_07_a_diversion_from_before_the_call_explains_nothing() {
    let carriers = Carriers::new();
    let identity = [
        carriers.base(),
        carriers.diversion(0).with_iat(NOW - 61).signed(),
        carriers.div(1),
    ];
    expect_unverified_or_stale(&carriers.judge(&diverted(&identity, 2), NOW));
    let identity = [
        carriers.base(),
        carriers.diversion(0).with_iat(NOW - 60).signed(),
        carriers.div(1),
    ];
    assert_eq!(
        carriers.judge(&diverted(&identity, 2), NOW).standing,
        Standing::Verified
    );
}

#[track_caller]
fn expect_unverified_or_stale(report: &Report) {
    expect_unverified(report, 0, "older than the call");
    assert_eq!(outcomes(report)[1], (Outcome::Stale, Some(403)));
}

#[test]
fn d_07_the_date_header_may_be_the_callers_own() {
    let carriers = Carriers::new();
    let identity = [
        carriers.world.token().with_iat(NOW - 300).signed(),
        carriers.div(0),
    ];
    for (date, is_verified) in [
        ("Sun, 22 Nov 2026 06:30:00 GMT", true),
        ("Sun, 22 Nov 2026 06:25:00 GMT", true),
        ("Sun, 22 Nov 2026 06:24:59 GMT", false),
        ("Sun, 22 Nov 2026 06:31:01 GMT", false),
    ] {
        let message = MessageView {
            date: Some(date.into()),
            ..diverted(&identity, 1)
        };
        let report = carriers.judge(&message, NOW);
        assert_eq!(
            report.standing == Standing::Verified,
            is_verified,
            "{date}: {report:#?}"
        );
    }
}

#[test]
fn d_08_a_diverted_call_is_told_apart_from_a_direct_one() {
    let carriers = Carriers::new();
    for (letter, verstat) in [
        ("A", "TN-Validation-Passed"),
        ("B", "TN-Validation-Passed-B"),
        ("C", "TN-Validation-Passed-C"),
    ] {
        let base = carriers
            .world
            .token()
            .with("\"A\"", &format!("\"{letter}\""))
            .signed();
        let identity = [base, carriers.div(0)];
        let report = carriers.judge(&diverted(&identity, 1), NOW);
        assert_eq!((report.is_diverted, report.verstat.as_str()), (true, verstat));
        let direct = carriers.judge(&diverted(&identity[..1], 0), NOW);
        assert_eq!((direct.is_diverted, direct.verstat.as_str()), (false, verstat));
    }
    let json = serde_json::to_value(carriers.judge(&diverted(&carriers.chain(1), 1), NOW)).unwrap();
    assert_eq!(json["is_diverted"], true);
    assert_eq!(json["hops"][0]["number_index"], 0);
    assert!(!json.to_string().contains(&number(1)), "{json}");
}

#[test]
fn a_certificate_of_a_diversion_that_does_not_come_leaves_the_call_unchecked() {
    let carriers = Carriers::new();
    let identity = carriers.chain(2);
    for missing in [URL, carriers.first.url, carriers.second.url] {
        let mut verifier = carriers.world.verifier();
        let mut verification = verifier.begin(&diverted(&identity, 2), at(NOW));
        let wanted: Vec<String> = verification.wanted().into_iter().map(str::to_string).collect();
        assert_eq!(wanted.len(), 3);
        for url in wanted.iter().filter(|url| *url != missing) {
            let body = carriers.certificate(url).unwrap();
            verification.supply(url, Ok(body.into_bytes().into()));
        }
        let report = verifier.conclude(verification);
        assert_eq!(report.standing, Standing::Unchecked, "{missing}: {report:#?}");
        assert_eq!(report.attestation, None);
    }
}

#[test]
fn a_forged_base_stays_forged_with_any_diversion_beside_it() {
    let carriers = Carriers::new();
    let mut identity = carriers.chain(2);
    identity[0] = Token::new(&rcgen::KeyPair::generate().unwrap()).signed();
    for hops in 0..=2 {
        let report = carriers.judge(&diverted(&identity, hops), NOW);
        assert!(report.is_forged(), "{report:#?}");
        assert_eq!(outcomes(&report), [(Outcome::Invalid, Some(438)), PASSED, PASSED]);
        assert_eq!(report.verstat, "TN-Validation-Failed");
    }
    // A host that never answers hides nothing.
    let mut verifier = carriers.world.verifier();
    let mut verification = verifier.begin(&diverted(&identity, 2), at(NOW));
    verification.supply(URL, Ok(carriers.world.chain().into_bytes().into()));
    assert!(verifier.conclude(verification).is_forged());
}

#[test]
fn a_forged_diversion_spoils_nothing_that_is_proven_without_it_and_is_told() {
    let carriers = Carriers::new();
    let forged = carriers.diversion(0).with_header(carriers.first.url, URL);
    let forged = forged.with_parameters(carriers.first.url, URL).signed();
    for hops in [0, 1, 2] {
        let mut identity = carriers.chain(hops);
        identity.insert(0, forged.clone());
        let report = carriers.judge(&diverted(&identity, hops), NOW);
        assert_eq!(report.standing, Standing::Verified, "{report:#?}");
        assert!(report.has_forged_beside() && !report.is_forged());
        assert_eq!(outcomes(&report)[0], (Outcome::Invalid, Some(438)));
    }
}

#[test]
fn a_forged_second_base_neither_hides_nor_spoils() {
    let carriers = Carriers::new();
    let forged = Token::new(&rcgen::KeyPair::generate().unwrap()).signed();
    for hops in [0, 1] {
        let mut identity = carriers.chain(hops);
        identity.insert(0, forged.clone());
        let report = carriers.judge(&diverted(&identity, hops), NOW);
        assert_eq!(
            (report.standing, report.is_diverted),
            (Standing::Verified, hops > 0),
            "{report:#?}"
        );
        assert!(report.has_forged_beside());
        // Beside one that leads elsewhere, or cannot be judged, it decides.
        let report = carriers.judge(&diverted(&identity, hops + 1), NOW);
        assert!(report.is_forged() && !report.has_forged_beside(), "{report:#?}");
    }
    let dead = carriers
        .world
        .token()
        .with_header(URL, "https://dead.example.org/sp.pem");
    let dead = dead
        .with_parameters(URL, "https://dead.example.org/sp.pem")
        .signed();
    let identity = [dead, forged];
    let mut verifier = carriers.world.verifier();
    let mut verification = verifier.begin(&diverted(&identity, 0), at(NOW));
    verification.supply(URL, Ok(carriers.world.chain().into_bytes().into()));
    verification.supply("https://dead.example.org/sp.pem", Err(FetchFailure::Timeout));
    let report = verifier.conclude(verification);
    assert_eq!(outcomes(&report)[0], (Outcome::Unavailable, Some(436)));
    assert!(report.is_forged(), "{report:#?}");
}

#[test]
fn i_12_a_token_addressed_to_himself_is_no_use_to_a_caller() {
    // He called himself, kept the token, and writes his own number in To or in the Request-URI.
    let carriers = Carriers::new();
    let identity = [carriers.base()];
    let own = "sip:+12125550100@example.com";
    let victim = "sip:+12125550199@example.com";
    for (to, dialled, standing) in [
        (own, own, Standing::Verified),
        (own, victim, Standing::DivertedUnverified),
        (victim, own, Standing::Failed),
        (victim, victim, Standing::Failed),
    ] {
        let message = MessageView {
            to: to.into(),
            request_uri: dialled.into(),
            ..diverted(&identity, 0)
        };
        let report = carriers.judge(&message, NOW);
        assert_eq!(report.standing, standing, "{report:#?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

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

struct Shared {
    carriers: Carriers,
    /// Base and eight diversions.
    chain: Vec<String>,
}

fn shared() -> &'static Shared {
    static SHARED: std::sync::OnceLock<Shared> = std::sync::OnceLock::new();
    SHARED.get_or_init(|| {
        let carriers = Carriers::new();
        let chain = carriers.chain(8);
        Shared { carriers, chain }
    })
}

/// Fisher-Yates with a small generator of its own.
fn shuffle(values: &mut [String], seed: u64) {
    let mut state = seed | 1;
    for last in (1..values.len()).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let at = (state >> 33) as usize % (last + 1);
        values.swap(last, at);
    }
}
