//! Who may import whom (ARCHITECTURE.md draws the same table).

use crate::sources::{Source, code_lines, files};

/// room, rooms it may import. The leaf files (`time`, `redact`, `call_id`, `cidr`, `g711`, `document`, `e164`, `given_file`) may be imported by everyone.
const TABLE: &[(&str, &[&str])] = &[
    ("sip", &[]),
    ("sdp", &[]),
    ("digest", &[]),
    ("registration", &["sip"]),
    ("registrar", &["sip", "digest"]),
    ("flood", &[]),
    ("voice", &[]),
    ("recordings", &[]),
    ("media", &["sdp"]),
    ("prompts", &["media", "sdp"]),
    ("identity", &["sip"]),
    ("screening", &["identity", "voice"]),
    ("lists", &["screening"]),
    ("reputation", &["screening", "identity"]),
    ("policy", &["screening", "lists"]),
    ("queue", &["policy"]),
    ("route", &["sip"]),
    ("banner", &["screening", "policy"]),
    ("capture", &["sip"]),
    (
        "call",
        &[
            "sip",
            "sdp",
            "digest",
            "registrar",
            "registration",
            "flood",
            "identity",
            "media",
            "prompts",
            "voice",
            "screening",
            "lists",
            "reputation",
            "policy",
            "queue",
            "route",
            "banner",
        ],
    ),
    (
        "store",
        &[
            "call",
            "screening",
            "identity",
            "policy",
            "banner",
            "media",
            "voice",
        ],
    ),
    ("accounts", &["store", "policy", "registrar"]),
    ("alarm", &["call", "identity", "screening"]),
    ("breach", &["store", "call", "accounts"]),
    ("tally", &["store", "call", "screening", "identity", "banner"]),
    ("webhook", &["store", "call", "policy", "screening"]),
    ("telemetry", &["call"]),
    ("console", &[]),
    (
        "config",
        &[
            "alarm",
            "sip",
            "digest",
            "registrar",
            "registration",
            "flood",
            "call",
            "queue",
            "banner",
            "identity",
            "media",
            "prompts",
            "recordings",
            "voice",
            "policy",
            "store",
            "api",
            "capture",
            "accounts",
            "webhook",
        ],
    ),
    (
        "api",
        &[
            "alarm",
            "accounts",
            "flood",
            "webhook",
            "store",
            "call",
            "screening",
            "lists",
            "reputation",
            "identity",
            "policy",
            "banner",
            "media",
            "recordings",
            "voice",
            "console",
            "tally",
            "telemetry",
            "prompts",
            "sdp",
            "queue",
            "runtime",
        ],
    ),
    (
        "runtime",
        &[
            "alarm",
            "sip",
            "capture",
            "sdp",
            "registrar",
            "registration",
            "flood",
            "call",
            "identity",
            "media",
            "prompts",
            "recordings",
            "voice",
            "screening",
            "lists",
            "reputation",
            "policy",
            "queue",
            "route",
            "banner",
            "store",
            "telemetry",
            "webhook",
            "accounts",
        ],
    ),
];

/// Free to look at any room: they build and drive the whole.
const ABOVE: &[&str] = &["app", "cli", "demo", "selftest", "signing"];
const LEAVES: &[&str] = &[
    "time",
    "redact",
    "call_id",
    "cidr",
    "g711",
    "document",
    "e164",
    "given_file",
];

#[test]
fn no_room_imports_what_the_table_does_not_allow() {
    let mut faults = Vec::new();
    for source in files("src", &[".rs"]) {
        let Some(room) = room_of(&source) else { continue };
        let Some((_, allowed)) = TABLE.iter().find(|(name, _)| *name == room) else {
            continue;
        };
        for (line, code) in code_lines(&source.text) {
            for other in rooms_named(code) {
                let is_fine = other == room || LEAVES.contains(&other) || allowed.contains(&other);
                if !is_fine {
                    faults.push(format!(
                        "{}:{line}: `{room}` may not import `{other}`",
                        source.path
                    ));
                }
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_room_stands_in_the_table() {
    let known: Vec<&str> = TABLE
        .iter()
        .map(|(room, _)| *room)
        .chain(ABOVE.iter().copied())
        .chain(LEAVES.iter().copied())
        .collect();
    for source in files("src", &[".rs"]) {
        if let Some(room) = room_of(&source) {
            assert!(
                known.contains(&room),
                "{}: room `{room}` is not in the import table",
                source.path
            );
        }
    }
}

#[test]
fn the_verify_crate_knows_no_clock_no_socket_and_no_sip() {
    for source in files("crates/stir-shaken-verify/src", &[".rs"]) {
        for (line, code) in code_lines(&source.text) {
            for word in [
                "std::net::Tcp",
                "std::net::Udp",
                "Instant::now",
                "SystemTime::now",
                "tokio",
                "reqwest",
                "ringward::",
            ] {
                assert!(
                    !code.contains(word),
                    "{}:{line}: the verify crate must not use `{word}`",
                    source.path
                );
            }
        }
    }
}

#[test]
fn clocks_are_read_in_one_place() {
    for source in files("src", &[".rs"]) {
        let may_read = source.path.starts_with("src/runtime/") || source.path.starts_with("src/demo/");
        // A test may begin its virtual clock at any instant.
        for (line, code) in code_lines(&source.text).filter(|_| !source.is_only_tests()) {
            let reads = code.contains("Instant::now()") || code.contains("SystemTime::now()");
            assert!(
                !reads || may_read,
                "{}:{line}: time is an argument outside runtime/",
                source.path
            );
        }
    }
}

fn room_of(source: &Source) -> Option<&str> {
    let inner = source.path.strip_prefix("src/")?;
    let first = inner.split('/').next()?;
    let room = first.strip_suffix(".rs").unwrap_or(first);
    (room != "lib" && room != "main").then_some(room)
}

/// The rooms named in `crate::room` paths on this line, `crate::{a, b}` lists included.
fn rooms_named(code: &str) -> Vec<&str> {
    let mut rooms = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 0;
            for part in list.split_inclusive([',', '{', '}']) {
                if depth == 0 {
                    rooms.push(word(part.trim()));
                }
                depth += part.matches('{').count() as i32 - part.matches('}').count() as i32;
                if depth < 0 {
                    break;
                }
            }
        } else {
            rooms.push(word(rest));
        }
    }
    rooms.retain(|room| {
        !room.is_empty() && room.starts_with(char::is_lowercase) && !["self", "super"].contains(room)
    });
    rooms
}

fn word(text: &str) -> &str {
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    &text[..end]
}

#[test]
fn rooms_named_reads_lists_and_paths() {
    assert_eq!(rooms_named("use crate::sip::{Message, Uri};"), ["sip"]);
    assert_eq!(
        rooms_named("use crate::{api, store::{Live, Store}, sdp};"),
        ["api", "store", "sdp"]
    );
    assert_eq!(
        rooms_named("    let x = crate::media::Hop::default();"),
        ["media"]
    );
}
