//! The folder of a model, laid out as Hugging Face tools write it.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use super::OpenError;

/// Where the files of a model lie.
#[derive(Debug)]
pub(super) struct ModelFiles {
    /// The graph. Its external data, if any, lies beside it.
    pub(super) graph: PathBuf,
    /// The folder of the JSON files.
    folder: PathBuf,
}

/// What is used of `config.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Config {
    /// Names of the labels by index.
    pub(super) id2label: BTreeMap<usize, String>,
    /// The id with which short texts are filled up.
    pub(super) pad_token_id: Option<i64>,
    /// `multi_label_classification` where each label is a yes or no of its own.
    pub(super) problem_type: Option<String>,
    max_position_embeddings: Option<usize>,
    model_type: Option<String>,
}

/// What is used of `preprocessor_config.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Preprocessor {
    /// Whether pixels are multiplied by `rescale_factor`; yes if absent.
    pub(super) do_rescale: Option<bool>,
    /// 1/255 if absent.
    pub(super) rescale_factor: Option<f64>,
    /// Whether the mean is taken off and the deviation divided by; if absent, where both are given.
    pub(super) do_normalize: Option<bool>,
    /// Of red, green and blue, after rescaling.
    pub(super) image_mean: Option<[f64; 3]>,
    /// Of red, green and blue, after rescaling.
    pub(super) image_std: Option<[f64; 3]>,
    size: Option<Size>,
    crop_size: Option<Size>,
}

