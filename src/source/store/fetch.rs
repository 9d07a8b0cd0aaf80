//! Fetches a stretch of an object, whatever breaks on the way: one mechanism for all that is fetched.
//!
//! Each GET asks for what is still missing, of the very object that was listed. What it yields is handed over piece by
//! piece; when it breaks off, stalls, or is not what was asked for, the next one goes on behind the last good byte.

use std::future::Future;
use std::io::{self, Read};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use tokio::sync::mpsc;
use warcdl_actors::port::Pulse;

use super::answer::{self, Asked};
use super::remote::{Pieces, Remote};
use super::retry::{Next, Retry};
use super::trouble::{Kind, Trouble};

/// Bytes handed over at a time.
const CHUNK: usize = 256 << 10;
/// Chunks fetched ahead of the reader.
const AHEAD: usize = 4;
/// How often a fetch that waits shows that it does; a reader that shows nothing for `transport.progress_timeout_s`, at
/// least 2 s, is given up.
const BEAT: Duration = Duration::from_millis(500);

/// See the module.
pub(super) struct Fetch {
    pub(super) remote: Remote,
    /// What is still missing.
    pub(super) asked: Asked,
    /// Silence after which a connection is given up.
    pub(super) stall: Duration,
    pub(super) retry: Retry,
    pub(super) pulse: Pulse,
}

/// What the fetch hands over.
enum Message {
    Chunk(Bytes),
    /// Everything that was asked for was handed over.
    End,
}

/// How a GET ended.
enum Ended {
    /// With the last byte of what it had promised.
    Whole,
    /// Nobody wants more.
    Unwanted,
}

impl Fetch {
    /// Starts fetching on `runtime`; the result blocks.
    pub(super) fn start(self, runtime: &tokio::runtime::Handle) -> impl Read + Send + use<> {
        let (sender, messages) = mpsc::channel(AHEAD);
        let body = Body {
            name: self.remote.to_string(),
            messages,
            chunk: Bytes::new(),
            offset: self.asked.from,
            ended: false,
            pulse: self.pulse.clone(),
        };
        runtime.spawn(self.run(sender));
        body
    }

    async fn run(mut self, sender: mpsc::Sender<io::Result<Message>>) {
        let start = Instant::now();
        while !self.asked.is_done() {
            let before = self.asked.from;
            let ended = self.range(&sender).await;
            if self.asked.from > before
                && let Some(stuck) = self.retry.progressed(start.elapsed())
            {
                tracing::info!(archive = %self.remote, "the source answers again, after {} s", stuck.as_secs());
            }
            let trouble = match ended {
                Ok(Ended::Unwanted) => return,
                Ok(Ended::Whole) => continue,
                Err(trouble) => trouble,
            };
            let next = match trouble.kind {
                Kind::Final => Next::GiveUp,
                _ => self.retry.failed(start.elapsed(), trouble.retry_after, fastrand::f64()),
            };
            match next {
                Next::GiveUp => {
                    let error = self.remote.error(trouble);
                    let _ = sender.send(Err(io::Error::other(error))).await;
                    return;
                }
                Next::Again { pause, tell } => {
                    if tell {
                        let Trouble { reason, cure, .. } = &trouble;
                        tracing::warn!(
                            archive = %self.remote, "the source is slow and is asked again and again: {reason}; {cure}"
                        );
                    }
                    tracing::debug!(archive = %self.remote, from = self.asked.from, ?pause, "{}", trouble.reason);
                    tokio::select! {
                        () = beating(&self.pulse, tokio::time::sleep(pause)) => {}
                        () = sender.closed() => return,
                    }
                }
            }
        }
        let _ = sender.send(Ok(Message::End)).await;
    }

