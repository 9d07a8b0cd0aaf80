//! How far a run is: one line, again and again.

use std::collections::VecDeque;
use std::io::Write;
use std::time::Duration;

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

/// The progress line. `device` is what the model runs on, such as `cpu` or `cuda:0`.
pub fn line(progress: &Progress, rates: Rates, device: &str) -> String {
    let mut parts = vec![
        format!("archives {}/{}", progress.archives_done, progress.archives_total),
        format!("{} rec/s", count(rates.records)),
        format!("kept {}", share(progress.positives, progress.scored)),
        format!("excluded {}", share(progress.excluded, progress.records_seen)),
        format!("{device} busy {:.0} %", progress.device_busy.clamp(0.0, 1.0) * 100.0),
        match progress.readers_connected {
            1 => "1 reader".to_owned(),
            readers => format!("{readers} readers"),
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
    parts.join(" · ")
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
        let bar = console.bars().add(ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr()));
        let style = ProgressStyle::with_template("{wide_msg}\n{bar:40} {percent:>3} %")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
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
                bar.set_length(length);
                bar.set_position(position);
                bar.set_message(text);
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

/// `950 B`, `38.1 kB`, `1.2 GB`: powers of 1000.
/// A number of bytes for people, such as `1.2 GB`.
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
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::{Progress, Rates, Reporter, bytes, count, duration, line, share};

    fn progress() -> Progress {
        Progress {
            archives_done: 512,
            archives_total: 9000,
            bytes_read: 600_000_000_000,
            bytes_total: 10_248_000_000_000,
            records_seen: 20_000_000,
            scored: 1_000_000,
            positives: 4200,
            excluded: 12_200_000,
            damaged: 3,
            readers_connected: 3,
            device_busy: 0.964,
            elapsed: Duration::from_secs(500),
        }
    }

    #[test]
    fn the_line_tells_the_state() {
        let rates = Rates { records: 38_140.0, bytes: 1.2e9 };
        assert_eq!(
            line(&progress(), rates, "cpu"),
            "archives 512/9000 · 38.1k rec/s · kept 0.42 % · excluded 61 % · cpu busy 96 % · 3 readers · 1.2 GB/s · \
             damaged 3 · eta 2h14m"
        );
    }

    #[test]
    fn what_is_read_and_not_scored_yet_is_told() {
        let all_read = Progress { archives_total: 512, damaged: 0, ..progress() };
        assert!(line(&all_read, Rates::default(), "cpu").ends_with("0 B/s · 6.8M left to score"));
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        assert_eq!(
            line(&Progress { readers_connected: 1, ..Progress::default() }, Rates::default(), "cuda:0"),
            "archives 0/0 · 0 rec/s · kept 0 % · excluded 0 % · cuda:0 busy 0 % · 1 reader · 0 B/s"
        );
    }

    #[test]
    fn units_are_for_people() {
        for (number, expected) in
            [(0.0, "0"), (999.4, "999"), (999.5, "1.0k"), (999_949.0, "999.9k"), (999_960.0, "1.0M")]
        {
            assert_eq!(count(number), expected);
        }
        for (number, expected) in [(12.0, "12 B"), (1.25e15, "1.2 PB"), (2e18, "2000.0 PB")] {
            assert_eq!(bytes(number), expected);
        }
        for (part, whole, expected) in
            [(0, 0, "0 %"), (1, 3, "33 %"), (1, 99, "1.01 %"), (1, 1_000_000, "1e-4 %"), (5, 5, "100 %")]
        {
            assert_eq!(share(part, whole), expected);
        }
        for (seconds, expected) in [(45, "45s"), (725, "12m05s"), (8040, "2h14m"), (273_600, "3d04h")] {
            assert_eq!(duration(Duration::from_secs(seconds)), expected);
        }
    }

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_come_at_their_pace_with_rates_of_the_last_half_minute() {
        let sink = Sink::default();
        let mut reporter = Reporter::to_writer(sink.clone(), "cpu", Duration::from_secs(10));
        // 100 records a second for a minute, then none.
        let at = |seconds: u64| Progress {
            records_seen: seconds.min(60) * 100,
            elapsed: Duration::from_secs(seconds),
            ..Progress::default()
        };
        (0..=100).for_each(|seconds| reporter.tick(&at(seconds)));
        reporter.finish(&at(100));
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let rates: Vec<&str> = text.lines().map(|line| line.split(" · ").nth(1).unwrap()).collect();
        let expected = [100, 100, 100, 100, 100, 100, 67, 33, 0, 0, 60].map(|rate| format!("{rate} rec/s"));
        assert_eq!(rates, expected);
    }
}
