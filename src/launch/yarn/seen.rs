//! What is known of the application, and what of it the operator is told.

use std::time::{Duration, Instant};

use warcdl_yarn::{ApplicationId, ApplicationState, Report};

use super::YarnError;
use super::cluster::Doubt;
use crate::control::Standing;

/// An application that waits for so long tells why, and again each time as much has passed.
const WAITING: Duration = Duration::from_secs(60);
/// Readers that are missing for so long are told of, and again each time as much has passed.
const MISSING: Duration = Duration::from_secs(30);
/// Lines of YARN's diagnostics that are shown when an application has failed.
const DIAGNOSTICS: usize = 40;

/// What is known of the application.
pub(super) struct Seen {
    id: ApplicationId,
    doubt: Option<Doubt>,
    state: ApplicationState,
    attempt: i32,
    /// Since when it has been in this state, in this attempt.
    since: Instant,
    /// When it was last told why it waits.
    told_waiting: Instant,
    /// It was in a queue.
    accepted: bool,
    /// The ResourceManager did not answer the last question.
    pub(super) unanswered: bool,
    /// A master is there.
    pub(super) master: bool,
    /// One was there.
    pub(super) master_was: bool,
    /// It was asked to end the application.
    pub(super) ending: bool,
    pub(super) standing: Standing,
    /// Since when readers have been missing, or when that was last told.
    missing: Option<Instant>,
}

impl Seen {
    /// An application that was submitted; `doubt` is about its queue.
    pub(super) fn new(id: ApplicationId, doubt: Option<Doubt>, now: Instant) -> Seen {
        Seen {
            id,
            doubt,
            state: ApplicationState::New,
            attempt: 0,
            since: now,
            told_waiting: now,
            accepted: false,
            unanswered: false,
            master: false,
            master_was: false,
            ending: false,
            standing: Standing::default(),
            missing: Some(now),
        }
    }

    /// Whether it is over.
    pub(super) fn is_over(&self) -> bool {
        self.state.is_final()
    }

    /// So many readers there are. What is to be told when all run, and when some have been missing for long.
    pub(super) fn counted(&mut self, standing: Standing, now: Instant) -> Option<String> {
        let Standing { running, pending } = standing;
        self.standing = standing;
        if self.ending || (running, pending) == (0, 0) {
            return None;
        }
        if pending == 0 {
            self.missing.take()?;
            return Some(format!("{running} readers run, none is missing"));
        }
        let since = *self.missing.get_or_insert(now);
        if now.saturating_duration_since(since) < MISSING {
            return None;
        }
        self.missing = Some(now);
        Some(format!("{running} readers run, {pending} are pending: the queue may have no room for them"))
    }

    /// The ResourceManager's report: what of it is to be told.
    pub(super) fn reported(&mut self, report: &Report, now: Instant) -> Vec<String> {
        let attempt = report.attempt.map_or(0, |attempt| attempt.attempt);
        let is_new = self.state != report.state || (self.attempt != attempt && attempt > 1);
        let was_running = self.state == ApplicationState::Running;
        let waited = now.saturating_duration_since(self.since);
        (self.state, self.attempt) = (report.state, attempt);
        self.accepted |=
            attempt > 0 || matches!(report.state, ApplicationState::Accepted | ApplicationState::Running);
        if !is_new {
            let waits = !matches!(report.state, ApplicationState::Running) && !report.state.is_final();
            if !waits || now.saturating_duration_since(self.told_waiting) < WAITING {
                return Vec::new();
            }
            self.told_waiting = now;
            let why = cause(&report.diagnostics);
            return vec![format!("{} for {:.0} s: {why}", report.state, waited.as_secs_f64())];
        }
        (self.since, self.told_waiting) = (now, now);
        match report.state {
            ApplicationState::Running => {
                let after = match was_running {
                    // It has waited unseen.
                    true => String::new(),
                    false => format!(" after {:.1} s", waited.as_secs_f64()),
                };
                let place = match &*report.host {
                    // In this process.
                    "" | "N/A" => String::new(),
                    host => format!(", master on {host}"),
                };
                vec![format!("RUNNING{after} (attempt {attempt}{place})")]
            }
            ApplicationState::Accepted => vec![format!(
                "ACCEPTED in queue {} ({:.0} % of it used by this application){}",
                report.queue,
                report.queue_usage_percent.max(0.0),
                if attempt > 1 { format!(", attempt {attempt}") } else { String::new() }
            )],
            state if state.is_final() => {
                let mut told = vec![format!("{state} ({})", report.final_status)];
                if state == ApplicationState::Failed {
                    let lines = report.diagnostics.lines().filter(|line| !line.trim().is_empty());
                    told.extend(lines.take(DIAGNOSTICS).map(|line| format!("| {line}")));
                }
                told
            }
            _ => Vec::new(),
        }
    }

