//! What stands beside: forged tokens, other kinds, certificates that do not come (D-08 and the standing of the call).

use stir_shaken_verify::*;

use crate::authority::*;
use crate::carriers::*;

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
fn a_diverted_call_without_letter_is_verified_without_letter() {
    let carriers = Carriers::new();
    let mut plain = carriers
        .world
        .token()
        .with_header("\"ppt\":\"shaken\",", "")
        .with_parameters(";ppt=\"shaken\"", "");
    plain.payload = format!(r#"{{"dest":{{"tn":["{CALLED}"]}},"iat":{NOW},"orig":{{"tn":"{CALLER}"}}}}"#);
    let identity = [plain.signed(), carriers.div(0)];
    let report = carriers.judge(&diverted(&identity, 1), NOW);
    assert_eq!(
        (report.standing, report.attestation),
        (Standing::Verified, None),
        "{report:#?}"
    );
    assert_eq!((report.is_diverted, report.hops.len()), (true, 1));
    assert_eq!(report.verstat, "No-TN-Validation");
}

#[test]
fn a_diversion_may_lead_through_addresses_that_are_no_numbers() {
    let carriers = Carriers::new();
    let desk = "\"uri\":[\"sip:desk@example.com\"]";
    let to_desk = carriers
        .diversion(0)
        .with(&format!("\"tn\":[\"{}\"]", number(1)), desk)
        .signed();
    let from_desk = format!("\"div\":{{\"tn\":\"{}\"}}", number(1));
    let from_desk = carriers
        .diversion(1)
        .with(&from_desk, "\"div\":{\"uri\":\"sip:desk@EXAMPLE.com;user=x\"}")
        .signed();
    let identity = [carriers.base(), to_desk, from_desk];
    let report = carriers.judge(&diverted(&identity, 2), NOW);
    assert_eq!(
        (report.standing, report.hops.len()),
        (Standing::Verified, 2),
        "{report:#?}"
    );
}

#[test]
fn what_stands_beside_a_diverted_call_is_explained_by_the_same_chain() {
    let carriers = Carriers::new();
    let rich = |dest: &str, iat: i64| {
        let mut token = carriers
            .world
            .token()
            .with_header("\"shaken\"", "\"rcd\"")
            .with_parameters("\"shaken\"", "\"rcd\"");
        token.payload = format!(
            r#"{{"dest":{{"tn":["{dest}"]}},"iat":{iat},"orig":{{"tn":"{CALLER}"}},"rcd":{{"nam":"Example"}}}}"#
        );
        token.signed()
    };
    for (dest, iat, expected) in [
        (number(0), NOW, PASSED),
        (number(0), NOW - 300, PASSED),
        (number(0), NOW - 301, (Outcome::Stale, Some(403))),
        (number(1), NOW, PASSED),
        (number(7), NOW, (Outcome::DestMismatch, Some(438))),
    ] {
        let mut identity = carriers.chain(1);
        identity.push(rich(&dest, iat));
        let report = carriers.judge(&diverted(&identity, 1), NOW);
        assert_eq!(report.standing, Standing::Verified, "{report:#?}");
        assert_eq!(outcomes(&report)[2], expected, "{dest} {iat}: {report:#?}");
    }
    // Without a complete chain it is addressed elsewhere, like the base.
    let identity = [carriers.base(), carriers.div(1), rich(&number(0), NOW)];
    let report = carriers.judge(&diverted(&identity, 2), NOW);
    expect_unverified(&report, 0, "missing");
    assert_eq!(outcomes(&report)[2], ELSEWHERE);
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

/// A header whose certificate nobody ever gets.
fn dead(token: Token) -> String {
    let url = "https://dead.example.org/sp.pem";
    let own = ["first", "second"].map(|host| format!("https://{host}.example.org/sp.pem"));
    let own = own.into_iter().find(|own| token.header.contains(own));
    let own = own.unwrap_or_else(|| URL.to_string());
    token.with_header(&own, url).with_parameters(&own, url).signed()
}

#[test]
fn a_host_that_never_answers_spoils_nothing_that_is_proven_without_it() {
    let carriers = Carriers::new();
    for extra in [
        dead(carriers.diversion(0)),
        dead(carriers.diversion(5)),
        dead(carriers.world.token().with("\"A\"", "\"B\"")),
    ] {
        for hops in [0, 1, 2] {
            let mut identity = carriers.chain(hops);
            identity.insert(0, extra.clone());
            let mut verifier = carriers.world.verifier();
            let mut verification = verifier.begin(&diverted(&identity, hops), at(NOW));
            let wanted: Vec<String> = verification.wanted().into_iter().map(str::to_string).collect();
            for url in wanted {
                let body = carriers.certificate(&url).map(|pem| pem.into_bytes().into());
                verification.supply(&url, body.ok_or(FetchFailure::Timeout));
            }
            let report = verifier.conclude(verification);
            assert_eq!(report.standing, Standing::Verified, "{report:#?}");
            assert_eq!((report.hops.len(), report.is_diverted), (hops, hops > 0));
            assert_ne!(outcomes(&report)[0], PASSED, "{report:#?}");
        }
    }
}

#[test]
fn d_03_a_diversion_nobody_could_check_explains_no_address() {
    let carriers = Carriers::new();
    let stranger = "12125550199";
    let mut identity = carriers.chain(1);
    identity.push(dead(carriers.first.token("div", &number(5), stranger, "")));
    let message = MessageView {
        to: format!("sip:+{stranger}@example.com").into(),
        ..diverted(&identity, 1)
    };
    let mut verifier = carriers.world.verifier();
    let mut verification = verifier.begin(&message, at(NOW));
    for url in [URL, carriers.first.url] {
        let body = carriers.certificate(url).unwrap();
        verification.supply(url, Ok(body.into_bytes().into()));
    }
    let report = verifier.conclude(verification);
    assert_eq!(report.standing, Standing::Failed, "{report:#?}");
    assert_eq!(outcomes(&report)[0], (Outcome::DestMismatch, Some(438)));
}
