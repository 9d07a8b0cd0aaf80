//! How long a lease lies idle whose reader is gone.

use crate::job::Job;
use crate::process::tick;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// What befalls the reader.
#[derive(Clone, Copy, Debug)]
pub enum End {
    Killed,
    Stopped,
}

/// Two readers and one archive: the time from the end of the one that reads it to the first record that the other
/// delivers. The run is ended with that.
pub fn resume_time(job: &Job, end: End) -> Result<Duration, String> {
    let _gpu = job.gpu();
    let mut readers = [job.reader(), job.reader()];
    let figures = || job.figures().unwrap_or_default();
    wait_for(|| figures().readers == 2 && figures().delivered > 100)?;
    if readers[0].archive().is_none() {
        readers.reverse();
    }
    let [holder, other] = &mut readers;
    if holder.archive().is_none() || other.archive().is_some() {
        return Err("one of two readers should have the only archive open".to_owned());
    }
    let start = Instant::now();
    match end {
        End::Killed => drop(holder.kill()),
        End::Stopped => holder.signal("STOP"),
    }
    wait_for(|| other.archive().is_some())?;
    // What the first one delivered has arrived: the lease ended behind it.
    let before = figures().delivered;
    wait_for(|| figures().delivered > before)?;
    Ok(start.elapsed())
}

fn wait_for(condition: impl Fn() -> bool) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        if Instant::now() > deadline {
            return Err(format!("nothing for {} s", PATIENCE.as_secs()));
        }
        tick();
    }
    Ok(())
}
