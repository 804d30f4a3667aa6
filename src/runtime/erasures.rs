//! Erases what is known of one number, wherever this gateway keeps it, and writes down that it did: who, why and how much,
//! and never which number.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::{hmac, rand};
use serde::{Deserialize, Serialize};

use super::lists::ListKeeper;
use super::repeats::{self, Repeats};
use super::reputation::ReputationKeeper;
use crate::accounts::{Wish, Wishes};
use crate::call::CallRecord;
use crate::call::record::State;
use crate::screening::Listed;
use crate::store::{
    Act, Audit, CLEAR_REMAINS, Erase, Filter, Live, Store, StoreError, Write, has_word, hexadecimal,
    number_of,
};

/// In the store; an entry for each erasure.
const JOURNAL: &str = "erasures";

/// How often it is tried to write an erasure down when other processes were first.
const TRIES: usize = 20;

/// What is kept of one number.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// Kept calls that can be erased, and those that are not over.
    pub calls: u64,
    pub live: u64,
    /// Reports that count for its reputation.
    pub reports: u64,
    /// Recordings of which it is known to be a caller, by a pseudonym.
    pub recordings: u64,
    /// Entries of lists that it meets. They are policy: no erasure takes them away.
    pub lists: Vec<Listed>,
}

/// Of whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// Canonical. What kept calls and reports say of it.
    Number(String),
    /// Of an account or a token that is gone: what this gateway's audit says of people wherever the name stands.
    Account(String),
}

impl Whom {
    fn name(&self) -> &str {
        match self {
            Whom::Number(name) | Whom::Account(name) => name,
        }
    }
}

/// One that is written down as begun.
#[derive(Debug)]
pub struct Begun {
    whom: Whom,
    pub erasure: Erasure,
    /// Kept nowhere.
    pub receipt: String,
}

/// What was erased, and why. Names no number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// From 1.
    pub number: u64,
    /// Unix ms.
    pub at_ms: u64,
    pub by: String,
    pub why: String,
    /// HMAC-SHA256 of the number under the receipt, hexadecimal: whoever has both can show that this was about it.
    pub about: String,
    pub calls: u64,
    /// Calls that were not over, and are as they were.
    pub live: u64,
    /// Reports that say nothing of the number any more.
    pub reports: u64,
    /// Recordings of which nobody knows any more that it was a caller.
    #[serde(default)]
    pub recordings: u64,
    /// Entries of the audit that say nothing of people any more.
    #[serde(default)]
    pub entries: u64,
    /// The keys that were destroyed have left the files too; false = the next erasure does it.
    pub is_scrubbed: bool,
}

/// The parts of the gateway that know numbers.
pub struct Eraser {
    pub store: Arc<dyn Store>,
    pub audit: Arc<Audit>,
    pub reputation: Arc<ReputationKeeper>,
    pub lists: Arc<ListKeeper>,
    /// Recordings of earlier calls; None = no gateway in this process remembers any, and only what is kept of them is looked at.
    pub recordings: Option<Arc<Repeats>>,
    /// Calls that go on; None = they are not known here, because another process has them.
    pub live: Option<Arc<Live>>,
}

/// Whether what somebody writes into the audit, where it stays for good, would give the number away: whole, or its last seven
/// digits, which is how people write it without its country.
pub fn names_number(text: &str, number: &str) -> bool {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let number = digits(number);
    let end = number.len().saturating_sub(7);
    !number.is_empty() && digits(text).contains(&number[end..])
}

