//! A telephone at a desk: rings, shows the banner, answers or not, talks and listens.
//!
//! One thread per phone, one more per conversation for its audio.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::board::{Board, Sighting};
use super::clip::Clip;
use super::limits::PHONE_CALLS_MAX;
use super::line::Line;
use super::sound::{self, Sound};
use crate::call_id::CallId;
use crate::runtime::clock;
use crate::sdp;
use crate::sip::{Dialog, Message, Method, Response, ServerTxn, SipEvent};

const POLL: Duration = Duration::from_millis(25);

/// Who sits there.
#[derive(Clone, Debug)]
pub struct Habit {
    pub name: &'static str,
    /// Picks up after ringing this long; None = never.
    pub answers_after: Option<Duration>,
    /// What the person says.
    pub clip: Clip,
}

/// A running phone. Hangs up and ends when dropped.
pub struct Phone {
    name: &'static str,
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Phone {
    /// Plugs the phone in on a free port of `address`.
    ///
    /// # Errors
    ///
    /// When no socket or thread can be had.
    pub fn start(habit: Habit, address: IpAddr, board: Arc<Board>) -> io::Result<Phone> {
        let line = Line::open(address, "Ringward-Demo-Phone")?;
        let (name, address) = (habit.name, line.address());
        let is_over = Arc::new(AtomicBool::new(false));
        let desk = Desk {
            contact: line.contact(name),
            habit,
            line,
            board,
            calls: Vec::new(),
        };
        let over = Arc::clone(&is_over);
        let thread = std::thread::Builder::new()
            .name(format!("demo-{name}"))
            .spawn(move || desk.run(&over))?;
        Ok(Phone {
            name,
            address,
            is_over,
            thread: Some(thread),
        })
    }

    /// What a queue rings.
    pub fn uri(&self) -> String {
        format!("sip:{}@{}", self.name, self.address)
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A phone thread that panicked has already said so on standard error.
            let _ended = thread.join();
        }
    }
}

struct Desk {
    habit: Habit,
    line: Line,
    contact: String,
    board: Arc<Board>,
    calls: Vec<Call>,
}

struct Call {
    id: Option<CallId>,
    txn: ServerTxn,
    peer: SocketAddr,
    media: SocketAddr,
    dialog: Dialog,
    step: Step,
}

enum Step {
    Ringing {
        invite: Box<Message>,
        tag: String,
        socket: std::net::UdpSocket,
        answers_at: Option<Instant>,
    },
    Talking(Sound),
}

impl Desk {
    fn run(mut self, is_over: &AtomicBool) {
        while !is_over.load(Ordering::Relaxed) {
            match self.line.poll(POLL) {
                Ok(Some(event)) => self.on_event(event),
                Ok(None) => {}
                // Without its socket the phone is unplugged; callers will see it not answering.
                Err(_) => return,
            }
            self.pick_up();
        }
        for mut call in std::mem::take(&mut self.calls) {
            if let Step::Talking(_) = call.step {
                self.line.bye(&mut call.dialog, call.peer);
            }
        }
    }

    fn on_event(&mut self, event: SipEvent) {
        match event {
            SipEvent::Request { txn, request, flow } => match request.method() {
                Method::Invite if request.to().tag().is_none() => self.ring(txn, request, flow.remote),
                Method::Options if request.to().tag().is_none() => {
                    self.line.respond(txn, Response::new(&request, 200, "OK"));
                }
                _ => self.on_dialog_request(txn, &request),
            },
            SipEvent::Cancelled { txn, .. } => {
                if let Some(at) = self.calls.iter().position(|call| call.txn == txn)
                    && let Step::Ringing { invite, tag, .. } = self.calls.swap_remove(at).step
                {
                    let response = Response::new(&invite, 487, "Request Terminated").to_tag(&tag);
                    self.line.respond(txn, response);
                }
            }
            SipEvent::AckMissing { txn } => {
                if let Some(at) = self.calls.iter().position(|call| call.txn == txn) {
                    let mut call = self.calls.swap_remove(at);
                    self.line.bye(&mut call.dialog, call.peer);
                    self.finish(call);
                }
            }
            _ => {}
        }
    }

