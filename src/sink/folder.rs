//! The folder of results: whose it is, and what of it may be removed.

use std::{
    ffi::OsStr,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use super::{OpenError, store, whole::failed};
use warcdl_actors::results::names::{self, IMAGES, JOURNAL, POSITIVES, UNFINISHED};

/// Name of the run's summary in the folder.
pub const SUMMARY: &str = "summary.json";
/// Name of the configuration as the run used it, in the folder.
pub const RESOLVED_CONFIG: &str = "config.resolved.toml";

/// Marks a folder whose results are warcdl's, and is locked while a run writes there. Written first and never removed,
/// so that a run that broke off at any point is recognised.
const MARKER: &str = ".warcdl";

/// A folder that belongs to this run until the value is dropped: its marker is locked, so that no other run can take or
/// empty it meanwhile.
#[derive(Debug)]
pub struct FolderLock {
    _marker: File,
}

/// Makes the folder, marks it and locks the marker. A folder that is not warcdl's must be empty. With `overwrite` what an
/// earlier run left is removed, if all of it was written by warcdl; nothing is removed if anything was not.
pub(super) fn claim(folder: &Path, overwrite: bool) -> Result<FolderLock, OpenError> {
    if folder.as_os_str().is_empty() {
        return Err(OpenError::NoPath);
    }
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let path = folder.join(MARKER);
    let old = entries(folder)?;
    if old.is_empty() {
        return match File::create_new(&path) {
            Ok(marker) => lock(folder, marker),
            // Another run was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(OpenError::InUse { path: folder.to_owned() })
            }
            Err(error) => Err(failed(&path)(error).into()),
        };
    }
    if !path.is_file() {
        return Err(match old.into_iter().next() {
            Some(foreign) if overwrite => OpenError::Foreign { path: foreign.path },
            _ => OpenError::NotEmpty { path: folder.to_owned() },
        });
    }
    let claimed = lock(folder, File::options().write(true).open(&path).map_err(failed(&path))?)?;
    if overwrite {
        remove(folder)?;
    }
    Ok(claimed)
}

fn lock(folder: &Path, marker: File) -> Result<FolderLock, OpenError> {
    match marker.try_lock() {
        Ok(()) => Ok(FolderLock { _marker: marker }),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: folder.to_owned() }),
        Err(TryLockError::Error(error)) => Err(failed(&folder.join(MARKER))(error).into()),
    }
}

/// Removes an earlier run's results, all but the marker. The journal goes first: should this break off, nothing claims
/// that what is left is whole.
fn remove(folder: &Path) -> Result<(), OpenError> {
    // Innermost first.
    let mut found = Vec::new();
    for entry in entries(folder)? {
        let is_ours = match &*entry.name {
            MARKER => continue,
            IMAGES | POSITIVES if entry.is_folder => {
                survey_store(&entry.path, &mut found)?;
                true
            }
            name => {
                let name = name.strip_suffix(UNFINISHED).unwrap_or(name);
                !entry.is_folder
                    && ([SUMMARY, RESOLVED_CONFIG, JOURNAL].contains(&name) || names::is_lines(name))
            }
        };
        if !is_ours {
            return Err(OpenError::Foreign { path: entry.path });
        }
        found.push(entry);
    }
    found.sort_by_key(|entry| entry.name != JOURNAL);
    for entry in found {
        let removed =
            if entry.is_folder { fs::remove_dir(&entry.path) } else { fs::remove_file(&entry.path) };
        removed.map_err(failed(&entry.path))?;
    }
    Ok(())
}

/// Appends what lies in a folder of files to `found`, if warcdl wrote all of it.
fn survey_store(folder: &Path, found: &mut Vec<Entry>) -> Result<(), OpenError> {
    for shelf in entries(folder)? {
        if !shelf.is_folder || !store::is_shelf(&shelf.name) {
            return Err(OpenError::Foreign { path: shelf.path });
        }
        for file in entries(&shelf.path)? {
            let name = file.name.strip_suffix(UNFINISHED).unwrap_or(&file.name);
            if file.is_folder || !store::is_file(name) {
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

fn entries(folder: &Path) -> Result<Vec<Entry>, OpenError> {
    let list = || {
        fs::read_dir(folder)?
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
    Ok(list().map_err(failed(folder))?)
}
