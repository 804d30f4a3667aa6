//! `secsipidx`, the command: given one Identity value and the URL of its `info`, it fetches the certificate and checks.

use std::path::PathBuf;

use crate::matrix::{Answer, Case, Scene, list_file};

use super::{command, printed};

pub struct Secsipidx {
    folder: PathBuf,
}

impl Secsipidx {
    pub fn new(folder: PathBuf) -> Secsipidx {
        Secsipidx { folder }
    }

    pub fn version() -> String {
        let said = printed("secsipidx", &["-version"]);
        let line = said.lines().map(str::trim).find(|line| !line.is_empty());
        line.unwrap_or("secsipidx").to_string()
    }

    pub fn ask(&self, case: &Case, scene: &Scene) -> anyhow::Result<Answer> {
        if case.is_about_message {
            return Ok(Answer::NotShown("sees one Identity value"));
        }
        let Some(identity) = scene.invite.identity() else {
            return Ok(Answer::NotShown("no Identity value"));
        };
        let Some(url) = info_of(identity) else {
            return Ok(Answer::NotShown("no address to give it"));
        };
        let file = self.folder.join("identity.txt");
        std::fs::write(&file, identity)?;
        let path = |name: &str| self.folder.join(name).display().to_string();
        let output = command("secsipidx", &self.folder.join("web.pem"))
            .args([
                "-check",
                "-fidentity",
                &file.display().to_string(),
                "-fpubkey",
                url,
            ])
            .args(["-expire", "60", "-timeout", "2"])
            .args(["-cert-verify", CERT_VERIFY, "-ca-file", &path("anchors.pem")])
            .args(["-crl-file", &path(list_file(scene.lists))])
            .output()?;
        if output.status.success() {
            return Ok(Answer::Accepts(String::new()));
        }
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        if said.contains("panic:") {
            return Ok(Answer::Broken("ends in a panic".into()));
        }
        Ok(Answer::Refuses(message_in(&said)))
    }
}

/// The bits of certificate verification: dates (1), our anchors (4), revocation list (16).
pub const CERT_VERIFY: &str = "21";

/// What stands in `info=<...>`: the command wants the address beside the value.
fn info_of(identity: &str) -> Option<&str> {
    let at = identity.to_ascii_lowercase().find(";info=<")? + ";info=<".len();
    let length = identity[at..].find('>')?;
    Some(&identity[at..at + length])
}

/// What it says for people, cut short: `error message: ...`, without the origid and the URL that it repeats.
fn message_in(said: &str) -> String {
    let line = said
        .lines()
        .find_map(|line| line.trim().strip_prefix("error message: "));
    let line = line.unwrap_or("no reason given");
    let line = match line.rsplit_once(") ") {
        Some((_, rest)) if line.contains("origid") => rest,
        _ => line,
    };
    let line = match line.split_once("Get \"") {
        Some((what, rest)) => format!("{what}{}", rest.split_once("\": ").map_or("", |(_, why)| why)),
        None => line.to_string(),
    };
    let cut: String = line.chars().take(WORDS_CHARS_MAX).collect();
    cut.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "/")
}

/// Enough to know which check it was.
const WORDS_CHARS_MAX: usize = 48;