    fn ring(&mut self, txn: ServerTxn, invite: Message, peer: SocketAddr) {
        let tag = self.line.token();
        let Ok(dialog) = Dialog::as_server(&invite, &tag, &self.contact) else {
            self.line
                .respond(txn, Response::new(&invite, 400, "Bad Request").to_tag(&tag));
            return;
        };
        let socket = match sound::open(self.line.address().ip()) {
            Ok(socket) if self.calls.len() < PHONE_CALLS_MAX => socket,
            _ => {
                self.line
                    .respond(txn, Response::new(&invite, 486, "Busy Here").to_tag(&tag));
                return;
            }
        };
        let Ok(media) = socket.local_addr() else { return };
        let sighting = Sighting::read(self.habit.name, &invite);
        let id = sighting.as_ref().map(|sighting| sighting.trust.call);
        if let Some(sighting) = sighting {
            self.board.saw(sighting);
        }
        let ringing = Response::new(&invite, 180, "Ringing")
            .to_tag(&tag)
            .header("Contact", &self.contact);
        self.line.respond(txn, ringing);
        let answers_at = self.habit.answers_after.map(|after| clock::now().instant + after);
        let step = Step::Ringing {
            invite: Box::new(invite),
            tag,
            socket,
            answers_at,
        };
        self.calls.push(Call {
            id,
            txn,
            peer,
            media,
            dialog,
            step,
        });
    }

    /// Answers what has rung long enough.
    fn pick_up(&mut self) {
        let now = clock::now().instant;
        let is_due =
            |call: &Call| matches!(&call.step, Step::Ringing { answers_at: Some(at), .. } if *at <= now);
        while let Some(at) = self.calls.iter().position(is_due) {
            let Call {
                id,
                txn,
                peer,
                media,
                dialog,
                step,
            } = self.calls.swap_remove(at);
            let Step::Ringing {
                invite, tag, socket, ..
            } = step
            else {
                continue;
            };
            let audio = sdp::Session::parse(invite.body())
                .ok()
                .and_then(|session| session.audio_address());
            let sound =
                audio.and_then(|audio| Sound::start(socket, audio, self.habit.clip.clone(), true).ok());
            let Some(sound) = sound else {
                self.line.respond(
                    txn,
                    Response::new(&invite, 488, "Not Acceptable Here").to_tag(&tag),
                );
                continue;
            };
            let answer = Response::new(&invite, 200, "OK")
                .to_tag(&tag)
                .header("Contact", &self.contact)
                .with_body("application/sdp", sound::description(media));
            self.line.respond(txn, answer);
            if let Some(id) = id {
                self.board.answered(self.habit.name, id);
            }
            self.calls.push(Call {
                id,
                txn,
                peer,
                media,
                dialog,
                step: Step::Talking(sound),
            });
        }
    }

    fn on_dialog_request(&mut self, txn: ServerTxn, request: &Message) {
        let Some(at) = self.calls.iter().position(|call| call.dialog.owns(request)) else {
            self.line.respond(
                txn,
                Response::new(request, 481, "Call/Transaction Does Not Exist"),
            );
            return;
        };
        if let Err(status) = self.calls[at].dialog.on_request(request) {
            self.line
                .respond(txn, Response::new(request, status, "Out of Order"));
            return;
        }
        self.calls[at].dialog.accept(request);
        let call = &self.calls[at];
        let mut response = Response::new(request, 200, "OK").header("Contact", &self.contact);
        match request.method() {
            Method::Bye => {
                self.line.respond(txn, response);
                let call = self.calls.swap_remove(at);
                self.finish(call);
                return;
            }
            Method::Invite | Method::Update => {
                let offer = sdp::Session::parse(request.body())
                    .ok()
                    .and_then(|session| session.audio_address());
                if let (Step::Talking(sound), Some(audio)) = (&call.step, offer) {
                    sound.aim(audio);
                }
                if request.method() == Method::Invite || offer.is_some() {
                    response = response.with_body("application/sdp", sound::description(call.media));
                }
            }
            Method::Options | Method::Info => {}
            _ => response = Response::new(request, 501, "Not Implemented"),
        }
        self.line.respond(txn, response);
    }

