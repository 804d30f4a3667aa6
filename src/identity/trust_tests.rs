//! Lists that come, are replaced, go out of date and are refused.

use std::time::{Duration, Instant, UNIX_EPOCH};

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, SigningKey as _,
};
use serde_json::json;

/// 22 November 2026, 06:30:00 UTC.
const NOW: i64 = 1_795_329_000;

struct Authority {
    params: CertificateParams,
    key: KeyPair,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2027, 1, 1);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { params, key, pem }
    }

    /// Valid on these days of November 2026, both counted from midnight.
    fn crl(&self, from: u8, until: u8, serials: &[u8]) -> Vec<u8> {
        let revoked = |serial: &u8| RevokedCertParams {
            serial_number: SerialNumber::from_slice(&[*serial]),
            revocation_time: rcgen::date_time_ymd(2026, 11, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2026, 11, from),
            next_update: rcgen::date_time_ymd(2026, 11, until),
            crl_number: SerialNumber::from_slice(&[from]),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let issuer = Issuer::from_params(&self.params, &self.key);
        params.signed_by(&issuer).unwrap().pem().unwrap().into_bytes()
    }

    /// An empty list for every authority (RFC 5280 §5.2.5), which rcgen cannot write. DER, good until `until` (UTCTime).
    fn indirect_crl(&self, until: &str) -> Vec<u8> {
        let element = |tag: u8, parts: &[&[u8]]| {
            let value = parts.concat();
            let length = value.len();
            let length = match length {
                0..0x80 => vec![length as u8],
                0x80..0x100 => vec![0x81, length as u8],
                _ => vec![0x82, (length >> 8) as u8, length as u8],
            };
            [vec![tag], length, value].concat()
        };
        let algorithm = element(0x30, &[&[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]]);
        let (_, pem) = x509_parser::pem::parse_x509_pem(self.pem.as_bytes()).unwrap();
        let name = pem.parse_x509().unwrap().subject().as_raw().to_vec();
        let is_indirect = element(0x04, &[&element(0x30, &[&[0x84, 1, 0xff]])]);
        let point = element(0x30, &[&[0x06, 3, 0x55, 0x1d, 28, 0x01, 1, 0xff], &is_indirect]);
        let list = element(
            0x30,
            &[
                &[2, 1, 1],
                &algorithm,
                &name,
                &element(0x17, &[b"261122000000Z"]),
                &element(0x17, &[until.as_bytes()]),
                &element(0xa0, &[&element(0x30, &[&point])]),
            ],
        );
        let signature = self.key.sign(&list).unwrap();
        element(0x30, &[&list, &algorithm, &element(0x03, &[&[0], &signature])])
    }

    fn trust_list(&self, sequence: u64, exp: i64, authorities: &[&Authority]) -> Vec<u8> {
        let certificates: Vec<&str> = authorities.iter().map(|one| one.pem.as_str()).collect();
        let payload = json!({"sequence": sequence, "exp": exp, "trustList": certificates});
        let part = |text: String| URL_SAFE_NO_PAD.encode(text);
        let signed = format!(
            "{}.{}",
            part(json!({"alg": "ES256"}).to_string()),
            part(payload.to_string())
        );
        let key = EncodingKey::from_ec_der(&self.key.serialize_der());
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, Algorithm::ES256).unwrap();
        format!("{signed}.{signature}").into_bytes()
    }
}

struct Bench {
    keeper: Keeper,
    now: Now,
}

impl Bench {
    #[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
    fn new(config: Config) -> Bench {
        Bench {
            keeper: Keeper::new(&config),
            now: Now {
                instant: Instant::now(),
                utc: UNIX_EPOCH + Duration::from_secs(NOW as u64),
            },
        }
    }

    fn after_days(&mut self, days: u64) {
        self.now = self.now.after(Duration::from_secs(days * 86_400));
    }

    fn place(&self, kind: Kind) -> usize {
        self.keeper.sources().position(|(of, _)| of == kind).unwrap()
    }

