//! Crews over archives of numbers: a record's body is its number and how much work it is.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;

use warcdl_actors::port::{SourceError, Step};
use warcdl_actors::{Exclusion, Input, Meta, Position, Prepared};

use super::{Crew, PLACES, Prepare, RECORDS_A_THREAD, Read};
use crate::source::{Entry, Response};

fn place(number: u64) -> Position {
    Position { offset: number, ordinal: 0 }
}

fn entry(number: u64, content: Result<Response, Exclusion>) -> Entry {
    let (at, next) = (place(number), place(number + 1));
    Entry { at, next, bytes_read: number, url: String::new(), warc_type: None, http_status: None, content }
}

fn record(number: u64) -> Entry {
    entry(number, Ok(Response { body: number.to_le_bytes().to_vec(), ..Response::default() }))
}

/// An archive of these entries; tells in `taken` how many were taken.
fn archive(entries: Vec<Entry>, taken: &Arc<AtomicUsize>) -> Read {
    let (mut entries, taken) = (entries.into_iter(), Arc::clone(taken));
    Box::new(move || {
        let entry = entries.next();
        taken.fetch_add(usize::from(entry.is_some()), Ordering::SeqCst);
        Ok(entry)
    })
}

fn number(response: &Response) -> u64 {
    u64::from_le_bytes(response.body[..8].try_into().unwrap())
}

fn prepared(response: Response) -> Prepared {
    Prepared { meta: Meta::default(), input: Input::None, keep: response.body.into() }
}

fn crew_of(
    threads: usize,
    prepare: impl Fn(Response) -> Result<Prepared, Exclusion> + Clone + Send + 'static,
) -> Vec<Prepare> {
    (0..threads).map(|_| Box::new(prepare.clone()) as Prepare).collect()
}

/// What a step tells: its place and what was prepared, or why not.
fn told(step: &Step) -> (Position, Position, u64, Result<Vec<u8>, Exclusion>) {
    let outcome = step.outcome.as_ref().map(|prepared| prepared.keep.to_vec()).map_err(|reason| *reason);
    (step.at, step.next, step.bytes_read, outcome)
}

/// Whatever the threads and whatever a record costs: every entry is told once, in the archive's order, as one thread tells it.
#[test]
fn the_order_is_the_archives() {
    for seed in 0..40 {
        let entries = || -> Vec<Entry> {
            let mut random = fastrand::Rng::with_seed(seed);
            let count = random.u64(0..400);
            let kinds: [u8; 3] = [random.u8(..10), random.u8(..10), 10];
            (0..count)
                .map(|number| match random.u8(..10) {
                    kind if kind < kinds[0].min(kinds[1]) => entry(number, Err(Exclusion::WrongWarcType)),
                    kind if kind < kinds[1] => entry(number, Err(Exclusion::BadCrc)),
                    _ => {
                        let work = if random.u8(..20) == 0 { 20_000 } else { random.u64(..500) };
                        let body = [number.to_le_bytes(), work.to_le_bytes()].concat();
                        entry(number, Ok(Response { body, ..Response::default() }))
                    }
                })
                .collect()
        };
        // A chain of products, whose end depends on every one.
        let prepare = |mut response: Response| {
            let work = u64::from_le_bytes(response.body[8..].try_into().unwrap());
            let result =
                (0..work).fold(number(&response), |x, n| x.wrapping_mul(6364136223846793005).wrapping_add(n));
            response.body.extend(result.to_le_bytes());
            if result % 7 == 3 { Err(Exclusion::FilterMinChars) } else { Ok(prepared(response)) }
        };
        let read = |threads: usize| {
            let mut crew = Crew::start(archive(entries(), &Arc::default()), crew_of(threads, prepare));
            let mut steps = Vec::new();
            while let Some(step) = crew.next().unwrap() {
                steps.push(told(&step));
            }
            assert!(crew.next().unwrap().is_none(), "it stays over");
            assert_eq!(crew.end().len(), threads, "the preparers come back");
            steps
        };
        let one = read(1);
        assert_eq!(one.len(), entries().len(), "seed {seed}");
        assert!(one.iter().zip(0..).all(|(step, number)| step.0 == place(number)), "seed {seed}");
        for threads in 2..=8 {
            assert_eq!(read(threads), one, "seed {seed}, {threads} threads");
        }
    }
}

/// Where the system refuses threads, those that there are tell all the same.
#[test]
fn refused_threads_are_done_without() {
    for granted in 0..4 {
        let spawn = |number, work| {
            if number < granted { super::spawn(number, work) } else { Err(ErrorKind::WouldBlock.into()) }
        };
        let preparers = crew_of(4, |response| Ok(prepared(response)));
        let read = archive((0..300).map(record).collect(), &Arc::default());
        let mut crew = Crew::start_by(spawn, read, preparers);
        for number in 0..300 {
            assert_eq!(crew.next().unwrap().unwrap().at, place(number), "{granted} granted");
        }
        assert!(crew.next().unwrap().is_none());
        assert_eq!(crew.end().len(), 1 + granted.min(3), "as many go on with the next lease");
    }
}

