//! The answers as a Markdown document.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::cases::Group;
use super::{Answer, Case, Must};

/// One verifier's answers, by the name of the case.
pub struct Column {
    /// Name and version.
    pub title: String,
    pub answers: BTreeMap<&'static str, Answer>,
}

/// How one answer stands to what a correct verifier must say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grade {
    Right,
    /// A hostile call taken for good: the fault that matters.
    TakenForGood,
    /// A token against the standard taken for good.
    MalformedAccepted,
    /// A good call refused.
    GoodRefused,
    NoAnswer,
    /// The standards leave it open.
    Open,
    NotShown,
}

/// The whole document. `date` is the day of the run in whatever form it was given, or nothing.
pub fn document(groups: &[Group], columns: &[Column], date: Option<&str>) -> String {
    let mut text = HEAD.to_string();
    let when = date.map(|date| format!(" on {date}")).unwrap_or_default();
    let titles: Vec<&str> = columns.iter().map(|column| column.title.as_str()).collect();
    let cases = groups.iter().map(|group| group.cases.len()).sum::<usize>();
    // Writing into a String cannot fail.
    let _ok = writeln!(text, "Run{when}: {cases} calls, {}.\n", titles.join(", "));
    summary(&mut text, groups, columns);
    for group in groups {
        let _ok = writeln!(text, "\n## {}\n", group.title);
        let _ok = writeln!(
            text,
            "| call | what is special | a correct verifier | {} |",
            titles.join(" | ")
        );
        let _ok = writeln!(text, "| --- | --- | --- |{}", " --- |".repeat(columns.len()));
        for case in &group.cases {
            let answers: Vec<String> = columns
                .iter()
                .map(|column| cell(case, column.answers.get(case.name)))
                .collect();
            let _ok = writeln!(
                text,
                "| `{}` | {} | {}<br>{} | {} |",
                case.name,
                case.what,
                case.must.words(),
                case.why,
                answers.join(" | ")
            );
        }
    }
    text.push('\n');
    text.push_str(include_str!("../sources.md"));
    text
}

fn summary(text: &mut String, groups: &[Group], columns: &[Column]) {
    let _ok = writeln!(
        text,
        "| verifier | right | hostile call taken for good | malformed token taken for good | good call refused | no answer | \
         left open by the standards | not shown |\n| --- | --- | --- | --- | --- | --- | --- | --- |"
    );
    for column in columns {
        let count = |wanted: Grade| {
            let cases = groups.iter().flat_map(|group| &group.cases);
            cases
                .filter(|case| grade(case, column.answers.get(case.name)) == wanted)
                .count()
        };
        let _ok = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            column.title,
            count(Grade::Right),
            count(Grade::TakenForGood),
            count(Grade::MalformedAccepted),
            count(Grade::GoodRefused),
            count(Grade::NoAnswer),
            count(Grade::Open),
            count(Grade::NotShown)
        );
    }
}

fn grade(case: &Case, answer: Option<&Answer>) -> Grade {
    match answer {
        None | Some(Answer::NotShown(_)) => Grade::NotShown,
        Some(Answer::Broken(_)) => Grade::NoAnswer,
        Some(_) if case.is_open => Grade::Open,
        Some(Answer::Accepts(words)) => match case.must {
            // Accepting the same token twice without a word is what the case is about.
            Must::NoticeReuse if !words.contains("reused") => Grade::TakenForGood,
            must if must.is_good() => Grade::Right,
            _ if case.is_only_malformed => Grade::MalformedAccepted,
            _ => Grade::TakenForGood,
        },
        Some(Answer::Refuses(_)) if case.must.is_good() => Grade::GoodRefused,
        Some(Answer::Refuses(_)) => Grade::Right,
    }
}

fn cell(case: &Case, answer: Option<&Answer>) -> String {
    let in_brackets = |words: &str| {
        if words.is_empty() {
            String::new()
        } else {
            format!(" ({words})")
        }
    };
    let words = match answer {
        None => "not run".into(),
        Some(Answer::NotShown(why)) => format!("n/a: {why}"),
        Some(Answer::Broken(how)) => how.clone(),
        Some(Answer::Accepts(words)) => format!("accepts{}", in_brackets(words)),
        Some(Answer::Refuses(words)) => format!("refuses{}", in_brackets(words)),
    };
    match grade(case, answer) {
        Grade::TakenForGood | Grade::MalformedAccepted | Grade::GoodRefused | Grade::NoAnswer => {
            format!("**{words}**")
        }
        Grade::Open => format!("{words}, open"),
        Grade::Right | Grade::NotShown => words,
    }
}

const HEAD: &str = "\
# What verifiers say to hostile calls

Every row is a real INVITE, signed for the run, whose certificate is fetched over real HTTPS from a host on loopback. Ringward is its own
parser, verifier and dialer, as in `ringward verify` and in the gateway. Kamailio is a running process that answers each INVITE by what
`secsipid_check_identity(\"\")` returns. `secsipidx` is the command of the library under that module. Both are configured as strictly as they
go: `expire` 60 s, certificate dates, our anchors and our revocation list (`CertVerify=21`).

Make it again with one command (Debian: `apt-get install kamailio kamailio-secsipid-modules secsipidx`; without them their columns stay empty):

```
cargo run --example verifier_matrix -- --out docs/verifier-matrix.md --date \"$(date -u +%F)\"
```

It ends with status 1 when Ringward says anything else than a correct verifier must. `tests/wire/verifier_matrix.rs` holds Ringward's column
in the ordinary tests.

How to read it: **bold** is wrong. \"accepts\" in bold is a hostile call taken for good, or a token that an honest signer has made wrong; \"refuses\"
in bold is an honest caller turned away.
Numbers in brackets are the verifier's own: SIP codes and the name of the first check that failed for Ringward, error numbers of the library
for the others. `n/a` says why a verifier could not be shown the call. \"open\" marks rows where the standards leave the answer free: ours is
told, nobody's is counted as wrong. What Kamailio's module does not look at (From, To, Date, SDP) its script may: that is not done here, because
no shipped configuration does it. A name that resolves to another address the second time (DNS rebinding) is no row, because a resolver that
lies needs more than a command: Ringward dials only addresses it has just judged (`src/runtime/fetch.rs` and its tests).

";
