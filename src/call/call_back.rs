//! A person calls an organisation back at the number that it publishes: his own phone rings first, then that number.
//!
//! ```text
//!  ports ─▶ Fetching: his phones ring ── one answers ──▶ Reception: the number outside rings ── 2xx ──▶ Talking
//!              │ none does, or he gives up                  │ busy, nobody, refused
//!              ▼                                            ▼
//!            Ending                                      Ending (BYE to his phone)
//! ```
//!
//! The number comes from the directory with the order, never from a message: what the caller showed is not looked at here.
//! The call has a record of its own, "outbound", that names the call it answers. Side A is the person's, as in a call that
//! a phone began; there is no INVITE of his, so one is made up that says as much as the rest of a call asks of it.

use std::sync::Arc;

use crate::call_id::CallId;
use crate::media::Side;
use crate::queue::{self, DEVICE, PERSON};
use crate::redact::Redacted;
use crate::sip::{Message, Request, ServerTxn};

use super::case::{Case, Media};
use super::desk::Desk;
use super::dialling::{self, Outside};
use super::early;
use super::ending::{By, Ending};
use super::engine::{Call, Engine};
use super::error::NoCallBack;
use super::index::Name;
use super::leg::{Hop, quoted};
use super::limits::{CALL_BACK_RING, LIVE_CALLS_MAX};
use super::orders;
use super::reception::Reception;
use super::record::{self, Direction, State};
use super::refusal::LOCKED_DOWN;
use super::stage::{Event, Stage};
use super::tolls::{Payer, Toll};
use super::transfer::{Answered, Calling, Progress, one_of};
use super::{CallRecord, Output, TrunkConfig, facts, from_phone};

/// What a person wants: an organisation called back at a number that it publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallBack {
    /// Of the call that is to be made; its first octet is the number of the shard.
    pub id: CallId,
    /// The call that it answers.
    pub of: CallId,
    /// Who calls: the name of his account.
    pub by: String,
    /// The devices he is signed in to. Those that are registered ring.
    pub devices: Vec<String>,
    /// As the directory has it; the phone that rings shows it.
    pub organisation: String,
    /// Its entry of the directory.
    pub entry: u64,
    /// What it publishes there, canonical.
    pub number: Redacted<String>,
    /// The queue of the call that it answers: what that may send outside counts as well.
    pub queue: Option<String>,
}

/// In the place of the caller's INVITE transaction, which there is none of: no endpoint counts so far.
const NO_INVITE: ServerTxn = ServerTxn(u64::MAX);

/// The host in the INVITE that is made up. It is sent to nobody.
const NOWHERE: &str = "ringward.invalid";

/// His phones are to ring, or do.
pub(crate) struct Fetching {
    way: Outside,
    /// Until the ports are open.
    phones: Option<Arc<[queue::Config]>>,
    calling: Option<Calling>,
    /// None of them had a call when it began. A second call of a phone does not free it when it is over.
    was_free: bool,
}

impl Engine {
    /// Says whether it begins ([`Output::CallBack`]); what does not has no record.
    pub(super) fn on_call_back(&mut self, wanted: CallBack) {
        let id = wanted.id;
        let refused = self.begin_call_back(wanted).err();
        self.desk.say(Output::CallBack { id, refused });
    }

