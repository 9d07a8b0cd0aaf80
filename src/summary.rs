//! What a run leaves to be read: `summary.json`, and the tables on the terminal.

use crate::telemetry::table::printable;
use crate::telemetry::{Column, Table};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use warcdl_actors::ledger::{Account, Tally};
use warcdl_actors::metrics::ReaderMetrics;
use warcdl_actors::pipeline::{ArchiveState, Outcome};
use warcdl_actors::results::names::QUARANTINE;
use warcdl_actors::{Exclusion, LegacyCounter, Listed, PartState, Positive, Sink, SinkError};

/// Positives that are shown at the end.
const SHOWN: usize = 10;

/// `summary.json`.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Version of warcdl.
    pub version: &'static str,
    /// Whether every archive was read to its end and every record has its verdict.
    pub complete: bool,
    /// Whether the run was ended before its time by a signal.
    pub interrupted: bool,
    /// Whether it went on with the results of an earlier one, whose records are counted here too.
    pub resumed: bool,
    /// Seconds from start to end, of the last run alone.
    pub seconds: f64,
    /// The funnel of all archives: `seen = positives + negatives + Σ excluded`.
    pub records: Funnel,
    /// Records lost to damage of the archives.
    pub damaged: u64,
    /// Lines of `quarantine.jsonl`.
    pub listed: u64,
    /// Places that would be lines there, but were too many.
    pub unlisted: u64,
    /// The counters of the ancestor, WARC-DL, under their old names.
    pub ancestor_counters: BTreeMap<&'static str, u64>,
    /// Leases that ended before their part of an archive did, because a reader was lost or an archive could not be read on; of
    /// the last run alone.
    pub interruptions: Interruptions,
    /// Records that were passed over because they killed their readers: the first thousand of the last run.
    pub quarantined: Vec<QuarantinedRecord>,
    /// What the processes used.
    pub processes: Processes,
    /// Every archive, in the order of the listing.
    pub archives: Vec<ArchiveSummary>,
}

/// Counts of records.
#[derive(Debug, Serialize)]
pub struct Funnel {
    /// Records that readers came across.
    pub seen: u64,
    /// Records above the threshold.
    pub positives: u64,
    /// Records not above it.
    pub negatives: u64,
    /// Records without a score, by reason.
    pub excluded: BTreeMap<&'static str, u64>,
}

/// See [`Summary::interruptions`].
#[derive(Debug, Serialize)]
pub struct Interruptions {
    /// How many there were.
    pub count: u64,
    /// The first thousand.
    pub first: Vec<InterruptionSummary>,
}

/// One interruption.
#[derive(Debug, Serialize)]
pub struct InterruptionSummary {
    /// The archive.
    pub warc_filename: String,
    /// Offset in the stored file at which the next reader went on, if the archive was not given up there.
    pub resumed_at: u64,
    /// What happened.
    pub reason: String,
}

/// A record that killed its readers, by its key.
#[derive(Debug, Serialize)]
pub struct QuarantinedRecord {
    /// The archive.
    pub warc_filename: String,
    /// Offset in the stored file.
    pub warc_record_offset: u64,
    /// Records of the same compressed member before it.
    pub warc_record_ordinal: u32,
}

/// CPU time and memory of the processes.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Processes {
    /// CPU seconds of the GPU node.
    pub gpu_node_cpu_seconds: f64,
    /// Largest resident memory of the GPU node in bytes.
    pub gpu_node_peak_memory_bytes: u64,
    /// CPU seconds of all readers.
    pub readers_cpu_seconds: f64,
    /// Largest resident memory of a reader in bytes.
    pub reader_peak_memory_bytes: u64,
}

/// One archive.
#[derive(Debug, Serialize)]
pub struct ArchiveSummary {
    /// Path or URI.
    pub warc_filename: String,
    /// `done`, `failed` or `unfinished`.
    pub state: &'static str,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Bytes of the stored file, as listed.
    pub bytes: u64,
    /// Bytes of it that were read.
    pub bytes_read: u64,
    /// Records lost to damage.
    pub damaged: u64,
    /// The funnel.
    #[serde(flatten)]
    pub records: Funnel,
}

/// How a run began and ended.
#[derive(Clone, Copy, Debug)]
pub struct RunEnd {
    /// Whether it was ended before its time by a signal.
    pub interrupted: bool,
    /// Whether it went on with the results of an earlier one.
    pub resumed: bool,
}

impl Processes {
    /// This process, and what readers told of themselves.
    pub fn sample(readers: &ReaderMetrics) -> Processes {
        let (cpu, peak) = crate::process::figures();
        Processes {
            gpu_node_cpu_seconds: cpu.as_secs_f64(),
            gpu_node_peak_memory_bytes: peak,
            readers_cpu_seconds: readers.cpu_seconds.get(),
            reader_peak_memory_bytes: readers.peak_memory.get() as u64,
        }
    }
}

