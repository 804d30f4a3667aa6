//! How each leg of a call is encrypted, as its record has it.

use serde::{Deserialize, Serialize};

use super::super::transport::Agreed;
use crate::media::Side;
use crate::media::dtls::{Fault, Terms};
use crate::sdp::Suite;

/// The suite of each leg; `None` = its audio is plain, or its keys are still to come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegSuites {
    pub caller: Option<Suite>,
    pub called: Option<Suite>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller_keys: Option<LegKeys>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called_keys: Option<LegKeys>,
}

/// Where the keys of a leg come from, or why it has none; records from before there was a choice do not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegKeys {
    /// They stood in the descriptions (RFC 4568).
    Sdes,
    /// A handshake gave them (RFC 5764), with the certificate that the description speaks of.
    Dtls,
    /// A handshake is to give them; until then nothing is let through.
    DtlsPending,
    /// The handshake showed another certificate than the description speaks of: nothing is let through.
    DtlsMismatch,
    /// The handshake failed otherwise, or did not come to an end in time: nothing is let through.
    DtlsFailed,
}

impl LegKeys {
    /// As in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            LegKeys::Sdes => "sdes",
            LegKeys::Dtls => "dtls",
            LegKeys::DtlsPending => "dtls_pending",
            LegKeys::DtlsMismatch => "dtls_mismatch",
            LegKeys::DtlsFailed => "dtls_failed",
        }
    }
}

impl LegSuites {
    fn set(&mut self, side: Side, suite: Option<Suite>, keys: Option<LegKeys>) {
        let (of_suite, of_keys) = match side {
            Side::A => (&mut self.caller, &mut self.caller_keys),
            Side::B => (&mut self.called, &mut self.called_keys),
        };
        (*of_suite, *of_keys) = (suite, keys);
    }

    /// The leg was described. `handshake`: what it was described with before; the same again changes nothing, nor does another
    /// role with the certificate that has proven the keys there are, which hold until others are agreed.
    pub(crate) fn describe(&mut self, side: Side, agreed: &Agreed, handshake: &mut Option<Box<Terms>>) {
        let suite = agreed.keys.as_ref().map(|keys| keys.suite());
        if agreed.dtls.is_none() {
            self.set(side, suite, suite.map(|_| LegKeys::Sdes));
        } else if *handshake != agreed.dtls && !self.holds(side, agreed, handshake) {
            self.set(side, None, Some(LegKeys::DtlsPending));
        }
        handshake.clone_from(&agreed.dtls);
    }

    /// The keys that a handshake gave hold with what is agreed now.
    fn holds(&self, side: Side, agreed: &Agreed, handshake: &Option<Box<Terms>>) -> bool {
        let keys = match side {
            Side::A => self.caller_keys,
            Side::B => self.called_keys,
        };
        let proven = handshake.as_ref().map(|before| &before.fingerprints);
        keys == Some(LegKeys::Dtls) && proven == agreed.dtls.as_ref().map(|terms| &terms.fingerprints)
    }

    /// Keys that a handshake had given hold no longer: whoever looks at the call is told at once.
    pub(crate) fn lost_keys(&self, before: LegSuites) -> bool {
        let had = [before.caller_keys, before.called_keys];
        let has = [self.caller_keys, self.called_keys];
        let is_lost = |(had, has)| had == Some(LegKeys::Dtls) && has != had;
        had.into_iter().zip(has).any(is_lost)
    }

    /// The handshake of a leg is over.
    pub(crate) fn secured(&mut self, side: Side, secured: Result<Suite, Fault>) {
        let keys = match secured {
            Ok(_) => LegKeys::Dtls,
            Err(Fault::Fingerprint) => LegKeys::DtlsMismatch,
            Err(_) => LegKeys::DtlsFailed,
        };
        self.set(side, secured.ok(), Some(keys));
    }
}
