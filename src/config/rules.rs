//! Rules between keys, and limits of single ones.
//!
//! They speak of the merged table by the names of the keys, as their messages do; its shape is known to be right.

use std::fmt::Display;
use std::net::SocketAddr;

use regex::Regex;
use toml::{Table, Value};
use tracing_subscriber::EnvFilter;

use super::schema::Schema;
use super::tree;
use crate::launch::elf::Glibc;
use crate::source::Sample;

const KIB: i64 = 1 << 10;
const GIB: i64 = 1 << 30;

/// Filter keys that only pages have a use for.
const TEXT_ONLY: [&str; 4] =
    ["filter.min_chars", "filter.max_chars", "filter.languages", "filter.text_regex"];
/// Filter keys that only pictures have a use for.
const IMAGE_ONLY: [&str; 4] =
    ["filter.min_width", "filter.max_width", "filter.min_height", "filter.max_height"];

/// A rule that is broken.
#[derive(Debug)]
pub(super) struct Violation {
    /// The keys that it is about; it is told at the first of them that the user set.
    pub(super) keys: Vec<&'static str>,
    pub(super) message: String,
}

/// Every rule that `merged` breaks.
pub(super) fn check(merged: &Table) -> Vec<Violation> {
    let mut rules = Rules { merged, broken: Vec::new() };
    rules.inputs();
    rules.filter();
    rules.model();
    rules.transport();
    rules.yarn();
    rules.limits();
    rules.broken
}

struct Rules<'a> {
    merged: &'a Table,
    broken: Vec<Violation>,
}

impl<'a> Rules<'a> {
    fn inputs(&mut self) {
        let sources =
            ["source.paths", "source.list", "source.s3.buckets", "source.common_crawl.crawl", "source.index"];
        if sources.iter().all(|key| self.is_empty(key)) {
            let message = "no source is given: set \"source.paths\", \"source.list\", \"source.s3.buckets\", \
                           \"source.common_crawl.crawl\" or \"source.index\"";
            self.broken(&sources, message);
        }
        self.common_crawl();
        self.ordered("record.min_body_bytes", "record.max_body_bytes");
        if self.is_empty("record.types") {
            self.broken(&["record.types"], "\"record.types\" is empty: name at least \"response\"");
        }
        if self.list("record.http_status").iter().any(|status| !(100..1000).contains(&integer(status))) {
            self.broken(&["record.http_status"], "\"record.http_status\" holds codes of 100 to 999");
        }
        let launcher = self.text("launcher");
        if launcher != "none" && self.integer("readers") == 0 {
            let message = format!(
                "\"readers\" is 0, so \"launcher\" = \"{launcher}\" has none to start: set \"readers\" to 1 or more, or \
                 \"launcher\" to \"none\""
            );
            self.broken(&["readers", "launcher"], message);
        }
    }

