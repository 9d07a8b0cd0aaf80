//! Files that appear under their final name only once they are whole and on the disk.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use warcdl_actors::SinkError;

/// The ending of a file that is not whole yet.
pub(super) const UNFINISHED: &str = ".tmp";

/// Writes a file at once: under a temporary name in the same folder, then to the disk, then under `path`, which it
/// replaces. After a crash `path` holds either the old content or the new one.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), SinkError> {
    place(path, bytes)?;
    sync_folder(path.parent().unwrap_or(Path::new("")))
}

/// [`write_whole`] without the last step: the folder's entry may still be lost in a crash until [`sync_folder`].
pub(super) fn place(path: &Path, bytes: &[u8]) -> Result<(), SinkError> {
    let unfinished = unfinished(path);
    let write = || {
        let mut file = File::create(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    };
    write().map_err(failed(path))
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), SinkError> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    // Elsewhere folders cannot be opened, and renaming is durable by itself.
    if cfg!(unix) {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed(folder))?;
    }
    Ok(())
}

/// Wraps what the system says about a path.
pub(super) fn failed(path: &Path) -> impl FnOnce(io::Error) -> SinkError {
    move |source| SinkError { path: path.to_owned(), source }
}

fn unfinished(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(UNFINISHED);
    PathBuf::from(name)
}

/// A file of lines that grows under a temporary name.
pub(super) struct Lines {
    path: PathBuf,
    writer: BufWriter<File>,
    /// Bytes so far.
    pub(super) size: u64,
}

impl Lines {
    /// Begins the file anew.
    pub(super) fn create(path: PathBuf) -> Result<Lines, SinkError> {
        let file = File::create(unfinished(&path)).map_err(failed(&path))?;
        Ok(Lines { path, writer: BufWriter::new(file), size: 0 })
    }

    /// Continues a file that was finished, or begins it: the finished one stays as it is until this one replaces it.
    pub(super) fn resume(path: PathBuf) -> Result<Lines, SinkError> {
        if !path.exists() {
            return Lines::create(path);
        }
        let unfinished = unfinished(&path);
        let open = || {
            let size = fs::copy(&path, &unfinished)?;
            Ok((size, File::options().append(true).open(&unfinished)?))
        };
        let (size, file) = open().map_err(failed(&path))?;
        Ok(Lines { path, writer: BufWriter::new(file), size })
    }

    /// Appends a line, which ends in a newline.
    pub(super) fn append(&mut self, line: &[u8]) -> Result<(), SinkError> {
        self.writer.write_all(line).map_err(failed(&self.path))?;
        self.size += line.len() as u64;
        Ok(())
    }

    /// Gives the file its final name, once it is on the disk.
    pub(super) fn finish(mut self) -> Result<(), SinkError> {
        let mut write = || {
            self.writer.flush()?;
            self.writer.get_ref().sync_all()?;
            fs::rename(unfinished(&self.path), &self.path)
        };
        write().map_err(failed(&self.path))?;
        sync_folder(self.path.parent().unwrap_or(Path::new("")))
    }
}
