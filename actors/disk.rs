//! The file operations that results are written with.
//!
//! They are few so that a test can take the place of the disk, break off at each of them, and lose what was not synced.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

/// Files below one folder. Paths are relative to it, with `/` between names; the folder itself is the empty path.
///
/// What was written is durable only after [`sync`](Disk::sync) of the file, and a name that was made, changed or removed
/// only after [`sync_folder`](Disk::sync_folder) of the folder it is in.
pub trait Disk: Send {
    /// Length of a file in bytes; `None` if there is none.
    fn len(&mut self, path: &str) -> io::Result<Option<u64>>;
    /// Up to `len` bytes of a file from `offset` on; fewer only at its end.
    fn read_at(&mut self, path: &str, offset: u64, len: usize) -> io::Result<Vec<u8>>;
    /// Names of the files and folders in a folder, sorted; none if there is no such folder.
    fn list(&mut self, folder: &str) -> io::Result<Vec<String>>;
    /// Writes all of `bytes` at `offset`; makes the file if there is none.
    fn write_at(&mut self, path: &str, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Cuts a file to its first `len` bytes.
    fn truncate(&mut self, path: &str, len: u64) -> io::Result<()>;
    /// Makes content and length of a file durable.
    fn sync(&mut self, path: &str) -> io::Result<()>;
    /// Gives a file another name in the same folder; replaces a file that has it.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&mut self, path: &str) -> io::Result<()>;
    /// Makes a folder if there is none; the one it lies in must exist.
    fn create_folder(&mut self, path: &str) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_folder(&mut self, path: &str) -> io::Result<()>;
}

/// Files that are held open: the journal and the part that grow, and the file that is being written.
const OPEN_FILES: usize = 4;

/// A folder of the file system.
#[derive(Debug)]
pub struct FsDisk {
    root: PathBuf,
    /// Least recently used first. A file stays open from its writing to its sync, so that the sync is sure to learn of
    /// an error of the writing.
    open: Vec<(String, File)>,
}

impl FsDisk {
    /// The files below `root`, a folder that exists.
    pub fn new(root: PathBuf) -> FsDisk {
        FsDisk { root, open: Vec::new() }
    }

    fn file(&mut self, path: &str, create: bool) -> io::Result<&mut File> {
        let entry = match self.open.iter().position(|(name, _)| name == path) {
            Some(index) => self.open.remove(index),
            None => {
                let mut options = File::options();
                options.read(true).write(true).create(create).truncate(false);
                (path.to_owned(), options.open(self.root.join(path))?)
            }
        };
        if self.open.len() == OPEN_FILES {
            self.open.remove(0);
        }
        self.open.push(entry);
        let last = self.open.len() - 1;
        Ok(&mut self.open[last].1)
    }

    fn close(&mut self, path: &str) {
        self.open.retain(|(name, _)| name != path);
    }
}

impl Disk for FsDisk {
    fn len(&mut self, path: &str) -> io::Result<Option<u64>> {
        match fs::metadata(self.root.join(path)) {
            Ok(metadata) => Ok(metadata.is_file().then_some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read_at(&mut self, path: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let file = self.file(path, false)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        file.take(len as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn list(&mut self, folder: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.root.join(folder)) {
            Ok(entries) => entries,
            Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            // A name that is not Unicode is none that we gave.
            names.extend(entry?.file_name().into_string().ok());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn write_at(&mut self, path: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let file = self.file(path, true)?;
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(bytes)
    }

    fn truncate(&mut self, path: &str, len: u64) -> io::Result<()> {
        self.file(path, false)?.set_len(len)
    }

    fn sync(&mut self, path: &str) -> io::Result<()> {
        self.file(path, false)?.sync_data()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.close(from);
        self.close(to);
        fs::rename(self.root.join(from), self.root.join(to))
    }

    fn remove(&mut self, path: &str) -> io::Result<()> {
        self.close(path);
        fs::remove_file(self.root.join(path))
    }

    fn create_folder(&mut self, path: &str) -> io::Result<()> {
        let path = self.root.join(path);
        match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            result => result,
        }
    }

    fn sync_folder(&mut self, path: &str) -> io::Result<()> {
        // Elsewhere folders cannot be opened, and renaming is durable by itself.
        if cfg!(unix) {
            File::open(self.root.join(path))?.sync_all()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::ModelDisk;

    /// What both disks do.
    fn check(disk: &mut dyn Disk) {
        assert_eq!(disk.len("a").unwrap(), None);
        assert!(disk.list("shelf").unwrap().is_empty());
        disk.write_at("a", 0, b"hello").unwrap();
        disk.write_at("a", 7, b"world").unwrap();
        assert_eq!(disk.read_at("a", 3, 100).unwrap(), b"lo\0\0world");
        assert_eq!(disk.read_at("a", 3, 2).unwrap(), b"lo");
        assert!(disk.read_at("a", 50, 2).unwrap().is_empty());
        disk.truncate("a", 4).unwrap();
        disk.sync("a").unwrap();
        disk.create_folder("shelf").unwrap();
        disk.create_folder("shelf").unwrap();
        assert_eq!(disk.len("shelf").unwrap(), None, "a folder is no file");
        for n in 0..8 {
            disk.write_at(&format!("shelf/{n}"), 0, &[n]).unwrap();
        }
        assert!(disk.list("a").unwrap().is_empty(), "a file is no folder");
        disk.rename("shelf/7", "shelf/0").unwrap();
        disk.remove("shelf/1").unwrap();
        disk.sync_folder("shelf").unwrap();
        disk.sync_folder("").unwrap();
        assert_eq!(disk.list("").unwrap(), ["a", "shelf"]);
        assert_eq!(disk.list("shelf").unwrap(), ["0", "2", "3", "4", "5", "6"]);
        assert_eq!(disk.read_at("shelf/0", 0, 9).unwrap(), [7]);
        // What was held open under the name before is another file.
        disk.write_at("shelf/0", 1, b"!").unwrap();
        assert_eq!(disk.len("shelf/0").unwrap(), Some(2));
        for error in [
            disk.sync("b").unwrap_err(),
            disk.read_at("b", 0, 1).unwrap_err(),
            disk.truncate("b", 0).unwrap_err(),
            disk.rename("b", "c").unwrap_err(),
            disk.remove("b").unwrap_err(),
            disk.write_at("nowhere/b", 0, b"").unwrap_err(),
            disk.create_folder("nowhere/b").unwrap_err(),
        ] {
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{error}");
        }
    }

    #[test]
    fn the_file_system_does_what_the_model_does() {
        check(&mut ModelDisk::default());
        let root = std::env::temp_dir().join(format!("warcdl-disk-{}", std::process::id()));
        // One with this process's number may have been killed.
        let _ = fs::remove_dir_all(&root);
        fs::create_dir(&root).unwrap();
        check(&mut FsDisk::new(root.clone()));
        fs::remove_dir_all(&root).unwrap();
    }
}
