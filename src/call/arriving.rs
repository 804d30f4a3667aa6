//! An INVITE arrives: may it become a call, and what is known of it before anybody was asked.

use crate::call_id::CallId;
use crate::sip::{Flow, Message, NameAddr, ServerTxn};

use super::admission::Source;
use super::case::Case;
use super::encryption::Wanted;
use super::ending::{By, Ending};
use super::engine::{Call, Engine};
use super::gathering::Gathering;
use super::index::Name;
use super::leg::Hop;
use super::numbers::Numbers;
use super::offer;
use super::refusal::Refusal;
use super::stage::{Event, Stage};
use super::terms::Terms;
use super::{CallRecord, Counter, TrunkConfig, asked, crossing, facts, limits, options};

impl Engine {
    /// A new call, if it may be one. What is refused here has no record: nothing was asked about it yet.
    pub(super) fn on_invite(&mut self, txn: ServerTxn, invite: Message, flow: Flow) {
        self.desk.count(Counter::InviteReceived);
        let admission = &self.desk.admission;
        let is_phone = matches!(admission.source_of(&flow), Source::Phone) && admission.is_phone(flow.remote);
        if is_phone && invite.header("Replaces").is_some() && !self.is_draining {
            return self.on_replacing(txn, invite, flow);
        }
        if is_phone && self.desk.config.outbound.from_phones {
            return self.on_phone_invite(txn, invite, flow);
        }
        if let Err(refusal) = self.check_invite(&invite, &flow) {
            self.desk.count(Counter::CallRefused);
            return self.desk.refuse(txn, &invite, &refusal);
        }
        let Some(call) = self.open(txn, invite, flow) else {
            return;
        };
        self.dispatch(call, Event::Begun);
    }

    fn check_invite(&self, invite: &Message, flow: &Flow) -> Result<(), Refusal> {
        if self.is_draining || self.calls.len() >= limits::LIVE_CALLS_MAX {
            return Err(Refusal::Busy);
        }
        let trunk = self.trunk(invite, flow).ok_or(Refusal::NotATrunk)?;
        // Where a training call is made from nothing else is.
        let drills = &self.desk.drills;
        if drills.trunk(flow).is_some() && drills.of(flow, invite).is_none() {
            return Err(Refusal::NotATrunk);
        }
        self.check_sanity(invite, &self.desk.numbers_of(trunk))
    }

    /// What every INVITE that makes a call has to have.
    pub(super) fn check_sanity(&self, invite: &Message, numbers: &Numbers) -> Result<(), Refusal> {
        asked::check(invite)?;
        let unknown = options::unknown(invite, &self.desk.config);
        if !unknown.is_empty() {
            return Err(Refusal::UnknownOptions(unknown));
        }
        if crossing::hops_left(invite).is_none() {
            return Err(Refusal::TooManyHops);
        }
        if invite.contact().is_none() || invite.from_address().tag().is_none() {
            return Err(Refusal::BadRequest);
        }
        if self.desk.index.call(&caller_name(invite)).is_some() {
            return Err(Refusal::Merged);
        }
        if self.is_loop(invite, numbers) {
            return Err(Refusal::Loop);
        }
        Terms::check(invite, &self.desk)
    }

    /// Whether this is an INVITE of ours that came back through others and asks for the same number again (RFC 3261
    /// §16.3 step 4). With another number it is a spiral, and a call of its own; so is what came back through another
    /// back-to-back agent, which leaves none of our Vias: both are ended by Max-Forwards, which counts through us.
    fn is_loop(&self, invite: &Message, numbers: &Numbers) -> bool {
        let dialled = |invite: &Message, numbers: &Numbers| facts::dialled(&numbers.dialled(invite), numbers);
        let ours = self.desk.endpoint.own_invite(invite);
        ours.and_then(|txn| self.desk.index.call(&Name::Client(txn)))
            .and_then(|key| self.calls.get(key))
            .is_some_and(|call| dialled(&call.case.invite, &call.case.numbers) == dialled(invite, numbers))
    }

    fn trunk(&self, invite: &Message, flow: &Flow) -> Option<&TrunkConfig> {
        self.desk.gate.trunk(invite, flow, &self.desk.admission)
    }

