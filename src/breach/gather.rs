//! What goes into a pack, out of the store, as it is read: nothing of it is held in memory but the list of people.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use serde::Serialize;

use super::envelope::Recipient;
use super::files::{Fault, Packer};
use super::form::{Clock, Counts, form};
use super::limits::{PEOPLE_MAX, TIMES_EACH};
use super::scrub::scrub;
use crate::accounts::{Sessions, Tokens, Users, review};
use crate::call::CallRecord;
use crate::call::record::Direction;
use crate::store::{AUDIT, AUDIT_HEAD, Audit, Store, audit_heads, audit_page, verify_audit};

/// The journal of the book of policies.
const POLICIES: &str = "policy";

/// What a pack is about.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// Calls that began then, and later, Unix ms.
    pub from_ms: u64,
    /// And before this.
    pub until_ms: u64,
    /// When the business became aware.
    pub aware_ms: u64,
    /// Now.
    pub at_ms: u64,
    /// The configuration's file as it is; empty = there is none.
    pub configuration: &'a str,
}

/// What a pack holds.
#[derive(Debug, Serialize)]
pub struct Gathered {
    pub records: u64,
    /// Of these say nothing of people any more.
    pub erased: u64,
    /// Numbers outside that are listed.
    pub people: u64,
    /// Calls of further numbers: the records name those.
    pub calls_unlisted: u64,
    pub audit_entries: u64,
    /// What is wrong with the audit; None = every chain is whole.
    pub audit_problem: Option<String>,
    pub clock: Clock,
}

/// One number, and when it was in a call.
#[derive(Default, Serialize)]
struct Person {
    number: String,
    /// `caller`, `called` or both.
    as_caller: u64,
    as_called: u64,
    /// Unix ms.
    first_ms: u64,
    last_ms: u64,
    /// The newest ones, Unix ms.
    times_ms: Vec<u64>,
}

/// Writes a pack. Takes as long as there is to read; blocks.
///
/// # Errors
///
/// [`Fault`]; what was written until then opens for nobody.
pub fn gather(
    store: &Arc<dyn Store>,
    audit: &Arc<Audit>,
    order: Order<'_>,
    recipient: &Recipient,
    out: impl Write,
) -> Result<Gathered, Fault> {
    let clock = Clock::new(order.aware_ms, order.at_ms);
    let mut pack = Packer::new(out, recipient)?;
    pack.file("README.txt")?;
    pack.write(README)?;

    let mut people = People::default();
    let (records, erased) = put_records(&mut pack, store.as_ref(), order, &mut people)?;
    pack.file("people.jsonl")?;
    for (number, person) in &mut people.known {
        person.number.clone_from(number);
        pack.line(person)?;
    }

    let accounts = Users::open(store.clone(), audit.clone())?.all();
    let tokens = Tokens::load(store.as_ref())?;
    let accounts = review(
        accounts.iter().map(Arc::as_ref),
        &tokens,
        &Sessions::default(),
        order.at_ms,
    );
    pack.file("accounts.jsonl")?;
    for account in &accounts {
        pack.line(account)?;
    }
    put_audit(&mut pack, store.as_ref())?;
    pack.file("policies.jsonl")?;
    put_journal(&mut pack, store.as_ref(), "", POLICIES)?;
    pack.file("configuration.toml")?;
    pack.write(&scrub(order.configuration))?;

    let counts = Counts {
        records,
        erased,
        people: people.known.len() as u64,
        unlisted: people.unlisted,
        accounts: accounts.iter().filter(|line| line.kind == "account").count() as u64,
    };
    pack.file("form.json")?;
    let form = form(&order, clock, &counts);
    pack.write(&serde_json::to_string_pretty(&form).unwrap_or_default())?;
    let verified = verify_audit(store.as_ref())?;
    let gathered = Gathered {
        records,
        erased,
        people: counts.people,
        calls_unlisted: counts.unlisted,
        audit_entries: verified.as_ref().copied().unwrap_or(0),
        audit_problem: verified.err().map(|broken| broken.to_string()),
        clock,
    };
    pack.file("summary.json")?;
    pack.write(&serde_json::to_string_pretty(&gathered).unwrap_or_default())?;
    pack.finish()?;
    Ok(gathered)
}

/// Records as they are kept, newest first: how many, and how many of them were erased before.
fn put_records<W: Write>(
    pack: &mut Packer<W>,
    store: &dyn Store,
    order: Order<'_>,
    people: &mut People,
) -> Result<(u64, u64), Fault> {
    pack.file("records.jsonl")?;
    let (mut records, mut erased) = (0, 0);
    let mut last = None;
    loop {
        let page = store.page(last)?;
        let Some(end) = page.last() else {
            return Ok((records, erased));
        };
        last = Some((end.started_ms, end.id));
        for kept in page {
            if kept.started_ms < order.from_ms {
                return Ok((records, erased));
            }
            if kept.started_ms >= order.until_ms {
                continue;
            }
            // What people said of it stands beside it.
            let said = store.call(kept.id)?.and_then(|record| record.report);
            match serde_json::from_str::<CallRecord>(&kept.record) {
                Ok(mut record) => {
                    record.report = said;
                    erased += u64::from(record.erased_ms.is_some());
                    people.add(&record);
                    pack.line(&record)?;
                }
                Err(_) => {
                    pack.write(&kept.record.replace('\n', " "))?;
                    pack.write("\n")?;
                }
            }
            records += 1;
        }
    }
}

