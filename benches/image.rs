//! Pictures out of an archive to pixels, against FastWARC and Pillow: CPU seconds for reading the archive, checking each
//! picture's size by its header, decoding it to RGB and resizing it with antialiasing.
//!
//! Run by `make bench-image`, which installs the peer: `image PYTHON`. Pairs in turn, each in a process of its own; the last
//! line is JSON. A ratio above 1 says how many times as fast ours is.

#[path = "shared/lease.rs"]
mod lease;
#[path = "shared/pairs.rs"]
mod pairs;

use pairs::{compare, figures, tell};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use warcdl_actors::Input;

/// Mean difference of a pixel's levels, of 255, up to which the two are the same: decoders of JPEG differ in rounding and in
/// how they widen colours, and Pillow resizes in whole levels, where ours has floats.
const SAME: f64 = 2.0;

/// Reads the archive by our reader, and writes the pixels, if they are asked for; the figures as the peer prints them.
fn ours(path: &Path, side: u32, pixels_to: Option<&str>) -> Value {
    let mut all = Vec::new();
    let mut formats: BTreeMap<String, f64> = BTreeMap::new();
    let (mut records, mut pictures) = (0u64, 0u64);
    let mut last = lease::cpu::seconds();
    let mut figures = lease::read(lease::job(&["kind=image"], Some((side, side))), 1, path, |step| {
        records += 1;
        if let Ok(prepared) = step.outcome
            && let Input::Pixels { data, .. } = prepared.input
        {
            pictures += 1;
            if pixels_to.is_some() {
                all.extend_from_slice(&data);
            }
            let now = lease::cpu::seconds();
            *formats.entry(prepared.meta.content_mime_type).or_default() += now - last;
        }
        last = lease::cpu::seconds();
    });
    if let Some(file) = pixels_to {
        std::fs::write(file, all).expect("room on the disk");
    }
    figures["records"] = records.into();
    figures["pictures"] = pictures.into();
    figures["formats"] = json!(formats);
    figures
}

/// Mean difference of two files' bytes.
fn difference(one: &Path, other: &Path) -> f64 {
    let [one, other] = [one, other].map(|path| std::fs::read(path).expect("the pixels"));
    assert_eq!(one.len(), other.len(), "as many pixels");
    let sum: u64 = one.iter().zip(&other).map(|(one, other)| u64::from(one.abs_diff(*other))).sum();
    sum as f64 / one.len() as f64
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let python = match &arguments[..] {
        [own, side, path, pixels @ ..] if own == "--ours" => {
            let side = side.parse().expect("a number");
            println!("{}", ours(Path::new(path), side, pixels.first().map(String::as_str)));
            return;
        }
        [python] => python,
        _ => return println!("image: run by `make bench-image`, which installs what it is compared with"),
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("pictures.warc.gz");
    let program = std::env::current_exe().expect("this program has a path");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/image_pillow.py");
    let made = figures(Command::new(python).arg(script).arg("make").arg(&path));
    let counts = |figures: &Value| ["records", "pictures"].map(|key| figures[key].as_u64());
    let mut ratios = Vec::new();
    for side in ["150", "224"] {
        let own =
            |pixels: &[&Path]| figures(Command::new(&program).args(["--ours", side]).arg(&path).args(pixels));
        let peer = |pixels: &[&Path]| {
            figures(Command::new(python).arg(script).args(["read", side]).arg(&path).args(pixels))
        };
        let files = ["own", "peer"].map(|name| folder.path().join(name));
        let formats = [own(&[&files[0]]), peer(&[&files[1]])].map(|figures| figures["formats"].clone());
        let difference = difference(&files[0], &files[1]);
        let mut ratio = compare(
            &format!("image-{side}"),
            "seconds",
            "Pillow",
            || own(&[]),
            || peer(&[]),
            |own, peer| counts(own) == counts(peer) && difference <= SAME,
        );
        let of_format = |name: &String| {
            let ratio =
                formats[1][name].as_f64().unwrap_or(0.0) / formats[0][name].as_f64().unwrap_or(f64::NAN);
            (name.clone(), (ratio * 100.0).round() / 100.0)
        };
        let by_format: BTreeMap<String, f64> =
            formats[0].as_object().expect("formats").keys().map(of_format).collect();
        ratio["difference"] = ((difference * 1e3).round() / 1e3).into();
        ratio["by_format"] = json!(by_format);
        println!("{ratio}");
        ratios.push(ratio);
    }
    // The sum of both sizes would hide which one it is: the last line is the worse one.
    ratios.sort_by(|one, other| {
        f64::total_cmp(&one["ratio"].as_f64().unwrap_or(0.0), &other["ratio"].as_f64().unwrap_or(0.0))
    });
    let worse = ratios.swap_remove(0);
    tell(worse, json!({ "bench": "image", "made": made }));
}
