//! Threads that prepare the records of one lease side by side, and tell them in the archive's order.
//!
//! All of them do the same, and whoever asks for the records is one of them: each takes the archive's next entry, which one
//! may do at a time, prepares it, and puts what came of it in its place of a row, from whose front the row is told. Nothing
//! is taken while the row is full, so the memory is that of the records in the row; and a record that hangs its thread
//! stops the row at its place, and with it the reader's signs of life.

use std::collections::VecDeque;
use std::io;
use std::panic;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use warcdl_actors::port::{SourceError, Step};
use warcdl_actors::{Exclusion, Prepared};

use crate::source::{Entry, Response};

/// Most threads of a crew.
pub(crate) const MAX_THREADS: usize = 32;
/// Records for each thread in the row: enough that a page that takes four times as long as others holds up none of them.
const RECORDS_A_THREAD: usize = 4;
/// Places of the row. An entry without a record takes next to no memory, and there are two or three of them to each page. What
/// is under way when a reader dies must be fewer than `suspicion::CAREFUL_RECORDS`, with the frames that are on their way.
const PLACES: usize = 128;
/// As for the reader's worker: recursive parsers get room.
const STACK: usize = 16 << 20;

/// Takes the archive's next entry; `None` at the end of the lease.
pub(super) type Read = Box<dyn FnMut() -> Result<Option<Entry>, SourceError> + Send>;
/// Prepares one record, on a thread of its own.
pub(super) type Prepare = Box<dyn FnMut(Response) -> Result<Prepared, Exclusion> + Send>;

/// What a thread of the crew does; it gives its preparer back.
type Work = Box<dyn FnOnce() -> Prepare + Send>;

/// The threads at work on one lease.
pub(super) struct Crew {
    shared: Arc<Shared>,
    /// What whoever asks prepares with; `None` once it was given back.
    own: Option<Prepare>,
    threads: Vec<JoinHandle<Prepare>>,
    /// The end of the lease was told, or an error.
    over: bool,
    /// Records in the row when it was last looked at.
    ahead: usize,
}

struct Shared {
    row: Mutex<Row>,
    /// An entry may be taken, which is what the other threads wait for.
    turn: Condvar,
    /// The front can be told or an entry may be taken, which is what whoever asks waits for.
    news: Condvar,
    /// Most records in the row.
    records: usize,
}

struct Row {
    /// `None` while a thread reads, and once it was read to its end.
    archive: Option<Read>,
    at_end: bool,
    /// Entries taken so far.
    taken: u64,
    /// `None` where a thread is still at work.
    places: VecDeque<Option<Place>>,
    /// Number of the entry whose place is the front.
    first: u64,
    /// Records taken and not yet told.
    records: usize,
    /// Other threads that wait for their turn, and whether whoever asks waits. A condition variable that nobody waits on costs a
    /// call of the system all the same.
    idle: usize,
    asked: bool,
    stopped: bool,
    /// A thread panicked outside a record: a defect.
    broken: bool,
}

struct Place {
    told: Result<Option<Step>, SourceError>,
    is_record: bool,
}

impl Crew {
    /// One thread for each of `preparers`, the caller's among them. Where the system refuses one, as in a container that may
    /// have so many and no more, those that there are do the work, and so they do the next lease's.
    pub(super) fn start(read: Read, preparers: Vec<Prepare>) -> Crew {
        Crew::start_by(spawn, read, preparers)
    }

    /// The same, where `spawn` starts the thread of a number.
    fn start_by(
        spawn: impl Fn(usize, Work) -> io::Result<JoinHandle<Prepare>>,
        read: Read,
        mut preparers: Vec<Prepare>,
    ) -> Crew {
        let records = (preparers.len() * RECORDS_A_THREAD).min(PLACES);
        let row = Row {
            archive: Some(read),
            at_end: false,
            taken: 0,
            places: VecDeque::new(),
            first: 0,
            records: 0,
            idle: 0,
            asked: false,
            stopped: false,
            broken: false,
        };
        let (turn, news) = (Condvar::new(), Condvar::new());
        let shared = Arc::new(Shared { row: Mutex::new(row), turn, news, records });
        let mut crew = Crew { shared, own: preparers.pop(), threads: Vec::new(), over: false, ahead: 0 };
        let wanted = preparers.len() + 1;
        for (number, prepare) in preparers.into_iter().enumerate() {
            let shared = Arc::clone(&crew.shared);
            match spawn(number, Box::new(move || shared.work(prepare))) {
                Ok(thread) => crew.threads.push(thread),
                Err(error) => {
                    tracing::warn!(
                        "the system refuses a thread: {error}; records are prepared by {} of {wanted}, see reader_threads and \
                         the limits of the container",
                        number + 1
                    );
                    break;
                }
            }
        }
        crew
    }