/// Whether a text that is to hold no numbers holds what may be one: seven digits in a row, or with the signs between them that people
/// write (one at a time, or some with a bracket; after a + whatever they are). Days, times and addresses of machines are none.
pub fn holds_number(text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut digits, mut gap, mut is_after_plus, mut at) = (0, 0, false, 0);
    while let Some(&sign) = text.get(at) {
        let is_apart = at == 0 || digits == 0 || text[at - 1].is_whitespace();
        let moment = if is_after_plus || !is_apart || (at > 0 && text[at - 1].is_numeric()) {
            0
        } else {
            no_number(&text[at..])
        };
        if moment > 0 {
            (digits, gap, at) = (0, 0, at + moment);
            continue;
        }
        match sign {
            '+' => (digits, gap, is_after_plus) = (0, 0, true),
            _ if sign.is_numeric() => (digits, gap) = (digits + 1, 0),
            '(' | ')' => {}
            ' ' | '-' | '.' | '/' | '\u{a0}' | '\u{202f}' | '\u{2011}' | '\u{2013}'
                if is_after_plus || gap == 0 =>
            {
                gap += 1;
            }
            _ => (digits, gap, is_after_plus) = (0, 0, false),
        }
        if digits >= 7 {
            return true;
        }
        at += 1;
    }
    false
}

/// Characters of a day (2026-11-30, 30.11.2026, 11/30/2026) or an IPv4 address that the text begins with; 0 = neither.
fn no_number(text: &[char]) -> usize {
    // Up to four groups: each, the sign behind it, and where it ends.
    let (mut groups, mut signs, mut ends, mut at) = (Vec::new(), Vec::new(), Vec::new(), 0);
    while groups.len() < 4 {
        let group: String = text[at..].iter().take_while(|c| c.is_ascii_digit()).collect();
        at += group.len();
        groups.push(group);
        ends.push(at);
        let is_more = text.get(at + 1).is_some_and(char::is_ascii_digit);
        match text.get(at) {
            Some(sign @ ('-' | '.' | '/')) if is_more => signs.push(*sign),
            _ => break,
        }
        at += 1;
    }
    let upto =
        |group: &String, most: u32| group.len() <= 3 && group.parse::<u32>().is_ok_and(|it| it <= most);
    let is_year = |group: &String| group.len() == 4 && (group.starts_with("19") || group.starts_with("20"));
    let is_day = |group: &String| group.len() <= 2 && upto(group, 31);
    if let [first, second, third, ..] = groups.as_slice()
        && signs[0] == signs[1]
        && is_day(second)
        && (is_year(first) && is_day(third) || is_day(first) && is_year(third))
    {
        return ends[2];
    }
    let is_address = groups.len() == 4
        && signs[..3].iter().all(|sign| *sign == '.')
        && groups.iter().all(|group| upto(group, 255));
    if is_address { ends[3] } else { 0 }
}