/// A size in `preprocessor_config.json`: a side, height and width, or something that names no exact size.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
enum Size {
    Square(u32),
    Exact { height: u32, width: u32 },
    Other {},
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TokenizerConfig {
    model_max_length: Option<f64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tokenizer {
    truncation: Option<Truncation>,
}

#[derive(Deserialize)]
struct Truncation {
    max_length: usize,
}

/// Files beside the graph that are read.
const JSON_FILES: [&str; 4] =
    ["config.json", "tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"];

/// Exporters write 1e30 for "no limit"; no model takes texts as long as this.
const SANE_TOKENS: f64 = 1_000_000.0;

/// Models whose position embeddings begin after the padding id, so that fewer positions are usable than there are.
const OFFSET_POSITIONS: [&str; 6] =
    ["roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet", "longformer"];

impl ModelFiles {
    /// Finds the graph: `path` itself if a file, else `model.onnx` or `onnx/model.onnx` in it.
    pub(super) fn find(path: &Path) -> Result<ModelFiles, OpenError> {
        if path.as_os_str().is_empty() {
            return Err(OpenError::NoPath);
        }
        if path.is_dir() {
            let candidates = [path.join("model.onnx"), path.join("onnx").join("model.onnx")];
            return match candidates.into_iter().find(|graph| graph.is_file()) {
                Some(graph) => Ok(ModelFiles { graph, folder: path.to_owned() }),
                None => Err(OpenError::Missing {
                    path: path.join("model.onnx"),
                    cure: "export the model to ONNX, or let model.path name its .onnx file",
                }),
            };
        }
        if !path.is_file() {
            return Err(OpenError::Missing {
                path: path.to_owned(),
                cure: "let model.path name the model's folder or .onnx file, relative to the working directory",
            });
        }
        let beside = path.parent().unwrap_or(Path::new(""));
        let above = beside.parent().unwrap_or(Path::new(""));
        let in_onnx_folder = beside.ends_with("onnx") && !beside.join("config.json").exists();
        let folder = if in_onnx_folder { above } else { beside };
        Ok(ModelFiles { graph: path.to_owned(), folder: folder.to_owned() })
    }

    /// SHA-256, in hexadecimal, of each file that decides about scores, by its name.
    pub(super) fn digests(&self) -> Result<BTreeMap<String, String>, OpenError> {
        let with = |ending: &str| {
            let mut path = self.graph.clone().into_os_string();
            path.push(ending);
            PathBuf::from(path)
        };
        let mut paths = vec![self.graph.clone(), with("_data"), with(".data")];
        paths.extend(JSON_FILES.map(|name| self.folder.join(name)));
        let mut digests = BTreeMap::new();
        for path in paths.into_iter().filter(|path| path.is_file()) {
            let digest = || -> io::Result<String> {
                let mut hash = Sha256::new();
                io::copy(&mut fs::File::open(&path)?, &mut hash)?;
                Ok(format!("{:x}", hash.finalize()))
            };
            let digest = digest().map_err(|source| OpenError::Read { path: path.clone(), source })?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            digests.insert(name, digest);
        }
        Ok(digests)
    }

    /// `config.json`; all defaults if there is none.
    pub(super) fn config(&self) -> Result<Config, OpenError> {
        Ok(self.json("config.json")?.unwrap_or_default())
    }

    /// `preprocessor_config.json`, if there is one.
    pub(super) fn preprocessor(&self) -> Result<Option<Preprocessor>, OpenError> {
        self.json("preprocessor_config.json")
    }

    /// `tokenizer.json`, without which no text can be scored.
    pub(super) fn tokenizer(&self) -> Result<Vec<u8>, OpenError> {
        let path = self.folder.join("tokenizer.json");
        match fs::read(&path) {
            Ok(bytes) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(OpenError::Missing {
                path,
                cure: "put the tokenizer of the model there (tokenizer.save_pretrained writes it)",
            }),
            Err(source) => Err(OpenError::Read { path, source }),
        }
    }

    /// How many token ids the model's files allow a text: what its tokenizer is set to, but no more than the model has
    /// positions. `None` if they do not say.
    pub(super) fn max_tokens(&self, tokenizer: &[u8], config: &Config) -> Result<Option<usize>, OpenError> {
        let declared = self
            .json::<TokenizerConfig>("tokenizer_config.json")?
            .and_then(|config| config.model_max_length)
            .filter(|&length| (1.0..SANE_TOKENS).contains(&length))
            .map(|length| length as usize);
        let declared = match declared {
            Some(length) => Some(length),
            None => serde_json::from_slice::<Tokenizer>(tokenizer)
                .map_err(|source| OpenError::Json { path: self.folder.join("tokenizer.json"), source })?
                .truncation
                .map(|truncation| truncation.max_length)
                .filter(|&length| length > 0),
        };
        Ok(declared.into_iter().chain(config.positions()).min())
    }

    fn json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, OpenError> {
        let path = self.folder.join(name);
        match fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map(Some).map_err(|source| OpenError::Json { path, source })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(OpenError::Read { path, source }),
        }
    }
}

impl Config {
    /// Positions that a text can fill.
    fn positions(&self) -> Option<usize> {
        let positions = self.max_position_embeddings?;
        let is_offset = self.model_type.as_deref().is_some_and(|name| OFFSET_POSITIONS.contains(&name));
        let padding = self.pad_token_id.and_then(|id| usize::try_from(id).ok()).unwrap_or(1);
        let offset = if is_offset { padding.saturating_add(1) } else { 0 };
        Some(positions.saturating_sub(offset)).filter(|&positions| positions > 0)
    }
}

impl Preprocessor {
    /// Height and width that the model expects, if told exactly.
    pub(super) fn exact_size(&self) -> Option<(u32, u32)> {
        self.crop_size.into_iter().chain(self.size).find_map(|size| match size {
            Size::Square(side) => Some((side, side)),
            Size::Exact { height, width } => Some((height, width)),
            Size::Other {} => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::ModelFiles;

    #[test]
    fn finds_the_graph_and_its_companions() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let error = ModelFiles::find(root).unwrap_err().to_string();
        assert!(error.contains("model.onnx does not exist: export"), "{error}");
        fs::create_dir(root.join("onnx")).unwrap();
        fs::write(root.join("onnx/model.onnx"), "").unwrap();
        fs::write(root.join("config.json"), r#"{"pad_token_id": 7}"#).unwrap();
        for path in [root.to_owned(), root.join("onnx/model.onnx")] {
            let files = ModelFiles::find(&path).unwrap();
            assert_eq!(files.graph, root.join("onnx/model.onnx"));
            assert_eq!(files.config().unwrap().pad_token_id, Some(7));
        }
        fs::write(root.join("model.onnx"), "").unwrap();
        assert_eq!(ModelFiles::find(root).unwrap().graph, root.join("model.onnx"));
        let error = ModelFiles::find(root).unwrap().tokenizer().unwrap_err().to_string();
        assert!(error.contains("tokenizer.json does not exist: put the tokenizer"), "{error}");
        fs::write(root.join("config.json"), "{").unwrap();
        let error = ModelFiles::find(root).unwrap().config().unwrap_err().to_string();
        assert!(error.contains("config.json: EOF"), "{error}");
    }

    #[test]
    fn the_length_of_texts_comes_from_the_files() {
        let check = |tokenizer_config: &str, tokenizer: &str, config: &str, expected: Option<usize>| {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("model.onnx"), "").unwrap();
            fs::write(folder.path().join("tokenizer_config.json"), tokenizer_config).unwrap();
            fs::write(folder.path().join("config.json"), config).unwrap();
            let files = ModelFiles::find(folder.path()).unwrap();
            let config = files.config().unwrap();
            let found = files.max_tokens(tokenizer.as_bytes(), &config).unwrap();
            assert_eq!(found, expected, "{tokenizer_config} {tokenizer}");
        };
        let truncation = r#"{"truncation": {"max_length": 128}}"#;
        check(r#"{"model_max_length": 256}"#, truncation, "{}", Some(256));
        check(r#"{"model_max_length": 1e30}"#, truncation, "{}", Some(128));
        check("{}", r#"{"truncation": null}"#, "{}", None);
        check("{}", "{}", r#"{"max_position_embeddings": 512}"#, Some(512));
        check(r#"{"model_max_length": 512}"#, "{}", r#"{"max_position_embeddings": 64}"#, Some(64));
        let roberta = r#"{"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}"#;
        check("{}", "{}", roberta, Some(512));
    }
}
