//! Records that hold far more than they are long: each costs itself, for a reason that has a name, the memory it takes follows
//! from the limits of the configuration, and the record behind it is read.
//!
//! A target of its own, since it reads the address space of the whole process: what C allocates counts too, and what is allocated
//! and never touched. Each file is read in a child process, as a reader reads it, so that none inherits the heap of another.

use std::path::Path;
use std::process::{Command, ExitCode};

use image::ImageFormat;
use serde_json::{Value, json};
use warcdl::config::Config;
use warcdl::intake::Intake;
use warcdl::job::Job;
use warcdl::kind::Kind;
use warcdl::process;
use warcdl_actors::port::{Pulse, Source};
use warcdl_actors::wire::Lease;

use archive::{page, response};
use bomb::Bomb;

#[path = "archive.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod archive;
#[path = "bombs/bomb.rs"]
mod bomb;
#[path = "bombs/deflate.rs"]
mod deflate;
#[path = "bombs/pictures.rs"]
mod pictures;
#[path = "bombs/zstd.rs"]
mod zstd;

/// Tells the child process which file to read, and as what.
const CHILD: &str = "WARCDL_TEST_BOMB";
const MIB: u64 = 1 << 20;
/// `record.max_body_bytes`.
const MAX_BODY: u64 = 4_000_000;
/// `image.max_pixels`.
const MAX_PIXELS: u64 = 4_000_000;
/// Bytes of memory for a byte of the longest body: as archived and in its chunks, decoded in a buffer that doubles, and as text in
/// another one; then as it is sent.
const BODY: u64 = 8;
/// Bytes of memory for a pixel of the largest picture: what `image` may allocate, see `prepare/image.rs`, and three of RGB.
const PIXEL: u64 = 19;
/// CPU time that a record may take where nothing is optimised but what it is made of, in ms.
const TIME: u64 = 30_000;
/// The reader's windows of stored and inflated bytes, the look-back of 4 MiB in a buffer that doubles, and the tables of decoders.
const READER: u64 = 24 * MIB;

fn job(kind: Kind) -> Job {
    let settings = [
        "source.paths=[\"a\"]".to_owned(),
        "model.path=m".to_owned(),
        format!("record.max_body_bytes={MAX_BODY}"),
        format!("image.max_pixels={MAX_PIXELS}"),
    ];
    let config = Config::parse(Path::new("my.toml"), "", &settings).unwrap();
    Job {
        stall_ms: 0,
        retry_s: 0,
        kind,
        s3: config.source.s3,
        record: config.record,
        text: config.text,
        image: config.image,
        filter: config.filter,
        tokenizer_json: None,
        max_tokens: 512,
        image_size: (kind == Kind::Image).then_some((224, 224)),
    }
}

/// The most bytes that this process ever had; nothing where there is no `/proc`.
fn address_space() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// Reads a file as a reader does; gives what became of its records, and the most memory that was held.
fn read(kind: Kind, path: &Path) -> Value {
    let job = job(kind);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = job.store(runtime.handle().clone());
    let mut intake = Intake::new(job, store).unwrap();
    let lease = Lease::of_whole(path.to_str().unwrap(), path.metadata().unwrap().len());
    let mut outcomes = Vec::new();
    let mut records = intake.open(&lease, &Pulse::default()).unwrap();
    loop {
        match records.next() {
            Ok(None) => break,
            Ok(Some(step)) => {
                outcomes.push(step.outcome.map_or_else(|reason| reason.name(), |_| "ok").to_owned());
            }
            Err(error) => {
                outcomes.push(error.to_string());
                break;
            }
        }
    }
    let (time, _) = process::figures();
    let memory = address_space().expect("a Linux with /proc");
    json!({ "outcomes": outcomes, "memory": memory, "cpu_ms": time.as_millis() as u64 })
}

/// Runs this program again for one file.
fn in_child(kind: Kind, path: &Path) -> Value {
    let case = json!([kind, path]).to_string();
    let output = Command::new(std::env::current_exe().unwrap()).env(CHILD, case).output().unwrap();
    let last = output.stdout.split(|&byte| byte == b'\n').rfind(|line| !line.is_empty());
    last.and_then(|line| serde_json::from_slice(line).ok()).unwrap_or_else(|| {
        panic!("{}: {}\n{}", path.display(), output.status, String::from_utf8_lossy(&output.stderr))
    })
}

/// The record before and behind each bomb.
fn sound(kind: Kind) -> Vec<u8> {
    match kind {
        Kind::Text => response("http://a/sound", "text/html", page("bombs", 20).as_bytes()),
        Kind::Image => response("http://a/sound", "image/png", &pictures::sound(ImageFormat::Png)),
    }
}

fn main() -> ExitCode {
    if let Ok(case) = std::env::var(CHILD) {
        let (kind, path): (Kind, String) = serde_json::from_str(&case).unwrap();
        println!("{}", read(kind, Path::new(&path)));
        return ExitCode::SUCCESS;
    }
    // `cargo test NAME` runs every target with NAME; `--list` is asked by editors.
    let named = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    if named.is_some_and(|name| !"bombs".contains(&name)) || std::env::args().any(|a| a == "--list") {
        return ExitCode::SUCCESS;
    }
    if address_space().is_none() {
        println!("bombs: not measured, there is no /proc/self/status here");
        return ExitCode::SUCCESS;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb");
    let mut calm = [Kind::Text, Kind::Image].map(|kind| {
        std::fs::write(&path, bomb::wrapped(&sound(kind), bomb::Wrap::Gzip)).unwrap();
        in_child(kind, &path)["memory"].as_u64().unwrap()
    });
    let mut failed = 0;
    for Bomb { name, kind, wrap, member, expected, more } in bomb::all() {
        let sound = bomb::wrapped(&sound(kind), wrap);
        std::fs::write(&path, [&sound[..], &member, &sound].concat()).unwrap();
        let told = in_child(kind, &path);
        let limit = match kind {
            Kind::Text => BODY * MAX_BODY,
            Kind::Image => BODY / 2 * MAX_BODY + PIXEL * MAX_PIXELS,
        };
        let bound = calm[kind as usize] + READER + limit + more;
        let memory = told["memory"].as_u64().unwrap();
        let right = told["outcomes"] == json!(["ok", expected, "ok"])
            && memory <= bound
            && told["cpu_ms"].as_u64().unwrap() <= TIME;
        println!(
            "{name}: {} bytes, {}, {} of {} MiB, {} ms{}",
            member.len(),
            told["outcomes"],
            memory / MIB,
            bound / MIB,
            told["cpu_ms"],
            if right { "" } else { "  WRONG" }
        );
        failed += u32::from(!right);
    }
    calm.sort_unstable();
    println!("{failed} wrong; a calm reader holds {} MiB", calm[1] / MIB);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
