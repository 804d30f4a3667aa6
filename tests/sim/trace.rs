//! What happened, line by line, for the one run that is looked at: off unless a day is run again.

use std::cell::RefCell;

/// The last lines say why a run failed; more would only be memory.
const LINES_MAX: usize = 400_000;

thread_local! {
    static LINES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

pub fn start() {
    LINES.with(|lines| *lines.borrow_mut() = Some(Vec::new()));
}

pub fn finish() -> Vec<String> {
    LINES.with(|lines| lines.borrow_mut().take()).unwrap_or_default()
}

/// The words are only put together when somebody reads them.
pub fn note(at_us: u64, line: impl FnOnce() -> String) {
    LINES.with(|lines| {
        if let Some(lines) = lines.borrow_mut().as_mut()
            && lines.len() < LINES_MAX
        {
            lines.push(format!("{:12.6} {}", at_us as f64 / 1e6, line()));
        }
    });
}