    /// Why no reader will come, by a report that is known: if the application is over.
    pub(super) fn over(&self, report: &Report) -> Option<YarnError> {
        let &Report { state, final_status: status, .. } = report;
        if !state.is_final() {
            return None;
        }
        let diagnostics = cause(&report.diagnostics);
        Some(match &self.doubt {
            Some(doubt) if state == ApplicationState::Failed && !self.accepted => doubt.refused(diagnostics),
            _ => YarnError::Over { id: self.id, state, status, diagnostics },
        })
    }
}

/// What matters of many lines: the innermost cause, or the first line.
fn cause(diagnostics: &str) -> String {
    let innermost = diagnostics.lines().rev().find_map(|line| line.trim().strip_prefix("Caused by: "));
    let line = innermost.or_else(|| diagnostics.lines().map(str::trim).find(|line| !line.is_empty()));
    line.unwrap_or("YARN does not say why").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use warcdl_yarn::{AttemptId, FinalStatus, Resource};

    const ID: ApplicationId = ApplicationId { cluster_timestamp: 1, id: 2 };

    #[test]
    fn the_innermost_cause_is_told() {
        assert_eq!(cause("\n  first\nsecond"), "first");
        assert_eq!(cause("Undeclared\n\tat x\nCaused by: a: b\n\tat y\nCaused by: c: 404\n\tat z"), "c: 404");
        assert_eq!(cause(""), "YARN does not say why");
    }

    fn report(state: ApplicationState, attempt: i32) -> Report {
        Report {
            id: ID,
            state,
            final_status: FinalStatus::Undefined,
            name: String::new(),
            user: String::new(),
            queue: "default".into(),
            kind: String::new(),
            attempt: Some(AttemptId { application: ID, attempt }),
            host: "node17".into(),
            tracking_url: String::new(),
            diagnostics: "the queue is full".into(),
            progress: 0.0,
            started_ms: 0,
            finished_ms: 0,
            containers: 0,
            used: Resource { memory_mb: 0, vcores: 0 },
            queue_usage_percent: 5.0,
            am_rm_token: None,
        }
    }

    #[test]
    fn how_long_it_waits_is_told_of_each_state_and_attempt() {
        use ApplicationState::{Accepted, Running};
        let begin = Instant::now();
        let mut seen = Seen::new(ID, None, begin);
        let accepted = "ACCEPTED in queue default (5 % of it used by this application)";
        let second = format!("{accepted}, attempt 2");
        for (at, state, attempt, told) in [
            (0, Accepted, 1, &[accepted][..]),
            (59, Accepted, 1, &[]),
            (60, Accepted, 1, &["ACCEPTED for 60 s: the queue is full"]),
            (61, Accepted, 1, &[]),
            (120, Accepted, 1, &["ACCEPTED for 120 s: the queue is full"]),
            (130, Running, 1, &["RUNNING after 130.0 s (attempt 1, master on node17)"]),
            (5000, Running, 1, &[]),
            // The node of its master is lost.
            (9000, Accepted, 2, &[&second]),
            (9001, Accepted, 2, &[]),
            (9060, Accepted, 2, &["ACCEPTED for 60 s: the queue is full"]),
            (9070, Running, 2, &["RUNNING after 70.0 s (attempt 2, master on node17)"]),
            // It was accepted between two reports.
            (9999, Running, 3, &["RUNNING (attempt 3, master on node17)"]),
        ] {
            let report = report(state, attempt);
            assert_eq!(seen.reported(&report, begin + Duration::from_secs(at)), told, "after {at} s");
            assert!(seen.over(&report).is_none());
        }
    }

    #[test]
    fn readers_that_are_missing_for_long_are_told_of_again_and_again() {
        let begin = Instant::now();
        let mut seen = Seen::new(ID, None, begin);
        for (at, running, pending, told) in [
            (1, 0, 0, None),
            (29, 1, 3, None),
            (30, 1, 3, Some("1 readers run, 3 are pending: the queue may have no room for them")),
            (59, 1, 3, None),
            (60, 2, 2, Some("2 readers run, 2 are pending: the queue may have no room for them")),
            (61, 4, 0, Some("4 readers run, none is missing")),
            (200, 4, 0, None),
            (201, 3, 1, None),
        ] {
            let standing = Standing { running, pending };
            let now = begin + Duration::from_secs(at);
            assert_eq!(seen.counted(standing, now).as_deref(), told, "after {at} s");
        }
    }
}