    /// Whether something new is in force, and the alarms that were raised.
    fn brings(&mut self, kind: Kind, octets: &[u8]) -> (Option<Trust>, Vec<String>) {
        let octets = Octets {
            octets: octets.to_vec(),
            signer: None,
        };
        self.take(kind, Ok(octets))
    }

    fn fails(&mut self, kind: Kind, problem: &str) -> (Option<Trust>, Vec<String>) {
        self.take(kind, Err(problem.into()))
    }

    fn take(&mut self, kind: Kind, result: Result<Octets, String>) -> (Option<Trust>, Vec<String>) {
        let place = self.place(kind);
        let (trust, notices) = self.keeper.take(vec![Gathered { place, result }], self.now);
        let alarms = notices.into_iter().filter(|notice| notice.is_alarm);
        (trust, alarms.map(|notice| notice.text).collect())
    }

    fn status(&self, kind: Kind) -> ListStatus {
        self.keeper.status(self.now).swap_remove(self.place(kind))
    }

    fn tick(&mut self) -> Vec<(bool, Kind)> {
        let notices = self.keeper.tick(self.now);
        notices
            .into_iter()
            .map(|notice| (notice.is_alarm, notice.kind))
            .collect()
    }
}

fn url(path: &str) -> Source {
    Source::Url(format!("https://authority.example.org/{path}"))
}

fn with_crl() -> Config {
    Config {
        anchors: vec!["anchors.pem".into()],
        crls: vec![url("crl")],
        ..Config::default()
    }
}

fn with_trust_list() -> Config {
    Config {
        trust_list: Some(url("list")),
        trust_list_authority: vec!["authority.pem".into()],
        ..Config::default()
    }
}

#[test]
fn c_07_a_wrong_list_never_replaces_a_right_one() {
    let authority = Authority::new("Test STI root");
    let mut bench = Bench::new(with_crl());
    bench.brings(Kind::Anchors, authority.pem.as_bytes());
    let (trust, alarms) = bench.brings(Kind::Crl, &authority.crl(21, 25, &[7, 8]));
    assert!(trust.is_some() && alarms.is_empty());
    assert_eq!(bench.status(Kind::Crl).entries, 2);

    for (wrong, expected) in [
        (
            &b"<html>"[..],
            "not an X.509 revocation list; the one in force stays",
        ),
        (b"", "no revocation list in it; the one in force stays"),
        (
            &authority.crl(20, 30, &[]),
            "older than the one in force (thisUpdate); the one in force stays",
        ),
        (
            &authority.crl(23, 30, &[]),
            "thisUpdate is in the future; the one in force stays",
        ),
    ] {
        let (trust, alarms) = bench.brings(Kind::Crl, wrong);
        assert!(trust.is_none(), "{expected}");
        assert!(alarms[0].ends_with(expected), "{alarms:?}");
        // The same once more is no news.
        assert_eq!(bench.brings(Kind::Crl, wrong).1, [""; 0]);
        let status = bench.status(Kind::Crl);
        assert_eq!(
            (status.entries, status.is_in_force, status.is_stale),
            (2, true, false)
        );
        assert!(status.problem.is_some());
    }
    let (_trust, alarms) = bench.fails(Kind::Crl, "time-out");
    assert_eq!(alarms, ["time-out; the one in force stays"]);

    let (trust, _alarms) = bench.brings(Kind::Crl, &authority.crl(22, 26, &[7]));
    assert!(!trust.unwrap().crls.is_empty());
    assert_eq!(
        (bench.status(Kind::Crl).entries, bench.status(Kind::Crl).problem),
        (1, None)
    );
}

#[test]
fn c_07_the_same_list_again_changes_nothing_and_counts_as_refreshed() {
    let authority = Authority::new("Test STI root");
    let mut bench = Bench::new(with_crl());
    bench.brings(Kind::Anchors, authority.pem.as_bytes());
    let list = authority.crl(21, 25, &[7]);
    assert!(bench.brings(Kind::Crl, &list).0.is_some());
    let before = bench.status(Kind::Crl).refreshed_ms;
    bench.after_days(1);
    assert!(bench.brings(Kind::Crl, &list).0.is_none());
    assert_eq!(
        bench.status(Kind::Crl).refreshed_ms.unwrap() - before.unwrap(),
        86_400_000
    );
}

