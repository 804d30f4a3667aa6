//! Configuration files, whole ones and faulty ones, as operators write them.

use super::*;

fn faults(text: &str) -> Vec<String> {
    match Config::parse("ringward.toml", text) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}

fn check(text: &str, expected: &str) {
    let found = faults(text);
    assert!(
        found.iter().any(|fault| fault.contains(expected)),
        "{text}\nexpected {expected}\nfound {found:#?}"
    );
    assert_eq!(found.len(), 1, "{text}\n{found:#?}");
}

#[test]
fn an_empty_file_is_the_loopback_gateway() {
    let config = Config::parse("ringward.toml", "").unwrap();
    assert_eq!(format!("{config:?}"), format!("{:?}", Config::loopback()));
    assert_eq!(config.media.ports, 20_000..=29_999);
}

#[test]
fn every_key_reaches_its_room() {
    let text = r#"
[sip]
listen = ["udp:0.0.0.0:5060", "tcp:[::1]:5061"]
advertise = "gw.example.com:5060"
shards = 2
budget = "500ms"
session_expires = "10m"
try = "3s"
resolver = ["192.0.2.53", "[::1]:5353"]
digest = ["MD5", "SHA-256"]
[limits]
calls = 500
trunk_calls_per_second = 20
[[trunk]]
name = "carrier"
from = ["203.0.113.0/24", "2001:db8::/32", "198.51.100.7"]
emergency = "trusted"
identity_reasons = "sip"
refusal = "network-blocked"
to = "sip:203.0.113.9:5080;transport=tcp"
number = "+12125550100"
user = "business"
password = "${ENV:CARGO_PKG_NAME}"
realm = "carrier.example"
country = "GB"
national_prefix = "0"
international_prefix = "00"
called = { strip = ["9"] }
calling = { add = "+" }
[[queue]]
name = "front-desk"
numbers = ["+12125550100", "+1212*"]
strategy = "in-order"
targets = ["sip:desk@10.0.0.5:5060", "sip:PBX.example.com;transport=tcp"]
ring = "15s"
overflow = "night"
probe = "30s"
follow_redirects = "off"
decline = "queue"
marks = { verstat = "telnyx" }
[[queue]]
name = "night"
numbers = ["*"]
targets = ["sip:night@10.0.0.6"]
[refusal]
profile = "stir"
without_608 = "network-blocked"
name = "Example Corp"
url = "https://example.com/blocked"
tel = "+12125550199"
email = "calls@example.com"
location = "RLN"
protocol = "Q.850"
[marks]
verstat = "twilio"
placement = "both"
headers = ["attestation-info", "p-attestation-indicator"]
identity = "pass"
[identity]
country = "DE"
freshness = "30s"
freshness_diverted = "10m"
fetch_timeout = "1s"
x5u_allow = ["127.0.0.0/8"]
shelf_entries = 50
[media]
address = "0.0.0.0"
advertise = "198.51.100.1"
ports = "30001-30100"
silence = "2m"
[voice]
model = "off"
workers = 3
[store]
url = "sqlite:${ENV:CARGO_PKG_NAME}.db"
[api]
listen = "127.0.0.1:0"
public_url = "https://ringward.example.com/"
"#;
    let config = Config::parse("ringward.toml", text).unwrap_or_else(|faults| panic!("{faults:#?}"));
    insta::assert_debug_snapshot!(config, @r#"
    Config {
        sip: SipConfig {
            listen: [
                (
                    Udp,
                    0.0.0.0:5060,
                ),
                (
                    Tcp,
                    [::1]:5061,
                ),
            ],
            advertise: Advertise {
                v4: Some(
                    "gw.example.com:5060",
                ),
                v6: Some(
                    "gw.example.com:5060",
                ),
            },
            tls: None,
            shards: 2,
            budget: 500ms,
            digest: [
                Md5,
                Sha256,
            ],
            session_expires: Some(
                600s,
            ),
            try_for: 3s,
            resolver: [
                192.0.2.53:53,
                [::1]:5353,
            ],
        },
        trunks: [
            TrunkConfig {
                name: "carrier",
                from: [
                    "203.0.113.0/24",
                    "2001:db8::/32",
                    "198.51.100.7/32",
                ],
                tls_name: None,
                is_emergency_trusted: true,
                identity_reasons: Sip,
                refusal: Some(
                    NetworkBlocked,
                ),
                is_verifier_trusted: false,
                to: Some(
                    Peer {
                        host: "203.0.113.9:5080",
                        transport: Tcp,
                        addresses: [
                            203.0.113.9:5080,
                        ],
                    },
                ),
                credentials: Some(
                    Credentials {
                        user: "business",
                        password: Secret,
                        realm: Some(
                            "carrier.example",
                        ),
                    },
                ),
                register: None,
                numbers: NumberPlan {
                    country: Some(
                        "GB",
                    ),
                    national_prefix: Some(
                        "0",
                    ),
                    international_prefix: Some(
                        "00",
                    ),
                    called: Rules {
                        strip: [
                            "9",
                        ],
                        add: "",
                    },
                    calling: Rules {
                        strip: [],
                        add: "+",
                    },
                },
                number: Some(
                    "+12125550100",
                ),
                is_challenged: false,
            },
        ],
        queues: [
            Config {
                name: "front-desk",
                numbers: [
                    "+12125550100",
                    "+1212*",
                ],
                strategy: InOrder,
                targets: [
                    "sip:desk@10.0.0.5:5060",
                    "sip:pbx.example.com;transport=tcp",
                ],
                ring: 15s,
                overflow: Queue(
                    "night",
                ),
                reach: Reach {
                    probe: Some(
                        30s,
                    ),
                    redirects: Off,
                    decline: Queue,
                },
            },
            Config {
                name: "night",
                numbers: [
                    "*",
                ],
                strategy: RingAll,
                targets: [
                    "sip:night@10.0.0.6",
                ],
                ring: 20s,
                overflow: Reject,
                reach: Reach {
                    probe: None,
                    redirects: Targets,
                    decline: Phone,
                },
            },
        ],
        credentials: [],
        limits: CallLimits {
            calls: 500,
            calls_per_second: 2000,
            trunk_calls_per_second: 20,
            source_calls_per_second: 2000,
        },
        refusal: RefusalConfig {
            profile: Some(
                Stir,
            ),
            without_608: NetworkBlocked,
            contact: Contact {
                name: Some(
                    "Example Corp",
                ),
                url: Some(
                    "https://example.com/blocked",
                ),
                tel: Some(
                    "+12125550199",
                ),
                email: Some(
                    "calls@example.com",
                ),
            },
            location: "RLN",
            is_q850: true,
            card: None,
        },
        marks: Marks {
            verstat: Twilio,
            placement: Both,
            headers: [
                AttestationInfo,
                PAttestationIndicator,
            ],
            passes_identity: true,
        },
        queue_marks: {
            "front-desk": Marks {
                verstat: Telnyx,
                placement: Both,
                headers: [
                    AttestationInfo,
                    PAttestationIndicator,
                ],
                passes_identity: true,
            },
        },
        transfer_rules: {},
        outbound: OutboundConfig {
            from_phones: false,
            trunk: None,
            allow: [],
            refuse: [],
            emergency: [
                "112",
                "911",
                "999",
                "988",
                "110",
                "000",
            ],
        },
        identity: Config {
            anchors: [],
            private_anchors: [],
            trust_list: None,
            trust_list_authority: [],
            crls: [],
            crl_signers: [],
            revocation: RevocationPolicy {
                stale: Unchecked,
                uncovered: Unchecked,
            },
            refresh: 3600s,
            country: "DE",
            x5u_allow: [
                "127.0.0.0/8",
            ],
            x5u_deny: [],
            x5u_hosts: [],
            x5u_hosts_denied: [],
            x5u_tls_anchors: [],
            freshness: 30s,
            freshness_diverted: 600s,
            fetch_timeout: 1s,
            shelf_entries: 50,
        },
        media: Config {
            address: 0.0.0.0,
            advertise: Some(
                198.51.100.1,
            ),
            ports: 30002..=30099,
            silence: 120s,
        },
        voice: Config {
            model: "off",
            workers: 3,
            second_opinion_percent: 50,
            signers: Signers {
                key: None,
                is_required: false,
            },
        },
        policy: Config {
            file: None,
        },
        store: Config {
            url: "sqlite:ringward.db",
        },
        api: Config {
            listen: 127.0.0.1:0,
            public_url: Some(
                "https://ringward.example.com",
            ),
        },
        capture: None,
    }
    "#);
}

#[test]
fn unknown_keys_say_what_was_meant() {
    check(
        "[sipp]",
        "1:2: unknown key \"sipp\" in the file (did you mean sip?)",
    );
    check(
        "[media]\nport = '1-2'",
        "2:1: unknown key \"port\" in [media] (did you mean ports?)",
    );
    check("[identity]\nfreshnes = '60s'", "(did you mean freshness?)");
}

#[test]
fn values_out_of_place_say_what_was_expected() {
    check(
        "[sip]\nlisten = ['udp:localhost:5060']",
        "is no address with a port",
    );
    check("[sip]\nlisten = ['upd:127.0.0.1:5060']", "(did you mean udp?)");
    check(
        "[sip]\nlisten = ['tls:127.0.0.1:5061']",
        "a tls: listener needs [sip.tls] with certificate and key",
    );
    check(
        "[sip]\nlisten = ['tcp:127.0.0.1:5061', 'tls:127.0.0.1:5061']\n[sip.tls]\ncertificate = 'Cargo.toml'\nkey = 'Cargo.toml'",
        "cannot be tcp and tls at once",
    );
    check(
        "[sip]\nlisten = ['udp:0.0.0.0:5060', 'udp:[::]:5060']\nadvertise = '198.51.100.7'",
        "needs an IPv6 address in \"advertise\" as well",
    );
    check(
        "[sip]\nadvertise = ['198.51.100.7', '198.51.100.8']",
        "has one for this address family already",
    );
    check(
        "[[queue]]\nname = 'a'\ntargets = ['sips:x@127.0.0.1']",
        "a phone over TLS needs a tls: listener",
    );
    check("[sip]\nlisten = []", "listen needs one to 16 addresses");
    check("[sip]\nlisten = ['udp:0.0.0.0:5060']", "needs \"advertise\"");
    check("[sip]\nadvertise = 'a b'", "expected HOST or HOST:PORT");
    check("[sip]\nbudget = 800", "budget must be a duration");
    check("[sip]\nbudget = '1d'", "expected a duration such as");
    check("[sip]\nsession_expires = '60s'", "session_expires must be from");
    check("[sip]\nsession_expires = 'on'", "expected a duration such as");
    check(
        "[sip]\nsession_expires = 1800",
        "session_expires must be a duration",
    );
    check("[sip]\nshards = 1000", "shards must be from 0 to 64");
    check("[media]\naddress = '0.0.0.0'", "needs \"advertise\"");
    check("[media]\nports = '20000'", "expected FIRST-LAST");
    check("[media]\nports = '20000-20002'", "at least 4 ports");
    check("[media]\nports = '80-90'", "from 1024 on");
    check("[media]\nports = '65535-65535'", "expected FIRST-LAST");
    check(
        "[sip]\nlisten = ['udp:127.0.0.1:20002']",
        "inside the media ports",
    );
    check("[identity]\ncountry = 'usa'", "two capital letters");
    check("[identity]\nx5u_allow = ['10.0.0.1/8']", "10.0.0.0/8");
    check("[voice]\nmodel = 'defualt'", "(did you mean default?)");
    check("[voice]\nmodel = './nowhere'", "no model in");
    check("[store]\nurl = 'redis://127.0.0.1/0'", "not in this build");
    check("[store]\nurl = 'postgres://x'", "sqlite:PATH");
    check(
        "[store]\nurl = 'sqlite:${ENV:RINGWARD_NO_SUCH_NAME}'",
        "the environment has no",
    );
    check("[store]\nurl = 'sqlite:${HOME}'", "expected ${ENV:NAME}");
    check("[api]\nlisten = 'localhost:8080'", "expected ADDRESS:PORT");
    check(
        "[api]\npublic_url = 'ringward.example.com'",
        "expected https://HOST",
    );
    check(
        "[identity]\nanchors = ['no-such.pem']",
        "\"no-such.pem\" cannot be read: there is no such file",
    );
    let deep = format!("{}no-such.pem", "a-folder-of-a-deep-tree/".repeat(8));
    let told = format!("{deep:?} cannot be read: there is no such file");
    check(&format!("[identity]\nanchors = ['{deep}']"), &told);
    check("[policy]\nfile = 'no-such.toml'", "cannot be read");
    check("sip = 3", "sip must be a table, [sip]");
}

#[test]
fn trunks_and_queues_fit_together() {
    let trunk = |more: &str| format!("[[trunk]]\nname = 'a'\nfrom = ['10.0.0.0/8']\n{more}");
    check(
        &trunk("[[trunk]]\nname = 'a'\nfrom = ['192.0.2.1']"),
        "a second [[trunk]] is called \"a\"",
    );
    check(
        &trunk("[[trunk]]\nname = 'b'\nfrom = ['10.0.0.0/8']"),
        "already belongs to trunk \"a\"",
    );
    check(
        &trunk("emergency = 'yes'"),
        "emergency is \"yes\"; expected \"trusted\" or \"untrusted\"",
    );
    check(
        "[[trunk]]\nname = 'a'\nfrom = ['0.0.0.0/0']\nemergency = 'trusted'",
        "everybody cannot be",
    );
    check("[[trunk]]\nname = 'a'", "from needs one to 256 address ranges");
    check("[[trunk]]\nname = 'a b'\nfrom = ['192.0.2.1']", "name is \"a b\"");

    let queue = |more: &str| {
        format!("[[queue]]\nname = 'a'\nnumbers = ['1*']\ntargets = ['sip:x@127.0.0.1']\n{more}")
    };
    check(&queue("overflow = 'a'"), "cannot overflow into itself");
    check(
        &queue("overflow = 'rejct'"),
        "no queue is called \"rejct\" (did you mean reject?)",
    );
    check(&queue("strategy = 'ring_all'"), "(did you mean ring-all?)");
    check(&queue("ring = '0s'"), "ring must be from 1s to 600s");
    check(&queue("probe = '1s'"), "probe must be from 5s to 3600s");
    check(&queue("follow_redirects = 'target'"), "(did you mean targets?)");
    check(&queue("decline = 'all'"), "decline is \"all\"");
    check(
        &queue("[[queue]]\nname = 'b'\nnumbers = ['1*']\ntargets = ['sip:x@127.0.0.1']"),
        "already belongs to queue \"a\"",
    );
    check(
        &queue("[[queue]]\nname = 'b'\nnumbers = ['1 2']\ntargets = ['sip:x@127.0.0.1']"),
        "is no dialled number",
    );
    check(
        &queue("[[queue]]\nname = 'b'\nnumbers = ['2']"),
        "targets needs one to 32 phones",
    );
    check(
        &queue("[[queue]]\nname = 'b'\nnumbers = ['2']\ntargets = ['sips:x@127.0.0.1;transport=udp']"),
        "sips: goes over TLS, not over UDP",
    );
}

#[test]
fn a_trunk_that_its_certificate_names_needs_tls_and_no_addresses() {
    let folder = std::env::temp_dir().join(format!("ringward-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for name in ["gw.pem", "gw.key", "ca.pem"] {
        std::fs::write(folder.join(name), "read by nobody here").unwrap();
    }
    let path = folder.join("ringward.toml");
    let load = |tls: &str, trunk: &str| {
        let text = format!(
            "[sip]\nlisten = ['tls:127.0.0.1:5061']\n[sip.tls]\ncertificate = 'gw.pem'\nkey = 'gw.key'\n{tls}\n[[trunk]]\nname = 'a'\n{trunk}\n"
        );
        std::fs::write(&path, text).unwrap();
        Config::load(&path).map_err(|faults| {
            faults
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n")
        })
    };
    let named = "tls_name = 'SBC.Carrier.example.'";
    let whole = load(
        "client_anchors = ['ca.pem']\nminimum = '1.3'",
        &format!("{named}\nverifier = 'trusted'"),
    );
    let without_anchors = load("", named).map(|_| ());
    let address = load("client_anchors = ['ca.pem']", "tls_name = '10.0.0.1'").map(|_| ());
    let missing = load("client_anchors = ['nobody.pem']", "from = ['10.0.0.1']").map(|_| ());
    std::fs::remove_dir_all(&folder).unwrap();
    let config = whole.unwrap();
    assert_eq!(config.trunks[0].tls_name.as_deref(), Some("sbc.carrier.example"));
    assert!(config.trunks[0].is_verifier_trusted && config.trunks[0].from.is_empty());
    let tls = config.sip.tls.unwrap();
    assert_eq!(
        (tls.minimum, tls.certificate),
        (crate::sip::TlsVersion::Tls13, folder.join("gw.pem"))
    );
    assert!(
        without_anchors
            .unwrap_err()
            .contains("client_anchors must say which authorities")
    );
    assert!(
        address
            .unwrap_err()
            .contains("expected the host that the trunk's certificate names")
    );
    assert!(missing.unwrap_err().contains("\"nobody.pem\" cannot be read"));
}

#[test]
fn v_06_a_trusted_verifier_needs_a_way_that_nobody_else_can_send_on() {
    let trunk = |from: &str, more: &str| {
        format!("[[trunk]]\nname = 'a'\nfrom = ['{from}']\nverifier = 'trusted'\n{more}")
    };
    check(
        &trunk("10.9.0.1", ""),
        "may be believed over TLS only, with tls_name",
    );
    check(&trunk("10.9.0.1", "private_network = false"), "over TLS only");
    check(
        &trunk("203.0.113.7", "private_network = true"),
        "203.0.113.7/32 is no private network",
    );
    check(
        &trunk("8.0.0.0/5", "private_network = true"),
        "8.0.0.0/5 is no private network",
    );
    check(
        &trunk("10.0.0.1", "private_network = 'yes'"),
        "private_network must be",
    );
    for from in [
        "10.9.0.0/16",
        "172.16.4.1",
        "192.168.1.0/24",
        "100.64.0.9",
        "fd00::/8",
        "::1",
    ] {
        let text = trunk(from, "private_network = true");
        let config = Config::parse("ringward.toml", &text).unwrap_or_else(|faults| panic!("{faults:#?}"));
        assert!(config.trunks[0].is_verifier_trusted, "{from}");
    }
    let plain = Config::parse("ringward.toml", "[[trunk]]\nname = 'a'\nfrom = ['10.9.0.1']\n").unwrap();
    assert!(
        !plain.trunks[0].is_verifier_trusted,
        "nobody is trusted by default"
    );
}

#[test]
fn marks_and_reasons_are_named_as_the_documentation_names_them() {
    check("[marks]\nverstat = '3GPP'", "(did you mean 3gpp?)");
    check("[marks]\nplacement = 'users'", "(did you mean user?)");
    check(
        "[marks]\nheaders = ['p-attestation']",
        "expected \"attestation-info\"",
    );
    check(
        "[marks]\nheaders = ['attestation-info', 'attestation-info']",
        "listed twice",
    );
    check("[marks]\nidentity = true", "identity must be a string");
    check(
        "[[queue]]\nname = 'a'\ntargets = ['sip:x@127.0.0.1']\nmarks = { verstatt = 'twilio' }",
        "(did you mean verstat?)",
    );
    let trunk = "[[trunk]]\nname = 'a'\nfrom = ['192.0.2.1']\n";
    check(
        &format!("{trunk}identity_reasons = 'stirr'"),
        "(did you mean stir?)",
    );
}

#[test]
fn a_refusal_that_lacks_something_does_not_load() {
    let trunk = |more: &str| format!("[[trunk]]\nname = 'a'\nfrom = ['192.0.2.1']\nrefusal = {more}");
    check(
        &trunk("'network-blocked'"),
        "4:11: refusal = \"network-blocked\" needs one of url, tel and email",
    );
    check(&trunk("'unwanted'"), "expected \"network-blocked\", \"rejected\"");
    check(
        "[refusal]\nprofile = 'rejected'",
        "needs one of url, tel and email",
    );
    check(
        "[refusal]\nwithout_608 = 'network-blocked'",
        "needs one of url, tel and email",
    );
    check(
        "[refusal]\nprofile = 'rejected'\ntel = '+12125550199'",
        "needs name in [refusal]",
    );
    check(
        "[refusal]\nprofile = 'rejected'\ntel = '+12125550199'\nname = 'Example'",
        "needs key and certificate_url in [refusal]",
    );
    check(
        "[refusal]\nkey = 'no-such.pem'",
        "it cannot be read: there is no such file",
    );
    check(
        "[refusal]\nurl = 'http://example.com'",
        "expected https://HOST/PATH",
    );
    check("[refusal]\nurl = 'https://example.com/a;b'", "without \";\"");
    check("[refusal]\ntel = '2125550199'", "a number such as +12125550199");
    check("[refusal]\nemail = 'nobody'", "an address such as");
    check("[refusal]\nname = 'a\"b'", "one line without quotes");
    check("[refusal]\nlocation = 'home'", "expected \"U\", \"LPN\"");
}

#[test]
fn a_rule_that_refuses_in_a_way_that_lacks_something_does_not_load() {
    let folder = std::env::temp_dir().join(format!("ringward-refusal-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let policy = "[policy]\nname = 'p'\n[[rule]]\nid = 'r'\nwhen = 'true'\nthen = { refuse = 'rejected' }\nreason = 'x'\n";
    std::fs::write(folder.join("p.toml"), policy).unwrap();
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    let path = folder.join("ringward.toml");
    let load = |text: &str| {
        std::fs::write(&path, text).unwrap();
        Config::load(&path)
    };
    let found = load("[policy]\nfile = 'p.toml'\n").unwrap_err();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0]
            .to_string()
            .contains("p.toml:6:19: refuse = \"rejected\" needs one of url, tel and email"),
        "{found:#?}"
    );
    let whole = "[policy]\nfile = 'p.toml'\n[refusal]\nname = 'Example'\ntel = '+12125550199'\nkey = 'key.pem'\n\
        certificate_url = 'https://certs.example.com/r.pem'\n[api]\npublic_url = 'https://gw.example.com'\n";
    let loaded = load(whole).map(|config| config.refusal.card.is_some());
    let without_https = load(&whole.replace("https://gw", "http://gw")).map(|_| ());
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(loaded, Ok(true));
    let found = without_https.unwrap_err();
    assert!(
        found[0].message.contains("an https public_url in [api]"),
        "{found:#?}"
    );
}

#[test]
fn all_faults_come_at_once_with_those_of_the_policy() {
    let folder = std::env::temp_dir().join(format!("ringward-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let policy = "[policy]\nname = 'p'\n[[rule]]\nid = 'r'\nwhen = 'scor > 1.0'\nthen = { divert = 'securty' }\nreason = 'x'\n";
    std::fs::write(folder.join("p.toml"), policy).unwrap();
    let text =
        "[sip]\nshards = 'x'\n[[queue]]\nname = 'security'\ntargets = ['x']\n[policy]\nfile = 'p.toml'\n";
    let path = folder.join("ringward.toml");
    std::fs::write(&path, text).unwrap();

    let found: Vec<String> = Config::load(&path)
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(found.len(), 4, "{found:#?}");
    assert!(
        found[0].contains("ringward.toml:2:10: shards must be a whole number"),
        "{found:#?}"
    );
    assert!(
        found[1].contains("ringward.toml:5:12: \"x\": a target is a SIP URI"),
        "{found:#?}"
    );
    assert!(
        found[2].contains("p.toml:5:9: no fact is called \"scor\" (did you mean score?)"),
        "{found:#?}"
    );
    assert!(
        found[3].contains("p.toml:6:19: no queue is called \"securty\" (did you mean security?)"),
        "{found:#?}"
    );
}

#[test]
fn what_is_no_configuration_gives_a_bounded_fault() {
    check("[", "1:2");
    assert!(!faults("\0\u{1}garbage = = =").is_empty());
    let missing = Config::load(Path::new("no-such-ringward.toml")).unwrap_err();
    assert_eq!(
        missing[0].to_string(),
        "no-such-ringward.toml:1:1: cannot be read: there is no such file"
    );
    let folder = Config::load(&std::env::temp_dir()).unwrap_err();
    assert_eq!(folder.len(), 1);
    let large = "#".repeat(DOCUMENT_OCTETS_MAX + 1);
    check(&large, "larger than 1048576 octets");
}

proptest::proptest! {
    #[test]
    fn a_damaged_file_is_refused_or_read_without_panic(at in 0..400usize, with in "[ -~\n]{0,12}", cut in 0..20usize) {
        let text = "[sip]\nlisten = ['udp:127.0.0.1:5060']\nbudget = '1s'\n[[trunk]]\nname = 'a'\nfrom = ['10.0.0.0/8']\n\
            [[queue]]\nname = 'q'\nnumbers = ['+1*']\ntargets = ['sip:d@10.0.0.1:5060;transport=tcp']\nring = '9s'\n\
            [media]\nports = '2000-3000'\naddress = '127.0.0.1'\n[api]\npublic_url = 'https://x/y'\n[store]\nurl = 'sqlite:x'\n";
        let at = at.min(text.len());
        let end = (at + cut).min(text.len());
        let damaged = format!("{}{with}{}", &text[..at], &text[end..]);
        let _ = Config::parse("ringward.toml", &damaged);
    }
}

#[test]
fn algorithms_are_named_as_rfc_7616_names_them() {
    check("[sip]\ndigest = ['SHA-512']", "is no algorithm");
    check("[sip]\ndigest = ['MD5-sess']", "is no algorithm");
    check("[sip]\ndigest = []", "at least one algorithm");
}

#[test]
fn who_calls_where_and_with_what_password_must_fit_together() {
    let trunk = |more: &str| format!("[[trunk]]\nname = 'a'\n{more}");
    for (more, expected) in [
        ("from = ['203.0.113.0/24']\nuser = 'u'", "user without password"),
        (
            "from = ['203.0.113.0/24']\npassword = 'p'",
            "password without user",
        ),
        (
            "user = 'u'\npassword = 'p'\npassword_file = 'x'",
            "one of them is enough",
        ),
        ("user = 'u'\npassword = ''", "the password is empty"),
        (
            "user = 'u'\npassword_file = 'no-such-file'",
            "there is no such file",
        ),
        (
            "user = 'u'\npassword = 'env:RINGWARD_NO_SUCH_NAME'",
            "the environment has no",
        ),
        (
            "to = 'sip:203.0.113.9'\nnumber = '2125550100'",
            "number is ours in full",
        ),
        ("to = 'carrier'", "expected a server"),
        ("register = 'sip:203.0.113.9'", "register needs user and password"),
        (
            "from = ['203.0.113.9']\nexpires = '600s'",
            "expires without register",
        ),
        (
            "register = 'sip:203.0.113.9'\nuser = 'u'\npassword = 'p'\nexpires = '1s'",
            "expires",
        ),
        ("from = ['203.0.113.9']\ncountry = 'XX'", "no numbering plan"),
        ("from = ['203.0.113.9']\nnational_prefix = 'O'", "expected digits"),
        (
            "from = ['203.0.113.9']\ncalled = { strip = [''] }",
            "no beginning of a number",
        ),
        ("from = ['203.0.113.9']\ncalling = { ad = '1' }", "ad"),
        (
            "user = 'u'\npassword = 'p'\n[[trunk]]\nname = 'b'\nuser = 'u'\npassword = 'q'",
            "another trunk has this user",
        ),
        (
            "user = 'u'\npassword = 'p'\nverifier = 'trusted'\nprivate_network = true",
            "known by its addresses",
        ),
    ] {
        check(&trunk(more), expected);
    }
    for more in [
        "user = 'u'\npassword = 'hunter2'",
        "to = 'sip:203.0.113.9'",
        "register = 'sip:203.0.113.9'\nuser = 'u'\npassword = 'p'\nexpires = '60s'",
        "to = 'sip:203.0.113.9'\nuser = 'u'\npassword = 'env:CARGO_PKG_NAME'",
    ] {
        assert_eq!(faults(&trunk(more)), [""; 0], "{more}");
    }
}
