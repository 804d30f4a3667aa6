//! How the packets of one leg travel, as its descriptions say: encrypted or not, RTP and RTCP on one port or on two.

use super::{Audio, Dtls, Protection, Session};

/// Payload types that are taken for RTCP where both share a port, with the marker bit in front (RFC 5761 §4).
const TAKEN_FOR_RTCP: std::ops::RangeInclusive<u8> = 64..=95;

/// How the audio travels, as its `m=` line says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// `RTP/AVP`.
    #[default]
    Avp,
    /// `RTP/SAVP`.
    Savp,
    /// `UDP/TLS/RTP/SAVP` (RFC 5764 §8).
    TlsSavp,
    /// The same with feedback, which we neither ask for nor give.
    TlsSavpf,
}

impl Profile {
    const ALL: [Profile; 4] = [Profile::Avp, Profile::Savp, Profile::TlsSavp, Profile::TlsSavpf];

    /// As in an `m=` line.
    pub fn as_str(self) -> &'static str {
        match self {
            Profile::Avp => "RTP/AVP",
            Profile::Savp => "RTP/SAVP",
            Profile::TlsSavp => "UDP/TLS/RTP/SAVP",
            Profile::TlsSavpf => "UDP/TLS/RTP/SAVPF",
        }
    }

    pub(super) fn of(protocol: &[u8]) -> Option<Profile> {
        Profile::ALL
            .into_iter()
            .find(|profile| protocol.eq_ignore_ascii_case(profile.as_str().as_bytes()))
    }

    /// Whether nothing may be plain.
    pub fn is_encrypted(self) -> bool {
        self != Profile::Avp
    }

    /// Whether its keys come by handshake only.
    pub fn is_tls(self) -> bool {
        matches!(self, Profile::TlsSavp | Profile::TlsSavpf)
    }
}

/// What a description of ours says of one leg's packets. The other leg has its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transport {
    pub protection: Protection,
    /// `a=rtcp-mux`: RTCP comes and goes on the port of RTP (RFC 5761).
    pub rtcp_mux: bool,
}

impl Session {
    /// How the audio travels; `RTP/AVP` without any.
    pub fn profile(&self) -> Profile {
        self.audio.as_ref().map(|audio| audio.profile).unwrap_or_default()
    }

    /// What is said of a handshake for the keys of the audio, where its certificate is known by a hash that we know.
    pub fn dtls(&self) -> Option<&Dtls> {
        self.audio.as_ref()?.dtls.as_ref()
    }

    /// Whether the author would have RTP and RTCP on one port (RFC 5761), and it can be.
    pub fn rtcp_mux(&self) -> bool {
        self.audio.as_ref().is_some_and(|audio| audio.rtcp_mux) && self.may_mux_rtcp()
    }

    /// Whether RTP and RTCP could be told apart on one port: no payload type of the audio looks like RTCP (RFC 5761 §4).
    pub fn may_mux_rtcp(&self) -> bool {
        let is_clear = |audio: &Audio| {
            let voices = audio.codecs.iter().map(|(payload_type, _)| *payload_type);
            let mut all = voices.chain(audio.telephone_event).chain(audio.comfort_noise);
            !all.any(|payload_type| TAKEN_FOR_RTCP.contains(&payload_type))
        };
        self.audio.as_ref().is_some_and(is_clear)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(formats: &str, rest: &str) -> Session {
        let text = format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP {formats}\r\n{rest}"
        );
        Session::parse(text.as_bytes()).unwrap()
    }

    const MUX: &str = "a=rtcp-mux\r\n";

    #[test]
    fn one_port_is_wanted_where_it_is_said_and_can_be() {
        for (formats, rest, expected) in [
            ("0 101", MUX.to_string(), true),
            ("0", String::new(), false),
            ("0", "a=RTCP-MUX\r\n".to_string(), true),
            ("0", "a=rtcp-mux-only\r\n".to_string(), false),
            // Both would be read as RTCP: a codec, and the keys of a telephone. Speex is nothing of ours.
            ("64", format!("{MUX}a=rtpmap:64 PCMU/8000\r\n"), false),
            (
                "0 95",
                format!("{MUX}a=rtpmap:95 telephone-event/8000\r\n"),
                false,
            ),
            ("0 96", format!("{MUX}a=rtpmap:96 telephone-event/8000\r\n"), true),
            ("0 80", format!("{MUX}a=rtpmap:80 CN/8000\r\n"), false),
            ("0 72", format!("{MUX}a=rtpmap:72 speex/8000\r\n"), true),
        ] {
            assert_eq!(said(formats, &rest).rtcp_mux(), expected, "{formats} {rest}");
        }
        // Said of another line it is not said of this one.
        let other = said("0", "m=video 4002 RTP/AVP 96\r\na=rtcp-mux\r\n");
        assert!(!other.rtcp_mux() && other.may_mux_rtcp());
    }

    #[test]
    fn it_is_written_once_and_only_where_it_is_ours_to_say() {
        let theirs = said("0", MUX);
        for rtcp_mux in [true, false] {
            let transport = Transport {
                rtcp_mux,
                ..Transport::default()
            };
            let ours = [198, 51, 100, 7].into();
            let octets = theirs.anchored(ours, 20_002, 77, 3, &transport).unwrap();
            let text = String::from_utf8(octets).unwrap();
            assert_eq!(text.matches(MUX).count(), usize::from(rtcp_mux), "{text}");
        }
    }
}
