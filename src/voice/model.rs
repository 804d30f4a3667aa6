//! A trained countermeasure: its networks with their `manifest.json`, checked, and turned into shared plans.

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use super::card::{Card, EVALUATION_FILE, FIGURES_FILE};
use super::error::ModelError;
use super::evidence::Rules;
use super::front;
use super::limits::{CARD_BYTES_MAX, MANIFEST_BYTES_MAX, MODEL_BYTES_MAX};
use super::manifest::{MANIFEST_FILE, Manifest, SECOND_FILE, TRUNK_FILE};
use super::operators;
use super::second::{Excerpt, Second, SecondBench, SecondScore};
use super::signature::{SIGNATURE_BYTES_MAX, SIGNATURE_FILE, Signers};
use super::streaming;

/// A loaded model: shared plans, immutable, `Send + Sync`. Loading takes a tenth of a second; do it once.
pub struct Model {
    pub(crate) network: streaming::Network,
    pub(crate) second: Option<Second>,
    pub(crate) front: Arc<front::Plan>,
    pub(crate) rules: Rules,
    revision: String,
    /// Or why it has none.
    card: Result<Card, String>,
}

/// The files of a model, by name.
type Files<'a> = dyn Fn(&str) -> Result<Vec<u8>, ModelError> + 'a;

impl Model {
    /// The model embedded in the binary.
    ///
    /// # Errors
    ///
    /// Only if the binary was built from a broken `models/default`.
    pub fn embedded() -> Result<Model, ModelError> {
        Model::from_files(&|name| match name {
            MANIFEST_FILE => Ok(include_bytes!("../../models/default/manifest.json").to_vec()),
            TRUNK_FILE => Ok(include_bytes!("../../models/default/trunk.onnx").to_vec()),
            SECOND_FILE => Ok(include_bytes!("../../models/default/second.onnx").to_vec()),
            EVALUATION_FILE => Ok(include_bytes!("../../models/default/evaluation.json").to_vec()),
            FIGURES_FILE => Ok(include_bytes!("../../models/default/figures.json").to_vec()),
            _ => Err(ModelError::new(name, "not embedded")),
        })
    }

    /// The model in a folder with a manifest and the files it names.
    ///
    /// # Errors
    ///
    /// Names the file and what is wrong: absent, too large, another hash than the manifest's, not ONNX, an operator
    /// that no model of ours needs, another shape than the contract's, a signature that `signers` do not take.
    pub fn load(folder: &Path, signers: &Signers) -> Result<Model, ModelError> {
        let files = |name: &str| {
            let most = match name {
                MANIFEST_FILE => MANIFEST_BYTES_MAX,
                SIGNATURE_FILE => SIGNATURE_BYTES_MAX,
                EVALUATION_FILE | FIGURES_FILE => CARD_BYTES_MAX,
                _ => MODEL_BYTES_MAX,
            };
            read(folder, name, most)
        };
        let load = || {
            let manifest = files(MANIFEST_FILE)?;
            let signature = match folder.join(SIGNATURE_FILE).exists() {
                true => Some(files(SIGNATURE_FILE)?),
                false => None,
            };
            signers.check(&manifest, signature.as_deref())?;
            Model::from_manifest(&manifest, &files)
        };
        load().map_err(|error| error.inside(folder))
    }

    /// The model that a configuration or a command names: `default` is the embedded one unless there is a
    /// `models/default` here to override it; any other word is a folder in `models/`; with a separator it is a path.
    ///
    /// # Errors
    ///
    /// As [`Model::load`].
    pub fn find(name: &str, signers: &Signers) -> Result<Model, ModelError> {
        if name.contains(std::path::is_separator) {
            return Model::load(Path::new(name), signers);
        }
        let folder = Path::new("models").join(name);
        if name == "default" && !folder.join(MANIFEST_FILE).exists() {
            return Model::embedded();
        }
        Model::load(&folder, signers)
    }

    /// e.g. `default@1f3a9c02` (name and start of the manifest's hash, which covers every file): goes into every record.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// What its maker measured.
    ///
    /// # Errors
    ///
    /// Why that is not known, in words for people.
    pub fn card(&self) -> Result<&Card, &str> {
        self.card.as_ref().map_err(String::as_str)
    }

