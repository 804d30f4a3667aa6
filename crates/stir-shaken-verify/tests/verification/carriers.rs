//! A caller's carrier and carriers that divert, for everything about diverted calls.

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

    pub fn by(&self, hop: usize) -> &Diverter {
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
            let body = self.certificate(&url).map(|pem| pem.into_bytes().into());
            verification.supply(&url, body.ok_or(FetchFailure::Status(404)));
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

pub fn outcomes(report: &Report) -> Vec<(Outcome, Option<u16>)> {
    let headers = report.headers.iter();
    headers.map(|header| (header.outcome, header.code)).collect()
}

pub const PASSED: (Outcome, Option<u16>) = (Outcome::Passed, None);

/// The base of a call whose way nothing proves.
pub const ELSEWHERE: (Outcome, Option<u16>) = (Outcome::DestMismatch, None);

pub fn result(header: &HeaderReport, check: &str) -> CheckResult {
    header
        .checks
        .iter()
        .find(|known| known.name == check)
        .expect("every check of its kind is listed")
        .result
}

#[track_caller]
pub fn expect_unverified(report: &Report, base: usize, words: &str) {
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

pub fn permutations(count: usize) -> Vec<Vec<usize>> {
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

/// Fisher-Yates with a small generator of its own.
pub fn shuffle(values: &mut [String], seed: u64) {
    let mut state = seed | 1;
    for last in (1..values.len()).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let at = (state >> 33) as usize % (last + 1);
        values.swap(last, at);
    }
}
