//! How far a run is: one line, again and again.

use std::collections::VecDeque;
use std::io::Write;
use std::time::Duration;

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Console;

/// Rates and the remaining time are those of the last so much time.
const WINDOW: Duration = Duration::from_secs(30);

/// Where a run stands; all numbers since its start unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Archives read to their end, or given up.
    pub archives_done: u64,
    /// Archives of the run.
    pub archives_total: u64,
    /// Stored (compressed) bytes read.
    pub bytes_read: u64,
    /// Stored bytes of all archives; 0 where not known.
    pub bytes_total: u64,
    /// Records seen.
    pub records_seen: u64,
    /// Records scored.
    pub scored: u64,
    /// Of these, positives.
    pub positives: u64,
    /// Records excluded, for any reason.
    pub excluded: u64,
    /// Of these, because the archive is damaged.
    pub damaged: u64,
    /// Readers connected now.
    pub readers_connected: u32,
    /// Readers that are wanted of a cluster and do not run there now.
    pub readers_pending: u32,
    /// Share of the time since the last tick in which the device worked, 0 to 1.
    pub device_busy: f64,
    /// Since the start of the run.
    pub elapsed: Duration,
}

/// Speeds between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Records seen a second.
    pub records: f64,
    /// Stored bytes read a second.
    pub bytes: f64,
}

impl Rates {
    /// The speeds from `earlier` to `later`; zeros where no time has passed.
    pub fn between(earlier: &Progress, later: &Progress) -> Rates {
        let seconds = later.elapsed.saturating_sub(earlier.elapsed).as_secs_f64();
        if seconds == 0.0 {
            return Rates::default();
        }
        let per_second = |from: u64, to: u64| to.saturating_sub(from) as f64 / seconds;
        Rates {
            records: per_second(earlier.records_seen, later.records_seen),
            bytes: per_second(earlier.bytes_read, later.bytes_read),
        }
    }
}

/// Between the parts of the progress line.
const SEPARATOR: &str = " · ";

/// The progress line. `device` is what the model runs on, such as `cpu` or `cuda:0`.
pub fn line(progress: &Progress, rates: Rates, device: &str) -> String {
    let mut parts = vec![
        format!("archives {}/{}", progress.archives_done, progress.archives_total),
        format!("{} rec/s", count(rates.records)),
        format!("kept {}", share(progress.positives, progress.scored)),
        format!("excluded {}", share(progress.excluded, progress.records_seen)),
        format!("{device} busy {:.0} %", progress.device_busy.clamp(0.0, 1.0) * 100.0),
        match (progress.readers_connected, progress.readers_pending) {
            (1, 0) => "1 reader".to_owned(),
            (readers, 0) => format!("{readers} readers"),
            (readers, pending) => format!("readers {readers}, {pending} pending"),
        },
        format!("{}/s", bytes(rates.bytes)),
    ];
    // Between the last record read and the last verdict a slow model has the run to itself.
    let unscored = progress.records_seen.saturating_sub(progress.excluded + progress.scored);
    if progress.archives_done == progress.archives_total && unscored > 0 {
        parts.push(format!("{} left to score", count(unscored as f64)));
    }
    if progress.damaged > 0 {
        parts.push(format!("damaged {}", count(progress.damaged as f64)));
    }
    if let Some(left) = remaining(progress, rates) {
        parts.push(format!("eta {}", duration(left)));
    }
    parts.join(SEPARATOR)
}

