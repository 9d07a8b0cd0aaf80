//! The committer: the thread that waits for the disk, so that the writer does not.
//!
//! It owns the sink. The writer hands it positives and the state of their parts together, one commit at a time, and goes on
//! collecting the next one meanwhile.

use crate::exit::FaultSender;
use crate::part::PartState;
use crate::port::{Listed, Positive, Sink, SinkError};
use actix::{Message, Recipient};
use crossbeam::channel::{Receiver, Sender, bounded};
use std::thread;
use std::time::{Duration, Instant};

/// What is committed together.
#[derive(Debug, Default)]
pub struct Commit {
    /// Positives, in the order in which they are stored.
    pub positives: Vec<Positive>,
    /// Places to be listed.
    pub listed: Vec<Listed>,
    /// The parts that changed, as they stand once these are stored.
    pub parts: Vec<PartState>,
    /// Whether it is the last one.
    pub last: bool,
}

/// How a commit went.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Committed {
    /// The parts that are committed, or why they are not. After [`SinkError::Full`] it can be tried again.
    pub result: Result<Vec<PartState>, SinkError>,
    /// How long it took.
    pub took: Duration,
}

enum Job {
    Commit(Commit),
    Again,
}

/// The writer's handle of the thread.
#[derive(Debug)]
pub struct Committer {
    jobs: Sender<Job>,
}

impl Committer {
    /// Starts the thread `committer`. It ends when the handle is dropped and its last commit is over.
    pub fn start(
        sink: Box<dyn Sink>,
        answer: Recipient<Committed>,
        faults: &FaultSender,
    ) -> std::io::Result<Committer> {
        // One commit is under way at a time.
        let (jobs, queue) = bounded(1);
        let vital = faults.vital("committer");
        thread::Builder::new().name("committer".into()).spawn(move || {
            let _vital = vital;
            run(sink, &queue, &answer);
        })?;
        Ok(Committer { jobs })
    }

    /// Begins a commit; none may be under way.
    pub fn commit(&self, commit: Commit) {
        self.send(Job::Commit(commit));
    }

    /// Tries again the one that found the disk full.
    pub fn again(&self) {
        self.send(Job::Again);
    }

    fn send(&self, job: Job) {
        // The thread ends before its handle only by a panic, which is reported.
        let _ = self.jobs.try_send(job);
    }
}

fn run(mut sink: Box<dyn Sink>, jobs: &Receiver<Job>, answer: &Recipient<Committed>) {
    // Of a commit that found the disk full: its positives are in the sink already.
    let (mut parts, mut last) = (Vec::new(), false);
    while let Ok(job) = jobs.recv() {
        let start = Instant::now();
        let mut put = Ok(());
        if let Job::Commit(commit) = job {
            put = commit.positives.iter().try_for_each(|positive| sink.put(positive));
            put = put.and_then(|()| commit.listed.iter().try_for_each(|listed| sink.list(listed)));
            (parts, last) = (commit.parts, commit.last);
        }
        let done = put.and_then(|()| if last { sink.finish(&parts) } else { sink.commit(&parts) });
        let result = done.map(|()| std::mem::take(&mut parts));
        answer.do_send(Committed { result, took: start.elapsed() });
    }
}
