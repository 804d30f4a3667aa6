//! What is left of a caller's own display name once our marks are taken out of it.
//!
//! A name is text from a stranger. If it could carry "NUMBER OK", a check mark or "[V]", the banner would be worth
//! nothing: so whatever reads like one of our marks goes, however it is spelt.

use crate::screening::confusables::{is_combining, is_invisible, is_trust_picture, read_as};

/// Characters kept of a name; RFC 3261 sets no bound, phones show about 20.
pub const NAME_CHARS_MAX: usize = 64;

/// Characters looked at. What stands behind them is dropped unseen.
const NAME_CHARS_READ: usize = 256;

/// Words that give a call a standing. Long and telling enough to go wherever they occur, also inside other words and
/// through any spacing or punctuation.
const MARKS: &[&str] = &[
    "NUMBEROK",
    "UNPROVEN",
    "FORGED",
    "SYNTHETIC",
    "KNOWNSCAM",
    "VERIFIED",
    "VERIFIZIERT",
    "VERIFICADO",
    "VERIFIE",
    "AUTHENTICATED",
    "TRUSTED",
    "TRUSTWORTHY",
    "GENUINE",
    "RINGWARD",
    "STIRSHAKEN",
    "NUMBERGENUINE",
    "NOSIGNOFSYNTHESIS",
    "ATTESTATION",
    "TNVALIDATIONPASSED",
    "CALLERIDOK",
    "SCAMLIKELY",
    "SPAMLIKELY",
];

/// Ordinary syllables ("Safeway", "Okafor", "Proven Winners Ltd"): these go only as words of their own.
const WORD_MARKS: &[&str] = &[
    "SAFE",
    "SECURE",
    "PROVEN",
    "ATTESTED",
    "VALIDATED",
    "OK",
    "SUSPECT",
    "SPAM",
    "SCAM",
    "NUMEROOK",
];

/// Single letters that mean something only between brackets: `[V]`, `(A)`.
const BRACKETED: &[&str] = &["V", "A", "OK", "TN", "VERIF"];

/// Removes look-alikes of our marks (prefixes, "verified", `[V]`, check marks, confusable letters) and control/bidi
/// characters from a caller's own display name. Second value: a look-alike was removed (invisible characters alone are
/// taken out without a word).
///
/// At most [`NAME_CHARS_MAX`] characters remain; white space is collapsed. May leave nothing.
pub fn clean_display_name(name: &str) -> (String, bool) {
    let mut chars: Vec<char> = name
        .chars()
        .take(NAME_CHARS_READ)
        .filter(|c| !is_invisible(*c))
        .collect();
    let before_pictures = chars.len();
    chars.retain(|c| !is_trust_picture(*c));
    let mut is_imitation = chars.len() < before_pictures;

    // Taking one mark out may push the halves of another together. Every round removes something, so this ends.
    while let Some(range) = find_mark(&chars) {
        // A space stays between what stood left and right, so that removal never builds a new word.
        chars.splice(range, [' ']);
        is_imitation = true;
    }
    (tidy(&chars), is_imitation)
}

/// Where a mark stands, in characters.
fn find_mark(chars: &[char]) -> Option<std::ops::Range<usize>> {
    // What the eye reads: plain letters and digits, each with the place it came from.
    let read: Vec<(usize, char)> = chars
        .iter()
        .enumerate()
        .filter_map(|(at, c)| read_as(*c).map(|plain| (at, plain)))
        .collect();

    for (first, &(start, letter)) in read.iter().enumerate() {
        // Few letters begin a mark at all, and each begins few.
        let mut candidates = BEGINS.get(letter as usize).copied().unwrap_or_default();
        while candidates != 0 {
            let (mark, place) = mark_by_number(candidates.trailing_zeros() as usize);
            candidates &= candidates - 1;
            let Some(last) = matches_at(&read, first, mark) else {
                continue;
            };
            let range = start..end_of(chars, read[last].0);
            match place {
                Place::Anywhere => return Some(range),
                Place::Alone if stands_alone(chars, &range) => return Some(range),
                Place::Alone => {}
                Place::Bracketed => {
                    if let Some(range) = between_brackets(chars, range.start, range.end) {
                        return Some(range);
                    }
                }
            }
        }
    }
    None
}

/// Where a mark counts as one.
#[derive(Clone, Copy)]
enum Place {
    Anywhere,
    Alone,
    Bracketed,
}

