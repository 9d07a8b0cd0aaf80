//! Whole models, run by the real ONNX Runtime (make setup).

use std::fs;

use bytes::Bytes;
use tempfile::TempDir;
use warcdl_actors::{Input, Model};

use super::{Activation, Device, Devices, ModelKind, ModelSettings, Normalize, OpenError, Opened, open};
use crate::kind::Kind;

mod graph;

use graph::{FLOAT, Graph, INT32, INT64, OPEN, UINT8};

const BERT: [(&str, u64); 3] = [("input_ids", INT64), ("attention_mask", INT64), ("token_type_ids", INT64)];
/// Row 0 is the padding's: if padding counted, every score would be far off.
const EMBEDDINGS: [&[f32]; 4] = [&[900.0, -900.0], &[0.0, 1.0], &[2.0, 0.0], &[0.5, 0.75]];

/// A model's folder; it is gone when this is dropped.
struct Folder(TempDir);

impl Folder {
    fn new(model: &[u8]) -> Folder {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("model.onnx"), model).unwrap();
        fs::write(folder.path().join("tokenizer.json"), r#"{"truncation": {"max_length": 16}}"#).unwrap();
        Folder(folder)
    }

    fn with(self, name: &str, content: &str) -> Folder {
        fs::write(self.0.path().join(name), content).unwrap();
        self
    }

    fn open(
        &self,
        kind: Kind,
        image_size: Option<(u32, u32)>,
        change: impl FnOnce(&mut ModelSettings),
    ) -> Result<Opened, OpenError> {
        let mut settings = ModelSettings { path: self.0.path().to_owned(), ..defaults() };
        change(&mut settings);
        match open(&settings, kind, image_size) {
            Err(OpenError::Runtime(error)) => panic!("run make setup before the tests: {error}"),
            opened => opened,
        }
    }

    fn text(&self) -> Opened {
        self.open(Kind::Text, None, |_| {}).unwrap_or_else(|error| panic!("{error}"))
    }

    /// What opening fails with.
    fn refusal(&self, kind: Kind, change: impl FnOnce(&mut ModelSettings)) -> String {
        match self.open(kind, None, change) {
            Ok(_) => panic!("it opens"),
            Err(error) => error.to_string(),
        }
    }
}

/// The `[model]` table as the program has it built in.
fn defaults() -> ModelSettings {
    #[derive(serde::Deserialize)]
    struct Tables {
        model: ModelSettings,
    }
    toml::from_str::<Tables>(include_str!("../../config/warcdl.toml")).unwrap().model
}

fn tokens(ids: &[u32]) -> Input {
    Input::Tokens(ids.iter().flat_map(|id| id.to_le_bytes()).collect())
}

fn score(model: &mut dyn Model, inputs: &[Input]) -> Vec<f32> {
    model.score(&inputs.iter().collect::<Vec<_>>()).unwrap()
}

#[track_caller]
fn assert_near(found: &[f32], expected: &[f32]) {
    let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5 || a.is_nan() && b.is_nan();
    assert!(
        found.len() == expected.len() && found.iter().zip(expected).all(near),
        "{found:?} is not {expected:?}"
    );
}

/// Softmax of two, at index 1.
fn second_of(values: [f32; 2]) -> f32 {
    1.0 / (1.0 + (values[0] - values[1]).exp())
}

#[test]
fn the_built_in_configuration_is_understood() {
    let settings = defaults();
    assert_eq!(settings.kind, ModelKind::Onnx);
    assert_eq!(settings.device, Devices(vec![Device::Cpu]));
    assert_eq!((settings.activation, settings.normalize), (Activation::Auto, Normalize::Auto));
    assert!(toml::from_str::<ModelSettings>("kind = \"onnx\"\nbatch = 1").is_err());
}