    /// The next record in the archive's order; `None` at the end of the lease. After an error it is over.
    pub(super) fn next(&mut self) -> Result<Option<Step>, SourceError> {
        if self.over {
            return Ok(None);
        }
        let place = loop {
            let mut row = self.shared.row();
            if row.broken {
                drop(row);
                self.end();
                unreachable!("the thread that broke off is joined, and its panic goes on here");
            }
            if let Some(Some(_)) = row.places.front()
                && let Some(place) = row.places.pop_front().flatten()
            {
                row.first += 1;
                row.records -= usize::from(place.is_record);
                self.ahead = row.records;
                self.shared.offer_turn(&row);
                break place;
            }
            match &mut self.own {
                Some(prepare) if self.shared.may_take(&row) => {
                    if let Some(taken) = self.shared.take(row) {
                        self.shared.prepare(taken, prepare);
                    }
                }
                _ => {
                    row.asked = true;
                    let mut row = self.shared.news.wait(row).unwrap_or_else(PoisonError::into_inner);
                    row.asked = false;
                }
            }
        };
        self.over = !matches!(place.told, Ok(Some(_)));
        place.told
    }

    /// Records that were taken and not told yet, when the last one was told.
    pub(super) fn ahead(&self) -> usize {
        self.ahead
    }

    /// Ends the work: waits for the records that are begun, which are forgotten, and gives the preparers back. A panic of a
    /// thread goes on here.
    pub(super) fn end(&mut self) -> Vec<Prepare> {
        self.shared.row().stopped = true;
        self.shared.turn.notify_all();
        let joined: Vec<_> = self.threads.drain(..).map(JoinHandle::join).collect();
        let mut preparers: Vec<_> = self.own.take().into_iter().collect();
        for thread in joined {
            match thread {
                Ok(prepare) => preparers.push(prepare),
                Err(_) if thread::panicking() => {}
                Err(payload) => panic::resume_unwind(payload),
            }
        }
        preparers
    }
}

impl Shared {
    fn row(&self) -> MutexGuard<'_, Row> {
        self.row.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_room(&self, row: &Row) -> bool {
        row.taken - row.first < PLACES as u64 && row.records < self.records
    }

    /// Whether the archive is free and the row has room.
    fn may_take(&self, row: &Row) -> bool {
        row.archive.is_some() && self.has_room(row)
    }

    /// Wakes a thread that waits, if it may take an entry.
    fn offer_turn(&self, row: &Row) {
        if !self.may_take(row) {
            return;
        }
        if row.idle > 0 {
            self.turn.notify_one();
        } else if row.asked {
            self.news.notify_one();
        }
    }

    /// What each thread does, but for the one that asks.
    fn work(&self, mut prepare: Prepare) -> Prepare {
        let _watch = Watch(self);
        loop {
            let mut row = self.row();
            row.idle += 1;
            let waits = |row: &mut Row| !row.stopped && !row.at_end && !self.may_take(row);
            let mut row = self.turn.wait_while(row, waits).unwrap_or_else(PoisonError::into_inner);
            row.idle -= 1;
            if row.stopped || row.at_end {
                return prepare;
            }
            if let Some(taken) = self.take(row) {
                self.prepare(taken, &mut prepare);
            }
        }
    }

    /// The next record and its number; `None` at the end, or when the row is full of entries without one. These, and the end,
    /// are put in their places. The archive is free, and there is room.
    fn take<'a>(&'a self, mut row: MutexGuard<'a, Row>) -> Option<(u64, Entry)> {
        let mut archive = row.archive.take()?;
        loop {
            let number = row.taken;
            row.taken += 1;
            drop(row);
            let read = archive();
            row = self.row();
            match read {
                Ok(Some(entry)) if entry.content.is_ok() => {
                    row.archive = Some(archive);
                    row.records += 1;
                    self.offer_turn(&row);
                    return Some((number, entry));
                }
                Ok(Some(entry)) => {
                    let Entry { at, next, bytes_read, content, .. } = entry;
                    let outcome = content.map(|_| unreachable!("it holds no record"));
                    let told = Ok(Some(Step { at, next, bytes_read, outcome }));
                    self.put(&mut row, number, Place { told, is_record: false });
                    if row.stopped || !self.has_room(&row) {
                        row.archive = Some(archive);
                        return None;
                    }
                }
                end => {
                    row.at_end = true;
                    self.turn.notify_all();
                    self.put(&mut row, number, Place { told: end.map(|_| None), is_record: false });
                    return None;
                }
            }
        }
    }

    /// Prepares a record, and puts what came of it in its place.
    fn prepare(&self, (number, entry): (u64, Entry), prepare: &mut Prepare) {
        let Entry { at, next, bytes_read, content, .. } = entry;
        let outcome = content.and_then(prepare);
        let told = Ok(Some(Step { at, next, bytes_read, outcome }));
        self.put(&mut self.row(), number, Place { told, is_record: true });
    }

    fn put(&self, row: &mut Row, number: u64, place: Place) {
        let index = (number - row.first) as usize;
        if row.places.len() <= index {
            row.places.resize_with(index + 1, || None);
        }
        row.places[index] = Some(place);
        if index == 0 && row.asked {
            self.news.notify_one();
        }
    }
}

/// Starts a thread of the crew.
fn spawn(number: usize, work: Work) -> io::Result<JoinHandle<Prepare>> {
    thread::Builder::new().name(format!("prepare-{number}")).stack_size(STACK).spawn(work)
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.end();
    }
}

/// Tells of a thread that panics.
struct Watch<'a>(&'a Shared);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let mut row = self.0.row();
            (row.stopped, row.broken) = (true, true);
            self.0.turn.notify_all();
            self.0.news.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;