    /// Sends what one GET yields; what is asked for shrinks with every byte that is handed over.
    async fn range(&mut self, sender: &mpsc::Sender<io::Result<Message>>) -> Result<Ended, Trouble> {
        self.pulse.beat();
        let range = self.asked.range();
        let get = within(self.stall, self.remote.get(&range, &self.asked.etag));
        let got = tokio::select! {
            got = beating(&self.pulse, get) => got?,
            () = sender.closed() => return Ok(Ended::Unwanted),
        };
        let Some((head, mut body)) = got else {
            // Nothing lies there: the object is empty, or what it was taken to have is not there.
            return self.behind_the_end();
        };
        let piece = self.asked.check(&head)?;
        let mut first = self.asked.from == 0;
        let mut chunk = BytesMut::with_capacity(CHUNK);
        let mut at = self.asked.from;
        loop {
            let arrived = tokio::select! {
                arrived = beating(&self.pulse, tokio::time::timeout(self.stall, body.next())) => arrived,
                () = sender.closed() => return Ok(Ended::Unwanted),
            };
            if let Ok(Some(Ok(arrived))) = &arrived {
                self.pulse.beat();
                // A body that goes on behind its own end is cut there.
                let wanted = usize::try_from(piece.end - at).unwrap_or(usize::MAX).min(arrived.len());
                chunk.extend_from_slice(&arrived[..wanted]);
                at += wanted as u64;
            }
            let over = at == piece.end || !matches!(arrived, Ok(Some(Ok(_))));
            if chunk.len() >= CHUNK || over && !chunk.is_empty() {
                if std::mem::take(&mut first) && !self.asked.may_start_with(&chunk) {
                    return Err(answer::markup(&head));
                }
                let full = std::mem::replace(&mut chunk, BytesMut::with_capacity(CHUNK)).freeze();
                let length = full.len() as u64;
                if sender.send(Ok(Message::Chunk(full))).await.is_err() {
                    return Ok(Ended::Unwanted);
                }
                self.asked.from += length;
                // From now on it is this very object.
                self.asked.size = piece.size;
                if let Some(etag) = head.etag.as_ref().filter(|_| self.asked.etag.is_empty()) {
                    self.asked.etag.clone_from(etag);
                }
            }
            let told_by_body = piece.end == u64::MAX && matches!(arrived, Ok(None));
            if at == piece.end || told_by_body {
                if piece.size == 0 {
                    // Only the body said where it ends.
                    self.asked.end = at;
                }
                return Ok(Ended::Whole);
            }
            return Err(Trouble::broken(match arrived {
                Ok(Some(Ok(_))) => continue,
                Ok(None) => format!("the body ended at byte {at} of {}", piece.end),
                Ok(Some(Err(reason))) => reason,
                Err(_) => format!("no byte for {:?}", self.stall),
            }));
        }
    }

    /// The server says that the object ends where we would begin.
    fn behind_the_end(&mut self) -> Result<Ended, Trouble> {
        let Asked { from, end, size, .. } = self.asked;
        if size == 0 && end == u64::MAX {
            self.asked.end = from;
            return Ok(Ended::Whole);
        }
        let reason = format!("it ends before byte {from}");
        Err(Trouble::new(
            Kind::Final,
            reason,
            "the object, or the index over it, has changed: list both again",
        ))
    }
}

/// An answer's head, within the time for a connection and that for an answer.
pub(super) async fn within<T>(
    stall: Duration,
    answer: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    match tokio::time::timeout(stall * 2, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(Trouble::broken(format!("no answer for {:?}", stall * 2))),
    }
}

/// Waits, and shows that it does: the parts of a fetch have time limits of their own.
async fn beating<T>(pulse: &Pulse, waiting: impl Future<Output = T>) -> T {
    let mut waiting = std::pin::pin!(waiting);
    loop {
        if let Ok(done) = tokio::time::timeout(BEAT, &mut waiting).await {
            return done;
        }
        pulse.beat();
    }
}

/// What a server sent before the body, and the body; `None` where nothing lies in the range.
pub(super) type Got = Option<(answer::Answer, Pieces)>;

/// The blocking end of a fetch.
struct Body {
    name: String,
    messages: mpsc::Receiver<io::Result<Message>>,
    chunk: Bytes,
    offset: u64,
    ended: bool,
    pulse: Pulse,
}

impl Drop for Body {
    fn drop(&mut self) {
        self.pulse.set_pieces_ahead(0);
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() && !self.ended {
            let message = self.messages.blocking_recv();
            self.pulse.set_pieces_ahead(self.messages.len());
            match message {
                Some(Ok(Message::Chunk(chunk))) => self.chunk = chunk,
                Some(Ok(Message::End)) => self.ended = true,
                Some(Err(error)) => return Err(error),
                None => {
                    let text = format!("fetching {} was broken off at byte {}", self.name, self.offset);
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
                }
            }
        }
        let count = buffer.len().min(self.chunk.len());
        self.chunk.copy_to_slice(&mut buffer[..count]);
        self.offset += count as u64;
        Ok(count)
    }
}
