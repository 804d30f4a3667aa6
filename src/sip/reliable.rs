//! Reliable provisional responses (RFC 3262): their numbers as a UAS, their order as a UAC.
//!
//! The repetition of a reliable response is the INVITE server transaction's (`transaction/server_invite.rs`).

use std::collections::VecDeque;

use super::builder::{Request, Response};
use super::dialog::Dialog;
use super::error::ParseError;
use super::limits::{FORKS_MAX, PROVISIONALS_WAITING_MAX};
use super::message::Message;
use super::method::Method;
use super::name_addr::tag_of;

/// The option tag (RFC 3262 §8.1).
pub const RELIABLE: &str = "100rel";

/// Whether a message names this option tag in Supported or in Require.
pub fn names_option(message: &Message, header: &str, option: &str) -> bool {
    message
        .header_values(header)
        .iter()
        .any(|value| value.eq_ignore_ascii_case(option))
}

/// UAS side of one INVITE: which number comes next, what waits for its PRACK, and what waits behind that.
///
/// At most one response is unacknowledged at a time, and a 2xx waits for the PRACK of one that carries a description
/// (RFC 3262 §3, §5).
#[derive(Debug)]
pub(crate) struct Provisionals {
    /// RSeq of the last one sent.
    last: u32,
    unacknowledged: Option<Sent>,
    waiting: VecDeque<Response>,
    /// The 2xx.
    answer: Option<Response>,
    /// A final response has gone: what comes now is not sent, so it has no number that a PRACK could name.
    is_over: bool,
}

#[derive(Debug)]
struct Sent {
    rseq: u32,
    to_tag: String,
    has_description: bool,
}

impl Provisionals {
    /// `random` chooses the first number: between 1 and 2^31-1, so that there is always room above.
    pub(crate) fn new(random: u32) -> Provisionals {
        Provisionals {
            last: random >> 1,
            unacknowledged: None,
            waiting: VecDeque::new(),
            answer: None,
            is_over: false,
        }
    }

    /// The response with its number, when it may go now. Else it waits; past [`PROVISIONALS_WAITING_MAX`] the oldest one
    /// without a description is left out: its news is old by then.
    ///
    /// After a final response it comes back without one, for the transaction to refuse.
    pub(crate) fn number(&mut self, response: Response) -> Option<Response> {
        if self.is_over {
            return Some(response);
        }
        if self.unacknowledged.is_some() {
            if self.waiting.len() >= PROVISIONALS_WAITING_MAX {
                let old = self.waiting.iter().position(|waiting| waiting.body.is_empty());
                self.waiting.remove(old.unwrap_or(0));
            }
            self.waiting.push_back(response);
            return None;
        }
        self.last += 1;
        self.unacknowledged = Some(Sent {
            rseq: self.last,
            to_tag: response
                .header_value("To")
                .and_then(tag_of)
                .unwrap_or_default()
                .to_string(),
            has_description: !response.body.is_empty(),
        });
        Some(response.header("RSeq", self.last.to_string()))
    }

    /// The 2xx, when it may go now.
    pub(crate) fn hold(&mut self, answer: Response) -> Option<Response> {
        let must_wait = self
            .unacknowledged
            .as_ref()
            .is_some_and(|sent| sent.has_description);
        if must_wait {
            self.answer = Some(answer);
            return None;
        }
        self.forget_waiting();
        Some(answer)
    }

    /// Whether the 2xx waits.
    pub(crate) fn holds_answer(&self) -> bool {
        self.answer.is_some()
    }

    /// A final response goes: nothing new may follow (RFC 3262 §3). A PRACK may still come for what is out.
    pub(crate) fn forget_waiting(&mut self) {
        self.is_over = true;
        self.waiting.clear();
        self.answer = None;
    }

    /// Whether this PRACK is for what waits for one: RAck (RFC 3262 §7.2) and the dialog of the response.
    pub(crate) fn on_prack(&mut self, prack: &Message, invite_cseq: u32) -> bool {
        let is_it = self.unacknowledged.as_ref().is_some_and(|sent| {
            rack(prack) == Some((sent.rseq, invite_cseq))
                && tag_of(&prack.raw_to()).unwrap_or_default() == sent.to_tag
        });
        if is_it {
            self.unacknowledged = None;
        }
        is_it
    }

