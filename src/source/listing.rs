//! Which archives a run reads.

use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use super::SourceSettings;
use super::store::{SourceError, Store};

/// A stored archive as the listing saw it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Archive {
    /// Absolute path, or `s3://bucket/key`.
    pub name: String,
    /// Bytes as stored.
    pub size: u64,
    /// Entity tag of an object; of a file, when it was changed last, in nanoseconds since 1970, if the system tells.
    pub etag: String,
}

/// Every archive of the source, sorted by name, each once.
///
/// # Errors
/// A place that cannot be read, or no archive at all.
pub async fn list(settings: &SourceSettings, store: &Store) -> Result<Vec<Archive>, SourceError> {
    let mut places = settings.paths.clone();
    if !settings.list.is_empty() {
        let failed = |source| SourceError::Path { path: settings.list.clone(), source };
        let text = fs::read_to_string(&settings.list).map_err(failed)?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        places.extend(lines.map(str::to_owned));
    }
    places.extend(settings.s3.buckets.iter().map(|bucket| format!("s3://{bucket}")));
    let mut archives = Vec::new();
    for place in &places {
        match place.strip_prefix("s3://") {
            Some(bucket) => list_bucket(bucket, settings, store, &mut archives).await?,
            None => list_path(place, settings, &mut archives)?,
        }
    }
    if archives.is_empty() {
        let looked_at = if places.is_empty() { "an empty source".to_owned() } else { places.join(", ") };
        return Err(SourceError::Empty { looked_at, suffixes: settings.suffixes.join(", ") });
    }
    archives.sort_unstable();
    archives.dedup_by(|a, b| a.name == b.name);
    Ok(archives)
}

fn is_archive(name: &str, settings: &SourceSettings) -> bool {
    settings.suffixes.iter().any(|suffix| name.ends_with(suffix.as_str()))
}

fn list_path(place: &str, settings: &SourceSettings, archives: &mut Vec<Archive>) -> Result<(), SourceError> {
    let path = Path::new(place);
    if path.is_dir() {
        return list_folder(path, settings, archives);
    }
    if path.exists() || !place.contains(['*', '?', '[']) {
        return add_file(path, archives);
    }
    let broken = |reason: String| SourceError::Glob { pattern: place.to_owned(), reason };
    for found in glob::glob(place).map_err(|error| broken(error.to_string()))? {
        let found = found.map_err(|error| broken(error.to_string()))?;
        if found.is_dir() {
            list_folder(&found, settings, archives)?;
        } else if is_archive(&found.to_string_lossy(), settings) {
            add_file(&found, archives)?;
        }
    }
    Ok(())
}

fn list_folder(
    folder: &Path,
    settings: &SourceSettings,
    archives: &mut Vec<Archive>,
) -> Result<(), SourceError> {
    let failed = |source| SourceError::Path { path: folder.display().to_string(), source };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        // Links to folders are not followed: they may lead round in a circle.
        if entry.file_type().map_err(failed)?.is_dir() {
            list_folder(&path, settings, archives)?;
        } else if is_archive(&path.to_string_lossy(), settings) && !path.is_dir() {
            add_file(&path, archives)?;
        }
    }
    Ok(())
}

fn add_file(path: &Path, archives: &mut Vec<Archive>) -> Result<(), SourceError> {
    let failed = |source| SourceError::Path { path: path.display().to_string(), source };
    let absolute = path.canonicalize().map_err(failed)?;
    let metadata = absolute.metadata().map_err(failed)?;
    let changed = metadata.modified().ok().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    let etag = changed.map(|changed| changed.as_nanos().to_string()).unwrap_or_default();
    let size = metadata.len();
    let name = absolute.into_os_string().into_string();
    let name =
        name.map_err(|_| failed(io::Error::new(io::ErrorKind::InvalidInput, "the name is not UTF-8")))?;
    archives.push(Archive { name, size, etag });
    Ok(())
}

/// `place` is `bucket`, `bucket/prefix` or `bucket/key`; a key that is named in full is taken alone, whatever
/// its suffix.
async fn list_bucket(
    place: &str,
    settings: &SourceSettings,
    store: &Store,
    archives: &mut Vec<Archive>,
) -> Result<(), SourceError> {
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    let mut pages =
        store.client().await.list_objects_v2().bucket(bucket).prefix(prefix).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| store.s3_error(place, &error))?;
        for object in page.contents() {
            let Some(key) = object.key() else { continue };
            let named = key == prefix;
            if named || is_archive(key, settings) {
                archives.push(Archive {
                    name: format!("s3://{bucket}/{key}"),
                    size: object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
                    etag: object.e_tag().unwrap_or_default().to_owned(),
                });
            }
            // A key sorts before those that it begins: it is the first one listed.
            if named {
                return Ok(());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::list;
    use crate::source::{S3Settings, Secret, SourceSettings, Store};

    fn settings(paths: Vec<String>) -> SourceSettings {
        let s3 = S3Settings {
            buckets: Vec::new(),
            endpoint_url: String::new(),
            region: String::new(),
            path_style: true,
            profile: String::new(),
            access_key_id: String::new(),
            secret_access_key: Secret::default(),
            session_token: Secret::default(),
            anonymous: true,
        };
        SourceSettings { paths, list: String::new(), suffixes: vec![".warc.gz".to_owned()], s3 }
    }

    #[tokio::test]
    async fn folders_globs_and_files_are_listed_once() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir(root.join("deep")).unwrap();
        for name in ["b.warc.gz", "deep/a.warc.gz", "notes.txt"] {
            fs::write(root.join(name), "x").unwrap();
        }
        let at = |name: &str| root.join(name).display().to_string();
        let given = settings(vec![at(""), at("*.warc.gz"), at("notes.txt")]);
        let store = Store::new(&given.s3, tokio::runtime::Handle::current());
        let names: Vec<_> =
            list(&given, &store).await.unwrap().into_iter().map(|archive| archive.name).collect();
        assert_eq!(names, [at("b.warc.gz"), at("deep/a.warc.gz"), at("notes.txt")]);

        let missing = list(&settings(vec![at("missing")]), &store).await.unwrap_err().to_string();
        assert!(missing.contains(&at("missing")), "{missing}");
        let empty = list(&settings(vec![at("*.warc")]), &store).await.unwrap_err().to_string();
        assert!(empty.contains("*.warc") && empty.contains(".warc.gz"), "{empty}");
    }
}