/// The marks in the order in which they are looked for.
const fn mark_by_number(number: usize) -> (&'static str, Place) {
    let (alone, bracketed) = (MARKS.len(), MARKS.len() + WORD_MARKS.len());
    if number < alone {
        (MARKS[number], Place::Anywhere)
    } else if number < bracketed {
        (WORD_MARKS[number - alone], Place::Alone)
    } else {
        (BRACKETED[number - bracketed], Place::Bracketed)
    }
}

const MARK_COUNT: usize = MARKS.len() + WORD_MARKS.len() + BRACKETED.len();

/// By the letter that is read: the marks that may begin with it, one bit for each.
static BEGINS: [u64; 128] = {
    assert!(MARK_COUNT <= 64);
    let mut table = [0; 128];
    let mut letter = 0;
    while letter < table.len() {
        let mut number = 0;
        while number < MARK_COUNT {
            let first = mark_by_number(number).0.as_bytes()[0] as char;
            if is_read_as(letter as u8 as char, first) {
                table[letter] |= 1 << number;
            }
            number += 1;
        }
        letter += 1;
    }
    table
};

/// The index of the last letter when `mark` is read from `first` on.
fn matches_at(read: &[(usize, char)], first: usize, mark: &str) -> Option<usize> {
    let mut at = first;
    for wanted in mark.chars() {
        let (_, found) = read.get(at)?;
        if !is_read_as(*found, wanted) {
            return None;
        }
        at += 1;
    }
    Some(at - 1)
}

/// Digits stand in for the letters they resemble.
const fn is_read_as(found: char, wanted: char) -> bool {
    found as u32 == wanted as u32
        || matches!(
            (found, wanted),
            ('0', 'O')
                | ('O', '0')
                | ('1', 'I' | 'L')
                | ('L', 'I')
                | ('I', 'L')
                | ('3', 'E')
                | ('4', 'A')
                | ('5', 'S')
                | ('6', 'G')
                | ('7', 'T')
                | ('8', 'B')
                | ('Q', 'O')
                | ('U', 'V')
                | ('V', 'U')
        )
}

/// Just behind the character at `at` and the marks that sit on it.
fn end_of(chars: &[char], at: usize) -> usize {
    let marks = chars[at + 1..].iter().take_while(|c| is_combining(**c)).count();
    at + 1 + marks
}

/// Nothing readable touches the range on either side.
fn stands_alone(chars: &[char], range: &std::ops::Range<usize>) -> bool {
    let before = range.start.checked_sub(1).map(|at| chars[at]);
    let after = chars.get(range.end);
    let is_letter = |c: char| read_as(c).is_some() || c.is_alphanumeric();
    // An apostrophe belongs to a name: "O'Kane" is not "OK".
    !before.is_some_and(|c| is_letter(c) || is_apostrophe(c))
        && !after.is_some_and(|c| is_letter(*c) || is_apostrophe(*c))
        && !chars[range.clone()].iter().any(|c| is_apostrophe(*c))
}

fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2018}' | '\u{2019}')
}

/// The range widened over the brackets around it, when there are any.
fn between_brackets(chars: &[char], start: usize, end: usize) -> Option<std::ops::Range<usize>> {
    const OPEN: &str = "[({<«‹【〔「『⟦⟨（［｛＜❨❪❬❮❰❲❴|*#";
    const CLOSE: &str = "])}>»›】〕」』⟧⟩）］｝＞❩❫❭❯❱❳❵|*#:";
    let left = chars[..start].iter().rposition(|c| !c.is_whitespace())?;
    let right = end + chars[end..].iter().position(|c| !c.is_whitespace())?;
    (OPEN.contains(chars[left]) && CLOSE.contains(chars[right])).then(|| left..right + 1)
}

