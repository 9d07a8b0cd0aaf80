//! The folder of results: whose it is, and what of it may be removed.

use std::{
    ffi::OsStr,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use super::store::{is_file, is_shelf};
use super::{OpenError, whole};
use warcdl_actors::results::names::{IMAGES, JOURNAL, List, POSITIVES, UNFINISHED};

/// Name of the run's summary in the folder.
pub const SUMMARY: &str = "summary.json";
/// Name of the configuration as the run used it, in the folder.
pub const RESOLVED_CONFIG: &str = "config.resolved.toml";

/// Name of what says which application on a cluster works for the run, in the folder.
pub const YARN_STATE: &str = "yarn.json";

/// Marks a folder whose results are warcdl's, and is locked while a run writes there. Written first and never removed,
/// so that a run that broke off at any point is recognised.
pub(super) const MARKER: &str = ".warcdl";

/// A folder that belongs to this run until the value is dropped: its marker is locked, so that no other run can take or
/// empty it meanwhile.
#[derive(Debug)]
pub struct FolderLock {
    marker: File,
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Closing it is not enough: a process that another thread is about to start holds it for a moment. One that cannot be
        // unlocked is unlocked by being closed.
        let _ = self.marker.unlock();
    }
}

/// Makes the folder, marks it and locks the marker. A folder that is not warcdl's must be empty. With `overwrite` what an
/// earlier run left is removed, if all of it was written by warcdl; nothing is removed if anything was not.
pub(super) fn claim(folder: &Path, overwrite: bool) -> Result<FolderLock, OpenError> {
    stands(folder)?;
    fs::create_dir_all(folder).map_err(failed(folder, folder))?;
    let path = folder.join(MARKER);
    let old = entries(folder, folder)?;
    if old.is_empty() {
        return match File::create_new(&path) {
            Ok(marker) => lock(folder, marker),
            // Another run was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(OpenError::InUse { path: folder.to_owned() })
            }
            Err(error) => Err(failed(folder, &path)(error)),
        };
    }
    if !path.is_file() {
        return Err(unmarked(folder, old, overwrite));
    }
    let claimed = lock(folder, File::options().write(true).open(&path).map_err(failed(folder, &path))?)?;
    if overwrite {
        remove(folder)?;
    }
    Ok(claimed)
}

/// What [`claim`] would say of the folder, which is left as it is. Whether there are results to go on with. Another run is
/// noticed only where the system tells of locks: to try the lock would be to hold it for a moment, and could end a run
/// that begins just then.
pub(super) fn probe(folder: &Path, overwrite: bool) -> Result<bool, OpenError> {
    if !stands(folder)? {
        return Ok(false);
    }
    let old = entries(folder, folder)?;
    if old.is_empty() {
        return Ok(false);
    }
    let path = folder.join(MARKER);
    if !path.is_file() {
        return Err(unmarked(folder, old, overwrite));
    }
    let marker = File::options().write(true).open(&path).map_err(failed(folder, &path))?;
    if is_locked(&marker) {
        return Err(OpenError::InUse { path: folder.to_owned() });
    }
    if overwrite {
        survey(folder)?;
    }
    Ok(!overwrite)
}

fn unmarked(folder: &Path, found: Vec<Entry>, overwrite: bool) -> OpenError {
    match found.into_iter().next() {
        // Copied without what is hidden, most likely.
        _ if folder.join(JOURNAL).is_file() => OpenError::Unmarked { path: folder.to_owned() },
        Some(foreign) if overwrite => OpenError::Foreign { path: foreign.path },
        _ => OpenError::NotEmpty { path: folder.to_owned() },
    }
}

/// Whether the system tells of a lock on a file; `false` where it tells nothing.
#[cfg(target_os = "linux")]
fn is_locked(file: &File) -> bool {
    use std::os::linux::fs::MetadataExt as _;
    let (Ok(file), Ok(locks)) = (file.metadata(), fs::read_to_string("/proc/locks")) else { return false };
    tells_lock(&locks, file.st_dev(), file.st_ino())
}

#[cfg(not(target_os = "linux"))]
fn is_locked(_: &File) -> bool {
    false
}

/// Whether one of the lines of `/proc/locks`, such as `1: FLOCK ADVISORY WRITE 4711 08:01:1835 0 EOF`, is of this file: device
/// in hexadecimal, inode in decimal digits.
#[cfg(target_os = "linux")]
fn tells_lock(locks: &str, device: u64, inode: u64) -> bool {
    let major = (device >> 8 & 0xfff) | (device >> 32 & !0xfff);
    let minor = (device & 0xff) | (device >> 12 & 0xffff_ff00);
    let wanted = format!("{major:02x}:{minor:02x}:{inode}");
    locks.lines().any(|line| line.contains(" FLOCK ") && line.split_whitespace().any(|word| word == wanted))
}