#[test]
fn a_score_depends_neither_on_neighbours_nor_on_padding() {
    let records = [tokens(&[1]), tokens(&[1, 2, 3, 1, 2]), tokens(&[2, 3]), tokens(&[3; 16])];
    let expected = [
        second_of([0.0, 1.0]),
        second_of([4.5 / 5.0, 2.75 / 5.0]),
        second_of([1.25, 0.375]),
        second_of([0.5, 0.75]),
    ];
    let check = |inputs: &[(&str, u64)], shape: (i64, i64)| {
        let opened = Folder::new(&graph::text(inputs, shape, "logits", &EMBEDDINGS)).text();
        let [mut model] = <[_; 1]>::try_from(opened.models).ok().unwrap();
        for (record, expected) in records.iter().zip(expected) {
            assert_near(&score(&mut *model, std::slice::from_ref(record)), &[expected]);
        }
        assert_near(&score(&mut *model, &records), &expected);
        let reversed: Vec<Input> = records.iter().rev().cloned().collect();
        let mut scores = score(&mut *model, &reversed);
        scores.reverse();
        assert_near(&scores, &expected);
        assert!(score(&mut *model, &[]).is_empty());
    };
    let [ids, mask, types] = BERT;
    check(&BERT, (OPEN, OPEN));
    check(&[types, mask, ids], (OPEN, OPEN));
    check(&[("input_ids", INT32), ("attention_mask", INT32)], (OPEN, OPEN));
    check(&[("input_ids", INT32), mask], (OPEN, OPEN));
    // Fixed shapes: 4 records make two batches of 3, the last of them filled up.
    check(&BERT, (3, OPEN));
    check(&BERT, (OPEN, 16));
    check(&BERT, (3, 16));
}