    /// What waited behind the response that has been acknowledged, in order, each to be given back to `number` or `hold`.
    pub(crate) fn released(&mut self) -> Vec<Response> {
        self.waiting.drain(..).chain(self.answer.take()).collect()
    }
}

/// RSeq and CSeq number of `RAck: 776656 1 INVITE`.
pub(crate) fn rack(prack: &Message) -> Option<(u32, u32)> {
    let value = prack.header("RAck")?;
    let mut words = value.split_ascii_whitespace();
    let (rseq, cseq) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let is_invite = words.next()? == Method::Invite.as_str() && words.next().is_none();
    is_invite.then_some((rseq, cseq))
}

/// What a provisional response to an INVITE of ours is.
#[derive(Debug)]
pub enum Provisional {
    /// Not reliable, or we cannot acknowledge it.
    Plain,
    /// The next reliable one, with the PRACK it wants (to be sent when its body is complete).
    Next(Box<Request>),
    /// A repetition, or one that came out of order: not to be looked at (RFC 3262 §4).
    Old,
}

/// UAC side of one INVITE: its early dialogs (RFC 3261 §12.1.2), each with the last RSeq that was acknowledged in it.
///
/// Only reliable responses make one here: nothing of ours is sent in another early dialog.
#[derive(Debug, Default)]
pub struct EarlyDialogs {
    /// At most [`FORKS_MAX`]; what comes from further forks is not acknowledged.
    dialogs: Vec<(Dialog, u32)>,
}

impl EarlyDialogs {
    /// A 1xx came.
    pub fn on_provisional(&mut self, invite: &Request, response: &Message, contact: &str) -> Provisional {
        let Some(rseq) = number_of(response) else {
            return Provisional::Plain;
        };
        let tag = response.to_tag().unwrap_or_default().into_owned();
        let known = self
            .dialogs
            .iter_mut()
            .find(|(dialog, _)| dialog.remote_tag() == tag);
        let (dialog, last) = match known {
            Some((_, last)) if last.checked_add(1) != Some(rseq) => return Provisional::Old,
            Some(known) => known,
            None => {
                let Ok(dialog) = Dialog::as_client(invite, response, contact) else {
                    return Provisional::Plain;
                };
                if self.dialogs.len() >= FORKS_MAX {
                    return Provisional::Old;
                }
                self.dialogs.push((dialog, rseq));
                let Some(last) = self.dialogs.last_mut() else {
                    return Provisional::Plain;
                };
                last
            }
        };
        *last = rseq;
        let (cseq, _) = response.cseq();
        let prack = dialog.request(Method::Prack);
        Provisional::Next(Box::new(prack.header("RAck", format!("{rseq} {cseq} INVITE"))))
    }

    /// The dialog that a 2xx makes: an early one confirmed, or a new one.
    ///
    /// # Errors
    ///
    /// As [`Dialog::as_client`].
    pub fn confirmed(
        &self,
        invite: &Request,
        response: &Message,
        contact: &str,
    ) -> Result<Dialog, ParseError> {
        let mut dialog = Dialog::as_client(invite, response, contact)?;
        if let Some((early, _)) = self
            .dialogs
            .iter()
            .find(|(early, _)| early.remote_tag() == dialog.remote_tag())
        {
            dialog.continue_from(early);
        }
        Ok(dialog)
    }

    /// See [`Dialog::renumber`].
    pub fn renumber(&mut self, sip_call_id: &str, cseq: u32) {
        for (dialog, _) in &mut self.dialogs {
            dialog.renumber(sip_call_id, cseq);
        }
    }

    /// The early dialog with this remote tag.
    pub fn with_tag(&mut self, tag: &str) -> Option<&mut Dialog> {
        self.dialogs
            .iter_mut()
            .map(|(dialog, _)| dialog)
            .find(|dialog| dialog.remote_tag() == tag)
    }
}

