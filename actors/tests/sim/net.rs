//! The network: a connection is two pipes of bytes, each in order, with delays, stalls, and cuts at any byte.

use crate::clock::{Clock, Event, Life};
use crate::rng::Rng;
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::time::Duration;
use tokio_util::codec::Encoder;
use warcdl_actors::wire::{Frame, FrameCodec};

/// A connection's number, which is its session's too.
pub type ConnId = usize;

/// Longest frame.
pub const MAX_FRAME: usize = 1 << 20;

/// Where bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Way {
    ToNode,
    ToReader,
}

/// What arrives.
#[derive(Debug)]
pub enum Chunk {
    /// Bytes of frames.
    Bytes(Bytes),
    /// No more will come.
    End,
}

/// How the side from which a way comes ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// What it wrote arrives, then the end.
    Closed,
    /// Some of what is on the way is lost.
    Cut,
    /// So it is, and the other side is not told, or only once it says something.
    Silent,
}

#[derive(Debug, Default)]
struct Pipe {
    chunks: VecDeque<Chunk>,
    /// When the last chunk arrives.
    due: Duration,
    /// Bytes until the connection breaks.
    budget: Option<usize>,
    ended: bool,
}

/// A connection.
#[derive(Debug)]
pub struct Conn {
    /// The reader.
    pub reader: usize,
    /// Its process.
    pub life: Life,
    /// The node's process.
    pub boot: Life,
    pipes: [Pipe; 2],
}

/// A reader's link to the node.
#[derive(Clone, Debug)]
pub struct Link {
    /// Longest usual delay.
    pub delay: Duration,
    /// Nothing passes until then.
    pub stalled: Duration,
}

/// All connections ever.
pub struct Net {
    /// By number.
    pub conns: Vec<Conn>,
    /// By reader.
    pub links: Vec<Link>,
    codec: FrameCodec,
}

impl Net {
    /// Links to so many readers.
    pub fn new(readers: usize, delay: Duration) -> Net {
        let mut codec = FrameCodec::new();
        codec.set_limit(MAX_FRAME);
        Net { conns: Vec::new(), links: vec![Link { delay, stalled: Duration::ZERO }; readers], codec }
    }

    /// Connects two processes.
    pub fn connect(&mut self, reader: usize, life: Life, boot: Life) -> ConnId {
        self.conns.push(Conn { reader, life, boot, pipes: Default::default() });
        self.conns.len() - 1
    }

    /// Writes a frame.
    pub fn send(&mut self, clock: &mut Clock, rng: &mut Rng, conn: ConnId, way: Way, frame: Frame) {
        let link = &self.links[self.conns[conn].reader];
        let pipe = &mut self.conns[conn].pipes[way as usize];
        if pipe.ended {
            return;
        }
        let mut bytes = BytesMut::new();
        self.codec.encode(frame, &mut bytes).expect("frames are within the limit");
        let mut bytes = bytes.freeze();
        let mut breaks = false;
        if let Some(budget) = &mut pipe.budget {
            breaks = bytes.len() >= *budget;
            bytes.truncate(*budget);
            *budget -= bytes.len();
        }
        let split = if rng.one_in(8) { rng.below(bytes.len() + 1) } else { bytes.len() };
        for piece in [bytes.slice(..split), bytes.slice(split..)] {
            if !piece.is_empty() {
                pipe.due = pipe.due.max(clock.now() + link.delay.mul_f64(rng.within(1, 100) as f64 / 100.0));
                pipe.chunks.push_back(Chunk::Bytes(piece));
                clock.at(pipe.due, Event::Arrive { conn, way });
            }
        }
        if breaks {
            self.end(clock, rng, conn, way, Ending::Closed);
            let other = if way == Way::ToNode { Way::ToReader } else { Way::ToNode };
            self.end(clock, rng, conn, other, Ending::Cut);
        }
    }

    /// Ends one way of a connection.
    pub fn end(&mut self, clock: &mut Clock, rng: &mut Rng, conn: ConnId, way: Way, ending: Ending) {
        let pipe = &mut self.conns[conn].pipes[way as usize];
        if std::mem::replace(&mut pipe.ended, ending != Ending::Silent) {
            return;
        }
        if ending != Ending::Closed {
            pipe.chunks.truncate(rng.below(pipe.chunks.len() + 1));
            if let Some(Chunk::Bytes(last)) = pipe.chunks.back_mut() {
                last.truncate(rng.below(last.len() + 1));
            }
        }
        if ending != Ending::Silent {
            pipe.due = pipe.due.max(clock.now() + rng.micros(1, 5000));
            pipe.chunks.push_back(Chunk::End);
            clock.at(pipe.due, Event::Arrive { conn, way });
        }
    }

    /// Lets the connection break when so many bytes more have passed on a way.
    pub fn break_after(&mut self, conn: ConnId, way: Way, bytes: usize) {
        self.conns[conn].pipes[way as usize].budget = Some(bytes);
    }

    /// No connection is to break any more.
    pub fn break_none(&mut self) {
        self.conns.iter_mut().flat_map(|conn| &mut conn.pipes).for_each(|pipe| pipe.budget = None);
    }

    /// What arrives now, unless the link is stalled; then it will later.
    pub fn arrive(&mut self, clock: &mut Clock, conn: ConnId, way: Way) -> Option<Chunk> {
        let stalled = self.links[self.conns[conn].reader].stalled;
        if stalled > clock.now() {
            clock.at(stalled, Event::Arrive { conn, way });
            return None;
        }
        self.conns[conn].pipes[way as usize].chunks.pop_front()
    }
}
