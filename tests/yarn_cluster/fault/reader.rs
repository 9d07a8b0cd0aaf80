//! What befalls readers.

use crate::container::kill;
use crate::run::{Run, Settings};
use crate::stage::{Crawl, Stage};
use crate::until::PATIENCE;
use std::fs;

/// So many leave most of the cluster free, and so many are on every node that takes any.
const FEW_READERS: usize = 3;
const MANY_READERS: usize = 12;
/// How often the ResourceManager is given the choice.
const ROUNDS: usize = 10;

/// Another one takes its place.
pub fn killed(stage: &Stage) -> Result<(), String> {
    kill_one(stage, "F1", &[])
}

pub fn killed_under_unmanaged(stage: &Stage) -> Result<(), String> {
    kill_one(stage, "unmanaged", &["yarn.am=unmanaged"])
}

fn kill_one(stage: &Stage, name: &str, more: &[&str]) -> Result<(), String> {
    let mut run = Run::start(stage, name, Settings { more, ..Settings::USUAL });
    let readers = run.midway(2)?;
    kill(readers[0].pid)?;
    run.told(&[&readers[0].id, "exited 137"])?;
    let after = run.readers(2)?;
    if after.contains(&readers[0]) || !after.contains(&readers[1]) {
        return Err(format!("{after:?} after {:?} of {readers:?} was killed", readers[0]));
    }
    run.gets_on()?;
    run.finish()
}

/// By the operator, while the run goes on.
pub fn scaled(stage: &Stage) -> Result<(), String> {
    let mut run = Run::start(stage, "F8", Settings { readers: 1, ..Settings::USUAL });
    run.midway(1)?;
    run.operator(&["scale", "4"])?;
    let four = run.readers(4)?;
    run.operator(&["scale", "2"])?;
    let two = run.readers(2)?;
    if let Some(new) = two.iter().find(|reader| !four.contains(reader)) {
        return Err(format!("{new:?} was started when two of {four:?} were to stay"));
    }
    run.gets_on()?;
    let summary = run.summary();
    run.finish()?;
    // Those that were too many gave their work back.
    let text = fs::read_to_string(summary).map_err(|error| error.to_string())?;
    let summary: serde_json::Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    match &summary["interruptions"] {
        interruptions if interruptions["count"] == 0 => Ok(()),
        interruptions => Err(format!("leases were interrupted, though no reader died: {interruptions}")),
    }
}

/// YARN ends it; the operator is told what to do, does it, and the run goes on.
pub fn too_large(stage: &Stage) -> Result<(), String> {
    let small = ["yarn.reader_memory_mb=64"];
    let settings = Settings { crawl: Crawl::Heavy, readers: 1, more: &small, ..Settings::USUAL };
    let mut run = Run::start(stage, "F9", settings);
    run.submitted()?;
    // The whole page at once.
    stage.s3.set_narrow(false);
    run.told(&["exited -104", "yarn.reader_memory_mb"])?;
    run.signal("INT");
    run.ends(PATIENCE, Some(130))?;
    run.is_over("FINISHED", "KILLED")?;
    run.go_on(&["yarn.reader_memory_mb=1024"]);
    run.finish()
}

/// The run works with the readers that it gets.
pub fn queue_full(stage: &Stage) -> Result<(), String> {
    // A tenth of 12 GB has room for a master and three readers.
    let settings = Settings { readers: 5, more: &["yarn.queue=small"], ..Settings::USUAL };
    let mut run = Run::start(stage, "F11", settings);
    run.midway(3)?;
    run.until("a queue that gives four containers", |run| (run.count() == Some(4)).then_some(()))?;
    run.gets_on()?;
    run.finish()
}

/// It is avoided: the program there is damaged, which only its hash tells.
pub fn node_bad(stage: &Stage) -> Result<(), String> {
    let mut run = Run::start(stage, "F15", Settings { readers: 6, ..Settings::USUAL });
    let (first, count) = run.spread(6)?;
    let program = fs::read_link(format!("/proc/{}/exe", first.pid)).map_err(|error| error.to_string())?;
    // A file of its own, for a program that runs cannot be written to.
    let damaged = fs::remove_file(&program).and_then(|()| fs::write(&program, "damaged"));
    damaged.map_err(|error| format!("{}: {error}", program.display()))?;
    for reader in run.containers("reader").iter().filter(|reader| reader.node == first.node) {
        kill(reader.pid)?;
    }
    // The scheduler may have other nodes for those that replace the dead, but not for ever.
    let mut readers = run.readers(count)?;
    let mut rounds = 0;
    while !run.log().contains("no more readers on") {
        if rounds == ROUNDS {
            return Err(format!("{MANY_READERS} readers, {ROUNDS} times: none was to be on {}", first.node));
        }
        rounds += 1;
        for count in [FEW_READERS, MANY_READERS] {
            run.operator(&["scale", &count.to_string()])?;
            readers = run.readers(count)?;
        }
    }
    if readers.iter().any(|reader| reader.node == first.node) {
        return Err(format!("node {} is to be avoided: {readers:?}", first.node));
    }
    run.gets_on()?;
    run.finish()
}
