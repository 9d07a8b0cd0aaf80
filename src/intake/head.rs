//! The head of an archive, which tells its format and holds the dictionary of some: fetched once a lease, however many of
//! those who read single records ask for it.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use warcdl_actors::port::Pulse;

use crate::source::{Archive, Store};

/// Bytes that are kept; who asks for more fetches it. A dictionary may have 16 MiB.
const MOST: usize = 17 << 20;

/// See the module.
#[derive(Clone)]
pub(super) struct Head {
    store: Store,
    archive: Archive,
    pulse: Pulse,
    known: Arc<Mutex<Known>>,
}

/// What is fetched of it.
#[derive(Default)]
struct Known {
    bytes: Vec<u8>,
    /// Whether that is the whole archive.
    ended: bool,
}

impl Head {
    pub(super) fn new(store: Store, archive: Archive, pulse: Pulse) -> Head {
        Head { store, archive, pulse, known: Arc::default() }
    }

    /// Reads from its first byte.
    pub(super) fn open(&self) -> impl Read + Send + use<> {
        Reading { head: self.clone(), at: 0, behind: None }
    }
}

struct Reading {
    head: Head,
    at: usize,
    /// What is fetched, from `at` on.
    behind: Option<Box<dyn Read + Send>>,
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Head { store, archive, pulse, known } = &self.head;
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rest = known.bytes.get(self.at..).unwrap_or_default();
        if !rest.is_empty() || known.ended {
            let read = rest.read(buffer)?;
            self.at += read;
            // What was fetched before is not what comes next.
            self.behind = None;
            return Ok(read);
        }
        let behind = match &mut self.behind {
            Some(behind) => behind,
            none => none.insert(store.open(archive, self.at as u64, pulse).map_err(io::Error::other)?),
        };
        let read = behind.read(buffer)?;
        if self.at == known.bytes.len() && known.bytes.len() < MOST {
            known.bytes.extend_from_slice(&buffer[..read]);
            known.ended = read == 0 && !buffer.is_empty();
        }
        self.at += read;
        Ok(read)
    }
}
