//! Programs that look for telephones to rob, by the names they give themselves.
//!
//! A name alone proves nothing, in either direction: whoever attacks in earnest writes another one. So it only counts
//! against strangers, who have proven nothing and are owed nothing; a known trunk or phone may call itself what it likes.

/// What scanners write as User-Agent, in lower case. No telephone, trunk or softphone does. What a caller is called
/// (From, Contact) is not looked at: a carrier passes on whatever its customers write there.
const NAMES: [&[u8]; 12] = [
    b"friendly-scanner",
    b"friendly-request",
    b"sipvicious",
    b"sundayddr",
    b"sip-scan",
    b"sipscan",
    b"sipcli",
    b"sippts",
    b"pplsip",
    b"siparmyknife",
    b"sivus",
    b"vicidial-scan",
];

/// Octets of a message that are looked at. Scanners have short ones, and a stranger's long one is not searched for ever.
const LOOKED_AT: usize = 2_048;

/// Whether a message calls itself the work of a scanner.
pub fn is_scanner(octets: &[u8]) -> bool {
    let octets = &octets[..octets.len().min(LOOKED_AT)];
    let lines = octets.split(|octet| *octet == b'\n');
    lines
        .take_while(|line| !line.trim_ascii().is_empty())
        .any(|line| {
            let Some(colon) = line.iter().position(|octet| *octet == b':') else {
                return false;
            };
            let name = line[..colon].trim_ascii();
            name.eq_ignore_ascii_case(b"user-agent") && has_name(&line[colon + 1..])
        })
}

fn has_name(value: &[u8]) -> bool {
    NAMES.iter().any(|name| {
        let mut found = value.windows(name.len()).enumerate();
        found.any(|(at, window)| {
            // A word of its own: "sipcli" is no part of another name.
            let is_inside = |octet: Option<&u8>| octet.is_some_and(u8::is_ascii_alphanumeric);
            window.eq_ignore_ascii_case(name)
                && !is_inside(at.checked_sub(1).and_then(|before| value.get(before)))
                && !is_inside(value.get(at + name.len()))
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(line: &str) -> Vec<u8> {
        format!("OPTIONS sip:100@h SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n{line}\r\nContent-Length: 0\r\n\r\nUser-Agent: sipcli\r\n")
            .into_bytes()
    }

    #[test]
    fn scanners_are_known_by_what_they_call_themselves() {
        for line in [
            "User-Agent: friendly-scanner",
            "user-agent:sipcli/v1.8",
            "USER-AGENT: Friendly-Scanner 0.3",
            "User-Agent: pplsip",
        ] {
            assert!(is_scanner(&message(line)), "{line}");
        }
    }

    #[test]
    fn telephones_are_not() {
        for line in [
            "User-Agent: Yealink SIP-T46U 108.86.0.45",
            "User-Agent: Linphone/5.2 (sipclient)",
            "User-Agent: sipclient 2",
            "From: \"sipvicious\"<sip:sipcli@1.1.1.1>;tag=1",
            "To: <sip:sipvicious@h>",
            "Subject: sipcli",
            "no header at all",
        ] {
            assert!(!is_scanner(&message(line)), "{line}");
        }
        assert!(!is_scanner(b""));
    }

    proptest! {
        #[test]
        fn any_octets_are_looked_at_without_panic(octets in prop::collection::vec(any::<u8>(), 0..4_000)) {
            is_scanner(&octets);
        }
    }
}