    fn begin_call_back(&mut self, wanted: CallBack) -> Result<(), NoCallBack> {
        if self.is_draining || self.calls.len() >= LIVE_CALLS_MAX {
            return Err(NoCallBack::Busy);
        }
        let is_his = |call: &Call| {
            let record = &call.case.record;
            let is_on = record.call_back.is_some() && record.state != State::Ended;
            is_on && record.person.as_ref() == Some(&wanted.by)
        };
        let is_one_on = self.calls.iter().any(|(_, call)| is_his(call));
        let desk = &mut self.desk;
        if !desk.config.outbound.call_back {
            return Err(NoCallBack::Off);
        }
        if is_one_on {
            return Err(NoCallBack::NotNow("you are calling back already"));
        }
        if desk.is_locked_down {
            return Err(NoCallBack::NotNow(LOCKED_DOWN));
        }
        let number = wanted.number.reveal();
        let home = desk.own_numbers.calling_code();
        let way = dialling::outside(number, number, home, &desk.config, false);
        let way = way.map_err(NoCallBack::NotThis)?;
        let targets = wanted.devices.iter().map(|name| format!("{DEVICE}{name}"));
        let targets: Vec<String> = targets
            .filter(|target| !desk.registrants.is_away(target))
            .collect();
        let first = wanted
            .devices
            .iter()
            .find_map(|name| Some(desk.registrants.bound.places(name).first()?.flow));
        let flow = first.ok_or(NoCallBack::NoPhone)?;
        let hop = Hop::new(flow, desk.listener_of(&flow).ok_or(NoCallBack::NoPhone)?, false);
        let invite = made_up(&way.number, &desk.endpoint.token()).ok_or(NoCallBack::Busy)?;
        // The last that may refuse it: what does not go out is nobody's. Which of his phones answers is not known yet: he pays himself.
        let account = format!("{PERSON}{}", wanted.by);
        let payer = Payer {
            person: Some(&account),
            queue: wanted.queue.as_deref(),
        };
        let toll = dialling::toll(&way, &payer, desk).map_err(NoCallBack::NotNow)?;

        let now = desk.now();
        let was_free = !targets
            .iter()
            .any(|target| desk.usage.of(target).is_taken(now.instant));
        let phones = TrunkConfig {
            name: from_phone::PHONES.into(),
            ..TrunkConfig::default()
        };
        let numbers = desk.own_numbers.clone();
        let facts = facts::of_invite(&invite, &phones, &way.number, "", now.unix_ms(), false, &numbers);
        let mut record = CallRecord::arriving(wanted.id, &facts, None, None);
        record.direction = Direction::Outbound;
        record.state = State::Ringing;
        record.person = Some(wanted.by);
        record.call_back = Some(record::CalledBack {
            of: wanted.of,
            organisation: wanted.organisation,
            entry: wanted.entry,
        });
        let tag = desk.endpoint.token();
        let mut case = Case::new(wanted.id, invite, NO_INVITE, hop, tag, facts, record, desk);
        case.rung = Side::A;
        case.tolls.extend(toll);
        case.open_media(desk);
        case.changed(desk);
        let stage = Stage::CallBack(Box::new(Fetching {
            way,
            phones: Some(one_of(targets, CALL_BACK_RING)),
            calling: None,
            was_free,
        }));
        let key = self.calls.insert(Call {
            case,
            stage,
            deadline: None,
        });
        self.desk.call = key;
        self.desk.name(Name::Id(wanted.id));
        self.dispatch(key, Event::Begun);
        Ok(())
    }
}

impl Fetching {
    pub(crate) fn search(&self) -> Option<&super::hunting::Hunting> {
        Some(self.calling.as_ref()?.search())
    }

    /// `None`: it waits for its ports.
    pub(crate) fn deadline(&self) -> Option<std::time::Instant> {
        self.calling.as_ref()?.deadline()
    }

    pub(crate) fn hops(&self) -> impl Iterator<Item = &Hop> {
        self.calling.iter().flat_map(Calling::hops)
    }

    pub(crate) fn handle(mut self: Box<Self>, event: Event, case: &mut Case, desk: &mut Desk) -> Stage {
        let event = match event {
            Event::MediaOpened { a, b } if case.media == Media::Asked => {
                case.media = Media::Open { a, b };
                return self.ring(case, desk);
            }
            Event::MediaRefused => {
                case.media = Media::Closed;
                return self.give_up(503, By::Us, "no media port left", case, desk);
            }
            Event::HangUp => {
                let note = orders::note_of_end(case);
                return self.give_up(487, By::Us, &note, case, desk);
            }
            event => event,
        };
        let now = desk.now().instant;
        let Some(calling) = &mut self.calling else {
            return Stage::CallBack(self);
        };
        let progress = match event {
            Event::Request { txn, request } => {
                // In the early dialog of a phone that rings: there is nobody to take it across to.
                early::refuse(txn, &request, desk);
                Progress::Nothing
            }
            Event::Renumbered { sip_call_id, cseq } => {
                calling.renumber(&sip_call_id, cseq);
                Progress::Nothing
            }
            Event::Due if calling.is_over(now) => Progress::Failed(408),
            Event::Due => calling.on_due(case, desk),
            Event::Located { target } => calling.on_located(&target, case, desk),
            Event::Response { txn, response } => calling.on_response(txn, &response, case, desk),
            Event::Failed { txn, status, fault } => calling.on_failed(txn, status, fault, case, desk),
            Event::Lost { txn, fault } => calling.on_lost(txn, fault, case, desk),
            _ => Progress::Nothing,
        };
        self.on_progress(progress, case, desk)
    }

    fn ring(mut self: Box<Self>, case: &mut Case, desk: &mut Desk) -> Stage {
        let begun = self
            .phones
            .take()
            .and_then(|phones| Calling::begin((phones, String::new()), Vec::new(), None, case, desk));
        let Some((calling, progress)) = begun else {
            return self.give_up(480, By::Us, "no phone could be rung", case, desk);
        };
        self.calling = Some(calling);
        self.on_progress(progress, case, desk)
    }

    fn on_progress(self: Box<Self>, progress: Progress, case: &mut Case, desk: &mut Desk) -> Stage {
        match progress {
            Progress::Nothing | Progress::Ringing(_) => Stage::CallBack(self),
            Progress::Failed(status) => self.give_up(status, By::Caller, not_taken(status), case, desk),
            Progress::Answered(answered) => self.dial(*answered, case, desk),
        }
    }