impl Summary {
    /// The summary of a run that ended.
    pub fn new(outcome: &Outcome, end: RunEnd, elapsed: Duration, processes: Processes) -> Summary {
        let RunEnd { interrupted, resumed } = end;
        let first = outcome.interruptions.iter().map(|interruption| InterruptionSummary {
            warc_filename: outcome.archives[interruption.warc as usize].archive.name.to_string(),
            resumed_at: interruption.at.offset,
            reason: interruption.reason.clone(),
        });
        let quarantined = outcome.quarantined.iter().map(|key| QuarantinedRecord {
            warc_filename: outcome.archives[key.warc as usize].archive.name.to_string(),
            warc_record_offset: key.position.offset,
            warc_record_ordinal: key.position.ordinal,
        });
        let archives = outcome.archives.iter().map(|archive| {
            let (state, reason) = match &archive.state {
                ArchiveState::Done => ("done", None),
                ArchiveState::Failed(reason) => ("failed", Some(reason.clone())),
                ArchiveState::Unfinished => ("unfinished", None),
            };
            ArchiveSummary {
                warc_filename: archive.archive.name.to_string(),
                state,
                reason,
                bytes: archive.archive.size,
                bytes_read: archive.bytes_read,
                damaged: archive.account.excluded.damaged(),
                records: Funnel::new(&archive.account),
            }
        });
        Summary {
            version: env!("CARGO_PKG_VERSION"),
            complete: outcome.complete(),
            interrupted,
            resumed,
            seconds: elapsed.as_secs_f64(),
            records: Funnel::new(&outcome.total),
            damaged: outcome.total.excluded.damaged(),
            listed: outcome.listed,
            unlisted: outcome.total.excluded.listed().saturating_sub(outcome.listed),
            ancestor_counters: ancestor_counters(outcome),
            interruptions: Interruptions { count: outcome.interrupted, first: first.collect() },
            quarantined: quarantined.collect(),
            processes,
            archives: archives.collect(),
        }
    }

    /// The funnel as a table, and a sentence on whatever a person should know.
    pub fn report(&self) -> String {
        let mut table = Table::new([Column::left("records"), Column::right("")]);
        let Funnel { seen, positives, negatives, excluded } = &self.records;
        table.row(["seen", &seen.to_string()]);
        table.row(["  positive", &positives.to_string()]);
        table.row(["  negative", &negatives.to_string()]);
        for (reason, n) in excluded {
            table.row([format!("  {reason}"), n.to_string()]);
        }
        let mut report = table.to_string();
        let done = self.archives.iter().filter(|archive| archive.state == "done").count();
        let all = self.archives.len();
        report += &format!("{done} of {all} archives read to the end in {:.1} s", self.seconds);
        if self.damaged > 0 {
            let places = self.archives.iter().filter(|archive| archive.damaged > 0).count();
            let (records, places) = (counted(self.damaged, "record"), counted(places as u64, "archive"));
            report += &format!("\n{records} lost to damage in {places}");
        }
        let hopeless =
            |archive: &&ArchiveSummary| archive.damaged > 0 && archive.damaged == archive.records.seen;
        for archive in self.archives.iter().filter(hopeless).take(SHOWN) {
            let name = printable(&archive.warc_filename, usize::MAX);
            report += &format!("\nno record could be read in {name}: is it an archive?");
        }
        if self.listed > 0 {
            report += &format!("\n{} in {QUARANTINE}", counted(self.listed, "place"));
        }
        if self.unlisted > 0 {
            report += &format!("; {} more were too many to be listed", self.unlisted);
        }
        if self.interruptions.count > 0 {
            let times = counted(self.interruptions.count, "time");
            // The third failure in one place has the archive given up; a run that is stopped resumes nothing more.
            let but = if self.complete { "" } else { ", but for what is told below as incomplete" };
            report += &format!(
                "\n{times} a reader was lost or an archive could not be read on; the work was resumed where it stopped{but}"
            );
        }
        for failed in self.archives.iter().filter(|archive| archive.state == "failed").take(SHOWN) {
            let reason = failed.reason.as_deref().unwrap_or_default();
            let name = printable(&failed.warc_filename, usize::MAX);
            report += &format!("\nincomplete: {name}: {}", printable(reason, usize::MAX));
        }
        let unfinished = self.archives.iter().filter(|archive| archive.state == "unfinished").count();
        if unfinished > 0 {
            let archives = counted(unfinished as u64, "archive");
            report +=
                &format!("\nincomplete: {archives} not read to the end; run the same command again to go on");
        }
        report
    }
}