#[test]
fn c_07_a_list_that_goes_out_of_date_is_told_once_and_once_more_when_it_is_well() {
    let authority = Authority::new("Test STI root");
    let mut bench = Bench::new(with_crl());
    // Nothing was read yet: both are missing.
    assert_eq!(bench.tick(), [(true, Kind::Anchors), (true, Kind::Crl)]);
    bench.brings(Kind::Anchors, authority.pem.as_bytes());
    bench.brings(Kind::Crl, &authority.crl(21, 24, &[7]));
    assert_eq!(bench.tick(), [(false, Kind::Anchors), (false, Kind::Crl)]);
    assert_eq!(bench.tick(), []);
    bench.after_days(2);
    assert_eq!(bench.tick(), [(true, Kind::Crl)]);
    assert_eq!(bench.tick(), []);
    assert!(bench.status(Kind::Crl).is_stale && bench.status(Kind::Crl).is_in_force);
    bench.brings(Kind::Crl, &authority.crl(24, 26, &[7]));
    assert_eq!(bench.tick(), [(false, Kind::Crl)]);
    // All anchors ended: nothing can be verified any more.
    bench.after_days(60);
    assert_eq!(bench.tick(), [(true, Kind::Anchors), (true, Kind::Crl)]);
}

#[test]
fn c_07_a_configured_list_that_never_came_is_not_no_list() {
    let authority = Authority::new("Test STI root");
    let mut bench = Bench::new(with_crl());
    let (trust, _alarms) = bench.brings(Kind::Anchors, authority.pem.as_bytes());
    let mut trust = trust.unwrap();
    assert!(trust.crls.is_empty());
    assert!(trust.crls.describe(&trust.anchors, NOW).is_empty());
    assert!(bench.status(Kind::Crl).is_stale);
}

#[test]
fn c_02_the_signed_trust_list_becomes_anchors_and_an_older_or_forged_one_does_not() {
    let administrator = Authority::new("Administrator");
    let (first, second) = (Authority::new("First CA"), Authority::new("Second CA"));
    let mut bench = Bench::new(with_trust_list());
    // Without the authority nobody's signature is known.
    let (trust, alarms) = bench.brings(Kind::TrustList, &administrator.trust_list(7, NOW + 60, &[&first]));
    assert!(
        trust.is_none() && alarms[0].contains("no authority for it"),
        "{alarms:?}"
    );
    let (trust, _alarms) = bench.brings(Kind::TrustListAuthority, administrator.pem.as_bytes());
    assert!(trust.unwrap().anchors.is_incomplete(), "until the list is there");

    let (trust, _alarms) = bench.brings(Kind::TrustList, &administrator.trust_list(7, NOW + 60, &[&first]));
    let anchors = trust.unwrap().anchors;
    assert_eq!((anchors.len(), anchors.is_incomplete()), (1, false));
    let (trust, _alarms) = bench.brings(
        Kind::TrustList,
        &administrator.trust_list(8, NOW + 60, &[&first, &second]),
    );
    assert_eq!(trust.unwrap().anchors.len(), 2);
    for (list, expected) in [
        (
            administrator.trust_list(7, NOW + 60, &[&first]),
            "older than the one in force",
        ),
        (
            first.trust_list(9, NOW + 60, &[&first]),
            "not that of the configured authority",
        ),
        (administrator.trust_list(9, NOW - 1, &[&first]), "has expired"),
        (administrator.trust_list(9, NOW + 60, &[]), "no certificate in it"),
    ] {
        let (trust, alarms) = bench.brings(Kind::TrustList, &list);
        assert!(trust.is_none() && alarms[0].contains(expected), "{alarms:?}");
        assert_eq!(bench.keeper.trust().anchors.len(), 2);
    }
    assert_eq!(bench.status(Kind::TrustList).valid_until, Some(NOW + 60));
    // Past its end it stays in force and is told: taking every authority away would prove nothing.
    bench.tick();
    bench.after_days(1);
    assert_eq!(bench.tick(), [(true, Kind::TrustList)]);
    assert_eq!(bench.keeper.trust().anchors.len(), 2);
}

