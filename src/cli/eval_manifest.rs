//! The list of recordings that an evaluation hears: a table of comma-separated values (RFC 4180) with a head.

use std::path::{Path, PathBuf};

use crate::given_file::{self, Unreadable};

/// Octets of a list. A longer one is refused.
const LIST_OCTETS_MAX: u64 = 64 * 1024 * 1024;

/// Recordings of a list. A longer one is refused.
const RECORDINGS_MAX: usize = 500_000;

/// Fields of a row. A wider one is refused.
const FIELDS_MAX: usize = 256;

/// One recording and what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    pub path: PathBuf,
    pub is_real: bool,
    /// Whose recordings weigh together: the source of a real one, the engine of a synthetic one.
    pub group: String,
}

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NotAList {
    #[error("cannot be used: {0}")]
    Unreadable(#[from] Unreadable),
    #[error("line {line}: more than {FIELDS_MAX} fields")]
    Wide { line: usize },
    #[error("line {line}: a quoted field does not end")]
    OpenQuote { line: usize },
    #[error("the head has no column {0:?}: want path, label and source (engine_or_speaker, split)")]
    NoColumn(&'static str),
    #[error("line {line}: label {label:?} is neither real nor synthetic")]
    OtherLabel { line: usize, label: String },
    #[error("line {line}: fewer fields than the head")]
    Short { line: usize },
    #[error("more than {RECORDINGS_MAX} recordings")]
    TooMany,
    #[error("no recording of the split {0:?}")]
    NoneOfSplit(String),
    #[error("wants recordings of both kinds, real and synthetic")]
    OneKind,
}

/// The recordings of a list, those of `split` only when one is named; paths are taken from `folder`.
pub fn read(list: &Path, folder: &Path, split: Option<&str>) -> Result<Vec<Listed>, NotAList> {
    let text = given_file::read_text(list, LIST_OCTETS_MAX)?;
    parse(&text, folder, split)
}

fn parse(text: &str, folder: &Path, split: Option<&str>) -> Result<Vec<Listed>, NotAList> {
    let mut rows = Rows {
        rest: text.strip_prefix('\u{feff}').unwrap_or(text),
        line: 0,
    };
    let head = rows.next().unwrap_or_else(|| Ok((1, Vec::new())))?.1;
    let column = |names: &[&str]| {
        head.iter()
            .position(|field| names.contains(&field.trim().to_ascii_lowercase().as_str()))
    };
    let path = column(&["path", "file"]).ok_or(NotAList::NoColumn("path"))?;
    let label = column(&["label"]).ok_or(NotAList::NoColumn("label"))?;
    let source = column(&["source"]).ok_or(NotAList::NoColumn("source"))?;
    let engine = column(&["engine_or_speaker", "engine"]);
    let split_at = column(&["split"]);
    if split.is_some() && split_at.is_none() {
        return Err(NotAList::NoColumn("split"));
    }
    let mut listed = Vec::new();
    for row in rows {
        let (line, fields) = row?;
        if fields.len() == 1 && fields[0].trim().is_empty() {
            continue;
        }
        let field = |at: usize| fields.get(at).map(String::as_str).ok_or(NotAList::Short { line });
        if let (Some(wanted), Some(at)) = (split, split_at)
            && field(at)? != wanted
        {
            continue;
        }
        let is_real = match field(label)?.trim().to_ascii_lowercase().as_str() {
            "real" | "bona_fide" | "bonafide" | "human" => true,
            "synthetic" | "spoof" | "fake" => false,
            _ => {
                let label = field(label)?.chars().take(40).collect();
                return Err(NotAList::OtherLabel { line, label });
            }
        };
        let group = match engine {
            Some(engine) if !is_real && !field(engine)?.trim().is_empty() => field(engine)?,
            _ => field(source)?,
        };
        if listed.len() >= RECORDINGS_MAX {
            return Err(NotAList::TooMany);
        }
        listed.push(Listed {
            path: folder.join(field(path)?),
            is_real,
            group: group.trim().to_owned(),
        });
    }
    if let (Some(split), true) = (split, listed.is_empty()) {
        return Err(NotAList::NoneOfSplit(split.chars().take(40).collect()));
    }
    let real = listed.iter().filter(|one| one.is_real).count();
    if real == 0 || real == listed.len() {
        return Err(NotAList::OneKind);
    }
    Ok(listed)
}

/// The rows of a table, each with the number of its first line.
struct Rows<'t> {
    rest: &'t str,
    line: usize,
}

impl Iterator for Rows<'_> {
    type Item = Result<(usize, Vec<String>), NotAList>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        self.line += 1;
        let first_line = self.line;
        let (mut fields, mut field, mut is_quoted) = (Vec::new(), String::new(), false);
        let mut characters = self.rest.char_indices().peekable();
        let mut end = self.rest.len();
        while let Some((at, c)) = characters.next() {
            match c {
                '"' if is_quoted && characters.peek().is_some_and(|(_, next)| *next == '"') => {
                    characters.next();
                    field.push('"');
                }
                '"' => is_quoted = !is_quoted,
                ',' if !is_quoted && fields.len() + 1 >= FIELDS_MAX => {
                    self.rest = "";
                    return Some(Err(NotAList::Wide { line: first_line }));
                }
                ',' if !is_quoted => fields.push(std::mem::take(&mut field)),
                '\n' if !is_quoted => {
                    end = at + 1;
                    break;
                }
                '\r' if !is_quoted => {}
                c => {
                    self.line += usize::from(c == '\n');
                    field.push(c);
                }
            }
        }
        self.rest = &self.rest[end..];
        if is_quoted {
            self.rest = "";
            return Some(Err(NotAList::OpenQuote { line: first_line }));
        }
        fields.push(field);
        Some(Ok((first_line, fields)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "path,label,source,engine_or_speaker,notes,split\n\
        a.flac,real,ami,spk1,\"two, \"\"quoted\"\"\nlines\",dev\r\n\
        b.flac,synthetic,page,vits,,dev\n\
        c.flac,synthetic,page,,,train\n";

    #[test]
    fn a_list_reads_with_quotes_and_splits() {
        let all = parse(LIST, Path::new("data"), None).expect("reads");
        let groups: Vec<&str> = all.iter().map(|one| one.group.as_str()).collect();
        assert_eq!(groups, ["ami", "vits", "page"]);
        assert_eq!(all[1].path, Path::new("data/b.flac"));
        assert_eq!(parse(LIST, Path::new(""), Some("dev")).expect("reads").len(), 2);
    }

    fn check(text: &str, split: Option<&str>, expected: &str) {
        let error = parse(text, Path::new(""), split).expect_err("faulty").to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        check("", None, "no column \"path\"");
        check("path,label,source\na,maybe,s\n", None, "line 2: label \"maybe\"");
        check("path,label,source\na,real\n", None, "line 2: fewer fields");
        check("path,label,source\n\"a,real,s\n", None, "line 2: a quoted field");
        check("path,label,source\na,real,s\n", None, "both kinds");
        let without = "path,label,source\na,real,s\nb,fake,s\n";
        check(without, Some("dev"), "no column \"split\"");
        check(&",".repeat(FIELDS_MAX), None, "line 1: more than 256 fields");
        check(LIST, Some("test"), "no recording of the split \"test\"");
    }
}