/// Collapses white space, drops brackets that hold nothing and punctuation left over at either end.
fn tidy(chars: &[char]) -> String {
    let mut text: String = chars
        .iter()
        .collect::<String>()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let has_brackets = text.contains(['[', '(', '{', '<']);
    for empty in ["[]", "()", "{}", "<>", "[ ]", "( )", "{ }", "< >"] {
        if has_brackets && text.contains(empty) {
            text = text.replace(empty, "");
        }
    }
    let text = text.trim_matches(|c: char| c.is_whitespace() || "-:;,|/*#~_=+!?".contains(c));
    text.chars()
        .take(NAME_CHARS_MAX)
        .collect::<String>()
        .trim_end()
        .to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(name: &str, expected: &str) {
        let (cleaned, is_imitation) = clean_display_name(name);
        assert_eq!(cleaned, expected, "{name:?}");
        assert!(is_imitation, "{name:?} imitates a mark");
    }

    #[test]
    fn our_marks_go_in_any_case_spacing_and_punctuation() {
        check("NUMBER OK Acme", "Acme");
        check("number-ok: Acme", "Acme");
        check("N u M b E r . O k Acme", "Acme");
        check("Acme (Verified)", "Acme");
        check("V.E.R.I.F.I.E.D Acme", "Acme");
        check("UNPROVEN Acme", "Acme");
        check("*** Trusted *** Acme", "Acme");
        check("Synthetic? Acme", "Acme");
        check("Known   Scam Acme", "Acme");
        check("Acme is safe", "Acme is");
        check("unverified", "un");
    }

    #[test]
    fn letters_that_only_look_alike_are_read_as_people_read_them() {
        check("VЕRІFІЕD Acme", "Acme");
        check("ＶＥＲＩＦＩＥＤ Acme", "Acme");
        check("𝗩𝗲𝗿𝗶𝗳𝗶𝗲𝗱 Acme", "Acme");
        check("Ⓥⓔⓡⓘⓕⓘⓔⓓ Acme", "Acme");
        check("V3R1F13D Acme", "Acme");
        check("NUMB3R 0K Acme", "Acme");
        check("ver\u{200B}ified Acme", "Acme");
        check("v\u{301}e\u{301}rified Acme", "Acme");
        check("trùstéd Acme", "Acme");
        check("ѕаfe Acme", "Acme");
    }

    #[test]
    fn check_marks_and_bracketed_letters_go() {
        check("✓ Acme", "Acme");
        check("Acme ✅🔒", "Acme");
        check("[V] Acme", "Acme");
        check("(v) Acme", "Acme");
        check("【Ｖ】Acme", "Acme");
        check("[ A ] Acme", "Acme");
        check("[OK] Acme", "Acme");
        check("√ Acme", "Acme");
    }

    #[test]
    fn a_mark_inside_a_mark_leaves_none() {
        check("ververifiedified", "");
        check("VERI[V]FIED Acme", "Acme");
        check("[[V]V]", "");
    }

    #[test]
    fn honest_names_stay_as_they_are() {
        for name in [
            "Safeway Pharmacy",
            "O'Kane & Sons",
            "Okafor",
            "Brooke Adams",
            "Tokyo Electron",
            "Dr. Vera Fiedler",
            "Plan A",
            "José Núñez",
            "Müller GmbH",
            "Анна Каренина",
            "山田 太郎",
        ] {
            let (cleaned, is_imitation) = clean_display_name(name);
            assert_eq!((cleaned.as_str(), is_imitation), (name, false));
        }
    }

    #[test]
    fn invisible_characters_go_without_a_word() {
        assert_eq!(
            clean_display_name("Ac\u{202E}me\r\nX: y\u{0}\u{FEFF}"),
            ("AcmeX: y".into(), false)
        );
        assert_eq!(clean_display_name("  Acme \t Ltd  "), ("Acme Ltd".into(), false));
        assert_eq!(clean_display_name(""), (String::new(), false));
    }

    #[test]
    fn a_long_name_is_cut() {
        assert_eq!(clean_display_name(&"x".repeat(10_000)).0.len(), NAME_CHARS_MAX);
    }

    proptest! {
        #[test]
        fn cleaning_twice_changes_nothing_more(name in any::<String>()) {
            let (once, _) = clean_display_name(&name);
            prop_assert!(once.chars().count() <= NAME_CHARS_MAX);
            prop_assert!(once.chars().all(|c| !is_invisible(c)));
            let (twice, is_imitation) = clean_display_name(&once);
            prop_assert_eq!((&twice, is_imitation), (&once, false));
        }

        #[test]
        fn no_spelling_of_a_mark_survives(
            mark in prop::sample::select(vec!["VERIFIED", "NUMBEROK", "TRUSTED", "KNOWNSCAM", "FORGED", "SYNTHETIC", "UNPROVEN"]),
            glue in prop::collection::vec("[ ._*\u{200B}-]{0,2}", 10),
            upper in any::<u16>(),
            around in ("[a-z ]{0,6}", "[a-z ]{0,6}"),
        ) {
            let spelt: String = mark.chars().zip(&glue).enumerate().map(|(n, (letter, glue))| {
                let letter = if upper >> n & 1 == 1 { letter } else { letter.to_ascii_lowercase() };
                format!("{letter}{glue}")
            }).collect();
            let (cleaned, is_imitation) = clean_display_name(&format!("{}{spelt}{}", around.0, around.1));
            prop_assert!(is_imitation);
            let plain: String = cleaned.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase();
            prop_assert!(!plain.contains(mark), "{}", cleaned);
        }
    }
}
