//! Fax in a description: T.38 over UDPTL (`m=image`, ITU-T T.38 Annex D), where no audio is offered beside it.

use std::net::SocketAddr;

use super::parse::{MediaLine, connection, media_line};
use super::{SdpError, Session};

/// The fax line we anchor.
#[derive(Clone)]
pub(super) struct Fax {
    /// Its place in `Session::media`.
    pub(super) section: usize,
    pub(super) address: SocketAddr,
}

impl Session {
    /// Whether the two are to send each other a fax (T.38) and no audio: there is such a line, and no audio that can be carried.
    pub fn is_fax(&self) -> bool {
        self.fax.is_some()
    }
}

/// The first fax line that is not refused.
pub(super) fn select(session: &Session, head: usize) -> Result<Option<Fax>, SdpError> {
    for (section, range) in session.media.iter().enumerate() {
        let line = media_line(session.value(session.lines[range.start]), range.start + 1)?;
        if is_fax(&line) {
            let address = SocketAddr::new(connection(session, head, range)?, line.port);
            return Ok(Some(Fax { section, address }));
        }
    }
    Ok(None)
}

fn is_fax(line: &MediaLine<'_>) -> bool {
    line.kind.eq_ignore_ascii_case(b"image")
        && line.protocol.eq_ignore_ascii_case(b"udptl")
        && line.port != 0
        && line
            .formats
            .iter()
            .any(|format| format.eq_ignore_ascii_case(b"t38"))
}

#[cfg(test)]
mod tests {
    use super::super::{Transport, fuzz_sdp};
    use super::*;

    const HEAD: &str = "v=0\r\no=fax 3 4 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n";
    const T38: &str = "m=image 6800 udptl t38\r\na=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\n\
        a=T38FaxRateManagement:transferredTCF\r\na=T38FaxMaxDatagram:400\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n";

    fn said(media: &str) -> Session {
        Session::parse(format!("{HEAD}{media}").as_bytes()).unwrap()
    }

    fn written(session: &Session) -> String {
        let ours = [198, 51, 100, 7].into();
        let muxed = Transport {
            rtcp_mux: true,
            ..Transport::default()
        };
        let octets = session.anchored(ours, 20_002, 77, 3, &muxed).unwrap();
        String::from_utf8(octets).unwrap()
    }

    #[test]
    fn a_fax_is_anchored_with_its_own_words_and_our_port() {
        let offer = said(&format!("m=audio 0 RTP/AVP 0\r\n{T38}a=sendrecv\r\na=rtcp:5\r\n"));
        assert!(offer.is_fax() && offer.codecs().is_empty());
        assert_eq!(offer.audio_address(), Some("192.0.2.9:6800".parse().unwrap()));
        let expected = "v=0\r\no=- 77 3 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
            m=audio 0 RTP/AVP 0\r\n"
            .to_string()
            + &T38.replace("6800", "20002");
        assert_eq!(written(&offer), expected);
    }

    #[test]
    fn audio_that_can_be_carried_comes_first() {
        for (media, is_fax) in [
            (format!("m=audio 4000 RTP/AVP 0\r\n{T38}"), false),
            (format!("{T38}m=audio 4000 RTP/AVP 0\r\n"), false),
            // G.729 alone, or SRTP without a key.
            (format!("m=audio 4000 RTP/AVP 18\r\n{T38}"), true),
            (format!("m=audio 4000 RTP/SAVP 0\r\n{T38}"), true),
            ("m=image 0 udptl t38\r\n".into(), false),
            ("m=image 6800 tcp t38\r\n".into(), false),
            ("m=image 6800 udptl t37\r\n".into(), false),
            ("m=image 6800 UDPTL T38\r\n".into(), true),
            ("m=audio 6800 udptl t38\r\n".into(), false),
        ] {
            assert_eq!(said(&media).is_fax(), is_fax, "{media}");
            fuzz_sdp(format!("{HEAD}{media}").as_bytes());
        }
        let several = format!("{T38}m=image 6900 udptl t38\r\nm=audio 4000 RTP/AVP 18\r\n");
        let text = written(&said(&several));
        assert!(text.contains("m=image 20002 udptl t38\r\n"), "{text}");
        assert!(
            text.ends_with("m=image 0 udptl t38\r\nm=audio 0 RTP/AVP 18\r\n"),
            "{text}"
        );
    }

    #[test]
    fn a_fax_to_nowhere_is_a_fault() {
        for address in ["c=IN IP4 224.0.0.1", "c=IN IP4 fax.example"] {
            let lines = T38.replacen("\r\n", &format!("\r\n{address}\r\n"), 1);
            let text = format!("{HEAD}{lines}");
            assert!(Session::parse(text.as_bytes()).is_err(), "{address}");
        }
    }
}
