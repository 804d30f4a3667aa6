//! `[prompts]`: the business's own recordings; and `whisper` of a queue.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::call::Whisper;
use crate::document::{Section, shown};
use crate::prompts::{Config, is_name};
use crate::queue;

pub(super) fn read(root: &Section<'_, '_>, folder: &Path, config: &mut Config) {
    let Some(section) = root.section("prompts") else {
        return;
    };
    section.only(&["directory", "language"]);
    if let Some(directory) = section.required_string_if_present("directory") {
        let path = folder.join(directory.get);
        if !path.is_dir() {
            let message = format!("there is no folder {}", path.display());
            section.fault(directory.at, message, None);
        }
        config.directory = Some(path);
    }
    if let Some(language) = section.required_string_if_present("language") {
        if !is_name(&language.get.to_ascii_lowercase()) {
            let message = format!(
                "language is {:?}; expected the name of a folder such as \"en\"",
                shown(language.get)
            );
            section.fault(language.at, message, None);
        } else {
            config.language = language.get.into();
        }
    }
}

/// By queue name; a queue that says nothing of it is left out.
pub(super) fn read_queues(root: &Section<'_, '_>, queues: &[queue::Config]) -> BTreeMap<String, Whisper> {
    let choices = [
        ("all", Whisper::All),
        ("warnings", Whisper::Warnings),
        ("off", Whisper::Off),
    ];
    let sections = root.sections("queue");
    let own = sections.iter().zip(queues).filter_map(|(section, queue)| {
        let whisper = section.choice("whisper", &choices)?;
        Some((queue.name.clone(), whisper))
    });
    own.collect()
}

/// The queues that say `hold_music = false`.
pub(super) fn read_silent_holds(root: &Section<'_, '_>, queues: &[queue::Config]) -> BTreeSet<String> {
    let sections = root.sections("queue");
    let silent = sections.iter().zip(queues).filter_map(|(section, queue)| {
        let is_silent = section.boolean("hold_music") == Some(false);
        is_silent.then(|| queue.name.clone())
    });
    silent.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_ours_unless_a_folder_is_named() {
        let config = crate::config::Config::parse("x.toml", "").unwrap();
        assert_eq!(config.prompts, Config::default());
        let faults = crate::config::Config::parse(
            "x.toml",
            "[prompts]\ndirectory = \"no-such\"\nlanguage = \"../de\"\n",
        );
        let said: Vec<String> = faults.unwrap_err().iter().map(ToString::to_string).collect();
        assert!(
            said[0].contains("there is no folder") && said[0].contains("no-such"),
            "{said:?}"
        );
        assert!(said[1].contains("expected the name of a folder"), "{said:?}");
    }

    #[test]
    fn each_queue_says_what_its_people_are_told_first() {
        let text = "[[queue]]\nname = \"a\"\nnumbers = [\"1\"]\ntargets = [\"sip:a@10.0.0.5\"]\nwhisper = \"warnings\"\n\
                    [[queue]]\nname = \"b\"\nnumbers = [\"2\"]\ntargets = [\"sip:b@10.0.0.5\"]\n";
        let config = crate::config::Config::parse("x.toml", text).unwrap();
        assert_eq!(config.whispers.get("a"), Some(&Whisper::Warnings));
        assert_eq!(config.whispers.get("b"), None);
        assert!(crate::config::Config::parse("x.toml", &text.replace("warnings", "loud")).is_err());
    }
}
