//! A trained countermeasure: `model.onnx` with its `manifest.json`, checked, and turned into one shared plan.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::{Factoid, ShapeFactoid};

use super::error::ModelError;
use super::front;
use super::limits::{BINS, MANIFEST_BYTES_MAX, MODEL_BYTES_MAX, POOL_FRAMES, WINDOW_FRAMES};
use super::manifest::{Calibration, Decision, MANIFEST_FILE, Manifest};

const MODEL_FILE: &str = "model.onnx";

/// A loaded model: one shared plan, immutable, `Send + Sync`. Loading takes tens of milliseconds; do it once.
pub struct Model {
    plan: Arc<TypedRunnableModel>,
    pub(crate) front: Arc<front::Plan>,
    pub(crate) calibration: Calibration,
    pub(crate) decision: Decision,
    revision: String,
}

impl Model {
    /// The model embedded in the binary.
    ///
    /// # Errors
    ///
    /// Only if the binary was built from a broken `models/default`.
    pub fn embedded() -> Result<Model, ModelError> {
        let manifest = include_bytes!("../../models/default/manifest.json");
        let onnx = include_bytes!("../../models/default/model.onnx");
        Model::new(manifest, onnx)
    }

    /// The model in a folder with `model.onnx` and `manifest.json`.
    ///
    /// # Errors
    ///
    /// Names the file and what is wrong: absent, too large, another hash than the manifest's, not ONNX, another shape
    /// than the input contract's.
    pub fn load(folder: &Path) -> Result<Model, ModelError> {
        let manifest = read(folder, MANIFEST_FILE, MANIFEST_BYTES_MAX)?;
        let onnx = read(folder, MODEL_FILE, MODEL_BYTES_MAX)?;
        Model::new(&manifest, &onnx).map_err(|error| error.inside(folder))
    }

    /// The model that a configuration or a command names: `default` is the embedded one unless there is a
    /// `models/default` here to override it; any other word is a folder in `models/`; with a separator it is a path.
    ///
    /// # Errors
    ///
    /// As [`Model::load`].
    pub fn find(name: &str) -> Result<Model, ModelError> {
        if name.contains(std::path::is_separator) {
            return Model::load(Path::new(name));
        }
        let folder = Path::new("models").join(name);
        if name == "default" && !folder.join(MANIFEST_FILE).exists() {
            return Model::embedded();
        }
        Model::load(&folder)
    }

    /// e.g. `default@1f3a9c02` (name and start of the ONNX hash): goes into every record.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    fn new(manifest: &[u8], onnx: &[u8]) -> Result<Model, ModelError> {
        let manifest = Manifest::parse(manifest)?;
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, onnx);
        let hash: String = digest
            .as_ref()
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect();
        if hash != manifest.onnx_sha256 {
            let problem = format_args!(
                "its SHA-256 starts {}, the manifest's {}",
                &hash[..8],
                &manifest.onnx_sha256[..8]
            )
            .to_string();
            return Err(ModelError::new(MODEL_FILE, problem));
        }
        // The parser is not ours, and a model file may come from anywhere.
        let plan = std::panic::catch_unwind(|| plan(onnx))
            .map_err(|_| ModelError::new(MODEL_FILE, "the ONNX reader gave up on it"))?
            .map_err(|error| {
                ModelError::new(MODEL_FILE, format_args!("not a graph we can run: {error:#}"))
            })?;
        let model = Model {
            plan,
            front: Arc::new(front::Plan::new()),
            calibration: manifest.calibration,
            decision: manifest.decision,
            revision: format!("{}@{}", manifest.name, &hash[..8]),
        };
        let trial = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            model.score(
                &[0.0; BINS * WINDOW_FRAMES],
                &[1.0 / POOL_FRAMES as f32; POOL_FRAMES],
            )
        }));
        match trial {
            Ok(Some(_)) => Ok(model),
            _ => Err(ModelError::new(
                MODEL_FILE,
                "does not give one finite score for a silent window",
            )),
        }
    }

    /// The raw score (higher = bona fide) of one window: features bin by bin, and the weights of the pooled frames.
    /// None when the graph fails or gives no finite number.
    pub(crate) fn score(&self, features: &[f32], weights: &[f32; POOL_FRAMES]) -> Option<f32> {
        let features = Tensor::from_shape(&[1, BINS, WINDOW_FRAMES], features).ok()?;
        let weights = Tensor::from_shape(&[1, POOL_FRAMES], weights).ok()?;
        let out = self.plan.run(tvec![features.into(), weights.into()]).ok()?;
        let score = *out.first()?.to_plain_array_view::<f32>().ok()?.iter().next()?;
        score.is_finite().then_some(score)
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Model({})", self.revision)
    }
}

