//! Files of this machine.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Take};
use std::ops::Range;
use std::path::Path;
use std::time::SystemTime;

use crate::source::{Archive, SourceError};
use warcdl_actors::port::Pulse;

/// Opens a stretch of a file; `u64::MAX` is its end. Each piece that is read beats the pulse: a long record on a slow disk, or
/// one that lies deep in a member, takes longer than a reader may be silent.
pub(super) fn open(
    path: &str,
    range: Range<u64>,
    pulse: &Pulse,
) -> Result<Box<dyn Read + Send>, SourceError> {
    let failed = |source| SourceError::Path { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    file.seek(SeekFrom::Start(range.start)).map_err(failed)?;
    let left = if range.end == u64::MAX { u64::MAX } else { range.end.saturating_sub(range.start) };
    Ok(Box::new(Stretch { file: file.take(left), pulse: pulse.clone() }))
}

struct Stretch {
    file: Take<File>,
    pulse: Pulse,
}

impl Read for Stretch {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.pulse.beat();
        Ok(read)
    }
}

/// The file at `path`, by its absolute path.
pub(in crate::source) fn describe(path: impl AsRef<Path>) -> Result<Archive, SourceError> {
    let path = path.as_ref();
    let failed = |source| SourceError::Path { path: path.display().to_string(), source };
    let absolute = path.canonicalize().map_err(failed)?;
    let metadata = absolute.metadata().map_err(failed)?;
    let changed = metadata.modified().ok().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    let etag = changed.map(|changed| changed.as_nanos().to_string()).unwrap_or_default();
    let size = metadata.len();
    let name = absolute.into_os_string().into_string();
    let name =
        name.map_err(|_| failed(io::Error::new(io::ErrorKind::InvalidInput, "the name is not UTF-8")))?;
    Ok(Archive { name, size, etag, named: None })
}