    /// Whether this model can give a second opinion.
    pub fn has_second(&self) -> bool {
        self.second.is_some()
    }

    /// Room for second opinions; `None` when the model gives none.
    pub fn second_bench(&self) -> Option<SecondBench> {
        self.second.as_ref().map(Second::bench)
    }

    /// The second opinion on an excerpt; `None` when it holds no speech, or the network fails on it.
    pub fn second_opinion(&self, excerpt: &Excerpt, bench: &mut SecondBench) -> Option<SecondScore> {
        self.second.as_ref()?.score(excerpt, bench)
    }

    fn from_files(files: &Files<'_>) -> Result<Model, ModelError> {
        Model::from_manifest(&files(MANIFEST_FILE)?, files)
    }

    fn from_manifest(manifest: &[u8], files: &Files<'_>) -> Result<Model, ModelError> {
        Model::of(&Manifest::parse(manifest)?, &hex(manifest), files)
    }

    fn of(manifest: &Manifest, hash: &str, files: &Files<'_>) -> Result<Model, ModelError> {
        let onnx = checked(files, TRUNK_FILE, &manifest.trunk.sha256)?;
        let network = guarded(TRUNK_FILE, || streaming::Network::load(manifest, &onnx))?;
        let second = match &manifest.second {
            None => None,
            Some(second) => {
                let onnx = checked(files, SECOND_FILE, &second.sha256)?;
                Some(guarded(SECOND_FILE, || Second::load(&onnx))?)
            }
        };
        Ok(Model {
            network,
            second,
            front: Arc::new(front::Plan::new()),
            rules: Rules {
                calibration: manifest.calibration.first,
                decision: manifest.decision.first,
                both: manifest.calibration.both.zip(manifest.decision.both),
            },
            revision: format!("{}@{}", manifest.name, &hash[..8]),
            card: Card::read(manifest, files).map_err(|error| error.to_string()),
        })
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Model({})", self.revision)
    }
}

/// A network file whose hash is the manifest's and that holds nothing but operators we know.
fn checked(files: &Files<'_>, name: &str, sha256: &str) -> Result<Vec<u8>, ModelError> {
    let onnx = files(name)?;
    let hash = hex(&onnx);
    if hash != sha256 {
        let problem = format!(
            "its SHA-256 starts {}, the manifest's {}",
            &hash[..8],
            &sha256[..8]
        );
        return Err(ModelError::new(name, problem));
    }
    guarded(name, || operators::check(name, &onnx))?;
    Ok(onnx)
}

pub(crate) fn hex(octets: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, octets);
    let octets = digest.as_ref().iter();
    octets.map(|octet| format!("{octet:02x}")).collect()
}

/// The reader and the optimiser are not ours, and a model file may come from anywhere.
fn guarded<T>(name: &str, work: impl FnOnce() -> Result<T, ModelError>) -> Result<T, ModelError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(ModelError::new(name, "the ONNX reader gave up on it")))
}