    /// Makes the call and asks who signed it. `None` when it is over already (no queue, no codec).
    fn open(&mut self, txn: ServerTxn, invite: Message, flow: Flow) -> Option<usize> {
        let desk = &mut self.desk;
        let trunk = desk.gate.trunk(&invite, &flow, &desk.admission)?;
        let hop = Hop::new(flow, desk.listener_of(&flow)?, asks_for_sips(&invite))
            .with_login(desk.logins.of_trunk(trunk));
        let numbers = desk.numbers_of(trunk);
        let (called, written) = facts::dialled(&numbers.dialled(&invite), &numbers);
        let drill = desk.drills.of(&flow, &invite);
        let queue = match &drill {
            Some(drill) => Some(drill.queue.clone()),
            None => crate::queue::find(&desk.queues, &called, &written).map(|queue| queue.name.clone()),
        };
        let facts = facts::of_invite(
            &invite,
            trunk,
            &called,
            queue.as_deref().unwrap_or_default(),
            desk.now().unix_ms(),
            desk.config.is_voice_on,
            &numbers,
        );
        let id = call_id(desk.random.u128(), desk.config.shard);
        let tag = desk.endpoint.token();
        let mut record = CallRecord::arriving(id, &facts, queue.as_deref(), desk.config.model.as_deref());
        record.drill = drill.is_some();
        let (reason_style, trunk_refusal, srtp) = (trunk.identity_reasons, trunk.refusal, trunk.wanted());
        // A caller of ours is on this machine.
        let srtp = if record.drill { Wanted::default() } else { srtp };
        let mut case = Case::new(id, invite, txn, hop, tag.clone(), facts, record, desk);
        case.reason_style = reason_style;
        case.trunk_refusal = trunk_refusal;
        case.numbers = numbers;
        case.origin.want(srtp, &mut desk.random);
        let offer = offer::read_talking_offer(&case.invite, &case.origin);

        // What cannot become a call has a record all the same: somebody will ask why it did not ring.
        let refusal = match offer {
            Ok(_) if queue.is_none() => Some((Refusal::NoQueue, "no queue has this number")),
            Ok(offer) => {
                case.offer = offer;
                None
            }
            Err(refusal) => Some((refusal, "the offer cannot be carried")),
        };
        if let Some((refusal, note)) = refusal {
            case.refuse(&refusal, desk);
            desk.count(Counter::CallRefused);
            Ending::failed(refusal.status(), By::Us, note, &mut case, desk);
            return None;
        }

        let deadline = desk.now().instant + desk.config.budget;
        let stage = Stage::Gathering(Gathering {
            deadline,
            has_looked: false,
        });
        let caller = caller_name(&case.invite);
        let key = self.calls.insert(Call {
            case,
            stage,
            deadline: None,
        });
        desk.call = key;
        for name in [Name::Id(id), Name::Server(txn), Name::Tag(tag), caller] {
            desk.name(name);
        }
        if let Some(drill) = drill {
            desk.drills.taken_as(&flow, id);
            self.tell(id, Event::Reported(Box::new(drill.report())));
            return self.calls.contains(key).then_some(key);
        }
        let case = &self.calls[key].case;
        match case.numbers.shown(&case.invite) {
            Some(shown) => desk.identity.begin_shown(id, &case.invite, &shown, desk.now()),
            None => desk.identity.begin(id, &case.invite, desk.now()),
        }
        // Without a header, or with the certificate on the shelf, the report is there at once.
        self.pump_identity();
        self.calls.contains(key).then_some(key)
    }
}

/// The first octet is the shard, so that an id leads to its call without a table.
pub(super) fn call_id(random: u128, shard: u16) -> CallId {
    let shard = u128::from(shard as u8) << 120;
    CallId((random >> 8) | shard)
}

/// RFC 3261 §12.1.1: the Request-URI, the top Record-Route or, without any, the Contact is a `sips:` URI.
fn asks_for_sips(invite: &Message) -> bool {
    let is_sips = |text: &str| {
        text.trim_start()
            .get(..5)
            .is_some_and(|s| s.eq_ignore_ascii_case("sips:"))
    };
    if invite.request_uri().is_some_and(is_sips) {
        return true;
    }
    match invite.header_values("Record-Route").first() {
        Some(route) => NameAddr::parse(route).is_ok_and(|route| route.uri.is_sips()),
        None => invite.contact().is_some_and(|contact| contact.uri.is_sips()),
    }
}

pub(super) fn caller_name(invite: &Message) -> Name {
    let tag = invite.from_address().tag().unwrap_or_default().to_string();
    Name::Caller(invite.call_id().to_string(), tag, invite.cseq().0)
}
