//! Two parties that share no codec: what is offered to one beyond the other's words, and how the other hears the answer.

use super::limits::FORMATS_MAX;
use super::parse::{attribute, leading_payload_type, media_line};
use super::{Audio, Codec, Line, Session};

/// Numbers that Opus and the keys of the telephone are given where the author has none for them: those that most phones use, or
/// else the first that is free.
const OPUS: u8 = 111;
const EVENT: u8 = 101;
const WIDE_EVENT: u8 = 110;

/// What is added, by its static payload type (RFC 3551 §6), in this order.
const KNOWN: [(u8, Codec); 3] = [(0, Codec::Pcmu), (8, Codec::Pcma), (9, Codec::G722)];

impl Session {
    /// The same description with the codecs of ours that it lacks behind its own, by their static payload types, and `opus` last:
    /// an offer whose answer may need translating. A number that stands for something else already is left alone. Keys of the
    /// telephone are offered by each clock that a codec has, if the author knows them at all.
    pub fn widened(&self, opus: bool) -> Session {
        let mut session = self.clone();
        let Some(audio) = &mut session.audio else {
            return session;
        };
        if audio.codecs.len() + KNOWN.len() + 5 >= FORMATS_MAX {
            return session;
        }
        for (payload_type, codec) in KNOWN {
            let is_there = audio.codecs.iter().any(|(_, other)| *other == codec);
            if !is_there && self.is_free(audio, payload_type) {
                audio.codecs.push((payload_type, codec));
            }
        }
        let has_opus = |audio: &Audio| audio.codecs.iter().any(|(_, codec)| *codec == Codec::Opus);
        if opus && !has_opus(audio) {
            let number = self.dynamic(audio, OPUS);
            audio.codecs.extend(number.map(|number| (number, Codec::Opus)));
        }
        match (audio.telephone_event, audio.wide_event) {
            (None, Some(_)) => audio.telephone_event = self.dynamic(audio, EVENT),
            (Some(_), None) if has_opus(audio) => audio.wide_event = self.dynamic(audio, WIDE_EVENT),
            _ => {}
        }
        session
    }

    /// This number, or another of those that anybody may give a meaning (RFC 3551 §6), that has none yet.
    fn dynamic(&self, audio: &Audio, wanted: u8) -> Option<u8> {
        let events = [audio.telephone_event, audio.wide_event, audio.comfort_noise];
        std::iter::once(wanted).chain(96..=127).find(|number| {
            let is_added =
                audio.codecs.iter().any(|(other, _)| other == number) || events.contains(&Some(*number));
            !is_added && self.is_free(audio, *number)
        })
    }

    /// This answer as the author of `offer` may hear it (RFC 3264 §6.1: nothing but what was offered), where it chose codecs
    /// that were not in that offer. `None`: it can be said as it is.
    ///
    /// Where both have none in common it is the offer's own first one, with the answer's direction and packet times: a packet
    /// keeps its length on its way.
    pub fn translated(&self, offer: &Session) -> Option<Session> {
        let (answered, offered) = (self.audio.as_ref()?, offer.audio.as_ref()?);
        let is_offered = |codec: Codec| offered.codecs.iter().any(|(_, other)| *other == codec);
        if answered.codecs.iter().all(|(_, codec)| is_offered(*codec)) {
            return None;
        }
        if answered.codecs.iter().any(|(_, codec)| is_offered(*codec)) {
            let mut session = self.clone();
            if let Some(audio) = &mut session.audio {
                audio.codecs.retain(|(_, codec)| is_offered(*codec));
                audio.wide_event = audio.wide_event.filter(|_| offered.wide_event.is_some());
                audio.telephone_event = audio
                    .telephone_event
                    .filter(|_| offered.telephone_event.is_some());
                audio.settle();
            }
            return Some(session);
        }
        let mut session = offer.translating(self);
        session.take_packet_times(self);
        if let Some(audio) = &mut session.audio {
            audio.stated = Some(self.direction());
            audio.address = answered.address;
        }
        Some(session)
    }

    /// The same description with one codec only, for an author who shares none with `other` (one that they have under different
    /// numbers, or else the first that is not Opus, or else the first), and keys of the telephone and comfort noise where
    /// `other` has them too.
    pub fn translating(&self, other: &Session) -> Session {
        let mut session = self.clone();
        if let Some(audio) = &mut session.audio {
            let theirs = other.codecs();
            let is_shared = |(_, codec): &&(u8, Codec)| theirs.iter().any(|(_, other)| other == codec);
            let shared = audio.codecs.iter().find(is_shared).copied();
            let light = audio.codecs.iter().find(|(_, codec)| *codec != Codec::Opus);
            let kept = shared.or(light.or(audio.codecs.first()).copied());
            audio.codecs.retain(|codec| Some(*codec) == kept);
            audio.is_opus_ours = shared.is_none();
            audio.telephone_event = audio.telephone_event.filter(|_| other.has_keys());
            audio.wide_event = audio.wide_event.filter(|_| other.has_keys());
            audio.settle();
            audio.comfort_noise = audio.comfort_noise.filter(|_| other.comfort_noise().is_some());
        }
        session
    }

