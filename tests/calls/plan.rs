//! What peers are told to do: phones and callers as data.

use std::time::Duration;

use crate::door::{Door, Login};

/// What a peer does by itself during a call, counted from the moment it is answered.
#[derive(Clone, Debug)]
pub enum Act {
    Bye,
    Hold,
    Resume,
    Update,
    /// A re-INVITE with one more header.
    Reinvite(&'static str, String),
    /// A re-INVITE without a description: the other side offers.
    AskForOffer,
    Info(String),
    /// REFER to this Refer-To value, with more headers.
    Refer(String, Vec<(&'static str, String)>),
    /// Any other method.
    Send(&'static str),
}

#[derive(Clone, Debug)]
pub enum Answer {
    After(Duration),
    Refuse(u16, Duration),
    /// Rings for ever.
    Never,
    /// Says nothing at all, as if it were not there.
    Dead,
}

/// How a phone behaves.
#[derive(Clone, Debug)]
pub struct PhonePlan {
    pub rings_after: Duration,
    pub has_early_media: bool,
    pub answer: Answer,
    pub acts: Vec<(Duration, Act)>,
    /// Hangs up as soon as a NOTIFY says that the transfer went well.
    pub hangs_up_when_told: bool,
    /// Answers NOTIFY with this.
    pub to_notify: u16,
    /// Payload types of its descriptions.
    pub formats: &'static str,
    /// A phone that answers although it was cancelled (it crossed).
    pub ignores_cancel: bool,
    /// Asks for a password first.
    pub door: Option<Door>,
    /// With every final answer to INVITE but 2xx.
    pub headers: Vec<(&'static str, String)>,
    /// What it answers to OPTIONS outside a call.
    pub options: u16,
    /// Takes registrations.
    pub registrar: Option<Registrar>,
    /// Speaks nothing but SRTP: offers `RTP/SAVP`, and answers with the first key it is offered.
    pub is_srtp: bool,
}

/// Somebody to register with.
#[derive(Clone, Debug, Default)]
pub struct Registrar {
    /// Seconds; less is answered 423.
    pub least: u32,
    pub refuses: Option<u16>,
    pub is_dead: bool,
    /// Contact and Expires of each REGISTER that was let in.
    pub log: Vec<String>,
}

impl Act {
    /// REFER to this URI.
    pub fn refer(uri: &str) -> Act {
        Act::Refer(format!("<{uri}>"), Vec::new())
    }
}

impl PhonePlan {
    pub fn answers_after(seconds: f64) -> PhonePlan {
        PhonePlan {
            rings_after: Duration::from_millis(20),
            has_early_media: false,
            answer: Answer::After(Duration::from_secs_f64(seconds)),
            acts: Vec::new(),
            hangs_up_when_told: false,
            to_notify: 200,
            formats: "0 8 101",
            ignores_cancel: false,
            door: None,
            headers: Vec::new(),
            options: 200,
            registrar: None,
            is_srtp: false,
        }
    }

    pub fn with_srtp(mut self) -> PhonePlan {
        self.is_srtp = true;
        self
    }

    pub fn behind(mut self, door: Door) -> PhonePlan {
        self.door = Some(door);
        self
    }

    pub fn with(answer: Answer) -> PhonePlan {
        PhonePlan {
            answer,
            ..PhonePlan::answers_after(0.0)
        }
    }

    pub fn act(mut self, seconds: f64, act: Act) -> PhonePlan {
        self.acts.push((Duration::from_secs_f64(seconds), act));
        self
    }
}

/// How a caller behaves.
#[derive(Clone, Debug)]
pub struct CallerPlan {
    /// The whole From value without tag.
    pub from: String,
    pub called: String,
    /// What stands in To: the number the caller dialled before the call was forwarded; None: `called`.
    pub dialled_first: Option<String>,
    pub headers: Vec<(&'static str, String)>,
    pub has_offer: bool,
    /// Instead of a description.
    pub body: Option<(&'static str, String)>,
    pub gives_up_after: Option<Duration>,
    pub acts: Vec<(Duration, Act)>,
    pub never_acknowledges: bool,
    pub max_forwards: u32,
    /// Instead of a Call-ID and a From tag of its own: a recorded INVITE sent again.
    pub call_id: Option<String>,
    pub tag: Option<String>,
    /// What it answers a challenge with, once.
    pub login: Option<Login>,
}

impl CallerPlan {
    pub fn new(number: &str) -> CallerPlan {
        CallerPlan {
            from: format!("<sip:{number}@203.0.113.7;user=phone>"),
            called: "+12125550100".into(),
            dialled_first: None,
            headers: Vec::new(),
            has_offer: true,
            body: None,
            gives_up_after: None,
            acts: Vec::new(),
            never_acknowledges: false,
            max_forwards: 70,
            call_id: None,
            tag: None,
            login: None,
        }
    }

    pub fn login(mut self, user: &str, password: &str) -> CallerPlan {
        self.login = Some(Login::new(user, password));
        self
    }

    pub fn act(mut self, seconds: f64, act: Act) -> CallerPlan {
        self.acts.push((Duration::from_secs_f64(seconds), act));
        self
    }

    pub fn header(mut self, name: &'static str, value: &str) -> CallerPlan {
        self.headers.push((name, value.to_string()));
        self
    }

    pub fn gives_up_after(mut self, seconds: f64) -> CallerPlan {
        self.gives_up_after = Some(Duration::from_secs_f64(seconds));
        self
    }
}
