//! The gateway as the tests configure it, in one place: what every simulated world starts from.

use std::collections::BTreeMap;
use std::time::Duration;

use ringward::call::{Config, Listener, TrunkConfig};
use ringward::queue;
use ringward::sip::Transport;

pub const GATEWAY: &str = "10.0.0.1:5060";
/// 22 November 2026, early in the morning: what the virtual wall clock says at the start.
pub const EPOCH_S: u64 = 1_795_320_000;

/// One listener, a trunk "carrier" (203.0.113.0/24) and one whose emergency marks are believed, "rescue".
pub fn config(queues: Vec<queue::Config>, transport: Transport, (shard, shards): (u16, u16)) -> Config {
    Config {
        listeners: vec![Listener {
            transport,
            bound: GATEWAY.parse().unwrap(),
            advertised: GATEWAY.into(),
        }],
        trunks: [
            ("carrier", "203.0.113.0/24", false),
            ("rescue", "203.0.114.0/24", true),
        ]
        .map(|(name, range, is_emergency_trusted)| TrunkConfig {
            name: name.into(),
            from: vec![range.into()],
            is_emergency_trusted,
            ..TrunkConfig::default()
        })
        .into(),
        queues,
        credentials: Vec::new(),
        digest_hashes: ringward::digest::Hash::ALL.to_vec(),
        media_address: "10.0.0.1".parse().unwrap(),
        budget: Duration::from_millis(800),
        session_expires: Some(Duration::from_secs(1800)),
        try_for: Duration::from_secs(4),
        refusal: ringward::call::RefusalConfig::default(),
        marks: ringward::banner::Marks::default(),
        queue_marks: BTreeMap::new(),
        transfer_rules: BTreeMap::new(),
        queue_srtp: BTreeMap::new(),
        queue_srtp_keys: BTreeMap::new(),
        behind_nat: Vec::new(),
        srtp_suites: ringward::call::Suites::default(),
        dtls: None,
        whispers: BTreeMap::new(),
        silent_holds: std::collections::BTreeSet::new(),
        outbound: ringward::call::OutboundConfig::default(),
        public_url: Some("https://ringward.example".into()),
        country: "US".into(),
        transcodes: true,
        opus: true,
        rtcp_mux: true,
        is_voice_on: true,
        model: Some("default@test".into()),
        shard,
        shards,
    }
}

/// A queue for every number that rings its targets for 20 s and then gives up.
pub fn queue(name: &str, strategy: queue::Strategy, targets: &[&str]) -> queue::Config {
    queue::Config {
        name: name.into(),
        numbers: vec!["*".into()],
        strategy,
        targets: targets.iter().map(|target| target.to_string()).collect(),
        ring: Duration::from_secs(20),
        overflow: queue::Overflow::Reject,
        reach: queue::Reach::default(),
        service: ringward::queue::Service::default(),
    }
}