fn read(folder: &Path, name: &str, most: u64) -> Result<Vec<u8>, ModelError> {
    let file = folder.join(name).display().to_string();
    let opened = std::fs::File::open(folder.join(name))
        .map_err(|error| ModelError::new(&file, crate::given_file::in_words(&error)))?;
    let mut octets = Vec::new();
    opened
        .take(most + 1)
        .read_to_end(&mut octets)
        .map_err(|error| ModelError::new(&file, error))?;
    if octets.len() as u64 > most {
        return Err(ModelError::new(&file, format_args!("larger than {most} octets")));
    }
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiny(name: &str) -> Result<Vec<u8>, ModelError> {
        Ok(match name {
            MANIFEST_FILE => include_bytes!("fixtures/tiny/manifest.json").to_vec(),
            TRUNK_FILE => include_bytes!("fixtures/tiny/trunk.onnx").to_vec(),
            SECOND_FILE => include_bytes!("fixtures/tiny/second.onnx").to_vec(),
            _ => return Err(ModelError::new(name, "no such file")),
        })
    }

    impl Model {
        /// A model of format 2 that is small enough for tests: random weights (`fixtures/make.py`).
        pub(crate) fn tiny() -> Model {
            Model::from_files(&tiny).expect("the fixture loads")
        }
    }

    fn hash_of(onnx: &[u8]) -> serde_json::Value {
        hex(onnx).into()
    }

    /// What is said of the tiny model with other octets in one of its files, the manifest's hashes following.
    fn problem(file: &str, onnx: &[u8]) -> String {
        let mut manifest: serde_json::Value =
            serde_json::from_slice(&tiny(MANIFEST_FILE).expect("there")).expect("ours");
        let part = file.trim_end_matches(".onnx");
        manifest[part]["sha256"] = hash_of(onnx);
        let manifest = manifest.to_string().into_bytes();
        let text = Model::from_files(&|name| match name {
            MANIFEST_FILE => Ok(manifest.clone()),
            _ if name == file => Ok(onnx.to_vec()),
            _ => tiny(name),
        })
        .expect_err("a bad model")
        .to_string();
        assert!(text.len() < 500 && text.starts_with(file), "{text}");
        text
    }

    #[test]
    fn the_embedded_model_loads_and_names_its_revision() {
        let model = Model::embedded().expect("embedded");
        assert_eq!(model.revision().split('@').next(), Some("default"));
        assert_eq!(model.revision().len(), "default@".len() + 8);
    }

    #[test]
    fn another_hash_than_the_manifests_is_refused() {
        let error = Model::from_files(&|name| match name {
            TRUNK_FILE => Ok(b"something else".to_vec()),
            _ => tiny(name),
        });
        let text = error.expect_err("another hash").to_string();
        assert!(text.contains("SHA-256"), "{text}");
    }

    #[test]
    fn a_corrupt_graph_is_refused() {
        for file in [TRUNK_FILE, SECOND_FILE] {
            let whole = tiny(file).expect("there");
            let mut flipped = whole.clone();
            for at in (0..whole.len().min(2000)).step_by(7) {
                flipped[at] ^= 0x5a;
            }
            for onnx in [&b""[..], b"not onnx at all", &whole[..whole.len() / 2], &flipped] {
                problem(file, onnx);
            }
        }
    }

    #[test]
    fn one_stage_in_the_place_of_the_other_is_refused() {
        problem(TRUNK_FILE, &tiny(SECOND_FILE).expect("there"));
        problem(SECOND_FILE, &tiny(TRUNK_FILE).expect("there"));
    }

    #[test]
    fn a_trunk_that_looks_ahead_or_remembers_too_much_is_refused() {
        let text = problem(TRUNK_FILE, include_bytes!("fixtures/ahead.onnx"));
        assert!(text.contains("ahead") || text.contains("delay"), "{text}");
        let text = problem(TRUNK_FILE, include_bytes!("fixtures/hoarder.onnx"));
        assert!(text.contains("remember"), "{text}");
    }

    #[test]
    fn a_missing_or_oversized_file_is_named() {
        let folder = std::env::temp_dir().join(format!("ringward-model-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let text = Model::load(&folder, &Signers::default())
            .expect_err("empty")
            .to_string();
        assert!(text.contains(MANIFEST_FILE), "{text}");
        std::fs::write(
            folder.join(MANIFEST_FILE),
            vec![b' '; MANIFEST_BYTES_MAX as usize + 1],
        )
        .expect("written");
        let text = Model::load(&folder, &Signers::default())
            .expect_err("oversized")
            .to_string();
        assert!(text.contains("larger than"), "{text}");
        std::fs::remove_dir_all(&folder).expect("removed");
    }

    #[test]
    fn an_unsigned_folder_is_refused_where_signatures_are_required() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/voice/fixtures/tiny");
        let key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
        let signers = Signers {
            key: Some(key.parse().expect("a key")),
            is_required: true,
        };
        let text = Model::load(&folder, &signers).expect_err("unsigned").to_string();
        assert!(text.contains("not signed"), "{text}");
    }

    #[test]
    fn a_folder_with_the_same_files_is_the_same_model() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/default");
        assert_eq!(
            Model::load(&folder, &Signers::default())
                .expect("loads")
                .revision(),
            Model::embedded().expect("embedded").revision()
        );
    }
}
