//! From the model's output to one score a record.

use std::path::Path;

use ort::value::{Outlet, TensorElementType, ValueType};

use super::{Activation, OpenError, files::Config};

/// What the only label is called where the model's files name none.
const UNNAMED: &str = "positive";

/// An error message lists no more labels than this.
const LABELS_LISTED: usize = 100;

/// How the values of an output become a score.
#[derive(Clone, Debug)]
pub(super) struct Head {
    /// Name of the label whose probability is the score.
    pub(super) label: String,
    /// Values of a record.
    pub(super) count: usize,
    index: usize,
    activation: Activation,
}

/// The first output that can hold scores: float32 of rank 1 or 2.
pub(super) fn find_output<'m>(outputs: &'m [Outlet], graph: &Path) -> Result<&'m Outlet, OpenError> {
    let is_score = |outlet: &&Outlet| match outlet.dtype() {
        ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } => matches!(shape.len(), 1 | 2),
        _ => false,
    };
    outputs.iter().find(is_score).ok_or_else(|| OpenError::Outputs {
        path: graph.to_owned(),
        outputs: outputs.iter().map(describe).collect::<Vec<_>>().join(", "),
    })
}

/// Name, type and shape of an input or output, for people.
pub(super) fn describe(outlet: &Outlet) -> String {
    match outlet.dtype() {
        ValueType::Tensor { ty, shape, .. } => {
            let sizes: Vec<String> =
                shape.iter().map(|&size| if size < 0 { "?".to_owned() } else { size.to_string() }).collect();
            format!("{} ({ty} [{}])", outlet.name(), sizes.join(", "))
        }
        other => format!("{} ({other})", outlet.name()),
    }
}

impl Head {
    /// Chooses label and activation for an output of `count` values a record.
    pub(super) fn new(
        output: &str,
        count: usize,
        label: &str,
        activation: Activation,
        config: &Config,
        graph: &Path,
    ) -> Result<Head, OpenError> {
        let name = |index: usize| match config.id2label.get(&index) {
            Some(name) => name.clone(),
            None if count == 1 => UNNAMED.to_owned(),
            None => index.to_string(),
        };
        let labels = || {
            let listed = (0..count.min(LABELS_LISTED)).map(|index| format!("{index} = {}", name(index)));
            let rest = (count > LABELS_LISTED).then(|| "...".to_owned());
            listed.chain(rest).collect::<Vec<_>>().join(", ")
        };
        let index = if label.is_empty() {
            match count {
                1 => 0,
                2 => 1,
                _ => return Err(OpenError::LabelNeeded { path: graph.to_owned(), count, labels: labels() }),
            }
        } else {
            let named = config.id2label.iter().find(|(_, name)| *name == label).map(|(&index, _)| index);
            named.or_else(|| label.parse().ok()).filter(|&index| index < count).ok_or_else(|| {
                OpenError::UnknownLabel { label: label.to_owned(), path: graph.to_owned(), labels: labels() }
            })?
        };
        let activation = match activation {
            Activation::Auto => automatic(output, count, config),
            Activation::Softmax if count < 2 => {
                return Err(OpenError::SoftmaxOfOne { path: graph.to_owned() });
            }
            chosen => chosen,
        };
        Ok(Head { label: name(index), count, index, activation })
    }

    /// One score a record: `values` holds the outputs of one record after another, as many each as there are labels.
    pub(super) fn scores(&self, values: &[f32], scores: &mut Vec<f32>) {
        scores.extend(values.chunks_exact(self.count).map(|values| match self.activation {
            Activation::Softmax => softmax(values, self.index),
            Activation::Sigmoid => sigmoid(values[self.index]),
            Activation::None | Activation::Auto => values[self.index],
        }));
    }
}

/// The activation that an output still needs.
fn automatic(output: &str, count: usize, config: &Config) -> Activation {
    let name = output.to_ascii_lowercase();
    if ["prob", "softmax", "sigmoid"].iter().any(|done| name.contains(done)) {
        Activation::None
    } else if count < 2 || config.problem_type.as_deref() == Some("multi_label_classification") {
        Activation::Sigmoid
    } else {
        Activation::Softmax
    }
}

