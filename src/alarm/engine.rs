//! The engine: what comes in is counted and compared, what is unusual is one alarm until it is over.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::baseline::{Baseline, Usual};
use super::campaigns::Campaigns;
use super::limits::{
    ALARMS_MAX, AWAY, CALLERS_MAX, CALLS_MAX, CALLS_OF_HOUR, COUNTRIES_MAX, COUNTRY_LEARNED, LASTING_MAX,
    NOTE_MAX, SIGNER_ALONE,
};
use super::raised::{Alarm, OTHER, OTHERS, State, lasts, words};
use super::rules::{Rule, Rules, Severity, Watch};
use super::seen::Seen;
use crate::call_id::CallId;

const HOUR_MS: u64 = 3_600_000;

pub enum Input {
    Call(Box<Seen>),
    /// Somebody showed a wrong password, code or token.
    SignInFailed,
    /// A phone calls a number outside, or a call is sent on to one.
    Outside(CallId),
    /// Nothing happened; hours end all the same. At least every few minutes.
    Tick,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// People are to be told of it, once.
    Tell(Box<Alarm>),
    /// It has changed, and is to be kept.
    Changed(Box<Alarm>),
    /// It is kept no more.
    Forgotten(u64),
    /// An hour was learned: what is usual is to be kept.
    Learned,
    /// What is usual of this is kept no more.
    Unlearned(String),
    /// Nothing more.
    Nothing,
}

/// What is kept over a restart beside the alarms: what is usual of each thing that is counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    baselines: BTreeMap<String, Baseline>,
}

impl Kept {
    /// Each thing's name and what is usual of it, as text of a few KiB.
    pub fn texts(&self) -> impl Iterator<Item = (&str, Option<String>)> {
        // Our own plain data always has a JSON form.
        let text = |baseline: &Baseline| serde_json::to_string(baseline).ok();
        self.baselines
            .iter()
            .map(move |(thing, baseline)| (thing.as_str(), text(baseline)))
    }

    /// What [`Kept::texts`] said of one thing.
    ///
    /// # Errors
    ///
    /// That it did not say this.
    pub fn read(&mut self, thing: &str, text: &str) -> Result<(), serde_json::Error> {
        let baseline = serde_json::from_str(text)?;
        self.baselines.insert(thing.to_string(), baseline);
        Ok(())
    }
}

/// What was counted in one hour.
#[derive(Clone, Debug, Default)]
struct Hour {
    /// Hours since 1970, UTC.
    number: u64,
    /// From its beginning to its end.
    is_whole: bool,
    counts: BTreeMap<String, Count>,
}

#[derive(Clone, Debug, Default)]
struct Count {
    count: u64,
    calls: Vec<CallId>,
}

pub struct Engine {
    rules: Rules,
    /// The business's own calling code.
    home: Option<String>,
    hour: Option<Hour>,
    last_ms: u64,
    kept: Kept,
    campaigns: Campaigns,
    alarms: BTreeMap<u64, Alarm>,
    outputs: VecDeque<Output>,
}

impl Engine {
    pub fn new(rules: Rules, home: Option<&str>, kept: Kept, alarms: Vec<Alarm>) -> Engine {
        Engine {
            rules,
            home: home.map(str::to_string),
            hour: None,
            last_ms: 0,
            kept,
            campaigns: Campaigns::default(),
            alarms: alarms.into_iter().map(|alarm| (alarm.number, alarm)).collect(),
            outputs: VecDeque::new(),
        }
    }

