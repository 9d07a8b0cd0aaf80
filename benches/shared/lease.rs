//! An archive read whole as a reader reads it: a lease of all of it, records prepared.

#[path = "cpu.rs"]
pub mod cpu;

use serde_json::json;
use std::path::Path;
use warcdl::config::Config;
use warcdl::intake::Intake;
use warcdl::job::Job;

use warcdl_actors::port::{Pulse, Source, Step};
use warcdl_actors::wire::Lease;

/// The job of the default configuration with these settings; `size` is that of the model's pictures.
pub fn job(overrides: &[&str], size: Option<(u32, u32)>) -> Job {
    let overrides: Vec<String> = ["source.paths=[\"a\"]", "model.kind=passthrough"]
        .iter()
        .chain(overrides)
        .map(|&setting| setting.to_owned())
        .collect();
    let config = Config::parse(Path::new("bench"), "", &overrides).expect("a configuration");
    Job {
        stall_ms: 0,
        retry_s: 0,
        kind: config.kind,
        s3: config.source.s3.clone(),
        record: config.record.clone(),
        text: config.text.clone(),
        image: config.image.clone(),
        filter: config.filter.clone(),
        tokenizer_json: None,
        max_tokens: 512,
        image_size: size,
    }
}

/// Reads the archive on so many threads; `each` sees every step. Gives what that took from opening it to the last step:
/// `seconds` of this thread's CPU time, which is all where it is the only one, and `wall_seconds` on the clock.
pub fn read(job: Job, threads: usize, path: &Path, mut each: impl FnMut(Step)) -> serde_json::Value {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let store = job.store(runtime.handle().clone());
    let mut intake = Intake::new(job, store).expect("a job").with_threads(threads);
    let size = path.metadata().expect("the archive").len();
    let lease = Lease::of_whole(path.display().to_string(), size);
    let (start, before) = (std::time::Instant::now(), cpu::seconds());
    let mut records = intake.open(&lease, &Pulse::default()).expect("the archive");
    while let Some(step) = records.next().expect("the archive is whole") {
        each(step);
    }
    drop(records);
    json!({ "seconds": cpu::seconds() - before, "wall_seconds": start.elapsed().as_secs_f64() })
}