#[test]
fn the_padding_id_is_the_models() {
    // Without a mask the padding shows: a text of one token beside one of two.
    let embeddings: [&[f32]; 3] = [&[0.0], &[1.0], &[4.0]];
    let model = graph::text(&[("input_ids", INT64)], (OPEN, OPEN), "probability", &embeddings);
    let check = |config: &str, expected: f32| {
        let mut opened = Folder::new(&model).with("config.json", config).text();
        let scores = score(&mut *opened.models[0], &[tokens(&[1]), tokens(&[1, 1])]);
        assert_near(&scores, &[expected, 1.0]);
    };
    check("{}", 0.5);
    check(r#"{"pad_token_id": 2}"#, 2.5);
}

#[test]
fn a_text_without_tokens_scores_nan_and_spoils_no_other() {
    let mut opened = Folder::new(&graph::text(&BERT, (OPEN, OPEN), "logits", &EMBEDDINGS)).text();
    let scores = score(&mut *opened.models[0], &[tokens(&[]), tokens(&[1])]);
    assert_near(&scores, &[f32::NAN, second_of([0.0, 1.0])]);
}

#[test]
fn labels_and_activations() {
    let check = |columns: usize, output: &str, config: &str, label: &str, expected: (&str, f32)| {
        let row: Vec<f32> = [1.0, 2.0, 3.0][..columns].to_vec();
        let model = graph::text(&BERT, (OPEN, OPEN), output, &[&row]);
        let folder = Folder::new(&model).with("config.json", config);
        let mut opened = folder.open(Kind::Text, None, |settings| settings.label = label.to_owned()).unwrap();
        assert_eq!(opened.label, expected.0);
        assert_near(&score(&mut *opened.models[0], &[tokens(&[0])]), &[expected.1]);
    };
    let names = r#"{"id2label": {"0": "ham", "1": "spam", "2": "eggs"}}"#;
    check(2, "logits", names, "", ("spam", second_of([1.0, 2.0])));
    check(2, "logits", names, "ham", ("ham", second_of([2.0, 1.0])));
    let sum = 1.0_f32.exp() + 2.0_f32.exp() + 3.0_f32.exp();
    check(3, "logits", names, "eggs", ("eggs", 3.0_f32.exp() / sum));
    check(3, "logits", "{}", "0", ("0", 1.0_f32.exp() / sum));
    check(1, "logits", "{}", "", ("positive", 1.0 / (1.0 + (-1.0_f32).exp())));
    check(3, "probabilities", names, "eggs", ("eggs", 3.0));
}

#[test]
fn the_length_of_texts() {
    let check = |length: i64, max_tokens: usize, tokenizer: &str, expected: usize| {
        let model = graph::text(&BERT, (OPEN, length), "logits", &EMBEDDINGS);
        let folder = Folder::new(&model).with("tokenizer.json", tokenizer);
        let opened = folder.open(Kind::Text, None, |settings| settings.max_tokens = max_tokens).unwrap();
        assert_eq!(opened.max_tokens, expected, "{length} {max_tokens}");
        assert_eq!(opened.tokenizer_json.as_deref(), Some(tokenizer.as_bytes()));
    };
    check(OPEN, 0, "{}", 512);
    check(OPEN, 0, r#"{"truncation": {"max_length": 20}}"#, 20);
    check(OPEN, 7, r#"{"truncation": {"max_length": 20}}"#, 7);
    check(12, 0, r#"{"truncation": {"max_length": 20}}"#, 12);
    let model = graph::text(&BERT, (OPEN, 12), "logits", &EMBEDDINGS);
    let error = Folder::new(&model).refusal(Kind::Text, |settings| settings.max_tokens = 13);
    assert!(error.contains("model.max_tokens = 13") && error.contains("exactly 12 token ids"), "{error}");
}

#[test]
fn pictures_in_either_layout() {
    let weights: [&[f32]; 3] = [&[0.0, 1.0], &[0.0, 2.0], &[0.0, -1.0]];
    let picture = |rgb: [u8; 3]| Input::Pixels { height: 4, width: 5, data: Bytes::from(rgb.repeat(20)) };
    let pictures = [picture([255, 0, 0]), picture([0, 255, 0]), picture([51, 102, 255])];
    let values = [1.0, 2.0, 0.2 + 0.8 - 1.0];
    let check =
        |element: u64, shape: [i64; 4], size: Option<(u32, u32)>, normalize: Normalize, factor: f32| {
            let folder = Folder::new(&graph::image(element, shape, "logits", weights));
            let opened = folder.open(Kind::Image, size, |settings| settings.normalize = normalize);
            let mut opened = opened.unwrap_or_else(|error| panic!("{shape:?}: {error}"));
            assert_eq!((opened.image_size, &opened.tokenizer_json), (Some((4, 5)), &None));
            let expected = values.map(|value| second_of([0.0, value * factor]));
            assert_near(&score(&mut *opened.models[0], &pictures), &expected);
        };
    for (shape, size) in [([OPEN, 4, 5, 3], None), ([OPEN, OPEN, OPEN, 3], Some((4, 5)))] {
        check(FLOAT, shape, size, Normalize::Auto, 1.0);
        check(FLOAT, shape, size, Normalize::None, 255.0);
        check(UINT8, shape, size, Normalize::Auto, 255.0);
    }
    let planes = [[OPEN, 3, 4, 5], [2, 3, 4, 5], [OPEN, 3, OPEN, OPEN], [OPEN; 4]];
    for shape in planes {
        check(FLOAT, shape, Some((4, 5)), Normalize::Unit, 1.0);
    }
    check(UINT8, planes[0], None, Normalize::None, 255.0);
}

#[test]
fn a_picture_is_told_channel_from_channel_and_place_from_place() {
    // The model returns the red of the pixel at row 1, column 0.
    let shape = |nchw: bool| if nchw { [OPEN, 3, 2, 2] } else { [OPEN, 2, 2, 3] };
    let check = |nchw: bool| {
        let index: [i64; 1] = [if nchw { 2 } else { 6 }];
        let model = Graph::default()
            .input("pixels", FLOAT, &shape(nchw))
            .ints("flat", &[-1, 12])
            .ints("index", &index)
            .node("Reshape", &["pixels", "flat"], "all", &[])
            .node("Gather", &["all", "index"], "probability", &[("axis", &[1])])
            .output("probability", FLOAT, &[OPEN, 1])
            .model();
        let folder = Folder::new(&model);
        let mut opened =
            folder.open(Kind::Image, None, |settings| settings.normalize = Normalize::None).unwrap();
        let data: Vec<u8> = (0..12).collect();
        let input = Input::Pixels { height: 2, width: 2, data: data.into() };
        assert_near(&score(&mut *opened.models[0], &[input]), &[6.0]);
    };
    check(true);
    check(false);
}

#[test]
fn models_that_do_not_fit_are_refused_with_their_inputs() {
    let check = |model: Vec<u8>, kind: Kind, expected: &[&str]| {
        let error = Folder::new(&model).refusal(kind, |_| {});
        for expected in expected {
            assert!(error.contains(expected), "{error:?} lacks {expected:?}");
        }
    };
    let [ids, mask, _] = BERT;
    let text = |inputs: &[(&str, u64)]| graph::text(inputs, (OPEN, OPEN), "logits", &EMBEDDINGS);
    check(
        text(&[ids, mask, ("bbox", INT64)]),
        Kind::Text,
        &["input \"bbox\" is none of", "its inputs are input_ids (", "bbox (", "[?, ?]"],
    );
    check(text(&[ids, ("attention_mask", FLOAT)]), Kind::Text, &["not int64 or int32"]);
    let weights: [&[f32]; 3] = [&[0.0], &[0.0], &[0.0]];
    check(text(&[ids]), Kind::Image, &["not of shape [batch, height, width, 3]"]);
    check(text(&BERT), Kind::Image, &["has 3 inputs"]);
    check(graph::image(FLOAT, [OPEN; 4], "logits", weights), Kind::Image, &["set image.size"]);
    check(
        graph::image(FLOAT, [OPEN, 3, 4, 4], "logits", weights),
        Kind::Text,
        &["\"pixel_values\" is none of"],
    );
    check(b"not a graph".to_vec(), Kind::Text, &["cannot load ", "model.onnx: "]);
    let hidden = Graph::default()
        .input("input_ids", INT64, &[OPEN, OPEN])
        .node("Cast", &["input_ids"], "float", &[("to", &[FLOAT as i64])])
        .ints("axes", &[2])
        .node("Unsqueeze", &["float", "axes"], "hidden_state", &[])
        .output("hidden_state", FLOAT, &[OPEN, OPEN, 1])
        .model();
    check(hidden, Kind::Text, &["no float32 output", "hidden_state ("]);
}

#[test]
fn a_model_that_cannot_run_is_refused_before_the_crawl() {
    // Three positions only: a text of 16 token ids runs over the table.
    let positions = Graph::default()
        .input("input_ids", INT64, &[OPEN, OPEN])
        .floats("table", &[3], &[0.0; 3])
        .node("Cast", &["input_ids"], "float", &[("to", &[FLOAT as i64])])
        .node("Exp", &["float"], "ones", &[])
        .node("NonZero", &["ones"], "places", &[])
        .node("Gather", &["table", "places"], "logits", &[])
        .output("logits", FLOAT, &[OPEN, OPEN])
        .model();
    let error = Folder::new(&positions).refusal(Kind::Text, |_| {});
    assert!(error.contains("fails on a trial record of 16 token ids"), "{error}");
    assert!(error.contains("out of data bounds"), "{error}");
}

#[test]
fn inputs_of_another_kind_or_size_are_errors() {
    let check = |opened: Opened, input: Input, expected: &str| {
        let mut opened = opened;
        let error = opened.models[0].score(&[&input]).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    let text = Folder::new(&graph::text(&BERT, (OPEN, 4), "logits", &EMBEDDINGS));
    check(text.text(), Input::None, "takes texts");
    check(text.text(), tokens(&[1; 5]), "5 token ids, but the model takes exactly 4");
    check(text.text(), tokens(&[99]), "");
    let image = Folder::new(&graph::image(FLOAT, [OPEN, 3, 4, 4], "logits", [&[0.0], &[0.0], &[0.0]]));
    let opened = || image.open(Kind::Image, None, |_| {}).unwrap();
    check(opened(), tokens(&[1]), "takes pictures");
    let data = Bytes::from(vec![0; 75]);
    check(opened(), Input::Pixels { height: 5, width: 5, data }, "5 × 5 pixels in 75 bytes");
    let data = Bytes::from(vec![0; 47]);
    check(opened(), Input::Pixels { height: 4, width: 4, data }, "in 47 bytes");
}

#[test]
fn several_devices_have_a_model_each() {
    let folder = Folder::new(&graph::text(&BERT, (OPEN, OPEN), "logits", &EMBEDDINGS));
    let opened = folder.open(Kind::Text, None, |settings| {
        settings.device = Devices(vec![Device::Cpu, Device::Cpu]);
        settings.threads = 1;
    });
    let mut opened = opened.unwrap();
    assert_eq!((opened.models.len(), opened.threads), (2, 1));
    for model in &mut opened.models {
        assert_near(&score(&mut **model, &[tokens(&[1])]), &[second_of([0.0, 1.0])]);
    }
    let error = folder.refusal(Kind::Text, |settings| settings.device = Devices(Vec::new()));
    assert!(error.contains("model.device is empty"), "{error}");
}

/// No machine has a thousandth GPU, so this holds with and without one, and with either build of ONNX Runtime.
#[test]
fn a_gpu_that_is_not_there_is_an_error_and_no_fallback() {
    let folder = Folder::new(&graph::text(&BERT, (OPEN, OPEN), "logits", &EMBEDDINGS));
    let error = folder.refusal(Kind::Text, |settings| settings.device = Devices(vec![Device::Cuda(999)]));
    assert!(error.contains("model.device = \"cuda:999\" cannot be used: "), "{error}");
    assert!(error.contains("NVIDIA") || error.contains("CUDA"), "{error}");
}

#[test]
fn the_passthrough_model_needs_nothing() {
    let settings = ModelSettings { kind: ModelKind::Passthrough, ..defaults() };
    let mut opened = open(&settings, Kind::Text, None).unwrap();
    assert_eq!((opened.label.as_str(), opened.tokenizer_json), ("passthrough", None));
    assert_eq!(opened.models[0].score(&[&Input::None, &tokens(&[1])]).unwrap(), [1.0, 1.0]);
    assert!(matches!(open(&defaults(), Kind::Text, None), Err(OpenError::NoPath)));
}
