//! The one way to lay out a policy file, so that a change shows what changed. Comments stay where they are.

/// Where comments behind a value begin, in characters from 0, when the value leaves room.
const COMMENT_COLUMN: usize = 36;

/// Lays out the text of a policy that loads: one space around `=`, comments behind values in one column, one empty line
/// before a section, none at the end of a line. Laid out again it stays as it is, and it means what it meant.
pub fn format(text: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut open = None;
    // Lines before this one are settled: the last of a text of several lines may look like a comment.
    let mut settled = 0;
    for line in text.lines() {
        if let Some(quote) = open {
            // Inside a text of several lines every space counts.
            if line.contains(quote) {
                open = None;
            }
            out.push(line.to_string());
            settled = out.len();
            continue;
        }
        let line = line.trim();
        if line.is_empty() {
            if out.last().is_some_and(|last| !last.is_empty()) {
                out.push(String::new());
            }
            continue;
        }
        open = opens(line);
        if open.is_some() {
            out.push(spaced(line));
        } else if line.starts_with('[') {
            space_before(&mut out, settled);
            out.push(aligned(line));
        } else {
            out.push(aligned(&spaced(line)));
        }
    }
    while out.len() > settled && out.last().is_some_and(String::is_empty) {
        out.pop();
    }
    let mut text = out.join("\n");
    text.push('\n');
    text
}

/// One empty line before a section and the comments that belong to it.
fn space_before(out: &mut Vec<String>, settled: usize) {
    let free = out[settled..].iter().rev();
    let comments = free.take_while(|line| line.starts_with('#')).count();
    let at = out.len() - comments;
    if at > 0 && !out[at - 1].is_empty() {
        out.insert(at, String::new());
    }
}

/// The quotes of a text of several lines that begins on this line and does not end on it.
fn opens(line: &str) -> Option<&'static str> {
    let value = line.split_once('=').map_or("", |(_, value)| value.trim_start());
    ["'''", "\"\"\""].into_iter().find(|quote| {
        value
            .strip_prefix(quote)
            .is_some_and(|rest| !rest.contains(quote))
    })
}

/// `key=value` as `key = value`. Keys of policies are bare, so the first `=` stands between them.
fn spaced(line: &str) -> String {
    if line.starts_with(['#', '[', ']', '"', '\'', '{', '}']) {
        return line.to_string();
    }
    match line.split_once('=') {
        Some((key, value)) if is_bare(key.trim()) => format!("{} = {}", key.trim(), value.trim_start()),
        _ => line.to_string(),
    }
}

fn is_bare(key: &str) -> bool {
    !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// Puts the comment behind a value into its column.
fn aligned(line: &str) -> String {
    let Some(at) = comment(line).filter(|at| *at > 0) else {
        return line.to_string();
    };
    let (value, comment) = line.split_at(at);
    let value = value.trim_end();
    let width = COMMENT_COLUMN.max(value.chars().count() + 1);
    format!("{value:<width$}{comment}")
}

/// Where the comment of a line begins: the first `#` outside quotes.
fn comment(line: &str) -> Option<usize> {
    let mut quote = None;
    let mut is_escaped = false;
    for (at, c) in line.char_indices() {
        match quote {
            Some('"') if is_escaped => is_escaped = false,
            Some('"') if c == '\\' => is_escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '#' => return Some(at),
            None if c == '"' || c == '\'' => quote = Some(c),
            None => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::{Policy, SHIPPED};

    #[test]
    fn shipped_policies_are_laid_out_so() {
        for shipped in SHIPPED {
            assert_eq!(format(shipped.text), shipped.text, "{}", shipped.name);
        }
    }

    #[test]
    fn a_file_gets_one_layout_and_keeps_its_comments() {
        let text = "# top\n[policy]\nname='p'   # the name\n\n\n\n[weights]\nNO_IDENTITY=0.5 # why\n# about the rule\n[[rule]]\n  id = \"a#b\"\nwhen = '''\n  caller.hidden\n    && true'''\nthen={ refuse = 603 }  \nreason = \"say \\\"no\\\" # here\" # there\n\n\n";
        let expected = "# top\n[policy]\nname = 'p'                          # the name\n\n[weights]\nNO_IDENTITY = 0.5                   # why\n\n# about the rule\n[[rule]]\nid = \"a#b\"\nwhen = '''\n  caller.hidden\n    && true'''\nthen = { refuse = 603 }\nreason = \"say \\\"no\\\" # here\"        # there\n";
        assert_eq!(format(text), expected);
    }

    proptest! {
        // Two policies are loaded for each case.
        #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

        #[test]
        fn laid_out_again_it_stays_as_it_is_and_means_the_same(
            shipped in 0..SHIPPED.len(), cuts in prop::collection::vec((any::<prop::sample::Index>(), 0..4usize), 0..20),
        ) {
            // Spaces, tabs and empty lines where a person might put them: at the ends of lines.
            let mut lines: Vec<String> = SHIPPED[shipped].text.lines().map(String::from).collect();
            for (place, what) in cuts {
                let at = place.index(lines.len());
                match what {
                    0 => lines[at].push_str("   "),
                    1 => lines[at].insert_str(0, "\t "),
                    2 => lines.insert(at, String::new()),
                    _ => lines[at] = lines[at].replacen(" = ", "=", 1),
                }
            }
            let (text, original) = (lines.join("\n"), SHIPPED[shipped].policy());
            let laid_out = format(&text);
            prop_assert_eq!(&format(&laid_out), &laid_out);
            let policy = Policy::load_without_queues("f", &laid_out).unwrap();
            prop_assert_eq!(original.differences(&policy), vec![]);
        }

    }

    proptest! {
        #[test]
        fn any_text_is_laid_out_and_stays(text in "[ -~\n\t]{0,200}") {
            let laid_out = format(&text);
            prop_assert_eq!(&format(&laid_out), &laid_out);
        }
    }
}