/// Whether the folder is there; it need not be. What cannot become a folder is an error.
fn stands(folder: &Path) -> Result<bool, OpenError> {
    if folder.as_os_str().is_empty() {
        return Err(OpenError::NoPath);
    }
    for at in folder.ancestors().filter(|at| !at.as_os_str().is_empty()) {
        match fs::metadata(at) {
            Ok(found) if found.is_dir() => return Ok(at == folder),
            Ok(_) => return Err(OpenError::NoFolder { path: folder.to_owned(), file: at.to_owned() }),
            // A link to nowhere is no gap that a folder could fill.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !at.is_symlink() => {}
            // The file is further up.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {}
            Err(error) => return Err(failed(folder, at)(error)),
        }
    }
    Ok(false)
}

fn lock(folder: &Path, marker: File) -> Result<FolderLock, OpenError> {
    match marker.try_lock() {
        Ok(()) => Ok(FolderLock { marker }),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: folder.to_owned() }),
        Err(TryLockError::Error(error)) => Err(failed(folder, &folder.join(MARKER))(error)),
    }
}

/// Removes an earlier run's results, all but the marker. The journal goes first: should this break off, nothing claims
/// that what is left is whole. What names an application that may still go on stays as well, for who ends that.
fn remove(folder: &Path) -> Result<(), OpenError> {
    let mut found = survey(folder)?;
    found.retain(|entry| entry.name != YARN_STATE);
    found.sort_by_key(|entry| entry.name != JOURNAL);
    for entry in found {
        let removed =
            if entry.is_folder { fs::remove_dir(&entry.path) } else { fs::remove_file(&entry.path) };
        removed.map_err(failed(folder, &entry.path))?;
    }
    Ok(())
}

/// An earlier run's results, all but the marker, if warcdl wrote all that there is.
fn survey(folder: &Path) -> Result<Vec<Entry>, OpenError> {
    // Innermost first.
    let mut found = Vec::new();
    for entry in entries(folder, folder)? {
        let is_ours = match &*entry.name {
            MARKER => continue,
            IMAGES | POSITIVES if entry.is_folder => {
                survey_store(folder, &entry.path, &mut found)?;
                true
            }
            name => {
                let name = name.strip_suffix(UNFINISHED).unwrap_or(name);
                !entry.is_folder
                    && ([SUMMARY, RESOLVED_CONFIG, YARN_STATE, JOURNAL].contains(&name)
                        || List::of(name).is_some())
            }
        };
        if !is_ours {
            return Err(OpenError::Foreign { path: entry.path });
        }
        found.push(entry);
    }
    Ok(found)
}

/// Appends what lies in `store`, a folder of files in the folder of results, to `found`, if warcdl wrote all of it.
fn survey_store(folder: &Path, store: &Path, found: &mut Vec<Entry>) -> Result<(), OpenError> {
    for shelf in entries(folder, store)? {
        if !shelf.is_folder || !is_shelf(&shelf.name) {
            return Err(OpenError::Foreign { path: shelf.path });
        }
        for file in entries(folder, &shelf.path)? {
            let name = file.name.strip_suffix(UNFINISHED).unwrap_or(&file.name);
            if file.is_folder || !is_file(name) {
                return Err(OpenError::Foreign { path: file.path });
            }
            found.push(file);
        }
        found.push(shelf);
    }
    Ok(())
}

/// What lies in a folder.
struct Entry {
    path: PathBuf,
    /// Empty if it is not Unicode, or the entry is neither a file nor a folder: then it is not ours.
    name: String,
    is_folder: bool,
}

fn entries(folder: &Path, at: &Path) -> Result<Vec<Entry>, OpenError> {
    let list = || {
        fs::read_dir(at)?
            .map(|entry| {
                let entry = entry?;
                // Not followed where it is a link.
                let kind = entry.file_type()?;
                let name = entry.file_name();
                let name = Some(name.as_os_str()).filter(|_| kind.is_file() || kind.is_dir());
                let name = name.and_then(OsStr::to_str).unwrap_or_default().to_owned();
                Ok(Entry { path: entry.path(), name, is_folder: kind.is_dir() })
            })
            .collect::<io::Result<Vec<_>>>()
    };
    list().map_err(failed(folder, at))
}

/// Wraps what the system says about a path in the folder of results or above it.
fn failed(folder: &Path, at: &Path) -> impl FnOnce(io::Error) -> OpenError {
    move |error| OpenError::Io { path: folder.to_owned(), source: whole::failed(at)(error) }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::tells_lock;

    #[test]
    fn a_lock_is_known_by_device_and_inode() {
        let locks = "1: POSIX  ADVISORY  WRITE 33 fd:01:71 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 4711 fd:01:1835 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 4712 103:100:9 0 EOF\n";
        for (device, inode, locked) in [
            (0xfd01, 1835, true),
            (0xfd01, 183, false),
            (0xfd01, 71, false),
            (0xfd02, 1835, false),
            // A device of more digits, as `stat` packs it.
            (0x0011_0300, 9, true),
            (0x0001_0300, 9, false),
        ] {
            assert_eq!(tells_lock(locks, device, inode), locked, "{device:x}:{inode}");
        }
    }
}
