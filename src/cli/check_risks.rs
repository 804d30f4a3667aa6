//! What `ringward check` says of settings that work, and leave a door open.

use std::net::IpAddr;

use crate::alarm::Security;
use crate::call::TrunkConfig;
use crate::cidr::Cidr;
use crate::config::Config;
use crate::digest::{Credentials, PASSWORD_LEAST, Weakness};
use crate::sip::Transport;

/// One sentence for each risk, worst first.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = administration(config);
    for trunk in &config.trunks {
        warnings.extend(trunk_risks(trunk));
    }
    for credentials in &config.credentials {
        let place = format!("[[credentials]] of user {:?}", credentials.credentials.user);
        warnings.extend(guessable(&place, &credentials.credentials, false));
    }
    warnings.extend(ways_out(config));
    if let Some(email) = config
        .alarms
        .email
        .as_ref()
        .filter(|email| email.security == Security::Off)
    {
        warnings.push(format!(
            "[alarms.email] sends alarms to {} in clear (tls = \"off\"): whoever is on the way reads what is unusual here",
            email.host
        ));
    }
    warnings
}

/// Who can reach the page where people sign in.
fn administration(config: &Config) -> Vec<String> {
    let api = config.api.listen.ip();
    let mut warnings = Vec::new();
    if api.is_loopback() {
        return warnings;
    }
    if config.api_tls.is_none() {
        warnings.push(
            "[api] listens beyond this machine without [api.tls]: passwords can be read on the way".into(),
        );
    }
    let beside_trunk = config
        .sip
        .listen
        .iter()
        .any(|(_, sip)| !sip.ip().is_loopback() && (sip.ip() == api || api.is_unspecified()));
    if is_internet(api) {
        warnings.push(format!(
            "[api] listens on {api}, an address of the internet: anybody can try passwords on the console; give it an inner address"
        ));
    } else if beside_trunk {
        warnings.push(format!(
            "[api] listens on {api}, where SIP of the trunk arrives too: whoever reaches the one reaches the console; give it an address of its own in the office network"
        ));
    }
    warnings
}

fn trunk_risks(trunk: &TrunkConfig) -> Vec<String> {
    let name = &trunk.name;
    let mut warnings = Vec::new();
    if trunk.from.iter().any(|range| range.ends_with("/0")) {
        warnings.push(format!(
            "trunk {name:?} takes calls from everybody; name the carrier's addresses"
        ));
    } else if trunk.tls_name.is_none() {
        let outside = trunk
            .from
            .iter()
            .find(|range| range.parse::<Cidr>().is_ok_and(|range| !range.is_private()));
        if let Some(range) = outside {
            warnings.push(format!(
                "trunk {name:?} takes calls from {range} without TLS (no tls_name): who calls whom can be read and changed on the way over the internet"
            ));
        }
    }
    if let Some(peer) = &trunk.to
        && peer.transport != Transport::Tls
        && peer.addresses.iter().any(|address| is_internet(address.ip()))
    {
        warnings.push(format!(
            "trunk {name:?} sends calls to {} over the internet in clear; transport=tls in to would keep them",
            peer.host
        ));
    }
    if let Some(credentials) = &trunk.credentials {
        let place = format!("trunk {name:?}");
        warnings.extend(guessable(&place, credentials, trunk.is_challenged));
    }
    warnings
}

/// Credentials that others guess. The user's name counts only where strangers prove themselves with it.
fn guessable(place: &str, credentials: &Credentials, is_proof_of_strangers: bool) -> Option<String> {
    match credentials.weakness()? {
        Weakness::PasswordIsUser => Some(format!(
            "{place} has its user name as its password: it is the first one tried"
        )),
        Weakness::PasswordShort => Some(format!(
            "{place} has a password of under {PASSWORD_LEAST} characters: who has listened to one exchange can try them all at home"
        )),
        Weakness::UserGuessed if is_proof_of_strangers => Some(format!(
            "{place} has the user name {:?}, one of those that scanners try first; any other is harder to find",
            credentials.user
        )),
        Weakness::UserGuessed => None,
    }
}

/// Calls that cost the business money.
fn ways_out(config: &Config) -> Option<String> {
    let outbound = &config.outbound;
    let everything = outbound
        .allow
        .iter()
        .find(|number| number.trim_start_matches('+').trim_end_matches('*').is_empty());
    everything.map(|number| {
        format!(
            "[outbound] allow = [{number:?}] lets calls go out to every number, premium rates and satellites too; name the countries that are called"
        )
    })
}

