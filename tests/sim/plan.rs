//! What peers are told to do, drawn from the dice.

use ringward::sip::Transport;

use crate::chance::Chance;

pub const SECOND: u64 = 1_000_000;
pub const MILLI: u64 = 1000;

/// What a peer does by itself while it talks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Bye,
    Hold,
    Resume,
    Inactive,
    /// A re-INVITE without a description: the other side offers.
    AskForOffer,
    Update,
    UpdateWithoutBody,
    Info,
    Options,
    /// Never taken from the trunk, and not understood by itself from a phone.
    Refer,
    /// A phone sends its caller to this number (RFC 3515).
    SendTo(&'static str),
    /// A phone calls a colleague; later it joins him with its caller (RFC 5589 §7).
    Consult(&'static str),
    Join,
    /// Another phone takes the call over (RFC 3891).
    PickUp,
    Teleport,
}

/// Session timers (RFC 4028) as a peer wants them.
#[derive(Clone, Copy, Debug)]
pub struct Timer {
    /// Seconds.
    pub interval: u64,
    pub is_refresher: bool,
    /// Refreshes with a whole INVITE.
    pub by_invite: bool,
    /// Promised to refresh, and never does.
    pub forgets: bool,
}

/// How a peer takes a re-INVITE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reinvited {
    Agrees,
    /// 100 at once, the answer after this long (µs).
    Slowly(u64),
    Refuses(u16),
    /// No word at all.
    Silent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    None,
    /// 'A', 'B' or 'C'.
    Good(char),
    /// Another number than the one that is shown.
    Stolen,
    Broken,
    Stale,
}

#[derive(Clone, Debug)]
pub struct CallerPlan {
    pub called: &'static str,
    pub is_hidden: bool,
    pub signature: Signature,
    pub has_offer: bool,
    /// Gives up this long after its INVITE, when nobody has answered (µs).
    pub gives_up: Option<u64>,
    /// Gives up with BYE in the early dialog, where there is one.
    pub with_bye: bool,
    pub never_acknowledges: bool,
    /// Goes silent for good this long after its INVITE (µs).
    pub crashes: Option<u64>,
    /// The INVITE comes by a second way after this long (µs), as a forking proxy in front would send it.
    pub second_way: Option<u64>,
    pub transport: Transport,
    /// Acknowledges provisional responses (RFC 3262).
    pub is_reliable: bool,
    pub timer: Option<Timer>,
    /// The dialog that this call wants to be instead of (RFC 3891).
    pub replaces: Option<String>,
    pub reinvited: Reinvited,
    /// From the answer on (µs).
    pub acts: Vec<(u64, Act)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// As if it were not there; true: its host says so (ICMP).
    Dead(bool),
    Never,
    At(u64),
    Refuses(u16, u64),
}

/// How a phone takes one INVITE.
#[derive(Clone, Debug)]
pub struct PhonePlan {
    pub rings: Option<u64>,
    pub has_early_media: bool,
    pub answer: Answer,
    /// Answers although it was cancelled: it crossed.
    pub ignores_cancel: bool,
    /// A proxy in front of it rang several: each answers, this long after the one before (µs).
    pub forks: Vec<u64>,
    /// 180 once more, this long after the answer (µs).
    pub rings_late: Option<u64>,
    /// The answer's description: none, or one that cannot be read.
    pub is_mute: bool,
    pub is_garbage: bool,
    /// Rings reliably where it may (RFC 3262).
    pub is_reliable: bool,
    pub timer: Option<Timer>,
    pub crashes: Option<u64>,
    pub reinvited: Reinvited,
    pub acts: Vec<(u64, Act)>,
}

pub const DESK: &str = "+12125550100";
pub const NIGHT: &str = "+12125550101";
pub const LOST: &str = "+12125550155";

pub fn caller(chance: &mut Chance) -> CallerPlan {
    let called = chance.pick(&[DESK, DESK, DESK, NIGHT, NIGHT, LOST, "+13035550100"]);
    CallerPlan {
        called,
        is_hidden: chance.one_in(12),
        signature: match chance.below(16) {
            0 | 1 => Signature::Good('A'),
            2 => Signature::Good('B'),
            3 => Signature::Stolen,
            4 => Signature::Broken,
            5 => Signature::Stale,
            _ => Signature::None,
        },
        has_offer: !chance.one_in(8),
        gives_up: chance.one_in(4).then(|| chance.below(9 * SECOND)),
        with_bye: chance.one_in(4),
        never_acknowledges: chance.one_in(40),
        crashes: chance.one_in(25).then(|| chance.below(15 * SECOND)),
        second_way: chance.one_in(30).then(|| chance.below(300 * MILLI)),
        transport: transport(chance),
        is_reliable: chance.one_in(3),
        timer: timer(chance),
        replaces: None,
        reinvited: reinvited(chance),
        acts: acts(chance),
    }
}

