//! Every bound of alarms: unit, reason, and what happens past it.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Hours of a week.
pub const HOURS: usize = 168;

/// Weeks of an hour before it has a baseline of its own; before that the same hour of all days serves.
pub const WEEKS_MIN: u32 = 2;

/// Hours of the same time of day, on whatever day, before there is any baseline: nothing is unusual before.
pub const DAYS_MIN: u32 = 5;

/// How much of what is usual the newest hour makes: a change of habits is usual after about a month.
pub const NEWEST: f64 = 0.25;

/// Calling codes with a baseline of their own; past it those that call least are forgotten. As many new ones are counted in an hour, and further ones
/// together, as `other`.
pub const COUNTRIES_MAX: usize = 64;

/// Calls in an hour from which a calling code gets a baseline of its own, and is not counted as `other` when more come.
pub const COUNTRY_LEARNED: u64 = 3;

/// Groups of bad calls that are followed at once; past it the one that was quiet longest is forgotten.
pub const GROUPS_MAX: usize = 256;

/// What makes two bad calls alike, of each group. Past it the one that was seen last longest ago is forgotten.
pub const LIKENESSES_MAX: usize = 16;

/// Callers that are told apart in each group; further ones are no more of them.
pub const CALLERS_MAX: usize = 256;

/// A caller who hangs up so soon after the first ring wants to be called back.
pub const ONE_RING: Duration = Duration::from_secs(6);

/// A call that lasts so long once answered, of which so many seconds were heard, is silent when fewer of them were speech.
pub const SILENT_LASTS: Duration = Duration::from_secs(60);
pub const SILENT_HEARD: f32 = 30.0;
pub const SILENT_SPEECH: f32 = 3.0;

/// A caller who sounds worse (mean opinion score; ITU-T G.107 annex B calls it "many users dissatisfied" from here on) sounded poor.
pub const POOR_MOS: f32 = 3.6;

/// How long a group of bad calls is followed after its last one.
pub const GROUP_LASTS: Duration = Duration::from_secs(24 * 3600);

/// Calls that an alarm names: its first ones.
pub const CALLS_MAX: usize = 20;

/// Calls of this hour that are remembered for each thing that is counted, so that an alarm can name them.
pub const CALLS_OF_HOUR: usize = 20;

/// Alarms that are kept; past it the oldest one that is over goes, without one the least severe that nobody has taken, and one that was taken last.
pub const ALARMS_MAX: usize = 500;

/// Alarms of one rule that last at once; further ones are one, about `others`.
pub const LASTING_MAX: usize = 16;

/// Rules of a file.
pub const RULES_MAX: usize = 64;

/// Hours in which only grave alarms are told at once.
pub const QUIET_MAX: usize = 16;

/// Characters of a rule's name, of its owner, of what calls have in common, and of a note.
pub const NAME_MAX: usize = 40;
pub const NOTE_MAX: usize = 200;

/// How often what is usual has to be exceeded, in tenths.
pub const TIMES: RangeInclusive<i64> = 10..=1_000;

/// Calls an hour, or callers of a campaign.
pub const AT_LEAST: RangeInclusive<i64> = 1..=1_000_000;

/// How long an alarm goes on after it was seen last.
pub const AGAIN: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(7 * 24 * 3600);

/// Longer without a look than this, and what was counted in between is no whole hour: the gateway was away.
pub const AWAY: Duration = Duration::from_secs(10 * 60);

/// Calls that have nothing in common but their signer are a campaign from so many times the callers on: carriers sign for everybody.
pub const SIGNER_ALONE: u64 = 4;
