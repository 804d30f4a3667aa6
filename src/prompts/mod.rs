//! What is said to callers, and to the people who answer: recordings by name, in the business's own words or in ours.
//!
//! Loaded once, into octets of both laws that every call shares. Knows no call and no policy; whoever wants something said
//! asks for it by its name. It reads files, and only when it is loaded.

mod embedded;
mod error;
pub mod limits;
mod wav;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

pub use embedded::{NAMES, purpose};
pub use error::{Problem, WavError};
pub use wav::{clip as clip_of_wav, fuzz_wav};

use crate::given_file;
use crate::media::Clip;
use limits::{FILE_OCTETS_MAX, FILES_MAX, NAME_CHARS_MAX};

/// `[prompts]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// A folder with one folder for each language; `None` = only the prompts in the binary.
    pub directory: Option<PathBuf>,
    /// The folder in it.
    pub language: String,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            directory: None,
            language: "en".into(),
        }
    }
}

/// Every recording there is, by name.
#[derive(Clone)]
pub struct Prompts {
    clips: BTreeMap<String, Arc<Clip>>,
}

impl Prompts {
    /// The English ones in the binary.
    pub fn embedded() -> Prompts {
        static EMBEDDED: LazyLock<Prompts> = LazyLock::new(|| {
            let clips = embedded::files().map(|(name, octets)| {
                let clip = wav::clip(octets).expect("the prompts in the tree are loaded by a test");
                (name.to_string(), Arc::new(clip))
            });
            Prompts {
                clips: clips.collect(),
            }
        });
        EMBEDDED.clone()
    }

    /// Nothing at all: for a gateway whose prompts were lost.
    pub fn none() -> Prompts {
        Prompts {
            clips: BTreeMap::new(),
        }
    }

    /// The business's own recordings, `NAME.wav` each, and ours for whatever it has not recorded. With everything that
    /// is wrong: a file that cannot be read or heard, and a name that we would have to say in English among recordings of
    /// another language.
    ///
    /// What is wrong ends no call: instead of a broken recording ours is said, and where there is none nothing.
    pub fn load(config: &Config) -> (Prompts, Vec<Problem>) {
        let mut prompts = Prompts::embedded();
        let Some(directory) = &config.directory else {
            return (prompts, Vec::new());
        };
        let folder = directory.join(&config.language);
        let mut problems = Vec::new();
        let mut own = Vec::new();
        for path in recordings(&folder, &mut problems) {
            match read(&path) {
                Ok((name, clip)) => {
                    own.push(name.clone());
                    prompts.clips.insert(name, Arc::new(clip));
                }
                Err(problem) => problems.push(problem),
            }
        }
        if config.language != "en" {
            let missing = NAMES
                .iter()
                .filter(|(name, _)| !own.iter().any(|own| own == name));
            problems.extend(missing.map(|(name, _)| Problem::InEnglish {
                path: folder.join(format!("{name}.wav")),
            }));
        }
        (prompts, problems)
    }

    /// The recording of this name.
    pub fn clip(&self, name: &str) -> Option<Arc<Clip>> {
        self.clips.get(name).cloned()
    }

    /// Every name, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.clips.keys().map(String::as_str)
    }
}

/// How many there are: their names may say what a business is afraid of.
impl fmt::Debug for Prompts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Prompts").field(&self.clips.len()).finish()
    }
}

/// Every name there would be, without hearing a recording: for checking a policy.
pub fn names(config: &Config) -> Vec<String> {
    let ours = NAMES.iter().map(|(name, _)| name.to_string());
    let folder = config
        .directory
        .as_ref()
        .map(|directory| directory.join(&config.language));
    let own = folder
        .map(|folder| recordings(&folder, &mut Vec::new()))
        .unwrap_or_default();
    let own = own.iter().filter_map(|path| path.file_stem()?.to_str());
    ours.chain(own.map(str::to_string)).collect()
}

/// The `.wav` files of a folder, in the order of their names.
fn recordings(folder: &Path, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let listed = match std::fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) => {
            problems.push(Problem::Folder {
                path: folder.into(),
                why: error,
            });
            return Vec::new();
        }
    };
    let mut paths: Vec<PathBuf> = listed
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wav"))
        .take(FILES_MAX + 1)
        .collect();
    paths.sort();
    if paths.len() > FILES_MAX {
        paths.truncate(FILES_MAX);
        problems.push(Problem::TooMany { path: folder.into() });
    }
    paths
}