impl Eraser {
    /// Counts what there is of a canonical number, and shows every kept call, newest first, until it is told to stop (false).
    /// Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn held(
        &self,
        number: &str,
        at_ms: u64,
        mut show: impl FnMut(&CallRecord) -> bool,
    ) -> Result<Held, StoreError> {
        let mut held = Held {
            reports: self.reputation.reports_on(number),
            recordings: match &self.recordings {
                Some(repeats) if repeats.is_read() => repeats.heard_from(number),
                // After a start they are on disk only.
                _ => repeats::held_beside(&*self.store, number)?,
            },
            lists: self.lists.lookup().find(Some(number), None, at_ms),
            ..Held::default()
        };
        let mut is_wanted = true;
        let mut filter = Filter {
            number: Some(number.into()),
            ..Filter::default()
        };
        loop {
            let page = self.store.search(&filter, Duration::MAX)?;
            // Behind a page of which nothing can be read back there may be more.
            let Some((ms, id)) = page.next() else {
                held.live += self.live_unkept(number)?;
                return Ok(held);
            };
            (filter.before_ms, filter.before_id) = (Some(ms), Some(id));
            for record in &page.calls {
                match record.outcome {
                    Some(_) => held.calls += 1,
                    None => held.live += 1,
                }
                is_wanted = is_wanted && show(record);
            }
        }
    }

    /// Shows every kept call of somebody else in which the number stands (it was sent there, or came by there), newest first,
    /// until it is told to stop (false). Opens every kept call: minutes for millions. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn mentions(
        &self,
        number: &str,
        mut show: impl FnMut(&CallRecord) -> bool,
    ) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = self.store.page(after)?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = Some((last.started_ms, last.id));
            let found = page.iter().filter(|kept| kept.record.contains(number));
            let records = found.filter_map(|kept| serde_json::from_str::<CallRecord>(&kept.record).ok());
            for record in records.filter(|record| number_of(record) != Some(number)) {
                if !show(&record) {
                    return Ok(());
                }
            }
        }
    }

    /// Erases it. Gives what was done, and the receipt, which is kept nowhere. Blocks, as long as there are calls.
    ///
    /// # Errors
    ///
    /// Those of the store: some of it may be erased then, and asking again goes on. The audit says that it was begun.
    pub fn erase(
        &self,
        whom: Whom,
        by: &str,
        why: &str,
        at_ms: u64,
    ) -> Result<(Erasure, String), StoreError> {
        let begun = self.begin(whom, by, why, at_ms)?;
        let receipt = begun.receipt.clone();
        Ok((self.finish(begun)?, receipt))
    }

    /// Writes down that it is begun. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store; nothing is erased then.
    pub fn begin(&self, whom: Whom, by: &str, why: &str, at_ms: u64) -> Result<Begun, StoreError> {
        let mut secret = [0; 32];
        rand::fill(&mut secret).map_err(|_| StoreError::Busy {
            url: "erasure".into(),
            action: "taking a random receipt",
        })?;
        let about = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, &secret),
            whom.name().as_bytes(),
        );
        let about = hexadecimal(about.as_ref());
        // Nothing is erased without being written down.
        self.audit.write(at_ms, by, "erasure begin", &about, why)?;
        let erasure = Erasure {
            at_ms,
            by: by.into(),
            why: why.into(),
            about,
            ..Erasure::default()
        };
        Ok(Begun {
            whom,
            erasure,
            receipt: hexadecimal(&secret),
        })
    }

    /// Erases it, and writes down how much that was. Blocks, as long as there are calls or entries.
    ///
    /// # Errors
    ///
    /// As [`Eraser::erase`].
    pub fn finish(&self, begun: Begun) -> Result<Erasure, StoreError> {
        let (whom, mut erasure) = (begun.whom, begun.erasure);
        match &whom {
            Whom::Number(number) => self.erase_number(number, &mut erasure)?,
            Whom::Account(name) => {
                self.forget_wishes(|wish| {
                    wish.by == *name || wish.person == *name || has_word(&wish.what, name)
                })?;
                erasure.entries = self.audit.erase_name(name, erasure.at_ms, false)?;
                erasure.is_scrubbed = self.store.scrub()?;
            }
        }
        self.write_down(&mut erasure)?;
        Ok(erasure)
    }

    fn erase_number(&self, number: &str, erasure: &mut Erasure) -> Result<(), StoreError> {
        self.forget_wishes(|wish| names_number(&wish.what, number))?;
        let reports = self.reputation.forget(number)?;
        let recordings = match &self.recordings {
            Some(repeats) => repeats.forget_number(number, erasure.at_ms)?,
            None => {
                let is_gateway = self.live.is_some();
                repeats::erase_beside(&*self.store, number, erasure.at_ms, is_gateway)?
            }
        };
        let erased = self.store.erase(&Erase::Number(number.into()), erasure.at_ms)?;
        // What was said of a call while it was erased.
        let reports = reports + self.reputation.forget(number)?;
        if reports + recordings > 0 && self.store.neighbours().is_none() {
            // SQLite may have left copies of documents where it moved them.
            self.store.set_setting(CLEAR_REMAINS, "1")?;
        }
        erasure.calls = erased.calls;
        erasure.live = erased.live + self.live_unkept(number)?;
        erasure.reports = reports;
        erasure.recordings = recordings;
        erasure.is_scrubbed = erased.is_scrubbed;
        Ok(())
    }

    /// What is to be erased is not shown by what waits for a second person.
    fn forget_wishes(&self, is_erased: impl Fn(&Wish) -> bool) -> Result<(), StoreError> {
        let is_changed = Wishes::new(self.store.clone()).forget(is_erased)?;
        if is_changed && self.store.neighbours().is_none() {
            // SQLite may have left copies of documents where it moved them.
            self.store.set_setting(CLEAR_REMAINS, "1")?;
        }
        Ok(())
    }

    /// Calls of the number that go on and of which nothing is kept yet.
    fn live_unkept(&self, number: &str) -> Result<u64, StoreError> {
        let live = self.live.iter().flat_map(|live| live.calls_from(number));
        let mut unkept = 0;
        for record in live.filter(|record| record.state != State::Ended) {
            unkept += u64::from(self.store.call(record.id)?.is_none());
        }
        Ok(unkept)
    }

    /// Erasures after this number, oldest first; at most [`crate::store::limits::JOURNAL_ROWS`].
    ///
    /// # Errors
    ///
    /// Those of the store. One that cannot be read is left out.
    pub fn all(store: &dyn Store, after: u64) -> Result<Vec<Erasure>, StoreError> {
        let rows = store.journal(JOURNAL, after)?;
        let erasures = rows.iter().filter_map(|(number, text)| {
            let erasure: Erasure = serde_json::from_str(text).ok()?;
            Some(Erasure {
                number: *number,
                ..erasure
            })
        });
        Ok(erasures.collect())
    }

    fn write_down(&self, erasure: &mut Erasure) -> Result<(), StoreError> {
        let note = format!(
            "{} calls, {} reports, {} recordings, {} entries of the audit; {} calls are not over",
            erasure.calls, erasure.reports, erasure.recordings, erasure.entries, erasure.live
        );
        let mut last = 0;
        for _ in 0..TRIES {
            // The journal is short: an erasure is a person's doing.
            loop {
                let rows = self.store.journal(JOURNAL, last)?;
                let Some((number, _)) = rows.last() else { break };
                last = *number;
            }
            erasure.number = last + 1;
            let act = Act {
                at_ms: erasure.at_ms,
                by: &erasure.by,
                what: "erasure",
                about: &erasure.about,
                note: &note,
            };
            let write = Write::Append {
                journal: JOURNAL,
                number: erasure.number,
                // Our own plain data always has a JSON form.
                entry: serde_json::to_string(&erasure).unwrap_or_default(),
            };
            if self.audit.write_with(&act, &[write])?.is_some() {
                return Ok(());
            }
        }
        Err(StoreError::Busy {
            url: "erasures".into(),
            action: "writing an erasure down",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_may_hold_no_number_may_hold_days_and_addresses() {
        for number in [
            "5550123",
            "x4045550123y",
            "+1 404 555-0123",
            "call +49 (30) 12345",
            "٤٠٤٥٥٥٠١٢٣",
            "404-555-0123",
            "of (404) 555-0123, again",
            "404.555.0123",
            "555-0123",
            "020 7946 0018",
            "on 2026-11-30 404 555 0123",
        ] {
            assert!(holds_number(number), "{number}");
        }
        for other in [
            "",
            "request 2026-17",
            "2026-11-30 10:15",
            "2026-11-30/2026-12-01",
            "30.11.2026, 11/30/2026",
            "from 10:15:07 to 11:20:30",
            "at 12, then 345 and 6789",
            "from 198.51.100.7 port 5060",
            "C++, 12 of 345678",
        ] {
            assert!(!holds_number(other), "{other}");
        }
    }

    #[test]
    fn a_reason_names_a_number_however_people_write_it() {
        for why in [
            "+14045550123 asked",
            "of (404) 555-0123",
            "call 555.0123 again",
            "14045550123",
        ] {
            assert!(names_number(why, "+14045550123"), "{why}");
        }
        for why in ["request 2026-17", "555 and 0124", "", "12"] {
            assert!(!names_number(why, "+14045550123"), "{why}");
        }
    }
}
