//! Comma-separated values (RFC 4180): rows with the lines they begin on, and cells that spreadsheets do not run.

/// One row: the line it begins on, from 1, and its cells.
pub(super) type Row = (usize, Vec<String>);

/// All rows that hold anything. LF and CRLF end a row; quoted cells may hold both.
///
/// # Errors
///
/// Line and words of the first thing that is no CSV.
pub(super) fn rows(text: &str) -> Result<Vec<Row>, (usize, &'static str)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut rows = Vec::new();
    let (mut line, mut begun) = (1, 1);
    let mut row: Vec<String> = Vec::new();
    let mut cell = String::new();
    let mut is_quoted = false;
    let mut signs = text.chars().peekable();
    let mut end = |row: &mut Vec<String>, cell: &mut String, begun: usize| {
        row.push(std::mem::take(cell));
        let row = std::mem::take(row);
        if row.iter().any(|cell| !cell.trim().is_empty()) {
            rows.push((begun, row));
        }
    };
    while let Some(sign) = signs.next() {
        match sign {
            '"' if is_quoted || !cell.is_empty() => {
                return Err((line, "a quotation mark inside a cell that is not quoted"));
            }
            '"' => {
                let opened = line;
                loop {
                    match signs.next() {
                        Some('"') if signs.next_if_eq(&'"').is_some() => cell.push('"'),
                        Some('"') => break,
                        Some(sign) => {
                            line += usize::from(sign == '\n');
                            cell.push(sign);
                        }
                        None => return Err((opened, "a quoted cell that does not end")),
                    }
                }
                is_quoted = true;
            }
            ',' => {
                row.push(std::mem::take(&mut cell));
                is_quoted = false;
            }
            '\r' if signs.peek() == Some(&'\n') => {}
            '\n' => {
                end(&mut row, &mut cell, begun);
                is_quoted = false;
                line += 1;
                begun = line;
            }
            _ if is_quoted => return Err((line, "something behind a quoted cell")),
            sign => cell.push(sign),
        }
    }
    end(&mut row, &mut cell, begun);
    Ok(rows)
}

/// Cells into one line, quoted where they have to be.
pub(super) fn line(cells: &[String]) -> String {
    let mut line = String::new();
    for (place, cell) in cells.iter().enumerate() {
        if place > 0 {
            line.push(',');
        }
        if cell.contains(['"', ',', '\r', '\n']) || cell.starts_with('\u{feff}') {
            line.push('"');
            line.push_str(&cell.replace('"', "\"\""));
            line.push('"');
        } else {
            line.push_str(cell);
        }
    }
    line.push_str("\r\n");
    line
}

/// Words of people as a cell: what a spreadsheet would take for a formula gets a `'` in front.
pub(super) fn inert(text: &str) -> String {
    match is_live(text) {
        true => format!("'{text}"),
        false => text.to_string(),
    }
}

/// The other way about.
pub(super) fn alive(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(text) if is_live(text) => text,
        _ => cell,
    }
}

fn is_live(text: &str) -> bool {
    text.trim_start_matches('\'')
        .starts_with(['=', '+', '-', '@', '\t', '\r'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rows_are_told_with_the_lines_they_begin_on() {
        let text = "\u{feff}number,reason\r\n+1,\"one, \"\"two\"\"\nthree\"\n\n , \n+2,x";
        let expected = [
            (1, vec!["number", "reason"]),
            (2, vec!["+1", "one, \"two\"\nthree"]),
            (6, vec!["+2", "x"]),
        ];
        let expected: Vec<Row> = expected
            .into_iter()
            .map(|(line, cells)| (line, cells.into_iter().map(str::to_string).collect()))
            .collect();
        assert_eq!(rows(text).unwrap(), expected);
    }

    #[test]
    fn what_is_no_csv_is_told_with_its_line() {
        for (text, line) in [("a\nb\"c", 2), ("a,\"b\nc", 1), ("\"a\"b", 1), ("\"a\"\"", 1)] {
            assert_eq!(rows(text).unwrap_err().0, line, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(cells in prop::collection::vec("[a'=+@,\"\n\r é-]{0,8}", 1..5)) {
            let written: Vec<String> = cells.iter().map(|cell| inert(cell)).collect();
            let text = line(&written);
            let read = rows(&text).unwrap();
            if written.iter().all(|cell| cell.trim().is_empty()) {
                prop_assert!(read.is_empty());
            } else {
                let read: Vec<&str> = read[0].1.iter().map(|cell| alive(cell)).collect();
                prop_assert_eq!(read, cells.iter().map(String::as_str).collect::<Vec<_>>());
            }
            for cell in &written {
                prop_assert!(!cell.starts_with(['=', '+', '-', '@']));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            let _ = rows(&text);
        }
    }
}