/// A record at which a thread hangs stops the row at its place; what is begun behind it is bounded; and nothing is lost.
#[test]
fn what_hangs_stops_the_row_and_the_row_is_bounded() {
    enum News {
        Begun(u64),
        /// Its number, and how many others were taken by then.
        Told(u64, usize),
    }
    for threads in [2, 3, 8] {
        let (hung, records) = (10, (threads * RECORDS_A_THREAD) as u64);
        let total = 300;
        let taken = Arc::new(AtomicUsize::new(0));
        let (tell, news) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let (released, begin) = (Arc::new(Mutex::new(released)), tell.clone());
        let preparers = crew_of(threads, move |response| {
            let number = number(&response);
            begin.send(News::Begun(number)).unwrap();
            if number == hung {
                released.lock().unwrap().recv().unwrap();
            }
            Ok(prepared(response))
        });
        let mut crew = Crew::start(archive((0..total).map(record).collect(), &taken), preparers);
        let reader = thread::spawn(move || {
            while let Some(step) = crew.next().unwrap() {
                tell.send(News::Told(step.at.offset, crew.ahead())).unwrap();
            }
        });
        let (mut begun, mut told, mut most, mut last) = (HashSet::new(), 0, 0, 0);
        let mut hear = |news: News| {
            match news {
                News::Begun(number) => assert!(begun.insert(number), "{number} is begun twice"),
                News::Told(number, ahead) => {
                    assert_eq!(number, told, "{threads} threads");
                    told += 1;
                    (most, last) = (most.max(ahead as u64), ahead);
                }
            }
            (begun.len() as u64, told, begun.contains(&hung))
        };
        // Until all that may be begun is begun. Whoever hangs may be the one that asks: then those before it are not told.
        loop {
            let (begun, told, hangs) = hear(news.recv().unwrap());
            assert!(told <= hung, "{threads} threads: told past the record that hangs");
            // A record is told a moment after its place became free.
            assert!(begun <= told + 1 + records, "{threads} threads: {begun} begun, {told} told");
            if hangs && begun >= told + records {
                break;
            }
        }
        assert!(taken.load(Ordering::SeqCst) as u64 <= hung + records, "{threads} threads");
        release.send(()).unwrap();
        for news in news.iter() {
            hear(news);
        }
        assert_eq!((begun.len() as u64, told, last), (total, total, 0), "{threads} threads");
        // One place was free when the one that hung was told, or two, as a record is told a moment after.
        assert!((records - 2..records).contains(&most), "{threads} threads: {most} ahead");
        reader.join().unwrap();
    }
}

/// Entries without a record need no room of records, but places.
#[test]
fn entries_without_a_record_are_bounded_too() {
    let taken = Arc::new(AtomicUsize::new(0));
    let (begin, begun) = mpsc::channel();
    let preparers = crew_of(2, move |response| {
        begin.send(()).unwrap();
        Ok(prepared(response))
    });
    let last = PLACES as u64 - 1;
    let entries = (0..10 * PLACES as u64).map(|number| {
        if number == last { record(number) } else { entry(number, Err(Exclusion::WrongWarcType)) }
    });
    let mut crew = Crew::start(archive(entries.collect(), &taken), preparers);
    begun.recv().unwrap();
    assert_eq!(crew.end().len(), 2);
    assert_eq!(taken.load(Ordering::SeqCst), PLACES);
}

/// A stream that is dropped midway takes nothing more, and gives its preparers back.
#[test]
fn a_crew_ends_when_it_is_told_to() {
    for seed in 0..50 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (threads, told) = (random.usize(1..6), random.usize(..200));
        let taken = Arc::new(AtomicUsize::new(0));
        let entries = (0..100_000).map(record).collect();
        let mut crew =
            Crew::start(archive(entries, &taken), crew_of(threads, |response| Ok(prepared(response))));
        (0..told).for_each(|_| assert!(crew.next().unwrap().is_some()));
        assert_eq!(crew.end().len(), threads, "seed {seed}");
        let taken = taken.load(Ordering::SeqCst);
        assert!(
            (told..=told + threads * RECORDS_A_THREAD).contains(&taken),
            "seed {seed}: {taken} taken, {told} told"
        );
    }
}

#[test]
fn an_error_is_told_in_its_place() {
    let mut entries = (0..50).map(record);
    let read: Read = Box::new(move || match entries.next() {
        Some(entry) => Ok(Some(entry)),
        None => Err(SourceError { message: "the archive broke off".to_owned() }),
    });
    let mut crew = Crew::start(read, crew_of(3, |response| Ok(prepared(response))));
    for number in 0..50 {
        assert_eq!(crew.next().unwrap().unwrap().at, place(number));
    }
    assert_eq!(crew.next().unwrap_err().message, "the archive broke off");
    assert!(crew.next().unwrap().is_none());
}

/// A panic outside a record's own limits is a defect: it goes on in whoever asks, and nobody waits for ever.
#[test]
fn a_panic_goes_on_in_the_worker() {
    for in_reading in [true, false] {
        let mut entries = (0..1_000).map(record);
        let read: Read = Box::new(move || {
            let entry = entries.next();
            assert!(!in_reading || entry.as_ref().is_some_and(|entry| entry.at.offset < 30), "planted");
            Ok(entry)
        });
        let mut crew = Crew::start(
            read,
            crew_of(3, move |response| {
                assert!(in_reading || number(&response) != 30, "planted");
                Ok(prepared(response))
            }),
        );
        let mut told = 0;
        let panic = catch_unwind(AssertUnwindSafe(|| {
            while crew.next().unwrap().is_some() {
                told += 1;
            }
        }));
        assert!(panic.is_err(), "reading: {in_reading}");
        assert!(told <= 30, "reading: {in_reading}, {told} told");
    }
}
