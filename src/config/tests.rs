//! The configuration from the user's side: texts in, settings or messages out.

use std::path::Path;

use super::{Config, ConfigError, DEFAULTS, Launcher};
use crate::kind::Kind;

fn load(text: &str, overrides: &[&str]) -> Result<Config, ConfigError> {
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    Config::parse(Path::new("my.toml"), text, &overrides)
}

/// `text` with what every configuration needs given by flags, which leaves its line numbers alone.
fn load_with_needs(text: &str, overrides: &[&str]) -> Result<Config, ConfigError> {
    let needs = ["source.paths=[\"a.warc.gz\"]", "model.path=m"];
    load(text, &[&needs, overrides].concat())
}

fn check_refused(text: &str, overrides: &[&str], expected: &[&str]) {
    let error = load_with_needs(text, overrides).unwrap_err().to_string();
    assert_eq!(error.lines().collect::<Vec<_>>(), expected, "{text}");
}

#[test]
fn the_shipped_file_is_the_defaults_and_every_key_of_it_is_taken() {
    let config = load_with_needs("", &[]).unwrap();
    assert_eq!((config.kind, config.launcher, config.readers), (Kind::Text, Launcher::Local, 1));
    assert_eq!(config.batch.max_wait_ms, 200);
    assert_eq!(config.transport.listen.to_string(), "127.0.0.1:0");
    assert_eq!((config.transport.advertise, config.transport.secret_file), (None, None));
    let whole = load_with_needs(DEFAULTS, &[]).unwrap();
    assert_eq!(whole.resolved_toml(), load_with_needs("", &[]).unwrap().resolved_toml());
}

