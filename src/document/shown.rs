//! What came from a file, in the words of a message: cut short, as a list of names, or the name that was probably meant.

/// Something that came from the file, short enough to repeat in a message.
pub(crate) fn shown(text: &str) -> String {
    cut(text, 60)
}

/// A path that came from the file, whole unless no file could have it: two paths mostly differ at their ends, so a
/// short form would not say which file is meant.
pub(crate) fn shown_path(text: &str) -> String {
    cut(text, 1_024)
}

fn cut(text: &str, chars_max: usize) -> String {
    let mut short: String = text.chars().take(chars_max).collect();
    if text.chars().count() > chars_max {
        short.push('…');
    }
    short
}

/// `"a", "b" or "c"`.
pub(crate) fn one_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("{name:?}")).collect();
    match names.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

/// The name nearest to `wrong`, if it is near enough to be what was meant: a third of its letters may differ.
pub(crate) fn closest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    const LONGEST: usize = 64;
    let wrong: Vec<char> = wrong
        .chars()
        .take(LONGEST)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    names
        .map(|name| {
            let letters: Vec<char> = name.chars().map(|c| c.to_ascii_lowercase()).collect();
            (distance(&wrong, &letters), name)
        })
        .filter(|(distance, name)| *distance <= (name.chars().count().max(wrong.len()) / 3).max(1))
        .min()
        .map(|(_, name)| name.to_string())
}

/// Edits (insert, delete, replace, swap neighbours) from one to the other.
fn distance(from: &[char], to: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for (row, a) in from.iter().enumerate() {
        let mut line = vec![row + 1];
        for (column, b) in to.iter().enumerate() {
            let mut best = (above[column] + usize::from(a != b))
                .min(above[column + 1] + 1)
                .min(line[column] + 1);
            let is_swap = row > 0 && column > 0 && *a == to[column - 1] && from[row - 1] == *b;
            if is_swap {
                best = best.min(before[column - 1] + 1);
            }
            line.push(best);
        }
        before = std::mem::replace(&mut above, line);
    }
    above[to.len()]
}
