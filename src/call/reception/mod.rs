//! We answer the caller ourselves: to ask him something before anybody is rung, or to tell him that nobody will be.
//!
//! ```text
//!  ports ─▶ Answering: 200 (or 183) ─ ACK ─▶ Asking ─ policy again (stage "heard") ─▶ Calling ─ first 2xx ─▶ Talking
//!                                              │ another question ◀┘ │ refused           │ nobody
//!                                              ▼                     ▼                   ▼
//!                                           Parting: last words, then BYE (or the refusal, after 183)
//! ```
//!
//! He hears our words, then music while the phones ring; when one answers he is connected by media alone, without a word
//! of signalling unless the phone chose other codecs. His requests are answered here: there is nobody to take them across to.

mod announcing;
mod caller;
mod connecting;
mod parting;
mod script;

use std::time::Instant;

use crate::media::{Side, Talk};
use crate::policy::{Action, Announcement};
use crate::screening::Challenge;
use crate::sdp::{Codec, Session};
use crate::sip::{Dialog, Response, ServerTxn};

use super::case::{Case, Media};
use super::decide;
use super::desk::Desk;
use super::early;
use super::ending::{By, Ending};
use super::hunting::Hunting;
use super::leg::{Hop, Leg};
use super::limits::QUESTIONS_MAX;
use super::offer;
use super::orders;
use super::profile::Answer;
use super::record;
use super::refusal::Refusal;
use super::reliable;
use super::stage::{Event, Stage};
use super::terms::Terms;
use super::transfer::Calling;
use super::voice::seconds;
use parting::Parting;
pub(crate) use script::{Act, Cue, Outcome, Script};

pub(crate) struct Reception {
    /// The caller's dialog, once we have answered.
    pub(super) a: Option<Leg>,
    step: Step,
    /// What he is to be asked, as policy said last.
    wish: Wish,
    is_acknowledged: bool,
    /// What he was told of our audio: one codec.
    told: Option<Session>,
    /// The words that are being said.
    turn: Option<u32>,
    /// Over all questions to him.
    questions_end: Option<Instant>,
    /// When he is told next where he stands.
    announce_at: Option<Instant>,
}

enum Step {
    /// Ports are opened.
    Opening,
    /// Our 200 is out and its ACK is not in, or our 183 and its PRACK.
    Answering,
    Asking(Script),
    Calling(Box<Calling>),
    /// Our last words are being said.
    Parting(Instant, Parting),
}

/// What is said, or asked, first.
enum Wish {
    Screen,
    Challenge,
    Refuse(Box<Answer>, Announcement),
    /// Nothing: he waits in this queue.
    Wait(String),
    /// That nobody works at this hour.
    Closed(String),
    /// Nothing: a person of ours calls back, and the number outside rings.
    Outside,
}

/// What the record says of a call that nobody takes at this hour.
pub(crate) const CLOSED: &str = "the queue was closed";

impl Reception {
    /// Asks for ports; the caller is answered when they are there. `None`: policy wants nothing said, or it is a fax.
    pub(crate) fn begin(action: &Action, case: &mut Case, desk: &mut Desk) -> Option<Stage> {
        if case.is_fax_offered() {
            return None;
        }
        let wish = match action {
            Action::Screen => Wish::Screen,
            Action::Challenge => Wish::Challenge,
            Action::Refuse {
                status,
                profile,
                announce: Some(announcement),
            } => {
                // Early media needs an offer to answer.
                let can_hear = announcement.is_answered || case.offer.is_some();
                let Some(_) = desk.prompts.clip(&announcement.prompt).filter(|_| can_hear) else {
                    case.facts.talk.is_prompt_missing |= can_hear;
                    return None;
                };
                let answer = case.answer_of_policy(*status, *profile, desk);
                Wish::Refuse(Box::new(answer), announcement.clone())
            }
            Action::Refuse { .. }
            | Action::Deliver
            | Action::Label
            | Action::Divert { .. }
            | Action::Whisper
            | Action::End => return None,
        };
        Some(Reception::open(wish, case, desk))
    }

    /// The caller is answered at once, and waits in this queue with music.
    pub(crate) fn wait(queue: &str, case: &mut Case, desk: &mut Desk) -> Stage {
        Reception::open(Wish::Wait(queue.to_string()), case, desk)
    }

    /// The caller is answered and told that nobody works at this hour; None: there is no such recording, or it is a fax.
    pub(crate) fn closed(words: String, case: &mut Case, desk: &mut Desk) -> Option<Stage> {
        if case.is_fax_offered() {
            return None;
        }
        if desk.prompts.clip(&words).is_none() {
            case.facts.talk.is_prompt_missing = true;
            return None;
        }
        Some(Reception::open(Wish::Closed(words), case, desk))
    }