#[test]
fn a_file_needs_only_the_keys_that_differ() {
    let text = "\
kind = 'image'
launcher = \"none\"
source = { paths = [\"crawl/\", \"s3://b/p\"], s3.region = \"eu-west-1\" }
[model]
path = \"resnet\"
device = [\"cuda:0\", \"cuda:1\"]
threshold = 1
[transport]
listen = \"0.0.0.0:7700\"
advertise = \"gpu1:7700\"
window_bytes = 0x100_0000
[telemetry]
metrics = \"\"
progress_s = 0.5
";
    let config = load(text, &[]).unwrap();
    assert_eq!((config.kind, config.launcher), (Kind::Image, Launcher::None));
    assert_eq!(config.transport.window_bytes, 16 << 20);
    assert_eq!(config.transport.max_record_bytes, 8 << 20);
    assert_eq!(config.transport.advertise.as_deref(), Some("gpu1:7700"));
    assert_eq!(config.telemetry.metrics, None);
    assert_eq!(config.telemetry.progress_interval().as_millis(), 500);
    let resolved = config.resolved_toml();
    assert!(resolved.contains("paths = [\"crawl/\", \"s3://b/p\"]"), "{resolved}");
    assert!(resolved.contains("threshold = 1.0"), "{resolved}");
}

#[test]
fn unknown_keys_are_told_with_line_and_nearest_key() {
    let text = "\
readers = 2
reader = 3
min_chars = 4

[filter]
# a comment
min_char = 5
[filtre]
min_chars = 6
[source.s3]
zzzzzz = 1
[source]
path = 1
[text]
zzzzzz = 1
[zzzzzz]
key = 1
";
    check_refused(
        text,
        &["batch.max_record=7"],
        &[
            "my.toml:2: unknown key \"reader\"; did you mean \"readers\"?",
            "my.toml:3: unknown key \"min_chars\"; did you mean \"filter.min_chars\"?",
            "my.toml:7: unknown key \"filter.min_char\"; did you mean \"filter.min_chars\"?",
            "my.toml:8: unknown key \"filtre\"; did you mean \"filter\"?",
            "my.toml:11: unknown key \"source.s3.zzzzzz\"; that section has access_key_id, anonymous, buckets, \
             endpoint_url, path_style, profile, region, secret_access_key, session_token",
            "my.toml:13: unknown key \"source.path\"; did you mean \"source.paths\"?",
            "my.toml:15: unknown key \"text.zzzzzz\"; that section has extractor, max_depth, max_elements",
            "my.toml:16: unknown key \"zzzzzz\"",
            "--set batch.max_record: unknown key \"batch.max_record\"; did you mean \"batch.max_records\"?",
        ],
    );
    check_refused(
        "\"filter.min_chars\" = 1",
        &[],
        &["my.toml:1: unknown key \"filter.min_chars\": leave the quotes around its name out"],
    );
}

#[test]
fn values_of_the_wrong_type_are_told_with_line_and_value() {
    let check = |text: &str, expected: &str| check_refused(text, &[], &[expected]);
    check(
        "\n\nreaders = \"four\"",
        "my.toml:3: \"readers\" must be a whole number, 0 or more, not the text \"four\"",
    );
    check("readers = -1", "my.toml:1: \"readers\" must be a whole number, 0 or more, not the number -1");
    check("readers = 1.5", "my.toml:1: \"readers\" must be a whole number, 0 or more, not the number 1.5");
    check("kind = true", "my.toml:1: \"kind\" must be a text in quotes, not true");
    check("filter = 3", "my.toml:1: \"filter\" must be a section, not the number 3");
    check("[kind]", "my.toml:1: \"kind\" must be a text in quotes, not a section");
    check(
        "source.paths = \"x\"",
        "my.toml:1: \"source.paths\" must be a list of texts, not the text \"x\"; write [\"x\"]",
    );
    check(
        "source.paths = [\n\"x\",\n7]",
        "my.toml:3: \"source.paths\" must be a list of texts; element 2 is the number 7",
    );
    check(
        "record.http_status = [200, \"ok\"]",
        "my.toml:1: \"record.http_status\" must be a list of whole numbers; element 2 is the text \"ok\"",
    );
    check(
        "image.size = [224]",
        "my.toml:1: \"image.size\" must be a list of 2 whole numbers, not a list of 1 element",
    );
    check(
        "model.device = 0",
        "my.toml:1: \"model.device\" must be a text in quotes or a list of them, not the number 0",
    );
    check(
        "model.threshold = \"0.5\"",
        "my.toml:1: \"model.threshold\" must be a number, not the text \"0.5\"",
    );
    check(
        "source.s3.path_style = 1",
        "my.toml:1: \"source.s3.path_style\" must be true or false, not the number 1",
    );
    check("output.path = 2026-11-22", "my.toml:1: \"output.path\" must be a text in quotes, not a date");
    check(
        "source.s3.secret_access_key = 31337",
        "my.toml:1: \"source.s3.secret_access_key\" must be a text in quotes, not a number",
    );
}

#[test]
fn values_that_their_section_refuses_are_told_with_line() {
    let check = |text: &str, expected: &str| check_refused(text, &[], &[expected]);
    check("\nkind = \"video\"", "my.toml:2: \"kind\": unknown variant `video`, expected `text` or `image`");
    check(
        "[transport]\nlisten = \"localhost\"",
        "my.toml:2: \"transport.listen\": expected IP:PORT, such as \"0.0.0.0:7700\"",
    );
    check(
        "transport.advertise = \"gpu1\"",
        "my.toml:1: \"transport.advertise\": expected HOST:PORT, such as \"gpu1.example.org:7700\", or \"\"",
    );
    check(
        "telemetry.metrics = \"9464\"",
        "my.toml:1: \"telemetry.metrics\": expected IP:PORT, such as \"127.0.0.1:9464\", or \"\"",
    );
}

#[test]
fn what_is_not_toml_is_told_with_line() {
    let error = load("kind = \"text\"\nreaders = = 3\n", &[]).unwrap_err().to_string();
    assert!(error.starts_with("my.toml:2: not TOML: "), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    let error =
        load("kind = image # of any size\n[output]\npath = /data/x\nformat = \"files\"\n", &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "my.toml:1: not TOML: a text needs quotes, as in \"image\"\n\
         my.toml:3: not TOML: a text needs quotes, as in \"/data/x\""
    );
    let error = load("[source.s3]\nsecret_access_key = s3cr3t\n", &[]).unwrap_err().to_string();
    assert!(error.starts_with("my.toml:2: not TOML: ") && !error.contains("s3cr3t"), "{error}");
    let error = load("readers = 1\nreaders = 2\n", &[]).unwrap_err().to_string();
    assert!(error.starts_with("my.toml:2: not TOML: duplicate key"), "{error}");
}

#[test]
fn rules_between_keys_name_them_and_the_cure() {
    let check = |text: &str, line: usize, parts: &[&str]| {
        let error = load_with_needs(text, &[]).unwrap_err().to_string();
        assert!(error.starts_with(&format!("my.toml:{line}: ")), "{text}: {error}");
        assert_eq!(error.lines().count(), 1, "{text}: {error}");
        for part in parts {
            assert!(error.contains(part), "{text}: {error}");
        }
    };
    check(
        "transport.window_bytes = 70000",
        1,
        &["\"transport.max_record_bytes\" (8388608)", "raise the first"],
    );
    check("transport.max_record_bytes = 65535", 1, &["from 65536 to 1073741824"]);
    check(
        "[transport]\nwindow_bytes = 2147483648\nmax_record_bytes = 1073741825",
        3,
        &["from 65536 to 1073741824"],
    );
    check("readers = 0", 1, &["\"launcher\" = \"local\"", "\"none\""]);
    check("model.threshold = 1.5", 1, &["\"model.threshold\" is 1.5", "from 0 to 1"]);
    check("model.threshold = -1", 1, &["\"model.threshold\" is -1", "from 0 to 1"]);
    check("telemetry.progress_s = -1", 1, &["more than 0"]);
    check("model.threshold = nan", 1, &["\"model.threshold\" is NaN"]);
    check("model = { threshold = inf, activation = \"none\" }", 1, &["\"model.threshold\" is inf"]);
    check("model.device = []", 1, &["\"model.device\" names no device"]);
    check(
        "filter = { min_chars = 9, max_chars = 8 }",
        1,
        &["\"filter.min_chars\" (9)", "\"filter.max_chars\" (8)"],
    );
    check("record.min_body_bytes = 4000001", 1, &["\"record.max_body_bytes\" (4000000)"]);
    check("record.http_status = [200, 20]", 1, &["100 to 999"]);
    check("filter.min_width = 5", 1, &["\"filter.min_width\" has no effect with \"kind\" = \"text\""]);
    check("kind = \"image\"\nfilter.languages = [\"en\"]", 2, &["\"filter.languages\" has no effect"]);
    check("\nfilter.url_regex = \"(a\"", 2, &["not a regular expression: unclosed group"]);
    check("image.size = [0, 224]", 1, &["[0, 0]"]);
    check("batch.max_records = 0", 1, &["\"batch.max_records\" must be 1 or more"]);
    check("batch.window_records = 63", 1, &["\"batch.max_records\" (64)"]);
    check("output.path = \"\"", 1, &["\"output.path\" is empty"]);
    check("telemetry.progress_s = 0", 1, &["more than 0"]);
    check("telemetry.log = \"warcdl=loud\"", 1, &["\"telemetry.log\""]);
}

#[test]
fn what_is_within_the_rules_is_taken() {
    let check = |text: &str| assert!(load_with_needs(text, &[]).is_ok(), "{text}");
    check("launcher = \"none\"\nreaders = 0");
    check("filter.min_chars = 100");
    check("kind = \"text\"\nfilter.min_width = 0");
    check("kind = \"image\"\nfilter = { min_width = 32, min_height = 32, url_regex = 'png$' }");
    check("model = { threshold = -2.5, activation = \"none\" }");
    check("model = { threshold = -2, activation = \"none\" }");
    check("transport = { window_bytes = 65536, max_record_bytes = 65536 }");
}

#[test]
fn a_run_needs_a_source_and_a_model() {
    let error = load("", &[]).unwrap_err().to_string();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines.len(), 2, "{error}");
    for key in ["\"source.paths\"", "\"source.list\"", "\"source.s3.buckets\"", "\"model.path\""] {
        assert!(error.contains(key), "{error}");
    }
    load("source.s3.buckets = [\"b\"]\nmodel.kind = \"passthrough\"", &[]).unwrap();
    load("source.list = \"l.txt\"\nmodel.path = \"m.onnx\"", &[]).unwrap();
}

#[test]
fn a_key_that_is_not_understood_brings_no_second_complaint() {
    let check = |text: &str| {
        let error = load(text, &[]).unwrap_err().to_string();
        assert_eq!(error.lines().count(), 1, "{error}");
    };
    check("source.pths = [\"a\"]");
    check("source.paths = \"a\"");
    check("kind = \"imagee\"\nsource.paths = [\"a\"]\nfilter.min_width = 3");
}

#[test]
fn all_problems_are_told_in_the_order_of_the_file() {
    let text = "[transport]\nwindow_bytes = 70000\n[filter]\nmin_char = 3\n[batch]\nmax_records = \"x\"\n";
    let error = load_with_needs(text, &["readers=0", "kind"]).unwrap_err().to_string();
    let starts: Vec<&str> = error.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(starts, ["--set", "my.toml:2:", "my.toml:4:", "my.toml:6:", "--set"], "{error}");
}

#[test]
fn flags_win_over_the_file_and_the_last_of_them_over_the_others() {
    let text = "readers = 2\nkind = \"image\"";
    let overrides = [
        "readers=3",
        "kind=text",
        "readers = 4",
        "filter.languages=[\"en\", \"de\"]",
        "output.overwrite=true",
        "output.path=out=1",
        "source.s3.region='eu-west-1'",
        "model.device=[\"cuda:0\"]",
        "model.label=1",
    ];
    let config = load_with_needs(text, &overrides).unwrap();
    assert_eq!((config.readers, config.kind), (4, Kind::Text));
    assert!(config.output.overwrite);
    let resolved = config.resolved_toml();
    for expected in [
        "languages = [\"en\", \"de\"]",
        "overwrite = false",
        "path = \"out=1\"",
        "region = \"eu-west-1\"",
        "device = [\"cuda:0\"]",
        "label = \"1\"",
    ] {
        assert!(resolved.contains(expected), "{expected}: {resolved}");
    }
}

#[test]
fn flags_that_are_wrong_are_told_by_their_key() {
    let check = |flag: &str, expected: &str| check_refused("", &[flag], &[expected]);
    check("readers", "--set needs KEY=VALUE, such as --set readers=4");
    check(
        "readers=four",
        "--set readers: \"readers\" must be a whole number, 0 or more, not the text \"four\"",
    );
    check(
        "source.paths=x",
        "--set source.paths: \"source.paths\" must be a list of texts, not the text \"x\"; write [\"x\"]",
    );
    check(
        "source.paths=[x]",
        "--set source.paths: the value is not TOML: string values must be quoted, expected literal string",
    );
    check(
        "readers=\"4\"",
        "--set readers: \"readers\" must be a whole number, 0 or more, not the text \"4\"",
    );
    check(
        "readers=0",
        "--set readers: \"readers\" is 0, so \"launcher\" = \"local\" has none to start: set \"readers\" to 1 or more, or \"launcher\" to \"none\"",
    );
    check("source=x", "--set source: \"source\" must be a section, not the text \"x\"");
}

#[test]
fn the_resolved_file_gives_the_same_run_and_no_secret() {
    let text = "[source.s3]\naccess_key_id = \"AKIAPROBE\"\nsecret_access_key = \"s3cr3t\"\nsession_token = \"t0ken\"";
    let config = load_with_needs(text, &["filter.min_chars=7"]).unwrap();
    assert_eq!(config.source.s3.secret_access_key.0, "s3cr3t");
    let resolved = config.resolved_toml();
    for secret in ["AKIAPROBE", "s3cr3t", "t0ken"] {
        assert!(!resolved.contains(secret), "{resolved}");
        assert!(!format!("{config:?}").contains(secret));
    }
    let again = load(&resolved, &[]).unwrap();
    assert_eq!(again.resolved_toml(), resolved);
    assert!(resolved.contains("min_chars = 7"), "{resolved}");
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let check = |path: &Path, parts: &[&str]| {
        let error = Config::load(path, &[]).unwrap_err().to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
        for part in parts {
            assert!(error.contains(part), "{error}");
        }
    };
    check(Path::new("absent.toml"), &["does not exist", "working directory: /"]);
    check(folder.path(), &["cannot read"]);
    let latin = folder.path().join("latin1.toml");
    std::fs::write(&latin, b"# Kr\xe4uter\n").unwrap();
    check(&latin, &["byte 4"]);
}
