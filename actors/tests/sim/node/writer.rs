//! The part of `writer.rs`, over the real store.

use super::Exit;
use super::mail::{Mail, Message};
use crate::clock::Actor;
use crate::env::Env;
use crate::scenario::THRESHOLD;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use warcdl_actors::books::Books;
use warcdl_actors::credit::CreditLease;
use warcdl_actors::frontier::{Released, Verdict};
use warcdl_actors::message::Admitted;
use warcdl_actors::results::{Results, ResultsError, Row};
use warcdl_actors::writer::Decision;
use warcdl_actors::{Exclusion, PartState, RecordKey};

/// A positive that waits for those before it.
type Kept = (RecordKey, Row, CreditLease);

/// A batch and its scores.
type Scored = (Vec<Admitted>, Vec<Result<f32, Exclusion>>);

/// See the module.
pub struct Writer {
    results: Results,
    decision: Decision,
    books: Books<Kept>,
    /// What was released, for the next commit.
    pending: Vec<(RecordKey, Row)>,
    stuck: Option<(Vec<PartState>, Duration)>,
    last_commit: Duration,
    backlog: VecDeque<Scored>,
    settled: u64,
    expected: Option<u64>,
    /// It was told to end with what it has.
    pub stopped: bool,
    /// The last commit is done.
    pub done: bool,
    failed: bool,
}

impl Writer {
    /// A writer that goes on with these parts.
    pub fn new(env: &Env, results: Results, parts: Vec<PartState>) -> Writer {
        Writer {
            results,
            decision: Decision { threshold: THRESHOLD, label: Arc::from("") },
            books: Books::new(parts),
            pending: Vec::new(),
            stuck: None,
            last_commit: env.now(),
            backlog: VecDeque::new(),
            settled: 0,
            expected: None,
            stopped: false,
            done: false,
            failed: false,
        }
    }

    fn ended(&self) -> bool {
        self.done || self.failed
    }

    /// Takes a message.
    pub fn handle(&mut self, env: &mut Env, mail: &mut Mail, message: Message) {
        match message {
            Message::Accepted(accepted) => {
                if !self.ended() {
                    let pending = &mut self.pending;
                    let taken = self.books.accept(&accepted, |released| store(env, pending, released));
                    if let Err(stale) = taken {
                        env.oracle.violated(stale.to_string());
                    }
                }
            }
            Message::Cut { part, new } => self.books.cut(part, new),
            Message::Close { part, epoch, reason } => {
                let pending = &mut self.pending;
                self.books.give_up(part, epoch, &reason, |released| store(env, pending, released));
            }
            Message::Scored { records, scores } => {
                self.backlog.push_back((records, scores));
                self.work(env, mail);
            }
            Message::EndOfStream(delivered) => {
                self.expected = Some(delivered);
                self.finish_if_done(env, mail);
            }
            Message::Stop => {
                self.stopped = true;
                self.finish_if_done(env, mail);
            }
            other => unreachable!("not for the writer: {other:?}"),
        }
    }

    fn decide(&mut self, env: &mut Env, record: Admitted, score: Result<f32, Exclusion>) {
        let Admitted { part, key, prepared, credit } = record;
        let decided = score.and_then(|score| self.decision.positive(score).map(|positive| (positive, score)));
        let verdict = match decided {
            Err(reason) => Verdict::Excluded(reason),
            Ok((false, _)) => Verdict::Negative,
            Ok((true, score)) => {
                let row = env.scenario.row(key, &prepared.meta, &prepared.keep, score);
                Verdict::Positive((key, row, credit))
            }
        };
        self.settled += 1;
        let pending = &mut self.pending;
        if let Err(stale) =
            self.books.settle(part, key.position, verdict, |released| store(env, pending, released))
        {
            env.oracle.violated(stale.to_string());
        }
    }

    fn work(&mut self, env: &mut Env, mail: &mut Mail) {
        while self.stuck.is_none()
            && !self.ended()
            && let Some((records, scores)) = self.backlog.pop_front()
        {
            for (record, score) in records.into_iter().zip(scores) {
                self.decide(env, record, score);
            }
            self.look(env, mail);
        }
        self.finish_if_done(env, mail);
    }

    /// Commits if it is time to.
    pub fn look(&mut self, env: &mut Env, mail: &mut Mail) {
        let due = env.now() - self.last_commit >= env.scenario.commit_every && self.books.is_changed();
        let file = |row: &Row| row.file.as_ref().map_or(0, |(_, bytes)| bytes.len());
        let bytes: usize = self.pending.iter().map(|(_, row)| row.line.len() + file(row)).sum();
        let large = bytes as u64 >= env.scenario.commit_bytes;
        if !self.ended() && self.stuck.is_none() && (due || large) {
            self.commit(env, mail, false);
        }
    }

    /// Tries a commit again that found the disk full.
    pub fn retry(&mut self, env: &mut Env, mail: &mut Mail) {
        if self.stuck.is_some() {
            self.commit(env, mail, false);
            self.work(env, mail);
        }
    }

    fn commit(&mut self, env: &mut Env, mail: &mut Mail, finish: bool) {
        let now = env.now();
        let (parts, since) = self.stuck.take().unwrap_or_else(|| {
            for (key, row) in self.pending.drain(..) {
                env.oracle.put(key, &row);
                self.results.put(row);
            }
            (self.books.take_changed(), now)
        });
        env.say(|| format!("commit, finish: {finish}, of {parts:?}"));
        env.oracle.commit(&parts);
        let done = if finish { self.results.finish(&parts) } else { self.results.commit(&parts) };
        let limit = env.scenario.commit_time.as_micros() as u64;
        let time = env.rng.micros(0, limit);
        mail.busy(env, Actor::Writer, time);
        match done {
            Ok(()) => {
                env.count("commit");
                env.oracle.acknowledged();
                self.last_commit = now;
            }
            Err(ResultsError::Full { .. }) if now - since < env.scenario.full_disk => {
                env.count("commit waits for space");
                self.stuck = Some((parts, since));
            }
            Err(error) => {
                env.say(|| format!("the commit fails: {error}"));
                self.failed = true;
                mail.exit.get_or_insert(Exit::Fault(error.to_string()));
            }
        }
    }

    fn finish_if_done(&mut self, env: &mut Env, mail: &mut Mail) {
        let done = self.expected == Some(self.settled) && self.books.waiting() == 0;
        if !(done || self.stopped) || self.ended() {
            return;
        }
        if self.stuck.is_some() {
            self.commit(env, mail, false);
        }
        if self.stuck.is_none() && !self.ended() {
            self.commit(env, mail, true);
        }
        if self.stuck.is_none() && !self.ended() {
            self.done = true;
            mail.exit.get_or_insert(Exit::Finished);
        }
    }
}

/// Keeps what was released for the next commit, and gives its credit back.
fn store(env: &mut Env, pending: &mut Vec<(RecordKey, Row)>, released: Released<Kept>) {
    pending.push(match released {
        Released::Positive((key, row, _)) => (key, row),
        Released::Lost(warc, lost) => {
            env.count("place listed");
            (RecordKey { warc, position: lost.at }, env.scenario.listed_row(warc, lost))
        }
    });
}