#[test]
fn private_anchors_stay_private_beside_the_public_list() {
    let (public, own) = (Authority::new("Public CA"), Authority::new("Own CA"));
    let mut bench = Bench::new(Config {
        anchors: vec!["anchors.pem".into()],
        private_anchors: vec!["own.pem".into()],
        ..Config::default()
    });
    bench.brings(Kind::Anchors, public.pem.as_bytes());
    let (trust, _alarms) = bench.brings(Kind::PrivateAnchors, own.pem.as_bytes());
    let seen = trust.unwrap().anchors.describe();
    assert_eq!(
        seen.iter().map(|anchor| anchor.is_private).collect::<Vec<_>>(),
        [false, true]
    );
}

#[test]
fn reasons_are_cut_and_unknown_places_ignored() {
    let mut bench = Bench::new(with_crl());
    let (_trust, alarms) = bench.fails(Kind::Crl, &"x".repeat(10_000));
    assert_eq!(alarms[0].chars().count(), PROBLEM_CHARS_MAX);
    let nowhere = Gathered {
        place: CRLS_MAX * 10,
        result: Err("x".into()),
    };
    assert!(bench.keeper.take(vec![nowhere], bench.now).0.is_none());
}

/// An indirect list is judged only when every anchor that may have signed it is there.
#[test]
fn c_07_while_the_trust_list_is_missing_nobodys_list_is_refused_for_its_signer() {
    let (administrator, other) = (Authority::new("Administrator"), Authority::new("Own CA"));
    let signer = Authority::new("STI");
    let mut bench = Bench::new(Config {
        anchors: vec!["own.pem".into()],
        crls: vec![url("crl")],
        ..with_trust_list()
    });
    bench.brings(Kind::TrustListAuthority, administrator.pem.as_bytes());
    bench.brings(Kind::Anchors, other.pem.as_bytes());
    let (trust, alarms) = bench.brings(Kind::Crl, &signer.indirect_crl("261123063000Z"));
    assert!(trust.is_some() && alarms.is_empty(), "{alarms:?}");
    // The trust list comes and does not know the signer: the next list of its hand is refused.
    bench.brings(Kind::TrustList, &administrator.trust_list(1, NOW + 60, &[&other]));
    let (trust, alarms) = bench.brings(Kind::Crl, &signer.indirect_crl("261123063001Z"));
    assert!(
        trust.is_none() && alarms[0].starts_with("no anchor"),
        "{alarms:?}"
    );
    // A trust list with the signer in it, and the same list is taken.
    bench.brings(
        Kind::TrustList,
        &administrator.trust_list(2, NOW + 60, &[&signer]),
    );
    let (trust, alarms) = bench.brings(Kind::Crl, &signer.indirect_crl("261123063001Z"));
    assert!(trust.is_some() && alarms.is_empty(), "{alarms:?}");
}

#[test]
fn c_07_a_list_too_many_is_refused_and_none_is_left_out_silently() {
    let authority = Authority::new("Test STI root");
    let mut bench = Bench::new(Config {
        crls: vec![url("many"), url("one")],
        ..Config::default()
    });
    let many = authority.crl(21, 25, &[7]).repeat(CRLS_MAX);
    assert!(bench.brings(Kind::Crl, &many).0.is_some());
    let place = bench.place(Kind::Crl) + 1;
    let octets = authority.crl(21, 25, &[8]);
    let result = Ok(Octets { octets, signer: None });
    let (trust, notices) = bench.keeper.take(vec![Gathered { place, result }], bench.now);
    assert!(trust.is_none());
    assert_eq!(notices[0].text, "more than 16 lists in all");
    // As many as before replace each other.
    assert!(
        bench
            .brings(Kind::Crl, &authority.crl(22, 25, &[7]).repeat(CRLS_MAX))
            .0
            .is_some()
    );
    assert_eq!(bench.keeper.trust().crls.len(), CRLS_MAX);
}