fn plan(onnx: &[u8]) -> TractResult<Arc<TypedRunnableModel>> {
    let graph = tract_onnx::onnx().model_for_read(&mut &*onnx)?;
    let shapes = [tvec![1, BINS, WINDOW_FRAMES], tvec![1, POOL_FRAMES]];
    if graph.inputs.len() != shapes.len() || graph.outputs.len() != 1 {
        return Err(TractError::msg(format!(
            "{} inputs and {} outputs, want 2 and 1",
            graph.inputs.len(),
            graph.outputs.len()
        )));
    }
    let mut graph = graph;
    for (input, shape) in shapes.into_iter().enumerate() {
        let mut declared = graph.input_fact(input)?.shape.clone();
        if declared.unify_with(&ShapeFactoid::from(&*shape)).is_err() {
            return Err(TractError::msg(format!(
                "input {input} has shape {declared:?}, want {shape:?}"
            )));
        }
        graph = graph.with_input_fact(input, f32::fact(&*shape).into())?;
    }
    graph.into_optimized()?.into_runnable()
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

    fn manifest_for(onnx: &[u8]) -> Vec<u8> {
        let mut value: serde_json::Value =
            serde_json::from_slice(include_bytes!("../../models/default/manifest.json")).expect("ours");
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, onnx);
        let hash: String = digest
            .as_ref()
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect();
        value["onnx_sha256"] = hash.into();
        value.to_string().into_bytes()
    }

    fn problem(manifest: &[u8], onnx: &[u8]) -> String {
        let text = Model::new(manifest, onnx).expect_err("a bad model").to_string();
        assert!(text.len() < 500, "{text}");
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
        let text = problem(
            include_bytes!("../../models/default/manifest.json"),
            b"something else",
        );
        assert!(text.contains("SHA-256"), "{text}");
    }

    #[test]
    fn a_corrupt_graph_is_refused() {
        let whole = include_bytes!("../../models/default/model.onnx");
        let mut flipped = whole.to_vec();
        for at in (0..2000).step_by(7) {
            flipped[at] ^= 0x5a;
        }
        for onnx in [&b""[..], b"not onnx at all", &whole[..whole.len() / 2], &flipped] {
            let text = problem(&manifest_for(onnx), onnx);
            assert!(text.starts_with(MODEL_FILE), "{text}");
        }
    }

    #[test]
    fn a_missing_or_oversized_file_is_named() {
        let folder = std::env::temp_dir().join(format!("ringward-model-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let text = Model::load(&folder).expect_err("empty").to_string();
        assert!(text.contains(MANIFEST_FILE), "{text}");
        std::fs::write(
            folder.join(MANIFEST_FILE),
            vec![b' '; MANIFEST_BYTES_MAX as usize + 1],
        )
        .expect("written");
        let text = Model::load(&folder).expect_err("oversized").to_string();
        assert!(text.contains("larger than"), "{text}");
        std::fs::remove_dir_all(&folder).expect("removed");
    }

    #[test]
    fn a_folder_with_the_same_files_is_the_same_model() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/default");
        assert_eq!(
            Model::load(&folder).expect("loads").revision(),
            Model::embedded().expect("embedded").revision()
        );
    }
}
