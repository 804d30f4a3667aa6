//! Text that a stranger wrote and a person will read: what could change how it is read is taken out.

/// At most `chars_max` characters of `text`: control characters, line ends, marks that turn the direction of writing,
/// and characters that nobody sees are gone; white space is single; no letter carries more than two marks. Signed text
/// is still a stranger's text: the signature says who wrote it, not that it is harmless.
pub(crate) fn text(text: &str, chars_max: usize) -> String {
    let mut clean = String::new();
    let (mut count, mut marks) = (0, 0);
    let mut is_gap = false;
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() {
            is_gap = true;
            continue;
        }
        if is_unseen(c) {
            continue;
        }
        marks = if is_mark(c) { marks + 1 } else { 0 };
        if marks > 2 {
            continue;
        }
        let needed = 1 + usize::from(is_gap && count > 0);
        if count + needed > chars_max {
            break;
        }
        if needed == 2 {
            clean.push(' ');
        }
        clean.push(c);
        count += needed;
        is_gap = false;
    }
    clean
}

/// Without a glyph of its own: direction marks, overrides and isolates (the trick that makes `gpj.exe` of `exe.jpg`),
/// joiners, fillers, tags, variation selectors, and what no font may have.
fn is_unseen(c: char) -> bool {
    matches!(
        u32::from(c),
        0x00ad
            | 0x034f
            | 0x061c
            | 0x115f..=0x1160
            | 0x17b4..=0x17b5
            | 0x180b..=0x180f
            | 0x200b..=0x200f
            | 0x202a..=0x202e
            | 0x2060..=0x206f
            | 0x3164
            | 0xe000..=0xf8ff
            | 0xfe00..=0xfe0f
            | 0xfeff
            | 0xffa0
            | 0xfff0..=0xffff
            | 0x1bca0..=0x1bca3
            | 0x1d173..=0x1d17a
            | 0xe0000..=0x10ffff
    )
}

/// Combining marks of the common blocks.
fn is_mark(c: char) -> bool {
    matches!(
        u32::from(c),
        0x0300..=0x036f | 0x0483..=0x0489 | 0x1ab0..=0x1aff | 0x1dc0..=0x1dff | 0x20d0..=0x20ff | 0xfe20..=0xfe2f
    )
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn r_02_what_changes_how_a_text_is_read_is_taken_out() {
        for (written, read) in [
            ("Acme Dental", "Acme Dental"),
            ("  Acme \t\r\n Dental\u{0}\u{7f} ", "Acme Dental"),
            ("Your\u{2028}bank\u{85}calls", "Your bank calls"),
            ("\u{202e}knaB\u{202c} of\u{2066} x\u{2069}", "knaB of x"),
            ("A\u{200b}c\u{ad}m\u{feff}e\u{e0041}", "Acme"),
            ("\u{1b}[31mred", "[31mred"),
            ("Z\u{300}\u{301}\u{302}\u{303}algo", "Z\u{300}\u{301}algo"),
            ("Åse Ødegård, 東京 ✓", "Åse Ødegård, 東京 ✓"),
            ("\u{202e}\u{200f} \n", ""),
            ("", ""),
        ] {
            assert_eq!(text(written, 64), read, "{written:?}");
        }
    }

    #[test]
    fn r_02_a_text_is_cut_at_its_bound() {
        assert_eq!(text(&"x".repeat(64), 64), "x".repeat(64));
        assert_eq!(text(&"x".repeat(65), 64), "x".repeat(64));
        assert_eq!(text("ab cd", 3), "ab");
        assert_eq!(text("ab cd", 4), "ab c");
        assert_eq!(text(&"é".repeat(100), 64).chars().count(), 64);
        assert_eq!(text("abc", 0), "");
    }
}
