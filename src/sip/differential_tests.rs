//! Our parser beside three others, on thousands of generated messages: every class of disagreement has its line.
//!
//! `docs/parser-differences.md` shows the table. A disagreement without a line fails, and so does a line that nothing shows any more.

mod classes;
mod differences;

use std::collections::BTreeMap;
use std::fmt::Write;

use super::*;
use classes::{CLASSES, message};
use differences::DIFFERENCES;

/// What a stack read of a message; `None` = refused.
type Reading = Option<BTreeMap<&'static str, String>>;

type Stack = fn(&[u8]) -> Reading;

fn ours(octets: &[u8]) -> Reading {
    let message = Message::parse(octets).ok()?;
    let mut reading = BTreeMap::new();
    reading.insert("body", String::from_utf8_lossy(message.body()).into_owned());
    reading.insert("Call-ID", message.call_id().to_string());
    reading.insert(
        "From tag",
        message.from_address().tag().unwrap_or_default().to_string(),
    );
    reading.insert("CSeq", message.cseq().0.to_string());
    Some(reading)
}

macro_rules! like_rsip {
    ($octets:expr, $message:path, $request:path, $headers:path) => {{
        use $headers::*;
        let message = <$message>::try_from($octets).ok()?;
        let request = <$request>::try_from(message).ok()?;
        let mut reading = BTreeMap::new();
        reading.insert("body", String::from_utf8_lossy(request.body()).into_owned());
        reading.insert(
            "Call-ID",
            request
                .call_id_header()
                .map(|id| id.value().to_string())
                .unwrap_or_default(),
        );
        let tag = request
            .from_header()
            .ok()
            .and_then(|from| from.tag().ok().flatten());
        reading.insert(
            "From tag",
            tag.map(|tag| tag.value().to_string()).unwrap_or_default(),
        );
        let cseq = request.cseq_header().ok().and_then(|cseq| cseq.seq().ok());
        reading.insert("CSeq", cseq.map(|number| number.to_string()).unwrap_or_default());
        Some(reading)
    }};
}

fn rsip(octets: &[u8]) -> Reading {
    like_rsip!(octets, ::rsip::SipMessage, ::rsip::Request, ::rsip::prelude)
}

fn rsipstack(octets: &[u8]) -> Reading {
    like_rsip!(
        octets,
        ::rsipstack::sip::SipMessage,
        ::rsipstack::sip::Request,
        ::rsipstack::sip::prelude
    )
}

/// Its start line and the typed headers: cutting a message into lines is another crate's part.
fn ezk(octets: &[u8]) -> Reading {
    use ::ezk_sip_types::header::typed::{CSeq, CallID, FromTo};
    use ::ezk_sip_types::{Headers, Name};
    let text = std::str::from_utf8(octets).ok()?;
    let (head, _) = text.split_once("\r\n\r\n")?;
    let head = head.replace("\r\n ", " ");
    let mut lines = head.split("\r\n");
    lines.next()?.parse::<::ezk_sip_types::msg::MessageLine>().ok()?;
    let mut headers = Headers::new();
    for line in lines {
        let (name, value) = line.split_once(':')?;
        headers.insert(Name::from(name.trim().to_string()), value.trim().to_string());
    }
    let mut reading = BTreeMap::new();
    reading.insert("Call-ID", headers.get_named::<CallID>().ok()?.0.to_string());
    let from: FromTo = headers.get(Name::FROM).ok()?;
    reading.insert(
        "From tag",
        from.tag.map(|tag| tag.to_string()).unwrap_or_default(),
    );
    reading.insert("CSeq", headers.get_named::<CSeq>().ok()?.cseq.to_string());
    Some(reading)
}

/// Every disagreement: class, stack, what differs.
fn disagreements(seeds: u64) -> BTreeMap<(&'static str, &'static str, String), u64> {
    let mut found = BTreeMap::new();
    for seed in 0..seeds {
        for (class, change) in CLASSES {
            let mut text = message(seed);
            change(&mut text);
            let mut octets = text.into_bytes();
            if *class == "no UTF-8" {
                let at = octets.windows(4).position(|w| w == b"From").expect("From");
                octets.splice(at..at, *b"Subject: \xff\r\n");
            }
            let mine = ours(&octets);
            let stacks: [(&str, Stack); 3] = [("rsip", rsip), ("rsipstack", rsipstack), ("ezk", ezk)];
            for (stack, read) in stacks {
                let theirs = read(&octets);
                let what = match (&mine, &theirs) {
                    (None, None) => continue,
                    (Some(_), None) => "refuses it, we do not".to_string(),
                    (None, Some(_)) => "takes it, we do not".to_string(),
                    (Some(mine), Some(theirs)) => {
                        let differs = |name: &&&str| mine.get(**name) != theirs.get(**name);
                        let names: Vec<&str> = theirs.keys().filter(differs).copied().collect();
                        match names.is_empty() {
                            true => continue,
                            false => format!("reads another {}", names.join(" and ")),
                        }
                    }
                };
                *found.entry((*class, stack, what)).or_default() += 1;
            }
        }
    }
    found
}

/// The table as `docs/parser-differences.md` shows it.
fn printed() -> String {
    let mut text =
        String::from("| message | stack | what it does | who is right |\n| --- | --- | --- | --- |\n");
    for (class, stack, what, right) in DIFFERENCES {
        let _ = writeln!(text, "| {class} | {stack} | {what} | {right} |");
    }
    text
}

#[test]
fn every_disagreement_with_three_other_parsers_is_explained() {
    // 60 seeds of 49 classes: about three thousand messages.
    let found: BTreeMap<_, _> = disagreements(60);
    let told: Vec<_> = DIFFERENCES
        .iter()
        .map(|(class, stack, what, _)| (*class, *stack, what.to_string()))
        .collect();
    for disagreement in found.keys() {
        assert!(told.contains(disagreement), "unexplained: {disagreement:?}");
    }
    for line in &told {
        assert!(found.contains_key(line), "nothing shows this any more: {line:?}");
    }
    assert!(
        !told.iter().any(|(class, ..)| *class == "plain"),
        "ordinary messages are read alike"
    );
}

#[test]
fn the_page_about_other_parsers_shows_this_table() {
    let page = include_str!("../../docs/parser-differences.md");
    assert!(
        page.contains(&printed()),
        "docs/parser-differences.md should hold:\n{}",
        printed()
    );
}
