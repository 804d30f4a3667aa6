//! Something to be said, ready to be sent: one octet per sample, in both laws of G.711.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::g711::Law;
use crate::sdp::Codec;

/// A recording at 8 kHz, mono. Made once and shared by every call that plays it.
pub struct Clip {
    mu: Box<[u8]>,
    a: Box<[u8]>,
}

impl Clip {
    /// From octets of one law: they are sent as they are where the leg speaks that law.
    pub fn of_octets(law: Law, octets: &[u8]) -> Clip {
        let other = match law {
            Law::Mu => Law::A,
            Law::A => Law::Mu,
        };
        let own: Box<[u8]> = octets.into();
        let translated = octets
            .iter()
            .map(|octet| other.encode(law.decode(*octet)))
            .collect();
        match law {
            Law::Mu => Clip {
                mu: own,
                a: translated,
            },
            Law::A => Clip {
                mu: translated,
                a: own,
            },
        }
    }

    /// From linear samples.
    pub fn of_samples(samples: &[i16]) -> Clip {
        let encoded = |law: Law| samples.iter().map(|sample| law.encode(*sample)).collect();
        Clip {
            mu: encoded(Law::Mu),
            a: encoded(Law::A),
        }
    }

    /// What goes out on a leg that speaks `codec`. G.722 and Opus hang on what was said before: whoever speaks them makes them of
    /// the mu-law octets.
    pub fn octets(&self, codec: Codec) -> &[u8] {
        match codec {
            Codec::Pcmu | Codec::G722 | Codec::Opus => &self.mu,
            Codec::Pcma => &self.a,
        }
    }

    /// How long it lasts.
    pub fn duration(&self) -> Duration {
        Duration::from_micros(self.mu.len() as u64 * 125)
    }
}

/// Its length only: what is said to callers has no place in a log.
impl fmt::Debug for Clip {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Clip").field(&self.duration()).finish()
    }
}

/// What a party is told, clip after clip without a pause.
#[derive(Clone, Debug, Default)]
pub struct Words {
    /// At most [`super::limits::CLIPS_MAX`]; further ones are not said.
    pub clips: Vec<Arc<Clip>>,
    /// Begun again when they are over, until something else is said.
    pub is_looped: bool,
    /// Said only while the other party sends nothing ([`super::limits::GIVE_WAY`]): as soon as it does, it is heard.
    pub gives_way: bool,
}

impl Words {
    pub fn once(clips: Vec<Arc<Clip>>) -> Words {
        Words {
            clips,
            ..Words::default()
        }
    }

    pub fn looped(clip: Arc<Clip>) -> Words {
        Words {
            clips: vec![clip],
            is_looped: true,
            gives_way: false,
        }
    }

    /// Music behind a party that has put the other one on hold, should it send none itself.
    pub fn behind(clip: Arc<Clip>) -> Words {
        Words {
            gives_way: true,
            ..Words::looped(clip)
        }
    }

    /// How long one turn of them lasts.
    pub fn duration(&self) -> Duration {
        self.clips.iter().map(|clip| clip.duration()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_in_one_law_is_sent_as_it_is_and_the_other_law_says_the_same() {
        let octets: Vec<u8> = (0..=255).collect();
        for (law, codec) in [(Law::Mu, Codec::Pcmu), (Law::A, Codec::Pcma)] {
            let clip = Clip::of_octets(law, &octets);
            assert_eq!(clip.octets(codec), octets);
            let other = if codec == Codec::Pcmu {
                Codec::Pcma
            } else {
                Codec::Pcmu
            };
            for (own, translated) in octets.iter().zip(clip.octets(other)) {
                let (own, heard) = (
                    i32::from(law.decode(*own)),
                    i32::from(other.law().unwrap().decode(*translated)),
                );
                assert!((own - heard).abs() <= 16 + own.abs() / 16, "{own} {heard}");
            }
        }
    }

    #[test]
    fn eight_thousand_samples_are_a_second() {
        let clip = Clip::of_samples(&[0; 8000]);
        assert_eq!(clip.duration(), Duration::from_secs(1));
        assert_eq!(format!("{clip:?}"), "Clip(1s)");
        let words = Words::once(vec![Arc::new(clip), Arc::new(Clip::of_samples(&[0; 4000]))]);
        assert_eq!(words.duration(), Duration::from_millis(1500));
    }
}