    /// How long packets should be and may be, as `other` says it, and not at all where it does not.
    fn take_packet_times(&mut self, other: &Session) {
        let (Some(audio), Some(theirs)) = (&mut self.audio, &other.audio) else {
            return;
        };
        audio.ptime_ms = theirs.ptime_ms;
        let section = audio.section;
        let range = self.media[section].clone();
        let own = self.lines[range.clone()].iter();
        let mut lines: Vec<Line> = own.filter(|line| !self.is_packet_time(**line)).copied().collect();
        let theirs = other.lines[other.media[theirs.section].clone()].iter();
        for line in theirs.filter(|line| other.is_packet_time(**line)) {
            let start = self.text.len();
            self.text.extend_from_slice(other.value(*line));
            let end = self.text.len();
            lines.push(Line { start, end, ..*line });
        }
        let end = range.start + lines.len();
        self.lines.splice(range.clone(), lines);
        self.media[section] = range.start..end;
        for later in &mut self.media[section + 1..] {
            *later = later.start - range.end + end..later.end - range.end + end;
        }
    }

    fn is_packet_time(&self, line: Line) -> bool {
        let name = attribute(self.value(line)).0;
        let is_it = |known: &[u8]| name.eq_ignore_ascii_case(known);
        line.kind == b'a' && (is_it(b"ptime") || is_it(b"maxptime"))
    }

    /// Whether nothing in the audio section speaks of this payload type.
    fn is_free(&self, audio: &Audio, payload_type: u8) -> bool {
        let range = self.media[audio.section].clone();
        let Ok(line) = media_line(self.value(self.lines[range.start]), range.start + 1) else {
            return false;
        };
        let is_it = |text: &[u8]| leading_payload_type(text).is_some_and(|(other, _)| other == payload_type);
        let mut attributes = self.lines[range].iter().filter(|line| line.kind == b'a');
        let is_named = attributes.any(|line| {
            let (name, rest) = attribute(self.value(*line));
            let is_about = name.eq_ignore_ascii_case(b"rtpmap") || name.eq_ignore_ascii_case(b"fmtp");
            is_about && is_it(rest)
        });
        !is_named && !line.formats.iter().any(|format| is_it(format))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Transport;
    use super::*;

    fn said(formats: &str, rest: &str) -> Session {
        let text = format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP {formats}\r\n{rest}"
        );
        Session::parse(text.as_bytes()).unwrap()
    }

    fn written(session: &Session) -> String {
        let ours = [198, 51, 100, 7].into();
        let octets = session
            .anchored(ours, 20_002, 77, 3, &Transport::default())
            .unwrap();
        assert_eq!(Session::parse(&octets).unwrap().codecs(), session.codecs());
        String::from_utf8(octets).unwrap()
    }

    const EVENT: &str = "a=rtpmap:101 telephone-event/8000\r\n";

    #[test]
    fn what_we_know_stands_behind_what_was_offered() {
        const WIDE: &str = "a=rtpmap:110 telephone-event/48000\r\na=rtpmap:96 opus/48000/2\r\n";
        for (formats, rest, opus, expected) in [
            ("0 101", EVENT, false, "0 101 8 9"),
            ("9 0", "", false, "9 0 8"),
            ("8 0 9", "", false, "8 0 9"),
            // 8 and 9 are something else here, or are spoken of.
            ("0 8", "a=rtpmap:8 iLBC/8000\r\n", false, "0 9"),
            ("0", "a=rtpmap:9 iLBC/8000\r\n", false, "0 8"),
            ("97", "a=rtpmap:97 PCMU/8000\r\n", false, "97 8 9"),
            // Opus, and keys by its clock where there were any.
            ("0 101", EVENT, true, "0 101 8 9 111 110"),
            ("0", "", true, "0 8 9 111"),
            ("0", "a=rtpmap:111 iLBC/8000\r\n", true, "0 8 9 96"),
            ("96 110", WIDE, true, "96 110 0 8 9 101"),
            ("96 110", WIDE, false, "96 110 0 8 9 101"),
        ] {
            let text = written(&said(formats, rest).widened(opus));
            let line = format!("m=audio 20002 RTP/AVP {expected}\r\n");
            assert!(text.contains(&line), "{formats}: {text}");
        }
        let text = written(&said("0 101", EVENT).widened(true));
        let ours = "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 maxplaybackrate=16000;sprop-maxcapturerate=16000;stereo=0;sprop-stereo=0\r\n\
            a=rtpmap:110 telephone-event/48000\r\na=fmtp:110 0-15\r\n";
        assert!(text.contains(ours), "{text}");
    }