    /// One mutation. Afterwards drain [`Engine::poll_output`] until it says `Nothing`. `now_ms`: Unix ms.
    pub fn handle(&mut self, input: Input, now_ms: u64) {
        self.turn_hour(now_ms);
        match input {
            Input::Call(seen) => self.on_call(&seen, now_ms),
            Input::SignInFailed => {
                self.count(Watch::SignIns.name(), None);
                self.compare(Watch::SignIns, "", now_ms);
            }
            Input::Outside(call) => {
                self.count(Watch::Outside.name(), Some(call));
                self.compare(Watch::Outside, "", now_ms);
            }
            Input::Tick => {}
        }
        self.look_at_alarms(now_ms);
    }

    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or(Output::Nothing)
    }

    /// The newest first.
    pub fn alarms(&self) -> impl Iterator<Item = &Alarm> {
        self.alarms.values().rev()
    }

    /// What is usual, to be kept.
    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Entries in the tables.
    pub fn len(&self) -> usize {
        self.alarms.len() + self.campaigns.len() + self.kept.baselines.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Somebody takes an alarm. None = there is none of this number, or it is over or taken already.
    pub fn acknowledge(&mut self, number: u64, by: &str, note: &str, now_ms: u64) -> Option<Alarm> {
        let alarm = self.alarms.get_mut(&number)?;
        if alarm.state != State::Open {
            return None;
        }
        alarm.state = State::Acknowledged {
            by: by.to_string(),
            at_ms: now_ms,
            note: note.chars().take(NOTE_MAX).collect(),
        };
        self.outputs.push_back(Output::Changed(Box::new(alarm.clone())));
        Some(alarm.clone())
    }

    fn on_call(&mut self, seen: &Seen, now_ms: u64) {
        let call = Some(seen.call);
        self.count(Watch::Volume.name(), call);
        self.compare(Watch::Volume, "", now_ms);
        for (is_so, watch) in [
            (!seen.is_signed, Watch::Unsigned),
            (seen.is_refused, Watch::Refused),
            (seen.is_synthetic, Watch::Synthetic),
        ] {
            if is_so {
                self.count(watch.name(), call);
                self.compare(watch, "", now_ms);
            }
        }
        let foreign = seen
            .country
            .as_ref()
            .filter(|code| self.home.as_ref() != Some(*code));
        if let Some(code) = foreign {
            let code = match self.has_room_for(&country(code), now_ms) {
                true => code,
                false => OTHER,
            };
            self.count(&country(code), call);
            self.compare(Watch::Country, code, now_ms);
        }
        for rule in &seen.failed_rules {
            self.on_failed_rule(rule, seen.call, now_ms);
        }
        self.on_campaign(seen, now_ms);
    }

    /// Nobody waits for what is usual: a rule that fails does not do what somebody meant.
    fn on_failed_rule(&mut self, failed: &str, call: CallId, now_ms: u64) {
        let thing = format!("{FAILED}{failed}");
        self.count(&thing, Some(call));
        let hour = self.hour.as_ref();
        let Some(counted) = hour.and_then(|hour| hour.counts.get(&thing)).cloned() else {
            return;
        };
        let is_meant = |rule: &&Rule| rule.watch == Watch::RuleErrors && counted.count >= rule.at_least;
        let rules: Vec<Rule> = self.rules.rules.iter().filter(is_meant).cloned().collect();
        for rule in rules {
            let words = words(rule.watch, failed, counted.count, None, rule.at_least as f64);
            self.raise(&rule, failed, words, counted.count, &counted.calls, now_ms);
        }
    }

    /// Whether a country is counted by itself. Of those of which nothing is usual yet, one that hardly called makes room for the next.
    fn has_room_for(&mut self, name: &str, now_ms: u64) -> bool {
        let Some(hour) = &mut self.hour else { return false };
        let known = &self.kept.baselines;
        if known.contains_key(name) || hour.counts.contains_key(name) {
            return true;
        }
        let is_new = |(name, _): &(&String, &Count)| is_country(name) && !known.contains_key(*name);
        if hour.counts.iter().filter(is_new).count() < COUNTRIES_MAX {
            return true;
        }
        let rarest = hour
            .counts
            .iter()
            .filter(is_new)
            .min_by_key(|(_, count)| count.count);
        let rarest = rarest.filter(|(_, count)| count.count < COUNTRY_LEARNED);
        let Some(rarest) = rarest.map(|(name, _)| name.clone()) else {
            return false;
        };
        if let Some(rarest) = hour.counts.remove(&rarest) {
            let others = hour.counts.entry(country(OTHER)).or_default();
            others.count += rarest.count;
            others.calls.extend(rarest.calls);
            others.calls.truncate(CALLS_OF_HOUR);
            self.compare(Watch::Country, OTHER, now_ms);
        }
        true
    }

    fn on_campaign(&mut self, seen: &Seen, now_ms: u64) {
        let Some(group) = self.campaigns.take(seen) else {
            return;
        };
        let scale = if group.is_by_signer_alone() {
            SIGNER_ALONE
        } else {
            1
        };
        let rules = self
            .rules
            .rules
            .iter()
            .filter(|rule| rule.watch == Watch::Campaign);
        let rules: Vec<Rule> = rules
            .filter(|rule| group.callers() >= rule.at_least.saturating_mul(scale))
            .cloned()
            .collect();
        if rules.is_empty() {
            return;
        }
        // It keeps its name, whatever is found to be common later.
        let name = group.name().to_string();
        let name = group.raised_as.get_or_insert(name).clone();
        let shared: Vec<&str> = group.shared().take(4).collect();
        let more = if group.callers() < CALLERS_MAX as u64 {
            ""
        } else {
            " or more"
        };
        let words = format!(
            "{} calls from {}{more} numbers have this in common: {}",
            group.count,
            group.callers(),
            shared.join(", ")
        );
        let (count, calls) = (group.count, group.calls.clone());
        for rule in rules {
            self.raise(&rule, &name, words.clone(), count, &calls, now_ms);
        }
    }

    fn count(&mut self, thing: &str, call: Option<CallId>) {
        let Some(hour) = &mut self.hour else { return };
        let count = hour.counts.entry(thing.to_string()).or_default();
        count.count += 1;
        if count.calls.len() < CALLS_OF_HOUR {
            count.calls.extend(call);
        }
    }

    /// Is there more of it in this hour than is usual?
    fn compare(&mut self, watch: Watch, about: &str, now_ms: u64) {
        let thing = match watch {
            Watch::Country => country(about),
            _ => watch.name().to_string(),
        };
        let Some(counted) = self
            .hour
            .as_ref()
            .and_then(|hour| hour.counts.get(&thing))
            .cloned()
        else {
            return;
        };
        let usual = self.usual(watch, &thing, now_ms);
        let rules: Vec<Rule> = self
            .rules
            .rules
            .iter()
            .filter(|rule| rule.watch == watch)
            .cloned()
            .collect();
        for rule in rules {
            let limit = match usual {
                Some(usual) => usual.limit(rule.tenths as f64 / 10.0),
                // Nobody should guess passwords, however new the gateway is.
                None if watch == Watch::SignIns => 0.0,
                None => continue,
            };
            let limit = limit.max(rule.at_least as f64);
            if (counted.count as f64) < limit {
                continue;
            }
            let words = words(watch, about, counted.count, usual, limit);
            self.raise(&rule, about, words, counted.count, &counted.calls, now_ms);
        }
    }

    fn usual(&self, watch: Watch, thing: &str, now_ms: u64) -> Option<Usual> {
        // By its beginning, as it is learned: where clocks differ from UTC by half hours, two of its hours are in one of ours.
        let (hour, _) = self.rules.local(now_ms / HOUR_MS * HOUR_MS);
        let of = |name: &str| {
            self.kept
                .baselines
                .get(name)
                .and_then(|baseline| baseline.usual(hour))
        };
        if matches!(watch, Watch::SignIns | Watch::Outside) {
            return of(thing);
        }
        // Where calls are known, what was never among them is unusual.
        let all = of(Watch::Volume.name())?;
        let usual = of(thing).unwrap_or(Usual::NEVER);
        let calls = self
            .hour
            .as_ref()
            .and_then(|hour| hour.counts.get(Watch::Volume.name()));
        match watch.is_share() {
            true => Some(Usual::of_share(
                usual,
                all,
                calls.map_or(0, |calls| calls.count) as f64,
            )),
            false => Some(usual),
        }
    }

    fn raise(&mut self, rule: &Rule, about: &str, words: String, count: u64, calls: &[CallId], now_ms: u64) {
        let lasting = |alarm: &&Alarm| lasts(alarm, rule, now_ms);
        let is_known = self
            .alarms
            .values()
            .filter(lasting)
            .any(|alarm| alarm.about == about);
        // Whoever calls may make up many things to be unusual by: past some of them it is one alarm for all others.
        let (about, words) = match is_known || self.alarms.values().filter(lasting).count() < LASTING_MAX {
            true => (about, words),
            false => (
                OTHERS,
                format!("beside {LASTING_MAX} alarms of this rule that last: {words}"),
            ),
        };
        let same = self
            .alarms
            .values_mut()
            .rev()
            .find(|alarm| alarm.about == about && lasts(alarm, rule, now_ms));
        if let Some(alarm) = same {
            let is_news = count > alarm.count;
            let is_doubled = count.max(1).ilog2() > alarm.count.max(1).ilog2();
            alarm.last_ms = now_ms;
            if is_news {
                (alarm.count, alarm.words) = (count, words);
            }
            for call in calls {
                if alarm.calls.len() < CALLS_MAX && !alarm.calls.contains(call) {
                    alarm.calls.push(*call);
                }
            }
            // Not with every call of a flood: when it has doubled.
            if is_doubled {
                self.outputs.push_back(Output::Changed(Box::new(alarm.clone())));
            }
            return;
        }
        let number = self.alarms.last_key_value().map_or(0, |(number, _)| *number) + 1;
        let alarm = Alarm {
            number,
            rule: rule.id.clone(),
            watch: rule.watch,
            about: about.to_string(),
            severity: rule.severity,
            owner: rule.owner.clone(),
            words,
            raised_ms: now_ms,
            last_ms: now_ms,
            count,
            calls: calls.iter().take(CALLS_MAX).copied().collect(),
            told_ms: None,
            state: State::Open,
        };
        self.make_room();
        self.outputs.push_back(Output::Changed(Box::new(alarm.clone())));
        self.alarms.insert(number, alarm);
    }

    fn make_room(&mut self) {
        while self.alarms.len() >= ALARMS_MAX {
            // What is over first, then what weighs least of what nobody has taken.
            let weight = |alarm: &&Alarm| match alarm.state {
                State::Over { .. } => (0, Severity::Low, alarm.number),
                State::Open => (1, alarm.severity, alarm.number),
                State::Acknowledged { .. } => (2, alarm.severity, alarm.number),
            };
            let oldest = self.alarms.values().min_by_key(weight).map(|alarm| alarm.number);
            let Some(oldest) = oldest else { return };
            self.alarms.remove(&oldest);
            self.outputs.push_back(Output::Forgotten(oldest));
        }
    }

    /// Tells what waits for the end of the quiet hours, and ends what is over.
    fn look_at_alarms(&mut self, now_ms: u64) {
        let is_quiet = self.rules.is_quiet(now_ms);
        for alarm in self.alarms.values_mut() {
            if matches!(alarm.state, State::Over { .. }) {
                continue;
            }
            let again = self.rules.rules.iter().find(|rule| rule.id == alarm.rule);
            let again = again.map_or(Duration::ZERO, |rule| rule.again);
            let is_to_tell = alarm.told_ms.is_none() && (!is_quiet || alarm.severity >= Severity::High);
            if is_to_tell {
                alarm.told_ms = Some(now_ms);
                self.outputs.push_back(Output::Tell(Box::new(alarm.clone())));
                self.outputs.push_back(Output::Changed(Box::new(alarm.clone())));
            }
            if alarm.told_ms.is_some() && now_ms.saturating_sub(alarm.last_ms) >= again.as_millis() as u64 {
                alarm.state = State::Over { at_ms: now_ms };
                self.outputs.push_back(Output::Changed(Box::new(alarm.clone())));
            }
        }
    }

    /// Hours that have ended are learned, those without any call too.
    fn turn_hour(&mut self, now_ms: u64) {
        let number = now_ms / HOUR_MS;
        let is_same = self.hour.as_ref().is_some_and(|hour| hour.number == number);
        // Set back into an hour that has ended, the clock makes neither this one nor that one whole.
        let is_back = now_ms < self.last_ms && !is_same;
        let was_away =
            self.last_ms == 0 || is_back || now_ms.abs_diff(self.last_ms) > AWAY.as_millis() as u64;
        self.last_ms = now_ms;
        if is_same {
            if was_away && let Some(hour) = &mut self.hour {
                hour.is_whole = false;
            }
            return;
        }
        let ended = self.hour.take();
        self.hour = Some(Hour {
            number,
            // The first hour began before we did.
            is_whole: ended.is_some() && !was_away,
            counts: BTreeMap::new(),
        });
        if let Some(ended) = ended.filter(|ended| ended.is_whole && !was_away) {
            self.learn(&ended);
        }
    }

    fn learn(&mut self, ended: &Hour) {
        let (hour, _) = self.rules.local(ended.number * HOUR_MS);
        let always = [
            Watch::Volume,
            Watch::Unsigned,
            Watch::Refused,
            Watch::Synthetic,
            Watch::SignIns,
            Watch::Outside,
        ];
        let mut things: Vec<String> = always.iter().map(|watch| watch.name().to_string()).collect();
        things.extend(self.kept.baselines.keys().cloned());
        // A country is learned from several calls: one is soon spoofed, and there is room for few.
        let counted = ended
            .counts
            .iter()
            .filter(|(thing, count)| !is_country(thing) || count.count >= COUNTRY_LEARNED)
            .filter(|(thing, _)| !thing.starts_with(FAILED));
        things.extend(counted.map(|(thing, _)| thing.clone()));
        things.sort();
        things.dedup();
        for thing in things {
            let count = ended.counts.get(&thing).map_or(0, |count| count.count) as f64;
            let baseline = self.kept.baselines.entry(thing).or_default();
            // An attack does not become usual by lasting: what is learned of it is what would just have been let pass.
            let count = baseline
                .usual(hour)
                .map_or(count, |usual| count.min(usual.limit(3.0)));
            baseline.learn(hour, count);
        }
        self.forget_countries();
        self.outputs.push_back(Output::Learned);
        // When they were seen last: a restart does not tell of them again.
        let began_ms = ended.number * HOUR_MS;
        let lasting = self
            .alarms
            .values()
            .filter(|alarm| alarm.last_ms >= began_ms && !matches!(alarm.state, State::Over { .. }));
        let changed = lasting.map(|alarm| Output::Changed(Box::new(alarm.clone())));
        self.outputs.extend(changed);
    }

    /// Those that call least, where there are more than have a baseline of their own.
    fn forget_countries(&mut self) {
        let countries = self.kept.baselines.iter().filter(|(name, _)| is_country(name));
        let mut sums: Vec<(f64, String)> = countries
            .map(|(name, baseline)| (baseline.sum(), name.clone()))
            .collect();
        sums.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        for (_, name) in sums.into_iter().skip(COUNTRIES_MAX) {
            self.kept.baselines.remove(&name);
            self.outputs.push_back(Output::Unlearned(name));
        }
    }
}

/// Before the name of a rule that failed in the name of what is counted: none of these is ever usual.
const FAILED: &str = "failed rule ";

/// Before the calling code in the name of what is counted.
const COUNTRY: &str = "country ";

/// A country that is counted by itself.
fn is_country(thing: &str) -> bool {
    thing.strip_prefix(COUNTRY).is_some_and(|code| code != OTHER)
}

fn country(code: &str) -> String {
    format!("{COUNTRY}{code}")
}
