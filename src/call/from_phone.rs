//! A phone calls: another phone or queue here, or a number outside (`[outbound] from_phones`).
//!
//! Nothing is verified and nobody is listened to: the one who calls is ours. The call has a record like any other, with
//! the direction "outbound", so that a number that calls back later is one we know.

use crate::queue::Hunt;
use crate::sip::{Flow, Message, ServerTxn};

use super::case::Case;
use super::dialling;
use super::engine::{Call, Engine};
use super::hunting::Hunting;
use super::index::Name;
use super::leg::Hop;
use super::offer;
use super::record::Direction;
use super::refusal::{LOCKED_DOWN, Refusal};
use super::stage::Event;
use super::tolls::Payer;
use super::transfer::{Destination, TransferRules};
use super::{CallRecord, Counter, TrunkConfig, arriving, facts, limits};

/// The name that stands for the trunk in records of calls that phones began.
pub(super) const PHONES: &str = "phones";

impl Engine {
    /// The INVITE of a phone. What may not be called has no record: it stands in the phone's display.
    pub(super) fn on_phone_invite(&mut self, txn: ServerTxn, invite: Message, flow: Flow) {
        if let Err(refusal) = self.begin_from_phone(txn, &invite, flow) {
            self.desk.count(Counter::CallRefused);
            self.desk.refuse(txn, &invite, &refusal);
        }
    }

    fn begin_from_phone(&mut self, txn: ServerTxn, invite: &Message, flow: Flow) -> Result<(), Refusal> {
        if self.is_draining || self.calls.len() >= limits::LIVE_CALLS_MAX {
            return Err(Refusal::Busy);
        }
        self.check_sanity(invite, &self.desk.own_numbers)?;
        let desk = &mut self.desk;
        let uri = invite.request_uri().unwrap_or_default();
        let uri = crate::sip::Uri::parse(uri).map_err(|_| Refusal::BadRequest)?;
        let (number, written) = facts::dialled(uri.as_str(), &desk.own_numbers);
        let (queues, first, way) = match Destination::of(&uri, &TransferRules::default(), flow, desk) {
            Ok(destination) => {
                let (queues, first) = destination.queues(limits::PHONE_RING, desk);
                (queues, first, None)
            }
            Err(_) => {
                let is_for_help = desk.config.outbound.emergency.contains(&written);
                if desk.is_locked_down && !is_for_help {
                    return Err(Refusal::Transfer(LOCKED_DOWN));
                }
                let home = desk.own_numbers.calling_code();
                let way = dialling::outside(&number, &written, home, &desk.config, true);
                let way = way.map_err(Refusal::Transfer)?;
                let (queues, first) = way.queues();
                (queues, first, Some(way))
            }
        };
        let person = dialling::person_at(&flow, desk);
        let hunt = Hunt::new(queues, &first).ok_or(Refusal::NoQueue)?;
        let hop = Hop::new(flow, desk.listener_of(&flow).ok_or(Refusal::NotNow)?, false);
        let phones = TrunkConfig {
            name: PHONES.into(),
            ..TrunkConfig::default()
        };
        let called = way.as_ref().map_or(&number, |way| &way.number);
        let facts = facts::of_invite(
            invite,
            &phones,
            called,
            "",
            desk.now().unix_ms(),
            false,
            &desk.own_numbers,
        );
        let id = arriving::call_id(desk.random.u128(), desk.config.shard);
        let tag = desk.endpoint.token();
        let mut record = CallRecord::arriving(id, &facts, None, None);
        record.direction = Direction::Outbound;
        let mut case = Case::new(id, invite.clone(), txn, hop, tag.clone(), facts, record, desk);
        case.origin.want(desk.config.outbound.wanted(), &mut desk.random);
        case.offer = offer::read_talking_offer(invite, &case.origin)?;
        if let Some(way) = &way {
            // The last that may refuse it: what does not go out is nobody's.
            let payer = Payer {
                person: Some(&person),
                queue: None,
            };
            let toll = dialling::toll(way, &payer, desk);
            case.tolls.extend(toll.map_err(Refusal::Transfer)?);
        }
        case.outside = way;
        let caller = arriving::caller_name(invite);
        let stage = Hunting::begin(hunt, &mut case, desk);
        if case.record.queue.as_deref() == Some("") {
            case.record.queue = None;
        }
        let key = self.calls.insert(Call {
            case,
            stage,
            deadline: None,
        });
        self.desk.call = key;
        for name in [Name::Id(id), Name::Server(txn), Name::Tag(tag), caller] {
            self.desk.name(name);
        }
        self.dispatch(key, Event::Begun);
        Ok(())
    }
}
