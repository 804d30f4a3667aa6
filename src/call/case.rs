//! What a call keeps through all its stages.

use std::sync::Arc;
use std::time::Instant;

use crate::call_id::CallId;
use crate::flood::Ticket;
use crate::identity::Report;
use crate::lists::Lookup;
use crate::media::dtls::{Fault, Terms};
use crate::media::{Side, Statistics};
use crate::policy::Profile;
use crate::queue::{Attempt, Stand};
use crate::reputation::Reputations;
use crate::screening::{Facts, HistoryFacts, Label, SecondOpinion, VoiceState};
use crate::sdp::{Encryption, Session, Suite};
use crate::sip::{Message, Response, ServerTxn};
use crate::time::Now;
use crate::voice::Opinion;

use super::codecs::LegCodecs;
use super::desk::Desk;
use super::dialling::Outside;
use super::encryption::Wanted;
use super::index::Name;
use super::late_fact::LateFact;
use super::leg::Hop;
use super::limits::CHANGED_EVERY;
use super::numbers::Numbers;
use super::offer::{self, Origin};
use super::orders::What;
use super::profile::{Answer, Circumstances};
use super::reasons::{self, ReasonStyle};
use super::record::{CallRecord, Direction, State};
use super::refusal::{self, Refusal};
use super::tolls::Toll;
use super::transport::Agreed;
use super::{Counter, Output, decide, facts, reliable, replay};

/// Where the call's two ports stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    None,
    Asked,
    Open { a: u16, b: u16 },
    Closing,
    Closed,
}

