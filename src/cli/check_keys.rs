//! What `ringward check` says of media keys: they stand in the signalling (RFC 4568), and whoever reads it can listen.

use crate::call::{Encryption, Keying, TrunkConfig};
use crate::config::Config;
use crate::sip::Transport;

/// One sentence for each part of the configuration that would send keys where they can be read.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let is_asked = |wanted: Encryption| wanted != Encryption::Off;
    let has_plain = config
        .sip
        .listen
        .iter()
        .any(|(transport, _)| *transport != Transport::Tls);
    let mut warnings = Vec::new();
    for trunk in config.trunks.iter().filter(|trunk| is_asked(trunk.srtp)) {
        if has_plain && !is_over_tls(trunk) {
            warnings.push(in_clear(
                &format!("trunk {:?}", trunk.name),
                "tls_name, and transport=tls in to",
            ));
        }
    }
    for queue in &config.queues {
        let wanted = config.queue_srtp.get(&queue.name).copied().unwrap_or_default();
        let is_readable = |target: &String| !target.starts_with("trunk:") && !is_tls(target);
        // A fingerprint is no secret; what we offer has nothing else.
        let has_keys = config.queue_srtp_keys.get(&queue.name) != Some(&Keying::Dtls);
        if has_keys && is_asked(wanted) && queue.targets.iter().any(is_readable) {
            warnings.push(in_clear(
                &format!("queue {:?}", queue.name),
                "sips: or transport=tls in its targets",
            ));
        }
    }
    if is_asked(config.outbound.srtp) && has_plain {
        warnings.push(in_clear("[outbound]", "phones that speak SIP over TLS only"));
    }
    warnings
}

fn in_clear(part: &str, remedy: &str) -> String {
    format!(
        "{part} has srtp, and its SIP can go over UDP or TCP, where the media keys stand in clear: whoever reads the signalling can listen; {remedy} would keep them"
    )
}

fn is_over_tls(trunk: &TrunkConfig) -> bool {
    let is_way_out_secret = trunk
        .to
        .as_ref()
        .is_none_or(|peer| peer.transport == Transport::Tls);
    trunk.tls_name.is_some() && is_way_out_secret
}

fn is_tls(target: &str) -> bool {
    let target = target.to_ascii_lowercase();
    target.starts_with("sips:") || target.split(';').any(|parameter| parameter == "transport=tls")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warned(config: &Config) -> Vec<String> {
        warnings(config)
            .into_iter()
            .map(|warning| warning.split(" has srtp").next().unwrap_or_default().to_string())
            .collect()
    }

    #[test]
    fn keys_over_plain_sip_are_warned_of() {
        let mut config = Config::loopback();
        config.trunks[0].srtp = Encryption::Preferred;
        config
            .queue_srtp
            .insert("front-desk".into(), Encryption::Required);
        config.outbound.srtp = Encryption::Preferred;
        let all = ["trunk \"loopback\"", "queue \"front-desk\"", "[outbound]"];
        assert_eq!(warned(&config), all);
        for targets in [
            vec!["sips:desk@10.0.0.5"],
            vec!["sip:desk@10.0.0.5:5061;Transport=TLS", "trunk:carrier"],
        ] {
            config.queues[0].targets = targets.into_iter().map(str::to_string).collect();
            assert_eq!(warned(&config), [all[0], all[2]]);
        }
        config.queues[0].targets = vec!["sip:desk@10.0.0.5".into()];
        config.queue_srtp_keys.insert("front-desk".into(), Keying::Dtls);
        assert_eq!(warned(&config), [all[0], all[2]]);
        config.trunks[0].tls_name = Some("sbc.carrier.example".into());
        assert_eq!(warned(&config), [all[2]]);
    }

    #[test]
    fn without_srtp_there_is_nothing_to_say() {
        let mut config = Config::loopback();
        config.queue_srtp.insert("front-desk".into(), Encryption::Off);
        assert!(warned(&config).is_empty());
    }
}