/// `exp(v[index]) / Σ exp(v)`, with the largest taken off first so that nothing overflows. NaN if any value is.
fn softmax(values: &[f32], index: usize) -> f32 {
    let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = values.iter().map(|value| (value - largest).exp()).sum();
    (values[index] - largest).exp() / sum
}

/// `1 / (1 + exp(-v))`; for large negative values in the form that does not overflow.
fn sigmoid(value: f32) -> f32 {
    if value >= 0.0 {
        1.0 / (1.0 + (-value).exp())
    } else {
        let power = value.exp();
        power / (1.0 + power)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Activation, Config, Head, sigmoid, softmax};

    fn config(labels: &[&str], problem_type: &str) -> Config {
        let id2label: serde_json::Map<String, serde_json::Value> =
            labels.iter().enumerate().map(|(index, name)| (index.to_string(), (*name).into())).collect();
        let json = serde_json::json!({ "id2label": id2label, "problem_type": problem_type });
        serde_json::from_value(json).unwrap()
    }

    fn head(
        output: &str,
        count: usize,
        label: &str,
        activation: Activation,
        config: &Config,
    ) -> Result<Head, String> {
        Head::new(output, count, label, activation, config, Path::new("m.onnx"))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn labels_by_name_index_and_default() {
        let check = |count: usize, label: &str, names: &[&str], expected: Result<(usize, &str), &str>| {
            let head = head("logits", count, label, Activation::Auto, &config(names, ""));
            match (head, expected) {
                (Ok(head), Ok(expected)) => assert_eq!((head.index, head.label.as_str()), expected),
                (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
                (head, _) => panic!("{label:?} of {names:?}: {head:?}"),
            }
        };
        check(2, "", &["no", "yes"], Ok((1, "yes")));
        check(2, "no", &["no", "yes"], Ok((0, "no")));
        check(2, "0", &["no", "yes"], Ok((0, "no")));
        check(2, "1", &[], Ok((1, "1")));
        check(1, "", &["LABEL_0"], Ok((0, "LABEL_0")));
        check(1, "", &[], Ok((0, "positive")));
        check(1, "0", &[], Ok((0, "positive")));
        check(3, "", &["a", "b", "c"], Err("has 3 labels: set it to one of 0 = a, 1 = b, 2 = c"));
        check(2, "maybe", &["no", "yes"], Err("\"maybe\" is none of the labels of m.onnx: 0 = no, 1 = yes"));
        check(2, "2", &["no", "yes"], Err("none of the labels"));
        // A name counts before an index, and only as far as the output reaches.
        check(2, "1", &["1", "0"], Ok((0, "1")));
        check(1, "yes", &["no", "yes"], Err("none of the labels"));
    }

    #[test]
    fn activations_by_shape_and_name() {
        let check = |output: &str, count: usize, problem_type: &str, expected: Activation| {
            let head = head(output, count, "0", Activation::Auto, &config(&[], problem_type)).unwrap();
            assert_eq!(head.activation, expected, "{output} {count}");
        };
        check("logits", 2, "", Activation::Softmax);
        check("logits", 1, "", Activation::Sigmoid);
        check("logits", 4, "multi_label_classification", Activation::Sigmoid);
        check("probabilities", 2, "", Activation::None);
        check("Softmax_12", 3, "", Activation::None);
        check("prob", 1, "", Activation::None);
        let error = head("logits", 1, "", Activation::Softmax, &Config::default()).unwrap_err();
        assert!(error.contains("one output value"), "{error}");
    }

    #[test]
    fn extreme_values_neither_overflow_nor_hide_nan() {
        assert_eq!(softmax(&[1000.0, 0.0], 0), 1.0);
        assert_eq!(softmax(&[-1000.0, 0.0], 0), 0.0);
        assert_eq!(softmax(&[3.0, 3.0], 1), 0.5);
        assert!(softmax(&[f32::NAN, 0.0], 1).is_nan());
        assert_eq!(sigmoid(0.0), 0.5);
        assert_eq!(sigmoid(-1000.0), 0.0);
        assert_eq!(sigmoid(1000.0), 1.0);
        assert!(sigmoid(f32::NAN).is_nan());
    }
}
