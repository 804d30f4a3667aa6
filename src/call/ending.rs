//! The call is over for people. What remains: the media's last figures for the record, and BYEs to be answered.

use std::time::Instant;

use crate::media::Statistics;
use crate::sip::{ClientTxn, Method, Response, ServerTxn};

use super::case::Case;
use super::desk::Desk;
use super::index::Name;
use super::leg::Leg;
use super::limits::{ENDING_MAX, MEDIA_CLOSE_WAIT};
use super::record::{self, Outcome, State};
use super::refusal::{self, Refusal};
use super::reliable;
use super::stage::{Event, Stage};

/// Who ended the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Caller,
    Called,
    Us,
}

impl By {
    fn as_str(self) -> &'static str {
        match self {
            By::Caller => "caller",
            By::Called => "called",
            By::Us => "us",
        }
    }
}

pub(crate) struct Ending {
    since: Instant,
    ended_ms: u64,
    is_recorded: bool,
    /// Their dialogs still own a BYE that crosses ours.
    legs: Vec<Leg>,
    byes: Vec<ClientTxn>,
    /// Who has not acknowledged our 200 to his INVITE yet, and must not get a BYE before (RFC 3261 §15): the caller, a
    /// phone that was taking the call over.
    unacknowledged: Vec<(ServerTxn, Leg)>,
}

impl Ending {
    /// A call that never talked.
    pub(crate) fn begin(
        ending: record::Ending,
        status: u16,
        by: By,
        note: Option<&str>,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Stage {
        Self::new(ending, status, by, note, case, desk).settle(case, desk)
    }

    /// A call that something of ours, or a limit, ended before it talked.
    pub(crate) fn failed(status: u16, by: By, note: &str, case: &mut Case, desk: &mut Desk) -> Stage {
        Self::begin(record::Ending::Failed, status, by, Some(note), case, desk)
    }

    pub(crate) fn new(
        ending: record::Ending,
        status: u16,
        by: By,
        note: Option<&str>,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Ending {
        desk.identity.forget(case.id);
        case.talks_no_more(desk);
        case.rings_no_more();
        case.record.state = State::Ended;
        case.record.outcome = Some(Outcome {
            ending,
            status,
            by: by.as_str().to_string(),
            note: note.map(str::to_string),
        });
        Ending {
            since: desk.now().instant,
            ended_ms: case.at_ms(desk),
            is_recorded: false,
            legs: Vec::new(),
            byes: Vec::new(),
            unacknowledged: Vec::new(),
        }
    }

    /// Sends BYE to this leg.
    pub(crate) fn hang_up(&mut self, mut leg: Leg, desk: &mut Desk) {
        let bye = leg.bye(desk);
        self.byes.push(bye);
        self.legs.push(leg);
    }

    /// Sends BYE to this leg as soon as it has acknowledged our 200, or is known never to.
    pub(crate) fn hang_up_after_ack(&mut self, invite: ServerTxn, leg: Leg) {
        self.unacknowledged.push((invite, leg));
    }

    /// This leg hung up itself.
    pub(crate) fn keep(&mut self, leg: Leg) {
        self.legs.push(leg);
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.since
            + if self.is_recorded {
                ENDING_MAX
            } else {
                MEDIA_CLOSE_WAIT
            }
    }

    /// Closes the media; the record closes with it, or at once when there is none.
    pub(crate) fn settle(mut self, case: &mut Case, desk: &mut Desk) -> Stage {
        if !case.close_media(desk) {
            self.record(None, case, desk);
        }
        Self::over_or_wait(self)
    }

    pub(crate) fn handle(mut self: Box<Self>, event: Event, case: &mut Case, desk: &mut Desk) -> Stage {
        match event {
            Event::MediaClosed(statistics) => self.record(Some(*statistics), case, desk),
            Event::MediaRefused => self.record(None, case, desk),
            Event::Due => {
                self.record(None, case, desk);
                if desk.now().instant >= self.since + ENDING_MAX {
                    return Stage::Over;
                }
            }
            Event::Response { txn, response } if response.status().is_some_and(|status| status >= 200) => {
                self.answered(txn, desk);
            }
            Event::Failed { txn, .. } => self.answered(txn, desk),
            Event::Renumbered { sip_call_id, cseq } => {
                let unacknowledged = self.unacknowledged.iter_mut().map(|(_, leg)| leg);
                for leg in self.legs.iter_mut().chain(unacknowledged) {
                    leg.dialog.renumber(&sip_call_id, cseq);
                }
            }
            Event::Ack { txn, .. } | Event::AckMissing { txn } => {
                let at = self.unacknowledged.iter().position(|(invite, _)| *invite == txn);
                if let Some(at) = at {
                    let (_, leg) = self.unacknowledged.swap_remove(at);
                    self.hang_up(leg, desk);
                }
            }
            Event::Pracked { txn, prack } => reliable::accept(txn, &prack, case, desk),
            Event::Request { txn, request } => {
                let waiting = self
                    .unacknowledged
                    .iter()
                    .position(|(_, leg)| leg.dialog.owns(&request));
                let is_ours = waiting.is_some() || self.legs.iter().any(|leg| leg.dialog.owns(&request));
                if is_ours && request.method() == Method::Bye {
                    desk.respond(txn, Response::new(&request, 200, refusal::phrase(200)));
                    // Who hangs up himself needs no BYE any more.
                    if let Some(at) = waiting {
                        let (_, leg) = self.unacknowledged.swap_remove(at);
                        self.legs.push(leg);
                    }
                } else {
                    desk.refuse(txn, &request, &Refusal::NoDialog);
                }
            }
            _ => {}
        }
        Self::over_or_wait(self)
    }

    fn answered(&mut self, txn: ClientTxn, desk: &mut Desk) {
        desk.index.remove(&Name::Client(txn));
        self.byes.retain(|bye| *bye != txn);
    }

    fn record(&mut self, media: Option<Statistics>, case: &mut Case, desk: &mut Desk) {
        if !self.is_recorded {
            self.is_recorded = true;
            case.close_record(self.ended_ms, media, desk);
        }
    }

    fn over_or_wait(stage: impl Into<Box<Ending>>) -> Stage {
        let stage: Box<Ending> = stage.into();
        if stage.is_recorded && stage.byes.is_empty() && stage.unacknowledged.is_empty() {
            Stage::Over
        } else {
            Stage::Ending(stage)
        }
    }
}
