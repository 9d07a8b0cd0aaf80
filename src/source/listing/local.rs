//! Files of this machine, by their names, in folders and by globs.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Archive, is_archive};
use crate::source::store::disk;
use crate::source::{SourceError, SourceSettings};

/// The archives of `place`: a file, a folder with all in it, or what a glob finds.
pub(super) fn list(
    place: &str,
    settings: &SourceSettings,
    archives: &mut Vec<Archive>,
) -> Result<(), SourceError> {
    let mut search = Search { settings, archives, searched: HashSet::new() };
    let path = Path::new(place);
    if path.is_dir() {
        return search.folder(path);
    }
    if path.exists() || !place.contains(['*', '?', '[']) {
        return search.file(path);
    }
    let broken = |reason: String| SourceError::Glob { pattern: place.to_owned(), reason };
    for found in glob::glob(place).map_err(|error| broken(error.to_string()))? {
        search.found(&found.map_err(|error| broken(error.to_string()))?)?;
    }
    Ok(())
}

struct Search<'a> {
    settings: &'a SourceSettings,
    archives: &'a mut Vec<Archive>,
    /// Absolute paths of the folders that were searched: links may lead to one of them again, or round in a circle.
    searched: HashSet<PathBuf>,
}

impl Search<'_> {
    /// What a folder or a glob has, be it there itself or by a link.
    fn found(&mut self, path: &Path) -> Result<(), SourceError> {
        if path.is_dir() {
            self.folder(path)
        } else if is_archive(&path.to_string_lossy(), self.settings) {
            self.file(path)
        } else {
            Ok(())
        }
    }

    fn folder(&mut self, folder: &Path) -> Result<(), SourceError> {
        let failed = |source| SourceError::Path { path: folder.display().to_string(), source };
        if !self.searched.insert(folder.canonicalize().map_err(failed)?) {
            return Ok(());
        }
        for entry in fs::read_dir(folder).map_err(failed)? {
            self.found(&entry.map_err(failed)?.path())?;
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> Result<(), SourceError> {
        self.archives.push(disk::describe(path)?);
        Ok(())
    }
}
