//! The reference of everything a policy may name, printed from the tables the checker uses.

use std::fmt::Write;

use super::Profile;
use super::schema::{FACTS, Type};
use crate::screening::{Stage, Tag};

/// Every fact, tag, action, mode and stage, as Markdown: the second half of `policies/README.md`.
pub fn reference() -> String {
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = write_reference(&mut out);
    out
}

fn write_reference(out: &mut String) -> std::fmt::Result {
    writeln!(out, "### Facts\n\n| name | type | meaning |\n| --- | --- | --- |")?;
    for fact in FACTS {
        let kind = match fact.kind {
            Type::Word(words) => words
                .iter()
                .map(|word| format!("`'{word}'`"))
                .collect::<Vec<_>>()
                .join(" "),
            other => other.name().to_string(),
        };
        writeln!(out, "| `{}` | {kind} | {} |", fact.name, fact.meaning)?;
    }
    writeln!(out, "\n### Tags\n\n| tag | meaning |\n| --- | --- |")?;
    for tag in Tag::ALL {
        writeln!(out, "| `{tag}` | {} |", tag.meaning())?;
    }
    writeln!(out, "\n### Actions\n\n| `then` | what happens |\n| --- | --- |")?;
    for (then, what) in ACTIONS {
        writeln!(out, "| `{then}` | {what} |")?;
    }
    writeln!(
        out,
        "\n### Refusal profiles\n\n| profile | what the caller's side hears |\n| --- | --- |"
    )?;
    for profile in Profile::NAMED {
        writeln!(out, "| `\"{}\"` | {} |", profile.name(), profile.meaning())?;
    }
    let stages: Vec<&str> = Stage::ALL.iter().map(|stage| stage.name()).collect();
    writeln!(
        out,
        "\nStages: `{}`. Modes: `enforce`, `shadow`, `off`.",
        stages.join("`, `")
    )
}

const ACTIONS: &[(&str, &str)] = &[
    (
        "\"deliver\"",
        "The call rings as it came; nothing is added to the phone's display.",
    ),
    (
        "\"label\"",
        "The call rings with the banner's prefix on the phone's display.",
    ),
    (
        "\"screen\"",
        "We answer, ask the caller for name and reason, and listen until he has done; the voice is scored meanwhile. Then policy is asked again, at the stage `heard`; where no rule decides there, the queue rings and he hears music. Once for each call; not in stage `live`, and never for an emergency, proven or claimed.",
    ),
    (
        "\"challenge\"",
        "We answer and have the caller press two digits that he hears (RFC 4733), three times at most. Then policy is asked again, at the stage `heard`, with `talk.challenge`. Once for each call, as `screen`. In stage `live`, which has to be named, the caller is asked in the middle of the call, and the person who has it is not heard by him meanwhile.",
    ),
    (
        "{ divert = \"QUEUE\" }",
        "The call goes to another queue. In stage `live`, which has to be named, its phones ring and the call goes to the first that answers; a proven priority and a trusted emergency line are not diverted.",
    ),
    (
        "\"refuse\"",
        "The call is refused as its trunk or `[refusal]` says; with 608 when neither does. Not in stage `live`; an emergency, proven or claimed, is not refused.",
    ),
    (
        "{ refuse = STATUS }",
        "The same with a final status from 400 to 699 and nothing else.",
    ),
    (
        "{ refuse = \"PROFILE\" }",
        "The same in one of the ways below. One that lacks something in `[refusal]` does not load.",
    ),
    (
        "{ refuse = ..., announce = \"PROMPT\" }",
        "A recording is said first (`prompts/README.md`): as early media (183) before the refusal, or with `answer = true` in an answered call that is hung up afterwards. Whoever has been answered already (`screen`, `challenge`) hears it, or `refused`, and is hung up.",
    ),
    (
        "\"whisper\"",
        "In stage `live` only: the person who has the call is told what it is, and again when that has changed. The caller does not hear it.",
    ),
    (
        "\"end\"",
        "In stage `live` only: the call ends for both. An emergency, proven or claimed, does not. It counts as a refusal: for `[budget]`, and for what somebody else has to approve.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = "<!-- reference: printed by the program, kept true by a test -->\n";

    /// With UPDATE_REFERENCE set, writes the reference into the file instead of comparing it.
    #[test]
    fn the_reference_in_the_policies_folder_is_what_the_program_prints() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/policies/README.md");
        let text = std::fs::read_to_string(path).unwrap();
        let (head, tail) = text
            .split_once(BEGIN)
            .expect("the marker is in policies/README.md");
        if std::env::var_os("UPDATE_REFERENCE").is_some() {
            std::fs::write(path, format!("{head}{BEGIN}\n{}", reference())).unwrap();
            return;
        }
        assert_eq!(
            tail.trim(),
            reference().trim(),
            "run the test once with UPDATE_REFERENCE=1"
        );
    }
}