/// A progress line in as many lines as it takes for none to be wider than `columns`, broken between its parts. A part that is
/// wider by itself stays whole.
pub fn folded(line: &str, columns: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for part in line.split(SEPARATOR) {
        match lines.last_mut() {
            Some(last) if chars(last) + chars(SEPARATOR) + chars(part) <= columns => {
                last.push_str(SEPARATOR);
                last.push_str(part);
            }
            _ => lines.push(part.to_owned()),
        }
    }
    lines.join("\n")
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

/// Shows a run's progress: a bar where a person watches, else lines.
pub struct Reporter {
    device: String,
    recent: VecDeque<Progress>,
    view: View,
}

enum View {
    Hidden,
    Bar(ProgressBar),
    Lines { out: Box<dyn Write + Send>, every: Duration, last: Option<Duration> },
}

impl Reporter {
    /// A bar on an interactive console; else a line every `every`.
    pub fn new(console: &Console, device: impl Into<String>, every: Duration) -> Reporter {
        if !console.is_interactive() {
            return Reporter::to_writer(console.clone(), device, every);
        }
        let bar = console.bars().add(bar(ProgressDrawTarget::stderr()));
        Reporter::with_view(device, View::Bar(bar))
    }

    /// A line to `out` every `every`.
    pub fn to_writer(
        out: impl Write + Send + 'static,
        device: impl Into<String>,
        every: Duration,
    ) -> Reporter {
        Reporter::with_view(device, View::Lines { out: Box::new(out), every, last: None })
    }

    /// Shows nothing.
    pub fn hidden() -> Reporter {
        Reporter::with_view("", View::Hidden)
    }

    fn with_view(device: impl Into<String>, view: View) -> Reporter {
        Reporter { device: device.into(), recent: VecDeque::new(), view }
    }

    /// Takes the state of now. To be called several times a second for a smooth bar; lines come at their own pace.
    pub fn tick(&mut self, progress: &Progress) {
        let due = match &self.view {
            View::Hidden => false,
            View::Bar(_) => true,
            View::Lines { every, last, .. } => {
                progress.elapsed.saturating_sub(last.unwrap_or_default()) >= *every
            }
        };
        if due {
            self.show(progress);
        }
    }

    /// Takes the state at the end; a bar goes away, its last state stays as a line.
    pub fn finish(&mut self, progress: &Progress) {
        // The line at the end tells the run as a whole.
        self.recent.clear();
        if let View::Bar(bar) = &self.view {
            bar.finish_and_clear();
            let rates = Rates::between(&Progress::default(), progress);
            bar.suspend(|| eprintln!("{}", line(progress, rates, &self.device)));
        } else {
            self.show(progress);
        }
    }

    fn show(&mut self, progress: &Progress) {
        while self.recent.len() > 1 && progress.elapsed.saturating_sub(self.recent[0].elapsed) > WINDOW {
            self.recent.pop_front();
        }
        let start = Progress::default();
        let rates = Rates::between(self.recent.front().unwrap_or(&start), progress);
        let text = line(progress, rates, &self.device);
        match &mut self.view {
            View::Hidden => {}
            View::Bar(bar) => {
                let (position, length) = match progress.bytes_total {
                    0 => (progress.archives_done, progress.archives_total),
                    total => (progress.bytes_read, total),
                };
                // What draws the bar would cut a longer line off without a sign.
                let (_, columns) = Term::stderr().size();
                bar.set_length(length);
                bar.set_position(position);
                bar.set_message(folded(&text, usize::from(columns).saturating_sub(1)));
            }
            View::Lines { out, last, .. } => {
                // Nobody can be told that standard error is gone.
                let _ = writeln!(out, "{text}");
                *last = Some(progress.elapsed);
            }
        }
        self.recent.push_back(*progress);
    }
}

fn bar(target: ProgressDrawTarget) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg}\n{bar:40} {percent:>3} %")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(0), target).with_style(style)
}

/// How long the rest takes at this speed, if that can be told.
fn remaining(progress: &Progress, rates: Rates) -> Option<Duration> {
    let left = progress.bytes_total.checked_sub(progress.bytes_read)?;
    if left == 0 || rates.bytes <= 0.0 {
        return None;
    }
    Duration::try_from_secs_f64(left as f64 / rates.bytes).ok()
}

/// `950`, `38.1k`, `2.4M`.
fn count(number: f64) -> String {
    scaled(number, &["", "k", "M", "G", "T"])
}

/// A number of bytes for people: `950 B`, `38.1 kB`, `1.2 GB`, in powers of 1000.
pub fn bytes(number: f64) -> String {
    scaled(number, &[" B", " kB", " MB", " GB", " TB", " PB"])
}

/// Below 1000 as a whole number, above with one decimal place.
fn scaled(number: f64, units: &[&str]) -> String {
    let mut value = number;
    let mut index = 0;
    // 999.95 would be rounded to 1000.0.
    while value >= if index == 0 { 999.5 } else { 999.95 } && index + 1 < units.len() {
        value /= 1000.0;
        index += 1;
    }
    let places = usize::from(index > 0);
    format!("{value:.places$}{}", units[index])
}

/// `0.42 %`, `61 %`: with the decimal places that a small share needs.
fn share(part: u64, whole: u64) -> String {
    if part == 0 || whole == 0 {
        return "0 %".to_owned();
    }
    let percent = part as f64 * 100.0 / whole as f64;
    match percent {
        10.0.. => format!("{percent:.0} %"),
        0.01.. => format!("{percent:.2} %"),
        _ => format!("{percent:.0e} %"),
    }
}

/// `45s`, `12m05s`, `2h14m`, `3d04h`.
fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    if days > 0 {
        format!("{days}d{:02}h", hours % 24)
    } else if hours > 0 {
        format!("{hours}h{:02}m", minutes % 60)
    } else if minutes > 0 {
        format!("{minutes}m{:02}s", seconds % 60)
    } else {
        format!("{seconds}s")
    }
}

#[cfg(test)]
mod tests;
