//! The progress line, as lines and on a terminal.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indicatif::{ProgressDrawTarget, TermLike};

use super::{Progress, Rates, Reporter, View, bar, bytes, chars, count, duration, folded, line, share};

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
        readers_pending: 0,
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
fn a_narrow_terminal_gets_all_of_the_line_in_several() {
    let line = line(&progress(), Rates { records: 38_140.0, bytes: 1.2e9 }, "cpu");
    let check = |columns, expected: &str| {
        let folded = folded(&line, columns);
        assert_eq!(folded, expected);
        assert!(folded.lines().all(|line| chars(line) <= columns), "{folded}");
    };
    check(140, &line);
    check(
        80,
        "archives 512/9000 · 38.1k rec/s · kept 0.42 % · excluded 61 % · cpu busy 96 %\n\
         3 readers · 1.2 GB/s · damaged 3 · eta 2h14m",
    );
    check(
        60,
        "archives 512/9000 · 38.1k rec/s · kept 0.42 %\n\
         excluded 61 % · cpu busy 96 % · 3 readers · 1.2 GB/s\n\
         damaged 3 · eta 2h14m",
    );
    assert_eq!(super::folded(&line, 1).lines().count(), 9, "a part is never broken");
}

/// A terminal of so many columns that keeps all that is written.
#[derive(Debug)]
struct Terminal(u16, Sink);

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        self.0
    }
    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(&format!("{text}\n"))
    }
    fn write_str(&self, text: &str) -> io::Result<()> {
        self.1.clone().write_all(text.as_bytes())
    }
    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_terminal_of_any_width_gets_the_whole_text() {
    for columns in [60, 80, 140] {
        let written = Sink::default();
        let target = ProgressDrawTarget::term_like(Box::new(Terminal(columns, written.clone())));
        let mut reporter = Reporter::with_view("cpu", View::Bar(bar(target)));
        reporter.tick(&progress());
        let shown = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        for part in ["archives 512/9000", "kept 0.42 %", "3 readers", "1.2 GB/s", "eta 2h14m", "6 %"] {
            assert!(shown.contains(part), "{columns}: no {part} in {shown}");
        }
    }
}

#[test]
fn readers_that_the_cluster_has_no_room_for_are_told() {
    let waiting = Progress { readers_connected: 1, readers_pending: 2, ..progress() };
    let line = line(&waiting, Rates::default(), "cpu");
    assert!(line.contains(" · readers 1, 2 pending · "), "{line}");
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

#[derive(Clone, Debug, Default)]
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