/// Not every address at once, and not an inner one.
fn is_internet(address: IpAddr) -> bool {
    !address.is_unspecified() && !Cidr::from(address).is_private()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Peer;
    use crate::digest::Secret;

    fn warned(change: impl FnOnce(&mut Config)) -> Vec<String> {
        let mut config = Config::loopback();
        change(&mut config);
        warnings(&config)
    }

    fn one(change: impl FnOnce(&mut Config), part: &str) {
        let warnings = warned(change);
        assert!(
            warnings.len() == 1 && warnings[0].contains(part),
            "{part}: {warnings:#?}"
        );
    }

    fn credentials(user: &str, password: &str) -> Credentials {
        Credentials {
            user: user.into(),
            password: Secret::new(password),
            realm: None,
        }
    }

    #[test]
    fn what_runs_without_a_file_leaves_no_door_open() {
        assert!(warned(|_| ()).is_empty());
    }

    #[test]
    fn administration_that_others_reach_is_warned_of() {
        let listen = |address: &'static str| {
            move |config: &mut Config| {
                config.api.listen = address.parse().unwrap();
            }
        };
        one(listen("10.0.0.5:8080"), "without [api.tls]");
        let public = warned(listen("198.51.100.7:443"));
        assert!(
            public.iter().any(|w| w.contains("an address of the internet")),
            "{public:#?}"
        );
        let beside = warned(|config| {
            config.sip.listen = vec![(Transport::Udp, "10.0.0.5:5060".parse().unwrap())];
            config.api.listen = "0.0.0.0:8080".parse().unwrap();
        });
        assert!(
            beside
                .iter()
                .any(|w| w.contains("where SIP of the trunk arrives")),
            "{beside:#?}"
        );
    }

    #[test]
    fn sip_in_clear_over_the_internet_is_warned_of_and_inside_it_is_not() {
        let from =
            |range: &'static str| move |config: &mut Config| config.trunks[0].from = vec![range.into()];
        one(from("203.0.113.0/24"), "without TLS");
        one(from("2001:db8::/32"), "without TLS");
        one(from("0.0.0.0/0"), "takes calls from everybody");
        for inside in [
            "10.1.0.0/16",
            "192.168.1.4",
            "100.64.0.0/10",
            "fd00::/8",
            "fe80::1",
            "127.0.0.1",
        ] {
            assert!(warned(from(inside)).is_empty(), "{inside}");
        }
        assert!(
            warned(|config| {
                config.trunks[0].from = vec!["203.0.113.0/24".into()];
                config.trunks[0].tls_name = Some("sbc.carrier.example".into());
            })
            .is_empty()
        );
        one(
            |config| {
                config.trunks[0].to = Some(Peer {
                    host: "203.0.113.9".into(),
                    transport: Transport::Tcp,
                    addresses: vec!["203.0.113.9:5060".parse().unwrap()],
                });
            },
            "over the internet in clear",
        );
    }

    #[test]
    fn passwords_and_names_that_are_tried_first_are_warned_of_and_never_printed() {
        let with = |user: &'static str, password: &'static str| {
            move |config: &mut Config| {
                config.trunks[0].credentials = Some(credentials(user, password));
                config.trunks[0].is_challenged = true;
            }
        };
        one(
            with("Carrier-7Q", "carrier-7q"),
            "has its user name as its password",
        );
        one(with("carrier-7q", "elevenchars"), "under 12 characters");
        one(with("1000", "twelve-chars-x"), "scanners try first");
        assert!(warned(with("carrier-7q", "twelve-chars-x")).is_empty());
        assert!(
            !warned(with("carrier-7q", "elevenchars"))
                .concat()
                .contains("elevenchars")
        );
        // What a carrier gave us to prove ourselves with has the name it has.
        assert!(
            warned(|config| config.trunks[0].credentials = Some(credentials("1000", "twelve-chars-x")))
                .is_empty()
        );
    }

    #[test]
    fn calls_to_everywhere_are_warned_of() {
        one(|config| config.outbound.allow = vec!["+*".into()], "every number");
        assert!(warned(|config| config.outbound.allow = vec!["+44*".into()]).is_empty());
    }
}