    fn finish(&mut self, call: Call) {
        if let Step::Talking(sound) = call.step {
            let heard = sound.stop();
            if let Some(id) = call.id {
                self.board.heard(self.habit.name, id, heard.packets);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::caller::{self, Plan, Signals, Told};

    fn phone(answers_after: Option<Duration>) -> Phone {
        let habit = Habit {
            name: "anna",
            answers_after,
            clip: Clip::comfort_noise(1),
        };
        Phone::start(habit, "127.0.0.1".parse().unwrap(), Arc::default()).unwrap()
    }

    fn plan(phone: &Phone) -> Plan {
        Plan {
            gateway: phone.address,
            from: "\"Anna\" <sip:+14045550123@127.0.0.1>".into(),
            asserted: Some("<sip:+14045550123@127.0.0.1>".into()),
            privacy: None,
            called: "+12125550100".into(),
            identity: Vec::new(),
            more: Vec::new(),
            sip_call_id: None,
            media: phone.address.ip(),
            clip: Clip {
                name: "ramp",
                octets: (0..=250).collect(),
            },
            is_looped: true,
            talks: Duration::from_millis(400),
            gives_up: None,
            lasts_at_most: crate::demo::limits::CALL_TIME_MAX,
        }
    }

    fn call(plan: &Plan) -> Told {
        let (stop, answered) = (AtomicBool::new(false), AtomicBool::new(false));
        caller::call(
            plan,
            Signals {
                stop: &stop,
                answered: &answered,
            },
        )
        .unwrap()
    }

    #[test]
    fn a_caller_and_a_phone_talk_to_each_other_and_hang_up() {
        let phone = phone(Some(Duration::from_millis(50)));
        let told = call(&plan(&phone));
        assert_eq!((told.problem, told.rang, told.status), (None, true, Some(200)));
        assert!(told.heard.packets > 0 && told.heard.packets_sent > 0);
        let noise = Clip::comfort_noise(1);
        let length = told.heard.start.len().min(noise.octets.len());
        assert_eq!(told.heard.start[..length], noise.octets[..length]);
    }

    #[test]
    fn a_caller_who_gives_up_leaves_a_phone_that_can_ring_again() {
        let phone = phone(None);
        let plan = Plan {
            gives_up: Some(Duration::from_millis(30)),
            ..plan(&phone)
        };
        for _ in 0..2 {
            let told = call(&plan);
            assert_eq!((told.problem, told.rang, told.status), (None, true, Some(487)));
        }
    }

    #[test]
    fn a_phone_writes_the_banner_it_saw_on_the_board() {
        let board = Arc::new(Board::default());
        let habit = Habit {
            name: "anna",
            answers_after: Some(Duration::ZERO),
            clip: Clip::comfort_noise(1),
        };
        let phone = Phone::start(habit, "127.0.0.1".parse().unwrap(), Arc::clone(&board)).unwrap();
        let id = CallId(0x1234);
        let plan = Plan {
            asserted: Some("<sip:+14045550123@x;user=phone;verstat=TN-Validation-Passed>".into()),
            more: vec![
                (
                    "Ringward-Trust",
                    format!("number=genuine; voice=pending; label=genuine; call={id}"),
                ),
                ("Call-Info", "<http://127.0.0.1/card>;purpose=card".into()),
            ],
            ..plan(&phone)
        };
        assert_eq!(call(&plan).status, Some(200));
        // Unplugged, so that it has finished writing.
        drop(phone);
        let sighting = board.best(id).unwrap();
        assert!(sighting.is_answered && sighting.heard > Some(0));
        assert_eq!(sighting.display.as_deref(), Some("Anna"));
        assert_eq!(sighting.verstat.as_deref(), Some("TN-Validation-Passed"));
        assert_eq!(
            sighting.call_info.as_deref(),
            Some("<http://127.0.0.1/card>;purpose=card")
        );
        assert!(!sighting.keeps_secret("+14045550123"));
    }

    #[test]
    fn a_phone_that_is_unplugged_hangs_up() {
        let phone = phone(Some(Duration::ZERO));
        let plan = Plan {
            talks: Duration::from_secs(60),
            ..plan(&phone)
        };
        let (stop, answered) = (AtomicBool::new(false), AtomicBool::new(false));
        let told = std::thread::scope(|scope| {
            let signals = Signals {
                stop: &stop,
                answered: &answered,
            };
            let call = scope.spawn(move || caller::call(&plan, signals));
            while !answered.load(Ordering::Relaxed) && !call.is_finished() {
                std::thread::park_timeout(Duration::from_millis(5));
            }
            drop(phone);
            call.join().unwrap().unwrap()
        });
        assert!(told.was_hung_up, "{told:?}");
    }
}