pub fn phone(chance: &mut Chance) -> PhonePlan {
    let at = match chance.below(3) {
        0 => chance.below(200 * MILLI),
        _ => chance.below(5 * SECOND),
    };
    let answer = match chance.below(20) {
        0 => Answer::Dead(chance.one_in(2)),
        1 | 2 => Answer::Never,
        3 => Answer::Refuses(486, at / 8),
        4 => Answer::Refuses(
            chance.pick(&[302, 401, 404, 408, 480, 487, 500, 503, 600, 603, 699]),
            at / 4,
        ),
        _ => Answer::At(at),
    };
    let forks = if chance.one_in(12) {
        chance.between(1, 2)
    } else {
        0
    };
    PhonePlan {
        rings: (!chance.one_in(10)).then(|| chance.below(300 * MILLI)),
        has_early_media: chance.one_in(4),
        answer,
        ignores_cancel: chance.one_in(5),
        forks: (0..forks).map(|_| chance.below(400 * MILLI)).collect(),
        rings_late: chance.one_in(15).then(|| chance.below(200 * MILLI)),
        is_mute: chance.one_in(40),
        is_garbage: chance.one_in(40),
        is_reliable: chance.one_in(3),
        timer: timer(chance),
        crashes: chance.one_in(25).then(|| chance.below(10 * SECOND)),
        reinvited: reinvited(chance),
        acts: sends_on(chance),
    }
}

/// How a phone calls a colleague, or takes a call over.
pub fn colleague(chance: &mut Chance, called: &'static str, replaces: Option<String>) -> CallerPlan {
    CallerPlan {
        called,
        is_hidden: false,
        signature: Signature::None,
        second_way: None,
        transport: Transport::Udp,
        replaces,
        ..caller(chance)
    }
}

fn transport(chance: &mut Chance) -> Transport {
    match chance.below(8) {
        0 | 1 => Transport::Tcp,
        2 => Transport::Tls,
        _ => Transport::Udp,
    }
}

fn timer(chance: &mut Chance) -> Option<Timer> {
    chance.one_in(3).then(|| Timer {
        interval: chance.pick(&[90, 90, 120, 600]),
        is_refresher: chance.one_in(2),
        by_invite: chance.one_in(3),
        forgets: chance.one_in(6),
    })
}

/// Some phones send their caller on.
fn sends_on(chance: &mut Chance) -> Vec<(u64, Act)> {
    let mut acts = acts(chance);
    let step = 250 * MILLI;
    let to = chance.pick(&[DESK, NIGHT, NIGHT, LOST, "+13035550100", "+12125550199"]);
    let at = chance.between(1, 12) * step;
    match chance.below(24) {
        0 | 1 => acts.push((at, Act::SendTo(to))),
        2 => {
            acts.push((at, Act::Consult(to)));
            acts.push((at + chance.between(4, 30) * step, Act::Join));
        }
        3 => acts.push((at, Act::PickUp)),
        _ => return acts,
    }
    // It does not hang up first: whether it does so afterwards is for the dice.
    if chance.one_in(2) {
        for (when, act) in &mut acts {
            if *act == Act::Bye {
                *when += 16 * SECOND;
            }
        }
    }
    acts
}

fn reinvited(chance: &mut Chance) -> Reinvited {
    match chance.below(16) {
        0 => Reinvited::Silent,
        1 => Reinvited::Refuses(chance.pick(&[481, 488, 500, 603])),
        2..5 => Reinvited::Slowly(chance.below(3 * SECOND)),
        _ => Reinvited::Agrees,
    }
}

/// A few of the smaller acts, and sooner or later a BYE. Times are coarse on purpose: two sides that act at the same
/// instant are what glare is made of.
fn acts(chance: &mut Chance) -> Vec<(u64, Act)> {
    let step = 250 * MILLI;
    let mut acts = Vec::new();
    for _ in 0..chance.pick(&[0, 0, 0, 1, 1, 2, 4]) {
        let act = chance.pick(&[
            Act::Hold,
            Act::Hold,
            Act::Resume,
            Act::Inactive,
            Act::AskForOffer,
            Act::Update,
            Act::UpdateWithoutBody,
            Act::Info,
            Act::Options,
            Act::Refer,
            Act::Teleport,
        ]);
        acts.push((chance.below(24) * step, act));
    }
    let last = match chance.below(24) {
        0..3 => 0,
        3..6 => chance.below(10 * MILLI),
        // Long enough for sessions to be refreshed, or to end because nobody did.
        6 => chance.between(60, 400) * SECOND,
        _ => chance.between(1, 32) * step,
    };
    acts.push((last, Act::Bye));
    acts
}