/// The audit of each gateway in the words it is shown in, and as it is kept, with which it is proven.
fn put_audit<W: Write>(pack: &mut Packer<W>, store: &dyn Store) -> Result<(), Fault> {
    pack.file("audit.jsonl")?;
    let mut from = Some(0);
    while let Some(after) = from {
        let (entries, next) = audit_page(store, after)?;
        from = next;
        for entry in &entries {
            pack.line(entry)?;
        }
    }
    pack.manifest.chains = audit_heads(store)?;
    let nodes: Vec<String> = match store.writers()? {
        nodes if nodes.is_empty() => vec![String::new()],
        nodes => nodes,
    };
    for (at, node) in nodes.iter().enumerate() {
        // The head first: what is written meanwhile is more than it promises, and never less.
        let head = store.setting_of(node, AUDIT_HEAD)?;
        pack.file(&format!("audit-chain-{at}.jsonl"))?;
        pack.line(&(node, head))?;
        put_chain(pack, store, node)?;
    }
    Ok(())
}

/// Number and text of every entry of an audit, and what it says of people, which lies apart; null = it says nothing apart, or that was erased.
fn put_chain<W: Write>(pack: &mut Packer<W>, store: &dyn Store, node: &str) -> Result<(), Fault> {
    let mut after = 0;
    loop {
        let rows = store.journal_of(node, AUDIT, after)?;
        let Some((last, _)) = rows.last() else {
            return Ok(());
        };
        let mut people = store.sealed_of(node, AUDIT, after, *last)?;
        after = *last;
        for (number, text) in &rows {
            pack.line(&(number, text, people.remove(number)))?;
        }
    }
}

/// Number and text of every entry.
fn put_journal<W: Write>(
    pack: &mut Packer<W>,
    store: &dyn Store,
    node: &str,
    journal: &'static str,
) -> Result<(), Fault> {
    let mut after = 0;
    loop {
        let rows = store.journal_of(node, journal, after)?;
        let Some((last, _)) = rows.last() else {
            return Ok(());
        };
        after = *last;
        for row in &rows {
            pack.line(row)?;
        }
    }
}

#[derive(Default)]
struct People {
    known: BTreeMap<String, Person>,
    /// Calls of numbers for which there was no place.
    unlisted: u64,
}

impl People {
    fn add(&mut self, record: &CallRecord) {
        if record.erased_ms.is_some() {
            return;
        }
        let caller = record.caller.as_ref().map(|number| number.reveal().as_str());
        let called = Some(record.called.reveal().as_str());
        let outside = match record.direction {
            Direction::Inbound => [(caller, true), (None, false)],
            Direction::Outbound => [(None, true), (called, false)],
        };
        for (number, is_caller) in outside {
            let Some(number) = number.filter(|number| !number.is_empty()) else {
                continue;
            };
            if self.known.len() >= PEOPLE_MAX && !self.known.contains_key(number) {
                self.unlisted += 1;
                continue;
            }
            let at_ms = record.started_ms;
            let person = self.known.entry(number.to_string()).or_insert_with(|| Person {
                first_ms: at_ms,
                ..Person::default()
            });
            match is_caller {
                true => person.as_caller += 1,
                false => person.as_called += 1,
            }
            person.first_ms = person.first_ms.min(at_ms);
            person.last_ms = person.last_ms.max(at_ms);
            if person.times_ms.len() < TIMES_EACH {
                person.times_ms.push(at_ms);
            }
        }
    }
}

const README: &str = "A breach pack of Ringward.

summary.json          how much there is, whether the audit is whole, and the clock
form.json             the fields that the regulator asks for; null = people have to fill it in
records.jsonl         every kept call of the period, newest first, with what people said of it
people.jsonl          every number outside that was in one of them, and when
accounts.jsonl        who may sign in now: accounts and tokens, without anything that opens them
audit.jsonl           what was done by whom, all of it: an entry proves itself only together with those around it
audit-chain-N.jsonl   the same of each gateway, as it is kept: first its name and the head of its chain, then number and text of each entry, and what it says of people (null: nothing, or it was erased)
policies.jsonl        the book of policies: every revision, and which was live when
configuration.toml    the configuration without its secrets and comments
manifest.json         SHA-256 of each file

Times are Unix milliseconds, UTC. `ringward breach-pack open` has proven the chains when it wrote these files, or has said that they are broken.
The files are personal data now: whoever opened the pack answers for them.
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call_id::CallId;
    use crate::screening::sample;

    #[test]
    fn calls_of_numbers_that_find_no_place_are_counted_as_calls() {
        let mut people = People::default();
        let record = CallRecord::arriving(CallId(1), &sample::signed(), None, None);
        people.add(&record);
        assert_eq!((people.known.len(), people.unlisted), (1, 0));
        people.known.clear();
        for number in 0..PEOPLE_MAX {
            people.known.insert(number.to_string(), Person::default());
        }
        people.add(&record);
        people.add(&record);
        assert_eq!((people.known.len(), people.unlisted), (PEOPLE_MAX, 2));
    }
}