/// RSeq of a response that wants a PRACK: 101-199, Require: 100rel, a number from 1 (RFC 3262 §4, §7.1).
pub fn number_of(response: &Message) -> Option<u32> {
    let is_reliable = response
        .status()
        .is_some_and(|status| (101..200).contains(&status))
        && names_option(response, "Require", RELIABLE);
    let number: u32 = response.header("RSeq")?.trim().parse().ok()?;
    (is_reliable && number > 0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invite() -> Message {
        Message::parse(
            b"INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\n\
              Call-ID: x\r\nCSeq: 7 INVITE\r\n\r\n",
        )
        .unwrap()
    }

    fn progress(body: &str) -> Response {
        let response = Response::new(&invite(), 183, "Session Progress").to_tag("t");
        match body {
            "" => response,
            body => response.with_body("application/sdp", body.into()),
        }
    }

    fn prack(to_tag: &str, rack: &str) -> Message {
        let text = format!(
            "PRACK sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK2\r\nFrom: <sip:a@h>;tag=1\r\n\
             To: <sip:b@h>;tag={to_tag}\r\nCall-ID: x\r\nCSeq: 8 PRACK\r\nRAck: {rack}\r\n\r\n"
        );
        Message::parse(text.as_bytes()).unwrap()
    }

    fn rseq(response: &Response) -> u32 {
        response.header_value("RSeq").unwrap().parse().unwrap()
    }

    #[test]
    fn the_first_number_is_from_1_to_2_to_the_31_minus_1() {
        for (random, first) in [(0, 1), (1, 1), (u32::MAX, 1 << 31)] {
            let numbered = Provisionals::new(random).number(progress("")).unwrap();
            assert_eq!(rseq(&numbered), first);
        }
    }

    #[test]
    fn numbers_count_up_by_one_and_the_next_waits_for_the_prack() {
        let mut sent = Provisionals::new(10);
        let first = rseq(&sent.number(progress("")).unwrap());
        assert!(
            sent.number(progress("v=0")).is_none(),
            "one unacknowledged at a time"
        );
        assert!(sent.on_prack(&prack("t", &format!("{first} 7 INVITE")), 7));
        let mut waited = sent.released();
        assert_eq!(waited.len(), 1);
        assert_eq!(rseq(&sent.number(waited.remove(0)).unwrap()), first + 1);
    }

    #[test]
    fn a_prack_must_fit_number_cseq_method_and_dialog() {
        for (tag, rack) in [
            ("t", "5 7 INVITE"),
            ("t", "7 7 INVITE"),
            ("t", "6 8 INVITE"),
            ("t", "6 7 UPDATE"),
            ("t", "6 7 INVITE x"),
            ("t", "6 7"),
            ("t", "six 7 INVITE"),
            ("other", "6 7 INVITE"),
        ] {
            let mut sent = Provisionals::new(10);
            assert_eq!(rseq(&sent.number(progress("")).unwrap()), 6);
            assert!(!sent.on_prack(&prack(tag, rack), 7), "{tag} {rack}");
            assert!(sent.on_prack(&prack("t", "6 7 INVITE"), 7));
            assert!(!sent.on_prack(&prack("t", "6 7 INVITE"), 7), "only once");
        }
    }

    #[test]
    fn a_2xx_waits_for_the_prack_of_a_description_only() {
        let answer = || Response::new(&invite(), 200, "OK").to_tag("t");
        let mut plain = Provisionals::new(10);
        plain.number(progress(""));
        plain.number(progress("v=0"));
        assert!(plain.hold(answer()).is_some());
        assert!(plain.released().is_empty(), "nothing new after a final response");
        assert!(plain.on_prack(&prack("t", "6 7 INVITE"), 7));
        let late = plain.number(progress("")).unwrap();
        assert_eq!(late.header_value("RSeq"), None);
        assert!(!plain.on_prack(&prack("t", "7 7 INVITE"), 7), "it never went");

        let mut described = Provisionals::new(10);
        described.number(progress("v=0"));
        assert!(described.hold(answer()).is_none());
        assert!(described.on_prack(&prack("t", "6 7 INVITE"), 7));
        let waited = described.released();
        assert_eq!(waited.len(), 1);
        assert!(described.hold(waited.into_iter().next().unwrap()).is_some());
    }

    #[test]
    fn what_waits_is_bounded_and_descriptions_stay() {
        let mut sent = Provisionals::new(10);
        sent.number(progress(""));
        sent.number(progress("v=0"));
        for _ in 0..100 {
            sent.number(progress(""));
        }
        let waited = sent.released();
        assert_eq!(waited.len(), PROVISIONALS_WAITING_MAX);
        assert!(!waited[0].body.is_empty());
    }

    fn ours() -> Request {
        Request::new(Method::Invite, "sip:b@h")
            .header("From", "<sip:a@h>;tag=1")
            .header("To", "<sip:b@h>")
            .header("Call-ID", "x")
            .header("CSeq", "7 INVITE")
    }

    fn reliable(tag: &str, status: u16, rseq: &str, require: &str) -> Message {
        let text = format!(
            "SIP/2.0 {status} X\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
             To: <sip:b@h>;tag={tag}\r\nCall-ID: x\r\nCSeq: 7 INVITE\r\nContact: <sip:b@192.0.2.7>\r\nRSeq: {rseq}\r\n\
             {require}\r\n"
        );
        Message::parse(text.as_bytes()).unwrap()
    }

    const REQUIRE: &str = "Require: 100rel\r\n";

    /// `+RAck CSeq` for a PRACK, `-` for old, `.` for plain.
    fn seen(early: &mut EarlyDialogs, response: &Message) -> String {
        match early.on_provisional(&ours(), response, "<sip:us@h>") {
            Provisional::Plain => ".".into(),
            Provisional::Old => "-".into(),
            Provisional::Next(prack) => format!(
                "+{} / {}",
                prack.header_value("RAck").unwrap(),
                prack.header_value("CSeq").unwrap()
            ),
        }
    }

    #[test]
    fn reliable_responses_are_acknowledged_in_order_and_once() {
        let mut early = EarlyDialogs::default();
        for (rseq, expected) in [
            ("5", "+5 7 INVITE / 8 PRACK"),
            ("5", "-"),
            ("7", "-"),
            ("4", "-"),
            ("6", "+6 7 INVITE / 9 PRACK"),
            ("6", "-"),
            ("7", "+7 7 INVITE / 10 PRACK"),
        ] {
            assert_eq!(seen(&mut early, &reliable("t", 183, rseq, REQUIRE)), expected);
        }
    }

    #[test]
    fn each_fork_has_numbers_of_its_own() {
        let mut early = EarlyDialogs::default();
        assert_eq!(
            seen(&mut early, &reliable("t", 183, "5", REQUIRE)),
            "+5 7 INVITE / 8 PRACK"
        );
        assert_eq!(
            seen(&mut early, &reliable("u", 180, "900", REQUIRE)),
            "+900 7 INVITE / 8 PRACK"
        );
        assert_eq!(
            seen(&mut early, &reliable("t", 183, "6", REQUIRE)),
            "+6 7 INVITE / 9 PRACK"
        );
    }

    #[test]
    fn only_101_to_199_with_require_and_a_number_is_reliable() {
        for (status, rseq, require) in [
            (100, "5", REQUIRE),
            (180, "5", "Supported: 100rel\r\n"),
            (180, "0", REQUIRE),
            (180, "x", REQUIRE),
            (180, "4294967296", REQUIRE),
            (200, "5", REQUIRE),
        ] {
            let response = reliable("t", status, rseq, require);
            assert_eq!(
                seen(&mut EarlyDialogs::default(), &response),
                ".",
                "{status} {rseq} {require}"
            );
        }
        let folded = reliable("t", 180, "5", "Require: other, 100REL\r\n");
        assert!(seen(&mut EarlyDialogs::default(), &folded).starts_with('+'));
    }

    #[test]
    fn forks_past_the_limit_are_not_acknowledged() {
        let mut early = EarlyDialogs::default();
        for fork in 0..FORKS_MAX {
            assert!(seen(&mut early, &reliable(&format!("t{fork}"), 183, "1", REQUIRE)).starts_with('+'));
        }
        assert_eq!(seen(&mut early, &reliable("more", 183, "1", REQUIRE)), "-");
    }

    #[test]
    fn the_confirmed_dialog_goes_on_counting_after_its_pracks() {
        let mut early = EarlyDialogs::default();
        seen(&mut early, &reliable("t", 183, "5", REQUIRE));
        seen(&mut early, &reliable("t", 183, "6", REQUIRE));
        let answer = reliable("t", 200, "0", "");
        let mut dialog = early.confirmed(&ours(), &answer, "<sip:us@h>").unwrap();
        let bye = dialog.request(Method::Bye);
        assert_eq!(bye.header_value("CSeq"), Some("10 BYE"));
        let other = reliable("u", 200, "0", "");
        let mut dialog = early.confirmed(&ours(), &other, "<sip:us@h>").unwrap();
        assert_eq!(dialog.request(Method::Bye).header_value("CSeq"), Some("8 BYE"));
    }
}