    fn open(wish: Wish, case: &mut Case, desk: &mut Desk) -> Stage {
        case.open_media(desk);
        case.changed(desk);
        Stage::Reception(Box::new(Reception {
            a: None,
            step: Step::Opening,
            wish,
            is_acknowledged: false,
            told: None,
            turn: None,
            questions_end: None,
            announce_at: None,
        }))
    }

    pub(crate) fn search(&self) -> Option<&Hunting> {
        match &self.step {
            Step::Calling(calling) => Some(calling.search()),
            _ => None,
        }
    }

    /// `None`: what it waits for is told (ports, ACK or its absence).
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let step = match &self.step {
            Step::Opening | Step::Answering => None,
            Step::Asking(script) => Some(script.deadline()),
            Step::Calling(calling) => calling.deadline(),
            Step::Parting(until, _) => Some(*until),
        };
        let timer = self
            .a
            .as_ref()
            .and_then(|a| Some(a.terms.timer.as_ref()?.deadline()));
        let announce = self.announce_at.filter(|_| self.search().is_some());
        [step, timer, announce].into_iter().flatten().min()
    }

    pub(crate) fn hops(&self) -> impl Iterator<Item = &Hop> {
        let calling = match &self.step {
            Step::Calling(calling) => Some(calling.hops()),
            _ => None,
        };
        self.a.iter().map(|a| &a.hop).chain(calling.into_iter().flatten())
    }

    pub(crate) fn handle(mut self: Box<Self>, event: Event, case: &mut Case, desk: &mut Desk) -> Stage {
        let event = match event.into_late_fact() {
            Ok(fact) => {
                case.on_late_fact(fact, desk);
                return Stage::Reception(self);
            }
            Err(event) => event,
        };
        match event {
            Event::MediaOpened { a, b } if case.media == Media::Asked => {
                case.media = Media::Open { a, b };
                self.answer(case, desk)
            }
            Event::MediaRefused => {
                case.media = Media::Closed;
                self.cannot_begin(Refusal::Busy, By::Us, "no media port left", case, desk)
            }
            Event::Talk(talk) => self.on_talk(talk, case, desk),
            Event::Due => self.on_due(case, desk),
            Event::Pracked { txn, prack } => {
                reliable::accept(txn, &prack, case, desk);
                match self.step {
                    Step::Answering if self.a.is_none() => self.ask(case, desk),
                    _ => Stage::Reception(self),
                }
            }
            Event::Cancelled { .. } if self.a.is_none() => early::gave_up(Vec::new(), None, case, desk),
            Event::PrackMissing if self.a.is_none() => {
                let note = "a reliable response was never acknowledged";
                self.cannot_begin(Refusal::Status(504), By::Us, note, case, desk)
            }
            Event::HangUp if self.a.is_none() => {
                case.refuse(&Refusal::Unavailable, desk);
                let note = orders::note_of_end(case);
                Ending::failed(480, By::Us, &note, case, desk)
            }
            Event::HangUp => {
                let note = orders::note_of_end(case);
                self.end(record::Ending::Failed, By::Us, Some(&note), case, desk)
            }
            Event::Request { txn, request } if self.a.is_none() => {
                if early::is_callers_bye(&request, case) {
                    desk.respond(txn, Response::new(&request, 200, super::refusal::phrase(200)));
                    return early::gave_up(Vec::new(), None, case, desk);
                }
                early::refuse(txn, &request, desk);
                Stage::Reception(self)
            }
            Event::Request { txn, request } => self.on_request(txn, &request, case, desk),
            Event::Ack { txn, ack } => self.on_ack(txn, &ack, case, desk),
            Event::AckMissing { txn } => {
                self.is_acknowledged |= txn == case.invite_txn;
                self.end(
                    record::Ending::Failed,
                    By::Us,
                    Some("an answer was never acknowledged"),
                    case,
                    desk,
                )
            }
            Event::Renumbered { sip_call_id, cseq } => {
                if let Some(a) = &mut self.a {
                    a.dialog.renumber(&sip_call_id, cseq);
                }
                if let Step::Calling(calling) = &mut self.step {
                    calling.renumber(&sip_call_id, cseq);
                }
                Stage::Reception(self)
            }
            Event::Response { txn, response } => {
                if self.a.as_ref().is_some_and(|a| a.is_refresh(txn)) {
                    let status = response.status().unwrap_or_default();
                    return self.on_refreshed(txn, status, Some(&response), case, desk);
                }
                self.call_on(case, desk, |calling, case, desk| {
                    calling.on_response(txn, &response, case, desk)
                })
            }
            Event::Failed { txn, status, fault } => {
                if self.a.as_ref().is_some_and(|a| a.is_refresh(txn)) {
                    return self.on_refreshed(txn, status, None, case, desk);
                }
                self.call_on(case, desk, |calling, case, desk| {
                    calling.on_failed(txn, status, fault, case, desk)
                })
            }
            Event::Lost { txn, fault } => self.call_on(case, desk, |calling, case, desk| {
                calling.on_lost(txn, fault, case, desk)
            }),
            Event::Located { target } => self.call_on(case, desk, |calling, case, desk| {
                calling.on_located(&target, case, desk)
            }),
            _ => Stage::Reception(self),
        }
    }

    /// Answers the caller with one codec of his, or tells him early what he will hear.
    fn answer(mut self: Box<Self>, case: &mut Case, desk: &mut Desk) -> Stage {
        let is_early = matches!(&self.wish, Wish::Refuse(_, announcement) if !announcement.is_answered);
        let ours = desk.config.media_address;
        let port = case.port(Side::A).ok_or(Refusal::Busy);
        let said = port.and_then(|port| match case.offer.clone() {
            Some(offer) => {
                let told = offer.with_one_codec(None);
                let body = case.origin.answer(&told.answering(), &offer, ours, port)?;
                self.told = Some(told.clone());
                case.offer = Some(told.clone());
                case.describe_caller(&told, desk);
                Ok(body)
            }
            None => {
                let own = offer::own().ok_or(Refusal::NotAcceptable("an offer of ours"))?;
                case.origin.offer(&own, ours, port)
            }
        });
        let said = match said {
            Ok(said) => said,
            Err(refusal) => {
                return self.cannot_begin(refusal, By::Us, "the offer cannot be carried", case, desk);
            }
        };
        if is_early {
            let is_reliable = reliable::can_take(&case.invite);
            case.respond(case.dialog_response(183, Some(said)), desk);
            self.step = Step::Answering;
            return match is_reliable {
                true => Stage::Reception(self),
                false => self.ask(case, desk),
            };
        }
        let Ok(dialog) = Dialog::as_server(&case.invite, &case.tag, &case.hop.contact) else {
            let note = "no dialog can be made of this INVITE";
            return self.cannot_begin(Refusal::BadRequest, By::Us, note, case, desk);
        };
        let mut a = Leg {
            side: Side::A,
            dialog,
            hop: case.hop.clone(),
            origin: case.origin.clone(),
            terms: Terms::new(&case.invite, said.clone()),
            is_outside: false,
        };
        case.tap(true, desk);
        // Whoever is asked something or waits with music is in a conversation with us: no phone rings unanswered.
        case.rings_no_more();
        let answer = a
            .terms
            .tell(&case.invite, case.dialog_response(200, Some(said)), desk);
        case.respond(answer, desk);
        self.a = Some(a);
        self.step = Step::Answering;
        Stage::Reception(self)
    }

    /// Says, or asks, what policy wants first.
    fn ask(mut self: Box<Self>, case: &mut Case, desk: &mut Desk) -> Stage {
        let now = desk.now().instant;
        let end = *self.questions_end.get_or_insert(now + QUESTIONS_MAX);
        let (script, act) = match &self.wish {
            Wish::Screen => Script::screen(end),
            Wish::Challenge if now >= end || case.offer.as_ref().is_none_or(|offer| !offer.has_keys()) => {
                return self.concluded(Outcome::Challenged(Challenge::Unable), case, desk);
            }
            Wish::Closed(words) => {
                let words = words.clone();
                return self.part_closed(&words, case, desk);
            }
            Wish::Wait(queue) => {
                let queue = queue.clone();
                return self.ring(&queue, case, desk);
            }
            Wish::Challenge => Script::challenge(desk.random.u64(), end),
            // He has been connected to nobody by us but those outside, who ring already.
            Wish::Outside => return Stage::Reception(self),
            Wish::Refuse(answer, announcement) => {
                let parting = Parting {
                    ending: record::Ending::Refused,
                    by: By::Us,
                    note: None,
                    refusal: (!announcement.is_answered).then(|| answer.clone()),
                };
                let prompt = announcement.prompt.clone();
                return self.part(&[&prompt], parting, case, desk);
            }
        };
        self.step = Step::Asking(script);
        self.act(act, case, desk)
    }

    fn act(mut self: Box<Self>, act: Act, case: &mut Case, desk: &mut Desk) -> Stage {
        match act {
            Act::Nothing => {}
            Act::Listen(listening) => case.listen(listening, desk),
            Act::Say(names) => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                self.turn = case.say(Side::A, &names, desk);
                if self.turn.is_none() {
                    // Without the recording nothing was asked: that is no fault of the caller's.
                    let outcome = match &self.step {
                        Step::Asking(script) if script.is_challenge() => {
                            Outcome::Challenged(Challenge::Unable)
                        }
                        _ => return self.decided(case, desk),
                    };
                    return self.concluded(outcome, case, desk);
                }
            }
            Act::Done(outcome) => return self.concluded(outcome, case, desk),
        }
        Stage::Reception(self)
    }

    fn on_talk(mut self: Box<Self>, talk: Talk, case: &mut Case, desk: &mut Desk) -> Stage {
        let cue = match talk {
            Talk::Said { turn, over, side } => {
                if self.turn != Some(turn) {
                    return Stage::Reception(self);
                }
                case.has_said(side, over, desk);
                Cue::Said
            }
            Talk::Heard { speech } => Cue::Heard(speech),
            Talk::Pressed { digit } => Cue::Pressed(digit),
        };
        let (dice, now) = (desk.random.u64(), desk.now().instant);
        match (&mut self.step, cue) {
            (Step::Asking(script), cue) => {
                let act = script.handle(cue, dice, now);
                self.act(act, case, desk)
            }
            (Step::Parting(..), Cue::Said) => self.over(case, desk),
            (Step::Calling(_), Cue::Said) => {
                case.play(Side::A, "hold", desk);
                self.turn = None;
                Stage::Reception(self)
            }
            _ => Stage::Reception(self),
        }
    }

    fn on_due(mut self: Box<Self>, case: &mut Case, desk: &mut Desk) -> Stage {
        let now = desk.now().instant;
        if let Some(ended) = self.look_at_timer(desk) {
            return self.end(record::Ending::Failed, By::Us, Some(ended), case, desk);
        }
        self.announce(case, desk);
        let dice = desk.random.u64();
        match &mut self.step {
            Step::Asking(script) => {
                let act = script.handle(Cue::Due, dice, now);
                self.act(act, case, desk)
            }
            Step::Parting(until, _) if *until <= now => self.over(case, desk),
            Step::Calling(calling) if calling.is_over(now) => self.nobody(case, desk),
            Step::Calling(_) => self.call_on(case, desk, |calling, case, desk| calling.on_due(case, desk)),
            _ => Stage::Reception(self),
        }
    }

    /// He has answered our question, or not: policy is asked again.
    fn concluded(self: Box<Self>, outcome: Outcome, case: &mut Case, desk: &mut Desk) -> Stage {
        match outcome {
            Outcome::Screened { speech } => {
                case.facts.talk.is_screened = true;
                case.facts.talk.speech_seconds = seconds(speech);
            }
            Outcome::Challenged(challenge) => case.facts.talk.challenge = challenge,
        }
        self.decided(case, desk)
    }

    fn decided(mut self: Box<Self>, case: &mut Case, desk: &mut Desk) -> Stage {
        let at_ms = case.at_ms(desk);
        let action = decide::heard(case, desk, at_ms);
        let own = case.facts.called.queue.clone();
        let queue = match action {
            // Each is asked once: whoever could not be asked goes on all the same.
            Action::Screen if case.facts.talk.is_prompt_missing => own,
            Action::Screen | Action::Challenge => {
                self.wish = match action {
                    Action::Screen => Wish::Screen,
                    _ => Wish::Challenge,
                };
                return self.ask(case, desk);
            }
            Action::Deliver | Action::Label | Action::Whisper | Action::End => own,
            Action::Divert { queue } => queue,
            Action::Refuse {
                status,
                profile,
                announce,
            } => return self.refuse(status, profile, announce, case, desk),
        };
        match case.open_queue(&queue, desk) {
            Ok(queue) => self.ring(&queue, case, desk),
            Err(words) => self.part_closed(words.as_deref().unwrap_or("nobody"), case, desk),
        }
    }

    /// The first ACK: we may speak.
    fn acknowledged(mut self: Box<Self>, case: &mut Case, desk: &mut Desk) -> Stage {
        self.is_acknowledged = true;
        match self.step {
            Step::Answering => self.ask(case, desk),
            _ => Stage::Reception(self),
        }
    }

    /// What he speaks by our last agreement.
    fn codec(&self) -> Option<(u8, Codec)> {
        self.told.as_ref()?.codecs().first().copied()
    }

    fn is_first(&self, txn: ServerTxn, case: &Case) -> bool {
        txn == case.invite_txn && !self.is_acknowledged
    }
}
