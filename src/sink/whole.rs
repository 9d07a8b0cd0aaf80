//! Files that appear under their final name only once they are whole and on the disk.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use warcdl_actors::SinkError;
use warcdl_actors::results::names::UNFINISHED;

/// Writes a file at once: under a temporary name in the same folder, then to the disk, then under `path`, which it
/// replaces. After a crash `path` holds either the old content or the new one.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), SinkError> {
    let unfinished = unfinished(path);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || {
        let mut file = File::create(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)?;
        // Elsewhere folders cannot be opened, and renaming is durable by itself.
        if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
    };
    write().map_err(failed(path))
}

/// Wraps what the system says about a path.
pub(super) fn failed(path: &Path) -> impl FnOnce(io::Error) -> SinkError {
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            SinkError::Full { path: path.to_owned() }
        }
        _ => SinkError::Io { path: path.to_owned(), source },
    }
}

fn unfinished(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(UNFINISHED);
    PathBuf::from(name)
}