fn read(path: &Path) -> Result<(String, Clip), Problem> {
    let name = path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    if !is_name(name) {
        return Err(Problem::Name { path: path.into() });
    }
    let octets = given_file::read(path, FILE_OCTETS_MAX).map_err(|why| Problem::File {
        path: path.into(),
        why,
    })?;
    let clip = wav::clip(&octets).map_err(|why| Problem::Wav {
        path: path.into(),
        why,
    })?;
    Ok((name.to_string(), clip))
}

/// Letters, digits and hyphens: what a policy can name.
pub fn is_name(name: &str) -> bool {
    (1..=NAME_CHARS_MAX).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sdp::Codec;

    #[test]
    fn every_prompt_of_ours_is_there_and_says_something_short() {
        let prompts = Prompts::embedded();
        for (name, purpose) in NAMES {
            let clip = prompts.clip(name).expect(name);
            let longest = if *name == "hold" { 6 } else { 7 };
            assert!(
                clip.duration() >= Duration::from_millis(500)
                    && clip.duration() <= Duration::from_secs(longest),
                "{name}: {:?}",
                clip.duration()
            );
            assert!(is_name(name) && purpose.ends_with('.'), "{name}");
            let table = crate::g711::Law::Mu.table();
            let peak = clip
                .octets(Codec::Pcmu)
                .iter()
                .map(|octet| table[usize::from(*octet)].unsigned_abs())
                .max();
            assert!(peak > Some(3000), "{name} can be heard: {peak:?}");
        }
        assert_eq!(prompts.names().count(), NAMES.len());
    }

    #[test]
    fn no_whisper_keeps_a_caller_waiting() {
        let prompts = Prompts::embedded();
        for name in NAMES
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| name.starts_with("whisper-"))
        {
            let clip = prompts.clip(name).expect(name);
            assert!(
                clip.duration() < Duration::from_millis(2500),
                "{name}: {:?}",
                clip.duration()
            );
        }
    }

    /// A folder of this test, and gone with it.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Folder {
            static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
            let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let name = format!("ringward-prompts-{}-{count}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&path).unwrap();
            Folder(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn write(folder: &Path, name: &str, octets: &[u8]) {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join(name), octets).unwrap();
    }

    #[test]
    fn a_business_says_it_in_its_own_words_and_what_is_broken_is_said_with_its_file() {
        let folder = Folder::new();
        let german = folder.0.as_path().join("de");
        let own = wav::tests::wav(1, 16, &[0x22; 16_000]);
        write(&german, "screen.wav", &own);
        write(&german, "closed.wav", &own);
        write(&german, "wait.wav", b"RIFF");
        write(&german, "Not a name.wav", &own);
        write(&german, "readme.txt", b"");
        let config = Config {
            directory: Some(folder.0.as_path().into()),
            language: "de".into(),
        };
        let (prompts, problems) = Prompts::load(&config);
        assert_eq!(prompts.clip("screen").unwrap().duration(), Duration::from_secs(1));
        assert!(prompts.clip("closed").is_some());
        let ours = Prompts::embedded().clip("wait").unwrap().duration();
        assert_eq!(
            prompts.clip("wait").unwrap().duration(),
            ours,
            "instead of the broken one"
        );
        let said: Vec<String> = problems.iter().map(Problem::to_string).collect();
        let is_said =
            |file: &str, word: &str| said.iter().any(|line| line.contains(file) && line.contains(word));
        assert!(is_said("de/wait.wav", "RIFF"), "{said:?}");
        assert!(is_said("Not a name.wav", "letters"), "{said:?}");
        assert!(is_said("de/challenge.wav", "English"), "{said:?}");
        assert_eq!(problems.len(), 2 + NAMES.len() - 1, "{said:?}");
    }

    #[test]
    fn a_folder_that_is_not_there_is_said_and_ours_are_used() {
        let folder = Folder::new();
        let config = Config {
            directory: Some(folder.0.as_path().into()),
            ..Config::default()
        };
        let (prompts, problems) = Prompts::load(&config);
        assert!(matches!(&problems[..], [Problem::Folder { .. }]), "{problems:?}");
        assert!(prompts.clip("screen").is_some());
        assert_eq!(Prompts::load(&Config::default()).1.len(), 0);
        assert_eq!(format!("{:?}", Prompts::none()), "Prompts(0)");
    }
}