/// `1 archive`, `2 archives`.
pub fn counted(n: u64, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

impl Funnel {
    fn new(account: &Account) -> Funnel {
        let excluded = account.excluded.iter().map(|(reason, n)| (reason.name(), n)).collect();
        Funnel { seen: account.seen, positives: account.positives, negatives: account.negatives, excluded }
    }
}

/// The ten counters that the ancestor prints.
fn ancestor_counters(outcome: &Outcome) -> BTreeMap<&'static str, u64> {
    let excluded: &Tally = &outcome.total.excluded;
    let mut counters: BTreeMap<_, _> = LegacyCounter::ALL.map(|counter| (counter.name(), 0)).into();
    for (reason, n) in excluded.iter() {
        if let Some(counter) = reason.legacy() {
            *counters.entry(counter.name()).or_default() += n;
        }
    }
    let finished = outcome.archives.iter().filter(|archive| archive.state == ArchiveState::Done).count();
    // What its nodes yielded: everything that reached the GPU node.
    let unscorable = excluded.get(Exclusion::ScoreNan) + excluded.get(Exclusion::ModelError);
    let results = outcome.total.positives + outcome.total.negatives + unscorable;
    counters.insert("n_node_results", results);
    counters.insert("n_finished_warc_files", finished as u64);
    counters
}

/// The positives with the highest scores, for the terminal.
#[derive(Clone, Debug, Default)]
pub struct Highlights(Arc<Mutex<Vec<Highlight>>>);

#[derive(Clone, Debug)]
struct Highlight {
    score: f32,
    url: String,
    /// Title, first words, or size.
    what: String,
    is_picture: bool,
}

impl Highlights {
    /// A sink that remembers the best of what passes through it.
    pub fn watch(&self, sink: Box<dyn Sink>) -> Box<dyn Sink> {
        Box::new(Watched { sink, highlights: self.clone() })
    }

    fn note(&self, positive: &Positive) {
        let Ok(mut best) = self.0.lock() else { return };
        if best.len() == SHOWN && best[SHOWN - 1].score >= positive.score {
            return;
        }
        let (width, height) = positive.meta.image_size;
        let what = match (positive.meta.title.is_empty(), width) {
            (_, 1..) => format!("{width}×{height}"),
            (false, _) => positive.meta.title.clone(),
            (true, _) => String::from_utf8_lossy(&positive.keep[..positive.keep.len().min(80)]).into_owned(),
        };
        let at = best.partition_point(|other| other.score >= positive.score);
        best.insert(
            at,
            Highlight { score: positive.score, url: positive.meta.url.clone(), what, is_picture: width > 0 },
        );
        best.truncate(SHOWN);
    }

    /// The table, best first; `None` if there was no positive.
    pub fn table(&self) -> Option<Table> {
        let best = self.0.lock().ok()?;
        if best.is_empty() {
            return None;
        }
        let what = if best.iter().any(|highlight| highlight.is_picture) { "pixels" } else { "title" };
        let columns =
            [Column::right("score"), Column::left("url").at_most(60), Column::left(what).at_most(44)];
        let mut table = Table::new(columns);
        for Highlight { score, url, what, .. } in best.iter() {
            table.row([format!("{score:.4}"), url.clone(), what.clone()]);
        }
        Some(table)
    }
}

struct Watched {
    sink: Box<dyn Sink>,
    highlights: Highlights,
}

impl Sink for Watched {
    fn put(&mut self, positive: &Positive) -> Result<(), SinkError> {
        self.sink.put(positive)?;
        self.highlights.note(positive);
        Ok(())
    }

    fn list(&mut self, listed: &Listed) -> Result<(), SinkError> {
        self.sink.list(listed)
    }

    fn commit(&mut self, parts: &[PartState]) -> Result<(), SinkError> {
        self.sink.commit(parts)
    }

    fn finish(&mut self, parts: &[PartState]) -> Result<(), SinkError> {
        self.sink.finish(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use warcdl_actors::PartOver;
    use warcdl_actors::lease::Archive;

    /// The report of a run in which one of two archives ended so, after one interruption.
    fn report(over: Option<PartOver>) -> String {
        let archives = ["a.warc.gz", "b.warc.gz"].map(|name| Archive {
            name: name.into(),
            size: 7,
            etag: String::new(),
            named: None,
        });
        let mut parts = PartState::all_whole(2);
        parts[0].over = Some(PartOver::Done);
        parts[1].over = over;
        let outcome = Outcome { interrupted: 1, ..Outcome::of(archives.to_vec(), &parts) };
        let processes = Processes {
            gpu_node_cpu_seconds: 0.0,
            gpu_node_peak_memory_bytes: 0,
            readers_cpu_seconds: 0.0,
            reader_peak_memory_bytes: 0,
        };
        let end = RunEnd { interrupted: false, resumed: false };
        Summary::new(&outcome, end, Duration::ZERO, processes).report()
    }

    #[test]
    fn work_that_was_given_up_is_not_said_to_be_resumed() {
        let resumed = "\n1 time a reader was lost or an archive could not be read on; the work was resumed where it stopped";
        let done = report(Some(PartOver::Done));
        assert!(done.ends_with(resumed), "{done}");
        for (over, told) in [
            (Some(PartOver::Failed("404 Not Found".into())), "incomplete: b.warc.gz: 404 Not Found"),
            (None, "incomplete: 1 archive not read to the end"),
        ] {
            let report = report(over);
            let expected = format!("{resumed}, but for what is told below as incomplete\n{told}");
            assert!(report.contains(&expected), "{report}");
        }
    }
}
