//! What is limited, and how: the words of `[limits]`.

/// Of whom calls are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Everybody.
    All,
    Trunk,
    /// The address that a call comes from.
    Source,
    /// The queue that is called.
    Queue,
    /// The calling number, where it is proven to be the caller's own.
    Number,
    /// The same where it is only shown: such calls are counted apart and never refused for it.
    ShownNumber,
    /// The service provider whose signature holds.
    Signer,
}

impl Scope {
    pub(super) const ALL: [Scope; 7] = [
        Scope::All,
        Scope::Trunk,
        Scope::Source,
        Scope::Queue,
        Scope::Number,
        Scope::ShownNumber,
        Scope::Signer,
    ];
}

/// What of them is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// New ones a second.
    Rate,
    /// At once.
    Calls,
    /// At once, and answered neither by a person nor by us (a question, music) yet.
    Ringing,
}

/// A limit that a call would have passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limit {
    pub scope: Scope,
    pub kind: Kind,
}

impl Limit {
    /// The whole gateway is full: nobody else's call would be taken either.
    pub fn is_of_all(self) -> bool {
        self.scope == Scope::All
    }

    /// What a record says of a call that was kept out by it.
    pub fn words(self) -> String {
        let whose = match self.scope {
            Scope::All => "all together have",
            Scope::Trunk => "this trunk has",
            Scope::Source => "this address has",
            Scope::Queue => "this queue has",
            Scope::Number | Scope::ShownNumber => "this number has",
            Scope::Signer => "the carrier that signed has",
        };
        let what = match self.kind {
            Kind::Rate => "new calls a second",
            Kind::Calls => "calls at once",
            Kind::Ringing => "calls ringing at once",
        };
        format!("{whose} more {what} than [limits] {} allows", self.name())
    }

    /// As `[limits]` calls it, and metrics.
    pub fn name(self) -> &'static str {
        match (self.scope, self.kind) {
            (Scope::All, Kind::Rate) => "calls_per_second",
            (Scope::All, Kind::Calls) => "calls",
            (Scope::All, Kind::Ringing) => "ringing",
            (Scope::Trunk, Kind::Rate) => "trunk_calls_per_second",
            (Scope::Trunk, Kind::Calls) => "trunk_calls",
            (Scope::Trunk, Kind::Ringing) => "trunk_ringing",
            (Scope::Source, Kind::Rate) => "source_calls_per_second",
            (Scope::Source, Kind::Calls) => "source_calls",
            (Scope::Source, Kind::Ringing) => "source_ringing",
            (Scope::Queue, Kind::Rate) => "queue_calls_per_second",
            (Scope::Queue, Kind::Calls) => "queue_calls",
            (Scope::Queue, Kind::Ringing) => "queue_ringing",
            (Scope::Number | Scope::ShownNumber, Kind::Rate) => "number_calls_per_second",
            (Scope::Number | Scope::ShownNumber, Kind::Calls) => "number_calls",
            (Scope::Number | Scope::ShownNumber, Kind::Ringing) => "number_ringing",
            (Scope::Signer, Kind::Rate) => "signer_calls_per_second",
            (Scope::Signer, Kind::Calls) => "signer_calls",
            (Scope::Signer, Kind::Ringing) => "signer_ringing",
        }
    }
}

/// How many calls of one kind of party are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// New ones a second.
    pub per_second: u32,
    /// At once.
    pub calls: u32,
    /// At once, and answered neither by a person nor by us (a question, music) yet.
    pub ringing: u32,
}

/// `[limits]`, of the whole process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimits {
    pub all: Allowance,
    /// Of each trunk.
    pub trunk: Allowance,
    /// Of each source address.
    pub source: Allowance,
    /// Of each queue.
    pub queue: Allowance,
    /// Of each calling number.
    pub number: Allowance,
    /// Of each service provider that signs.
    pub signer: Allowance,
    /// What a call hears that one of these limits keeps out, but for those of all: 480, 603 or 608.
    pub refuse_with: u16,
}

impl Default for CallLimits {
    /// What one busy core can carry, for everybody alike; a single number that needs a tenth of that is no caller.
    fn default() -> CallLimits {
        let all = Allowance {
            per_second: 2_000,
            calls: 20_000,
            ringing: 20_000,
        };
        CallLimits {
            all,
            trunk: all,
            source: all,
            queue: all,
            number: Allowance {
                per_second: 100,
                calls: 1_000,
                ringing: 1_000,
            },
            signer: all,
            refuse_with: 480,
        }
    }
}

impl CallLimits {
    pub(super) fn of(&self, scope: Scope) -> Allowance {
        match scope {
            Scope::All => self.all,
            Scope::Trunk => self.trunk,
            Scope::Source => self.source,
            Scope::Queue => self.queue,
            Scope::Number | Scope::ShownNumber => self.number,
            Scope::Signer => self.signer,
        }
    }
}