    fn common_crawl(&mut self) {
        let (crawl, sample, base) =
            ("source.common_crawl.crawl", "source.common_crawl.sample", "source.common_crawl.base_url");
        if !self.text(crawl).bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            let message = format!("\"{crawl}\" is a name such as \"CC-MAIN-2024-33\", without a path");
            self.broken(&[crawl], message);
        }
        if Sample::parse(self.text(sample)).is_none() {
            let message =
                format!("\"{sample}\" is a number of archives such as \"100\", or a share such as \"1%\"");
            self.broken(&[sample], message);
        }
        if !["https://", "http://", "s3://"].iter().any(|scheme| self.text(base).starts_with(scheme)) {
            self.broken(&[base], format!("\"{base}\" begins with https:// or s3://"));
        }
        let (subset, types) = ("source.common_crawl.subset", "record.types");
        let texts = self.list(types).iter().any(|name| name.as_str() == Some("conversion"));
        if !self.is_empty(crawl) && self.text(subset) == "wet" && !texts {
            let message = format!(
                "\"{subset}\" = \"wet\" has records of type \"conversion\" only: set \"{types}\" = [\"conversion\"]"
            );
            self.broken(&[subset, types], message);
        }
    }

    fn filter(&mut self) {
        let kind = self.text("kind");
        let (useless, other) = if kind == "text" { (IMAGE_ONLY, "image") } else { (TEXT_ONLY, "text") };
        for key in useless {
            if tree::get(self.merged, key) != tree::get(Schema::shipped().defaults(), key) {
                let message =
                    format!("\"{key}\" has no effect with \"kind\" = \"{kind}\": it is for \"{other}\"");
                self.broken(&[key, "kind"], message);
            }
        }
        for (min, max) in [
            ("filter.min_chars", "filter.max_chars"),
            ("filter.min_width", "filter.max_width"),
            ("filter.min_height", "filter.max_height"),
        ] {
            if self.integer(max) != 0 {
                self.ordered(min, max);
            }
        }
        for key in ["filter.url_regex", "filter.text_regex"] {
            if let Err(error) = Regex::new(self.text(key)) {
                // The last line says what is wrong; those before it draw an arrow.
                let error = error.to_string();
                let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
                self.broken(&[key], format!("\"{key}\" is not a regular expression: {reason}"));
            }
        }
    }

    fn model(&mut self) {
        if self.text("model.kind") == "onnx" && self.is_empty("model.path") {
            let message = "\"model.path\" is empty: name a folder with model.onnx or an .onnx file, or set \
                           \"model.kind\" to \"passthrough\"";
            self.broken(&["model.path", "model.kind"], message);
        }
        if self.is_empty("model.device") {
            self.broken(
                &["model.device"],
                "\"model.device\" names no device: set it to \"cpu\" or \"cuda:0\"",
            );
        }
        let threshold = self.float("model.threshold");
        // Without an activation the score may be a logit, which has no bounds.
        let in_range = (0.0..=1.0).contains(&threshold) || self.text("model.activation") == "none";
        if !threshold.is_finite() || !in_range {
            let message = format!("\"model.threshold\" is {threshold}, but scores are from 0 to 1");
            self.broken(&["model.threshold", "model.activation"], message);
        }
        let size: Vec<i64> = self.list("image.size").iter().map(integer).collect();
        if size.contains(&0) && size.iter().any(|&side| side != 0) {
            let message = "\"image.size\" needs height and width, or [0, 0] to take both from the model";
            self.broken(&["image.size"], message);
        }
    }

    fn transport(&mut self) {
        let (window, record) = ("transport.window_bytes", "transport.max_record_bytes");
        if self.integer(window) < self.integer(record) {
            let message = format!(
                "\"{window}\" ({}) is smaller than \"{record}\" ({}), so the largest records could never be sent: \
                 raise the first or lower the second",
                self.integer(window),
                self.integer(record)
            );
            self.broken(&[window, record], message);
        }
        self.within(record, 64 * KIB, GIB);
        // A reader's heartbeat comes every second.
        self.within("transport.progress_timeout_s", 2, i64::from(u32::MAX));
    }

    fn yarn(&mut self) {
        self.within("yarn.reader_memory_mb", 64, 1 << 20);
        self.within("yarn.reader_vcores", 1, 1 << 10);
        self.within("yarn.am_memory_mb", 64, 1 << 20);
        self.within("yarn.gpu_grace_s", 5, 24 * 3600);
        if self.is_empty("yarn.queue") {
            self.broken(&["yarn.queue"], "\"yarn.queue\" is empty: name a queue, such as \"default\"");
        }
        let glibc = self.text("yarn.nodes_glibc");
        if !glibc.is_empty() && glibc.parse::<Glibc>().is_err() {
            let message =
                format!("\"yarn.nodes_glibc\" is \"{glibc}\": set it to a version such as \"2.28\", or \"\"");
            self.broken(&["yarn.nodes_glibc"], message);
        }
        let wildcard =
            self.text("transport.listen").parse::<SocketAddr>().is_ok_and(|at| at.ip().is_unspecified());
        if self.text("launcher") == "yarn" && wildcard && self.is_empty("transport.advertise") {
            let message = "\"launcher\" = \"yarn\" needs \"transport.advertise\": HOST:PORT of the data port as the nodes of \
                           the cluster reach it";
            self.broken(&["transport.advertise", "launcher"], message);
        }
    }

    fn limits(&mut self) {
        for key in [
            "batch.max_records",
            "batch.max_tokens",
            "image.max_side",
            "image.max_pixels",
            "output.commit_bytes",
            "output.commit_ms",
            "output.part_bytes",
            "source.stall_ms",
            "text.max_depth",
            "text.max_elements",
            "transport.split_bytes",
        ] {
            if self.integer(key) == 0 {
                self.broken(&[key], format!("\"{key}\" must be 1 or more"));
            }
        }
        let (window, batch) = ("batch.window_records", "batch.max_records");
        if self.integer(window) < self.integer(batch) {
            let message = format!(
                "\"{window}\" ({}) is smaller than \"{batch}\" ({}), so no batch would be full: raise the first or \
                 lower the second",
                self.integer(window),
                self.integer(batch)
            );
            self.broken(&[window, batch], message);
        }
        if self.is_empty("output.path") {
            self.broken(&["output.path"], "\"output.path\" is empty: name a folder for the results");
        }
        let seconds = self.float("telemetry.progress_s");
        if !seconds.is_finite() || seconds <= 0.0 {
            self.broken(&["telemetry.progress_s"], "\"telemetry.progress_s\" must be more than 0 seconds");
        }
        if let Err(error) = EnvFilter::try_new(self.text("telemetry.log")) {
            let message = format!("\"telemetry.log\": {error}; examples: \"info\", \"warn,warcdl=debug\"");
            self.broken(&["telemetry.log"], message);
        }
    }

    fn ordered(&mut self, min: &'static str, max: &'static str) {
        let (low, high) = (self.integer(min), self.integer(max));
        if low > high {
            let message = format!("\"{min}\" ({low}) is greater than \"{max}\" ({high}): nothing would pass");
            self.broken(&[min, max], message);
        }
    }

    fn within(&mut self, key: &'static str, low: i64, high: i64) {
        let value = self.integer(key);
        if !(low..=high).contains(&value) {
            self.broken(&[key], format!("\"{key}\" is {value}, but must be from {low} to {high}"));
        }
    }

    fn broken(&mut self, keys: &[&'static str], message: impl Display) {
        self.broken.push(Violation { keys: keys.to_vec(), message: message.to_string() });
    }

    fn is_empty(&self, key: &str) -> bool {
        match tree::get(self.merged, key) {
            Some(Value::String(text)) => text.is_empty(),
            Some(Value::Array(items)) => items.is_empty(),
            other => unreachable!("{key} is a text or a list, not {other:?}"),
        }
    }

    fn text(&self, key: &str) -> &'a str {
        tree::get(self.merged, key).and_then(Value::as_str).unwrap_or_else(|| unreachable!("{key} is a text"))
    }

    fn list(&self, key: &str) -> &'a [Value] {
        match tree::get(self.merged, key) {
            Some(Value::Array(items)) => items,
            other => unreachable!("{key} is a list, not {other:?}"),
        }
    }

    fn integer(&self, key: &str) -> i64 {
        tree::get(self.merged, key).map(integer).unwrap_or_else(|| unreachable!("{key} exists"))
    }

    fn float(&self, key: &str) -> f64 {
        tree::get(self.merged, key)
            .and_then(Value::as_float)
            .unwrap_or_else(|| unreachable!("{key} is a number"))
    }
}

fn integer(value: &Value) -> i64 {
    value.as_integer().unwrap_or_else(|| unreachable!("{value:?} is a whole number"))
}