pub(crate) struct Case {
    pub(crate) id: CallId,
    pub(crate) arrived: Now,
    pub(crate) invite: Message,
    pub(crate) invite_txn: ServerTxn,
    /// Towards the caller.
    pub(crate) hop: Hop,
    /// Our To tag towards the caller.
    pub(crate) tag: String,
    /// The caller's description; `None` = it will come in the ACK.
    pub(crate) offer: Option<Session>,
    pub(crate) facts: Facts,
    /// The verification has concluded.
    pub(crate) is_reported: bool,
    /// Another of the asserted numbers is shown than at first: what the store was asked about the first does not count.
    pub(crate) is_renamed: bool,
    /// Questions to the store without an answer yet.
    pub(crate) looks: u8,
    /// What the answers so far say about the PASSporT; `None` = no answer yet.
    pub(crate) reuse: Option<Option<bool>>,
    pub(crate) record: CallRecord,
    pub(crate) media: Media,
    /// What each side (A, B) last said of its audio and was heard to say: what a new party is asked in with.
    pub(crate) spoken: [Option<Session>; 2],
    /// The handshakes that keys were to come by, side A's first.
    handshakes: [Option<Box<Terms>>; 2],
    /// The two send each other a fax (T.38): there is nothing to hear.
    pub(crate) is_fax: bool,
    /// One side is on hold: silence is what it asked for.
    pub(crate) held_since: Option<Instant>,
    /// The caller is on hold, with music of ours behind whatever comes from there.
    pub(crate) hears_hold_music: bool,
    /// Our descriptions towards the caller.
    pub(crate) origin: Origin,
    /// By what the store knows this call's PASSporTs; empty = there is nothing that could be used twice.
    pub(crate) replay_keys: Vec<String>,
    /// How the caller's trunk hears of Identity headers that failed.
    pub(crate) reason_style: ReasonStyle,
    /// How the caller's trunk wants refusals to be said.
    pub(crate) trunk_refusal: Option<Profile>,
    /// Reason values for the next response to the caller.
    pub(crate) reasons: Vec<String>,
    /// When watchers were last told.
    pub(crate) told: Instant,
    /// The target that talks with the caller, where it is one of the configuration.
    pub(crate) phone: Option<Taker>,
    /// The phones that ring for it.
    pub(crate) rings: Vec<(Attempt, Taker)>,
    /// Where it stands in a line, and when the other shards were told so last.
    pub(crate) stand: Option<(Stand, Instant)>,
    /// One phone rings, and no other beside it.
    pub(crate) is_one_phone: bool,
    /// Whose side the phones that ring are to be: the called one's, but for the phones of a person who calls back.
    pub(crate) rung: Side,
    /// A phone's call to a number outside.
    pub(crate) outside: Option<Outside>,
    /// Calls to the outside that it pays for until it is over, at most one for each transfer.
    pub(crate) tolls: Vec<Toll>,
    /// What the transfer that is under way pays for: its own, or those that came along with a leg of another call.
    pub(crate) tolls_of_transfer: Vec<Toll>,
    /// Headers for the phones that a transfer rings: who asked for it, which dialog it replaces.
    pub(crate) extra: Vec<(&'static str, String)>,
    /// Counts the call where it is limited, for as long as it lives.
    pub(crate) ticket: Option<Ticket>,
    /// How the caller's trunk writes numbers.
    pub(crate) numbers: Arc<Numbers>,
    /// What was last looked up in the lists: their revision, and whether the caller was renamed.
    listed: Option<(u64, bool)>,
    /// Of the words we said last.
    pub(super) turn: u32,
    /// The caller's audio is copied to the scorer, and with which place among those that want second opinions.
    pub(super) is_tapped: bool,
    pub(super) attended: Option<u8>,
    /// What policy wants of it now that they talk, and what was done for it so far; at most [`super::limits::ORDERS_KEPT`].
    pub(super) wish: Option<decide::Wish>,
    /// It has been asked what it wants once they talked.
    pub(super) is_asked_live: bool,
    pub(super) done: Vec<(What, Option<Label>)>,
    /// Of the ladder: by the Call-ID of each dialog but the caller's, whose it is.
    pub(super) parties: Vec<(String, u8)>,
}

impl Case {
    /// A call that just arrived and has no description yet.
    #[expect(
        clippy::too_many_arguments,
        reason = "what a call begins with, each named once"
    )]
    pub(crate) fn new(
        id: CallId,
        invite: Message,
        invite_txn: ServerTxn,
        hop: Hop,
        tag: String,
        facts: Facts,
        record: CallRecord,
        desk: &mut Desk,
    ) -> Case {
        let mut origin = Origin::new(Encryption::Off, &desk.config, &mut desk.random);
        origin.signalled_from(hop.flow.remote.ip(), &desk.config);
        Case {
            id,
            arrived: desk.now(),
            invite,
            invite_txn,
            hop,
            tag,
            offer: None,
            facts,
            is_reported: false,
            is_renamed: false,
            looks: 0,
            reuse: None,
            record,
            media: Media::None,
            spoken: [None, None],
            is_fax: false,
            held_since: None,
            hears_hold_music: false,
            handshakes: [None, None],
            origin,
            replay_keys: Vec::new(),
            reason_style: ReasonStyle::default(),
            trunk_refusal: None,
            reasons: Vec::new(),
            told: desk.now().instant,
            phone: None,
            rings: Vec::new(),
            stand: None,
            is_one_phone: false,
            rung: Side::B,
            tolls: Vec::new(),
            tolls_of_transfer: Vec::new(),
            outside: None,
            extra: Vec::new(),
            ticket: desk.ticket.take(),
            numbers: desk.own_numbers.clone(),
            listed: None,
            turn: 0,
            parties: Vec::new(),
            is_tapped: false,
            attended: None,
            wish: None,
            is_asked_live: false,
            done: Vec::new(),
        }
    }

    /// Whole milliseconds since INVITE arrival.
    pub(crate) fn at_ms(&self, desk: &Desk) -> u64 {
        desk.now()
            .instant
            .saturating_duration_since(self.arrived.instant)
            .as_millis() as u64
    }

    /// Something a person could see has changed.
    pub(crate) fn changed(&mut self, desk: &mut Desk) {
        self.note_said(desk);
        self.record.revision += 1;
        self.told = desk.now().instant;
        desk.say(Output::Changed(Arc::new(self.record.clone())));
    }

    /// Sends a response to the caller's INVITE, with our tag and what verification wants the caller's side to know.
    pub(crate) fn respond(&mut self, mut response: Response, desk: &mut Desk) {
        for reason in std::mem::take(&mut self.reasons) {
            // A protocol may stand once in a message (RFC 3326 §2), STIR as often as needed (RFC 9410 §3).
            let is_taken = response
                .header_value("Reason")
                .is_some_and(|other| protocol(other) != "STIR" && protocol(other) == protocol(&reason));
            if !is_taken {
                response = response.header("Reason", reason);
            }
        }
        let response = reliable::dress(response.to_tag(&self.tag), &self.invite);
        desk.respond(self.invite_txn, response);
    }

    /// What a refusal by policy says to the caller's side.
    pub(crate) fn answer_of_policy(&self, status: u16, profile: Option<Profile>, desk: &Desk) -> Answer {
        Circumstances {
            config: &desk.config.refusal,
            trunk: self.trunk_refusal,
            facts: &self.facts,
            report: &self.record.identity,
            invite: &self.invite,
            unix_seconds: desk.now().unix_ms() / 1000,
        }
        .answer(status, profile)
    }

    pub(crate) fn refuse(&mut self, refusal: &Refusal, desk: &mut Desk) {
        self.respond(refusal.answer(&self.invite), desk);
    }

    /// A response that makes a dialog (RFC 3261 §12.1.1).
    pub(crate) fn dialog_response(&self, status: u16, body: Option<Vec<u8>>) -> Response {
        let response = Response::new(&self.invite, status, refusal::phrase(status))
            .header("Contact", &self.hop.contact)
            .header("Allow", refusal::ALLOW);
        match body {
            Some(body) => response.with_body("application/sdp", body),
            None => response,
        }
    }

    /// A fresh tag towards the caller: another phone than the one whose early media was heard now speaks
    /// (RFC 3261 §12.1: an early dialog of its own).
    pub(crate) fn new_tag(&mut self, desk: &mut Desk) {
        self.tag = desk.endpoint.token();
        desk.name(Name::Tag(self.tag.clone()));
    }

    /// Asks the store about the caller, and about the PASSporT once there is one.
    pub(crate) fn look(&mut self, desk: &mut Desk) {
        if self.record.drill {
            // Its number is nobody's: there is nothing to be known of it, and nothing to be remembered.
            self.facts.history.is_available = true;
            return;
        }
        let number = self
            .facts
            .caller
            .number
            .as_ref()
            .map(|number| number.reveal().clone());
        if number.is_none() {
            // Nothing can be known of a hidden caller; that is not the store's failure.
            self.facts.history.is_available = true;
        }
        let mut digests: Vec<Option<String>> = self.replay_keys.iter().cloned().map(Some).collect();
        if digests.is_empty() {
            if number.is_none() {
                return;
            }
            digests.push(None);
        }
        // One token a question. Each asks about the number as well: an answer about nobody would replace it.
        for passport_digest in digests {
            self.looks = self.looks.saturating_add(1);
            desk.say(Output::Look {
                call: self.id,
                number: number.clone(),
                passport_digest,
            });
        }
    }

    /// Tells the store that this call has used its PASSporTs up: a person answered.
    fn use_up(&self, desk: &mut Desk) {
        let keys = self.replay_keys.iter().cloned().map(|key| (key, true));
        let base = replay::base_of_diverted(&self.record.identity).map(|key| (key, false));
        for (passport_digest, is_question) in keys.chain(base) {
            desk.say(Output::Answered {
                call: self.id,
                passport_digest,
                is_question,
            });
        }
    }

    /// The caller has been told that somebody answered.
    pub(crate) fn answered(&mut self, desk: &mut Desk) {
        self.record.timings.answered_ms = Some(self.at_ms(desk));
        self.record.state = State::Talking;
        self.rings_no_more();
        self.pay(desk);
        self.use_up(desk);
        desk.count(Counter::CallAnswered);
    }

    /// The verification concluded.
    pub(crate) fn take_report(&mut self, report: Report, desk: &mut Desk) {
        self.is_reported = true;
        let report = self.tied_to_the_number_shown(report);
        self.replay_keys = replay::keys(&report, &self.invite);
        // Nothing to be used twice: not reused. Else nobody knows until the store has answered.
        let is_reused = self.replay_keys.is_empty().then_some(false);
        self.facts.identity = facts::of_report(&report, is_reused, self.facts.identity.upstream);
        self.reasons = reasons::of_report(&report, self.reason_style, facts::asks_privacy(&self.invite));
        self.record.timings.identity_ms = Some(self.at_ms(desk));
        self.record.identity = report;
    }

    /// A message may assert two numbers and be signed for one of them (ATIS-1000074: each is tried). The one that is
    /// shown must be the signed one, or a caller could assert a bank's number first and his own, signed, after it.
    fn tied_to_the_number_shown(&mut self, report: Report) -> Report {
        let Some(place) = report.asserted.filter(|_| !self.facts.caller.is_hidden) else {
            return report;
        };
        let signed = facts::asserted_number(&self.invite, place, &self.numbers);
        let shown = self.facts.caller.number.as_ref().map(|number| number.reveal());
        if signed.is_some() && signed.as_ref().map(|number| number.reveal()) == shown {
            return report;
        }
        if signed.is_none() || self.record.timings.decided_ms.is_some() {
            // Phones ring with the other number already: nothing is proven of that one.
            return Report {
                passport_digest: report.passport_digest,
                ..facts::unchecked()
            };
        }
        self.facts.caller.number.clone_from(&signed);
        self.facts.caller.is_malformed = false;
        self.record.caller = signed;
        self.is_renamed = true;
        report
    }

    /// The budget is over and the verification is not.
    pub(crate) fn take_unchecked(&mut self) {
        let report = facts::unchecked();
        self.facts.identity = facts::of_report(&report, Some(false), self.facts.identity.upstream);
        self.record.identity = report;
    }

    /// An answer of the store. With two questions under way the answers come in either order, and only one of them was
    /// about the PASSporT: "not reused" counts when all are in, "reused" at once.
    pub(crate) fn take_known(&mut self, history: HistoryFacts, is_reused: Option<bool>) {
        self.looks = self.looks.saturating_sub(1);
        if self.facts.caller.number.is_some()
            && !self.is_renamed
            && (history.is_available || !self.facts.history.is_available)
        {
            self.facts.history = history;
        }
        if self.replay_keys.is_empty() {
            return;
        }
        let worst = match (self.reuse, is_reused) {
            (Some(Some(true)), _) | (_, Some(true)) => Some(true),
            (Some(None), _) | (_, None) => None,
            _ => Some(false),
        };
        self.reuse = Some(worst);
        self.facts.identity.is_reused = if self.looks == 0 {
            worst
        } else {
            worst.filter(|is_reused| *is_reused)
        };
    }

    /// Which entries of the lists the caller meets, as long as lists or caller have changed since the last look. What
    /// had expired when the call arrived does not count.
    pub(crate) fn look_at_lists(&mut self, lists: &Lookup) {
        let look = Some((lists.revision(), self.is_renamed));
        // Our own people are on no list of callers.
        if self.listed == look || self.record.direction == Direction::Outbound {
            return;
        }
        self.listed = look;
        let facts = &mut self.facts;
        let number = facts
            .caller
            .number
            .as_ref()
            .map(|number| number.reveal().as_str());
        let name = facts.caller.name.as_ref().map(|name| name.reveal().as_str());
        facts.lists = lists.find(number, name, facts.arrived_ms);
    }

    /// What people's reports make of those whom the call concerns, as far as it is proven by now.
    pub(crate) fn look_at_reputations(&mut self, reputations: &Reputations) {
        if !reputations.is_empty() && self.record.direction == Direction::Inbound {
            let at_ms = self.facts.arrived_ms;
            self.facts.reputation = reputations.of(self.id, &self.facts, &self.record.identity, at_ms);
        }
    }

    /// Two calls were answered with one PASSporT, and the other was first.
    fn take_reused(&mut self) {
        self.reuse = Some(Some(true));
        self.facts.identity.is_reused = Some(true);
    }

    fn take_opinion(&mut self, opinion: Opinion) {
        let before = self.facts.voice.second;
        self.facts.voice = facts::of_opinion(&opinion);
        if self.facts.voice.second == SecondOpinion::None {
            // What was shed stays so until one is given.
            self.facts.voice.second = before;
        }
        self.record.add_opinion(opinion);
    }

    /// A fact that came after the decision: the label and the banner may follow.
    pub(crate) fn on_late_fact(&mut self, fact: LateFact, desk: &mut Desk) {
        let voice = self.facts.voice.state;
        let mut is_news = false;
        match fact {
            LateFact::Report(report) => {
                self.take_report(*report, desk);
                if !self.replay_keys.is_empty() {
                    self.look(desk);
                    if self.record.timings.answered_ms.is_some() {
                        self.use_up(desk);
                    }
                }
                is_news = true;
            }
            LateFact::Known { history, is_reused } => self.take_known(history, is_reused),
            LateFact::Reused => self.take_reused(),
            LateFact::Opinion(opinion) => self.take_opinion(*opinion),
            LateFact::SecondShed if self.facts.voice.second == SecondOpinion::None => {
                self.facts.voice.second = SecondOpinion::Overloaded;
            }
            LateFact::SecondShed => {}
            LateFact::Repeated(recording) => self.facts.recording = *recording,
            LateFact::HeardBy(model) => self.record.model = Some(model),
            // What was already heard stays heard.
            LateFact::Overloaded if matches!(voice, VoiceState::Pending | VoiceState::Unsure) => {
                self.facts.voice.state = VoiceState::Overloaded;
            }
            LateFact::Overloaded => {}
        }
        let at_ms = self.at_ms(desk);
        is_news |= decide::live(self, desk, at_ms);
        self.attend(desk);
        is_news |= voice != self.facts.voice.state;
        is_news |= desk.now().instant.saturating_duration_since(self.told) >= CHANGED_EVERY;
        if is_news {
            self.changed(desk);
        }
    }

    /// Our port towards a side; `None` while media is not open.
    pub(crate) fn port(&self, side: Side) -> Option<u16> {
        match (self.media, side) {
            (Media::Open { a, .. }, Side::A) => Some(a),
            (Media::Open { b, .. }, Side::B) => Some(b),
            _ => None,
        }
    }

    pub(crate) fn open_media(&mut self, desk: &mut Desk) {
        self.media = Media::Asked;
        desk.say(Output::OpenMedia { call: self.id });
    }

    /// What the party on this side last said of its audio.
    pub(crate) fn spoken(&self, side: Side) -> Option<&Session> {
        self.spoken[side as usize].as_ref()
    }

    /// `agreed`: how the packets of the leg travel.
    pub(crate) fn describe(&mut self, side: Side, session: &Session, agreed: Agreed, desk: &mut Desk) {
        // A new party is asked in with what was said of audio, whatever was sent since.
        if !session.is_fax() {
            self.spoken[side as usize] = Some(session.clone());
        }
        let before = self.record.srtp;
        self.record
            .srtp
            .describe(side, &agreed, &mut self.handshakes[side as usize]);
        let is_bare = self.record.srtp.lost_keys(before);
        let said = |side: Side| self.spoken(side).map_or_else(Vec::new, Session::codecs);
        self.record.codecs = LegCodecs::of(&said(Side::A), &said(Side::B));
        if let Some(output) = offer::describe(self.id, side, session, agreed) {
            desk.say(output);
        }
        if is_bare {
            self.changed(desk);
        }
    }

    /// The caller's own words, with what was agreed on his leg.
    pub(crate) fn describe_caller(&mut self, session: &Session, desk: &mut Desk) {
        self.describe(Side::A, session, self.origin.travel.agreed(), desk);
    }

    /// Whether the leg to a phone of this queue is to be encrypted. A phone that no queue has is as the one the call came
    /// to, and in a call that a phone began as `[outbound]` says.
    pub(crate) fn srtp_of(&self, queue: &str, desk: &Desk) -> Wanted {
        let own = self.record.queue.as_deref().unwrap_or_default();
        let of = |queue: &str| {
            Some(Wanted {
                encryption: desk.config.queue_srtp.get(queue).copied()?,
                keying: desk
                    .config
                    .queue_srtp_keys
                    .get(queue)
                    .copied()
                    .unwrap_or_default(),
            })
        };
        let is_known = desk.queues.iter().any(|known| known.name == queue);
        match self.record.direction {
            _ if is_known => of(queue).unwrap_or_default(),
            Direction::Inbound => of(own).unwrap_or_default(),
            Direction::Outbound => desk.config.outbound.wanted(),
        }
    }

    /// A handshake of a leg is over. The record of a call that has ended is not said again.
    pub(crate) fn secured(&mut self, side: Side, secured: Result<Suite, Fault>, desk: &mut Desk) {
        if self.record.state == State::Ended {
            return;
        }
        self.record.srtp.secured(side, secured);
        self.changed(desk);
    }

    /// False when there is nothing to close.
    pub(crate) fn close_media(&mut self, desk: &mut Desk) -> bool {
        match self.media {
            Media::Asked | Media::Open { .. } => {
                self.media = Media::Closing;
                // What still comes to be known of the call orders nothing of a scorer that has forgotten it.
                self.is_tapped = false;
                desk.say(Output::CloseMedia { call: self.id });
                true
            }
            Media::Closing => true,
            Media::None | Media::Closed => false,
        }
    }

    /// The last word of the record.
    pub(crate) fn close_record(&mut self, ended_ms: u64, media: Option<Statistics>, desk: &mut Desk) {
        self.media = Media::Closed;
        self.record.state = State::Ended;
        self.record.media = media;
        self.record.give_up_orders();
        self.record.end_overflow(487);
        self.record.timings.ended_ms = Some(ended_ms);
        let now = desk.now().instant;
        let tolls = self.tolls.drain(..).chain(self.tolls_of_transfer.drain(..));
        tolls.for_each(|toll| toll.end(now));
        self.changed(desk);
        desk.count(Counter::CallEnded);
    }
}

/// The phone that a person answered, and who sat there at that moment.
pub(crate) struct Taker {
    pub(crate) target: String,
    pub(crate) person: Option<String>,
}

/// The protocol of a Reason value of ours.
fn protocol(reason: &str) -> &str {
    reason.split(';').next().unwrap_or_default()
}
