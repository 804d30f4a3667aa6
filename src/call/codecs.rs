//! What each leg's audio is coded with: one codec where the parties share one, two where we translate.

use serde::{Deserialize, Serialize};

use crate::sdp::Codec;

/// What was agreed on for each leg: the same where the parties have one in common, as long as they keep to the first they
/// said. `None` = nothing was said there yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegCodecs {
    pub caller: Option<Codec>,
    pub called: Option<Codec>,
}

impl LegCodecs {
    /// From what the two say they can hear, each in the order of its liking. Whoever says less has answered.
    pub(crate) fn of(caller: &[(u8, Codec)], called: &[(u8, Codec)]) -> LegCodecs {
        let (few, many) = match caller.len() < called.len() {
            true => (caller, called),
            false => (called, caller),
        };
        let is_shared = |codec: &Codec| many.iter().any(|(_, other)| other == codec);
        let shared = few.iter().map(|(_, codec)| *codec).find(is_shared);
        let own = |codecs: &[(u8, Codec)]| {
            let (_, first) = codecs.first()?;
            Some(shared.unwrap_or(*first))
        };
        LegCodecs {
            caller: own(caller),
            called: own(called),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MU: (u8, Codec) = (0, Codec::Pcmu);
    const A: (u8, Codec) = (8, Codec::Pcma);
    const WIDE: (u8, Codec) = (9, Codec::G722);

    #[test]
    fn one_codec_where_they_share_one_and_two_where_they_do_not() {
        for (caller, called, expected) in [
            (&[][..], &[][..], (None, None)),
            (&[MU, A], &[], (Some(Codec::Pcmu), None)),
            (&[MU, A], &[A], (Some(Codec::Pcma), Some(Codec::Pcma))),
            (&[A], &[WIDE, A], (Some(Codec::Pcma), Some(Codec::Pcma))),
            (&[MU], &[WIDE], (Some(Codec::Pcmu), Some(Codec::G722))),
            (
                &[(97, Codec::Pcmu)],
                &[MU],
                (Some(Codec::Pcmu), Some(Codec::Pcmu)),
            ),
        ] {
            let found = LegCodecs::of(caller, called);
            assert_eq!((found.caller, found.called), expected, "{caller:?} {called:?}");
        }
    }
}
