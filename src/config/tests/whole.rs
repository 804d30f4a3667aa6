//! An empty file, and one with every key.

use super::Config;

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
[registrar]
from = ["192.0.2.0/24"]
expires_max = "2m"
digest = ["SHA-256", "MD5"]
shift = "8h"
[limits]
calls = 500
trunk_calls_per_second = 20
[tdos]
rest = "refuse"
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
srtp = "preferred"
srtp_keys = "dtls"
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
srtp = "required"
srtp_keys = "dtls"
whisper = "warnings"
hold_music = false
wrap_up = "15s"
no_answer = 2
no_answer_pause = "3m"
wait = "10m"
music = true
announce = "30s"
order = "trust"
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
transcode = "never"
rtcp_mux = false
srtp_suites = ["AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80"]
behind_nat = ["198.51.100.0/24"]
opus = false
[prompts]
language = "de"
[voice]
model = "off"
workers = 3
trial_percent = 25
[store]
url = "sqlite:${ENV:CARGO_PKG_NAME}.db"
calls_days = 90
audit_days = 400
[api]
listen = "127.0.0.1:0"
public_url = "https://ringward.example.com/"
second_person = ["erasures", "lists"]
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
                srtp: Preferred,
                srtp_keys: Dtls,
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
                service: Service {
                    wrap_up: 15s,
                    patience: Patience {
                        times: 2,
                        pause: 180s,
                    },
                    wait: Some(
                        600s,
                    ),
                    has_music: true,
                    announce: Some(
                        30s,
                    ),
                    closed: None,
                    drills: false,
                    is_by_trust: true,
                    by_skill: BySkill {
                        needs: [],
                        relax_after: 0ns,
                        skills: Skills(
                            {},
                        ),
                    },
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
                service: Service {
                    wrap_up: 0ns,
                    patience: Patience {
                        times: 0,
                        pause: 120s,
                    },
                    wait: None,
                    has_music: false,
                    announce: None,
                    closed: None,
                    drills: false,
                    is_by_trust: false,
                    by_skill: BySkill {
                        needs: [],
                        relax_after: 0ns,
                        skills: Skills(
                            {},
                        ),
                    },
                },
            },
        ],
        registrar: Some(
            Config {
                from: [
                    Cidr {
                        network: 192.0.2.0,
                        prefix: 24,
                    },
                ],
                expires: 60s..=120s,
                hashes: [
                    Sha256,
                    Md5,
                ],
                shift: 28800s,
            },
        ),
        credentials: [],
        limits: CallLimits {
            all: Allowance {
                per_second: 2000,
                calls: 500,
                ringing: 20000,
            },
            trunk: Allowance {
                per_second: 20,
                calls: 20000,
                ringing: 20000,
            },
            source: Allowance {
                per_second: 2000,
                calls: 20000,
                ringing: 20000,
            },
            queue: Allowance {
                per_second: 2000,
                calls: 20000,
                ringing: 20000,
            },
            number: Allowance {
                per_second: 100,
                calls: 1000,
                ringing: 1000,
            },
            signer: Allowance {
                per_second: 2000,
                calls: 20000,
                ringing: 20000,
            },
            refuse_with: 480,
        },
        tdos: SurgeConfig {
            hand: Auto,
            rest: Refuse,
            calls: 100,
            ringing: 100,
            factor: 4.0,
        },
        scans: ScanConfig {
            blocks: true,
            never: [],
            feed: None,
            nftables: None,
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
        queue_srtp: {
            "front-desk": Required,
        },
        queue_srtp_keys: {
            "front-desk": Dtls,
        },
        behind_nat: [
            Cidr {
                network: 198.51.100.0,
                prefix: 24,
            },
        ],
        srtp_suites: [
            AeadAes128Gcm,
            AesCm128HmacSha1_80,
        ],
        opus: false,
        whispers: {
            "front-desk": Warnings,
        },
        silent_holds: {
            "front-desk",
        },
        outbound: OutboundConfig {
            from_phones: false,
            call_back: false,
            overflow: false,
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
            srtp: Off,
            srtp_keys: Sdes,
            tolls: TollConfig {
                all: Allowance {
                    at_once: None,
                    per_hour: None,
                    minutes_per_hour: None,
                    spend_per_hour: None,
                    spend_per_day: None,
                },
                person: Allowance {
                    at_once: None,
                    per_hour: None,
                    minutes_per_hour: None,
                    spend_per_hour: None,
                    spend_per_day: None,
                },
                queue: Allowance {
                    at_once: None,
                    per_hour: None,
                    minutes_per_hour: None,
                    spend_per_hour: None,
                    spend_per_day: None,
                },
                hours: [],
                tariff: None,
                ..
            },
            ranges: Ranges(
                0,
            ),
        },
        prompts: Config {
            directory: None,
            language: "de",
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
            transcodes: false,
            rtcp_mux: false,
        },
        voice: Config {
            model: "off",
            workers: 3,
            second_opinion_percent: 50,
            trial_percent: 25,
            recordings: 20000,
            known_recordings: None,
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
        calls_kept: Some(
            7776000s,
        ),
        audit_kept: Some(
            34560000s,
        ),
        api: Config {
            listen: 127.0.0.1:0,
            public_url: Some(
                "https://ringward.example.com",
            ),
            second_person: SecondPerson {
                erasures: true,
                lists: true,
            },
        },
        api_tls: None,
        capture: None,
        oidc: None,
        alarms: Alarms {
            rules: Rules(
                14,
            ),
            syslog: None,
            is_ocsf: false,
            email: None,
        },
        webhooks: [],
        reports: [],
    }
    "#);
}