    #[test]
    fn who_speaks_opus_alone_hears_an_answer_in_it_with_our_own_words_about_it() {
        let opus = "a=rtpmap:96 opus/48000/2\r\na=fmtp:96 stereo=1;useinbandfec=1\r\na=rtpmap:97 telephone-event/48000\r\n";
        let offer = said("96 97", opus);
        assert_eq!(
            (offer.codecs(), offer.wide_event()),
            (vec![(96, Codec::Opus)], Some(97))
        );
        let answer = said("0 101", EVENT).translated(&offer).unwrap();
        let text = written(&answer);
        assert!(
            text.contains("RTP/AVP 96 97\r\n") && text.contains("stereo=0;"),
            "{text}"
        );
        assert!(
            !text.contains("stereo=1") && !text.contains("useinbandfec"),
            "{text}"
        );
        // Where both have it, it is what its author says of it.
        let text = written(&said("96 97", opus));
        assert!(text.contains("stereo=1;useinbandfec=1"), "{text}");
        // By another number it is the same codec, and what else there is to choose from is left.
        let both = said("0 96 97", opus);
        let other = said("111", "a=rtpmap:111 opus/48000/2\r\n");
        assert_eq!(both.translating(&other).codecs(), [(96, Codec::Opus)]);
        assert_eq!(both.translating(&said("9", "")).codecs(), [(0, Codec::Pcmu)]);
        assert_eq!(both.with_one_codec(None).wide_event(), None);
        // A gateway that takes none.
        let none = both.without_opus();
        assert_eq!((none.codecs(), none.wide_event()), (vec![(0, Codec::Pcmu)], None));
        for wrong in ["opus/48000", "opus/48000/1", "opus/8000/2", "opus/16000/2"] {
            assert!(
                said("96", &format!("a=rtpmap:96 {wrong}\r\n"))
                    .codecs()
                    .is_empty(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn an_answer_in_other_codecs_is_heard_in_the_offers_own() {
        let offer = said("9 0 101", &format!("{EVENT}a=sendrecv\r\n"));
        let answer = said("8 101", &format!("{EVENT}a=recvonly\r\n"));
        let text = written(&answer.translated(&offer).unwrap());
        assert!(
            text.contains("RTP/AVP 9 101\r\n") && text.ends_with("a=recvonly\r\n"),
            "{text}"
        );
        // Keys of the telephone only where both sides have them.
        let text = written(&said("8", "").translated(&offer).unwrap());
        assert!(
            text.contains("RTP/AVP 9\r\n") && !text.contains("telephone-event"),
            "{text}"
        );
    }

    #[test]
    fn comfort_noise_is_answered_where_it_was_offered_and_both_have_it() {
        let noise = "a=rtpmap:98 CN/8000\r\n";
        for (offer, answer, expected) in [("0 13", "0 13", true), ("0 13", "0", false), ("0", "0 13", false)]
        {
            let said = said(answer, "").with_noise_of(&said(offer, ""));
            assert_eq!(said.comfort_noise(), expected.then_some(13), "{offer} {answer}");
            assert_eq!(written(&said).contains("0 13\r\n"), expected);
        }
        // Under other numbers it is not what was offered.
        assert_eq!(
            said("0 13", "")
                .with_noise_of(&said("0 98", noise))
                .comfort_noise(),
            None
        );
        // Translated: by the number of the offer's author.
        let offer = said("9 98", noise);
        let heard = |answer: &str| said(answer, "").translated(&offer).unwrap().comfort_noise();
        assert_eq!((heard("0 13"), heard("0")), (Some(98), None));
        // Whoever listens himself wants to hear the line.
        assert_eq!(said("0 13", "").with_one_codec(None).comfort_noise(), None);
    }

    #[test]
    fn packets_are_as_long_as_the_answer_wants_them_whatever_the_offer_said() {
        let video = "m=video 6000 RTP/AVP 96\r\na=ptime:7\r\n";
        let offer = said(
            "0 101",
            &format!("a=ptime:20\r\n{EVENT}a=maxptime:40\r\n{video}{video}"),
        );
        for (of_answer, expected) in [
            ("a=ptime:30\r\na=maxptime:60\r\n", Some(30)),
            ("a=ptime:10\r\n", Some(10)),
            ("", None),
        ] {
            let answer = said("9 101", &format!("{EVENT}{of_answer}{video}"));
            let heard = answer.translated(&offer).unwrap();
            assert_eq!(heard.ptime_ms(), expected);
            let text = written(&heard);
            assert_eq!(Session::parse(text.as_bytes()).unwrap().ptime_ms(), expected);
            assert_eq!(
                text.contains("maxptime"),
                of_answer.contains("maxptime"),
                "{text}"
            );
            assert_eq!(text.matches("m=video 0 RTP/AVP 96").count(), 2, "{text}");
        }
    }

    #[test]
    fn an_answer_that_has_something_in_common_keeps_that() {
        let offer = said("0 101", EVENT);
        assert!(said("0 101", EVENT).translated(&offer).is_none());
        let partly = said("8 0", "").translated(&offer).unwrap();
        assert_eq!(partly.codecs(), [(0, Codec::Pcmu)]);
    }
}