    /// He has picked up: now the number outside.
    fn dial(self, answered: Answered, case: &mut Case, desk: &mut Desk) -> Stage {
        let Answered { leg, session, .. } = answered;
        if !self.was_free {
            case.phone = None;
        }
        case.hop = leg.hop.clone();
        case.rung = Side::B;
        case.describe(Side::A, &session, leg.origin.travel.agreed(), desk);
        if let Err(why) = still_goes_out(&self.way, desk) {
            case.tolls.drain(..).for_each(Toll::take_back);
            return Reception::let_go(leg, session, why, case, desk);
        }
        Reception::dial(leg, session, self.way, case, desk)
    }

    /// He was not reached, or it was ended before he was: nothing went out, and nobody pays for it.
    fn give_up(mut self, status: u16, by: By, note: &str, case: &mut Case, desk: &mut Desk) -> Stage {
        if let Some(calling) = self.calling.take() {
            calling.abandon(None, case, desk);
        }
        case.tolls.drain(..).for_each(Toll::take_back);
        let ending = match by {
            By::Us => record::Ending::Failed,
            By::Caller | By::Called => record::Ending::NoAnswer,
        };
        Ending::begin(ending, status, by, Some(note), case, desk)
    }
}

impl Case {
    /// Somebody called us; else his INVITE is made up, and nobody ever sees it.
    pub(super) fn has_caller(&self) -> bool {
        self.invite_txn != NO_INVITE
    }

    /// Of a call back: the person is on the line, and what rings is the number outside. His phone stays the one that has
    /// the call.
    pub(crate) fn is_reaching_out(&self) -> bool {
        self.record.call_back.is_some() && self.rung == Side::B
    }

    /// What the phones of whoever calls back show in the place of a caller: the organisation, and the number it publishes.
    /// Err: this is no such phone.
    pub(crate) fn announced_call_back(
        &self,
        invite: Request,
        host: &str,
        tag: &str,
    ) -> Result<Request, Request> {
        let Some(back) = self.record.call_back.as_ref().filter(|_| self.rung == Side::A) else {
            return Err(invite);
        };
        let who = format!(
            "{}<sip:{}@{host};user=phone>",
            quoted(&format!("Calling back {}", back.organisation)),
            self.record.called.reveal()
        );
        Ok(invite
            .header("From", format!("{who};tag={tag}"))
            .header("P-Asserted-Identity", who))
    }
}

/// What was so when his phone began to ring may have changed until he picked up. What it may come to was counted then.
fn still_goes_out(way: &Outside, desk: &Desk) -> Result<(), &'static str> {
    if !desk.config.outbound.call_back {
        return Err("calling back was turned off meanwhile");
    }
    if desk.is_locked_down {
        return Err(LOCKED_DOWN);
    }
    let home = desk.own_numbers.calling_code();
    dialling::outside(&way.number, &way.number, home, &desk.config, false)?;
    dialling::is_hour_for(way, desk)
}

/// Why he was not reached, for the record.
fn not_taken(status: u16) -> &'static str {
    match status {
        486 | 600 | 603 => "the phone of the person who calls back was busy, or he declined",
        503 => "no phone of the person who calls back could be reached",
        _ => "the person who calls back did not pick up",
    }
}

/// Why the organisation was not reached, for the record.
pub(super) fn not_reached(status: u16) -> &'static str {
    match status {
        486 | 600 => "the published number was busy",
        404 | 410 | 604 => "the carrier knows no such number",
        401 | 403 | 407 | 488 | 503 => "the carrier did not take the call",
        _ => "nobody answered at the published number",
    }
}

/// An INVITE as his phone would have sent it. `None`: the number cannot stand in one.
fn made_up(number: &str, token: &str) -> Option<Message> {
    if !number
        .strip_prefix('+')?
        .bytes()
        .all(|octet| octet.is_ascii_digit())
    {
        return None;
    }
    let text = format!(
        "INVITE sip:{number}@{NOWHERE} SIP/2.0\r\nVia: SIP/2.0/UDP {NOWHERE};branch=z9hG4bK{token}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:phone@{NOWHERE}>;tag={token}\r\nTo: <sip:{number}@{NOWHERE}>\r\n\
         Call-ID: {token}\r\nCSeq: 1 INVITE\r\nContact: <sip:phone@{NOWHERE}>\r\nContent-Length: 0\r\n\r\n"
    );
    Message::parse(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invite_is_made_up_for_a_number_and_for_nothing_else() {
        let invite = made_up("+18005550100", "x1").unwrap();
        assert_eq!(invite.request_uri(), Some("sip:+18005550100@ringward.invalid"));
        for not in ["18005550100", "+1@evil.example", "+1\r\nX: y", "*21"] {
            assert!(made_up(not, "x1").is_none(), "{not:?}");
        }
    }
}
