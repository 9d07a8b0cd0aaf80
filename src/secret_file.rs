//! The file that holds the job's secret, readable by its owner alone. The secret leaves the GPU node's memory in this way,
//! and in the credentials of containers, which YARN keeps for their user's eyes; in no other.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use warcdl_actors::wire::{HandshakeError, JobSecret};

/// Fewer bytes than this are no secret.
const MIN_BYTES: usize = 16;

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read or written.
    #[error("the secret file {} cannot be used: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds too little.
    #[error("the secret file {} holds fewer than {MIN_BYTES} bytes: put a longer secret into it, or remove it to have one made", path.display())]
    TooShort {
        /// The file.
        path: PathBuf,
    },
    /// Others can read the file.
    #[error("the secret file {} can be read by others: run chmod 600 on it", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// No secret could be made.
    #[error(transparent)]
    Random(#[from] HandshakeError),
}

/// A secret and the file that holds it.
#[derive(Debug)]
pub struct SecretFile {
    /// The file.
    pub path: PathBuf,
    /// What it holds.
    pub secret: JobSecret,
    /// A folder made for the run, removed with this value.
    folder: Option<PathBuf>,
}

impl SecretFile {
    /// The configured file, which is made if it does not exist; or one in a fresh folder, for this run only.
    pub fn open(configured: Option<&Path>) -> Result<SecretFile, SecretError> {
        match configured {
            Some(path) if path.exists() => {
                Ok(SecretFile { path: path.to_owned(), secret: read(path)?, folder: None })
            }
            Some(path) => SecretFile::make(path.to_owned(), None),
            None => {
                let unique = format!("warcdl-{}-{}", std::process::id(), rand_suffix()?);
                let folder = std::env::temp_dir().join(unique);
                fs::DirBuilder::new().mode(0o700).create(&folder).map_err(failed(&folder))?;
                SecretFile::make(folder.join("secret"), Some(folder))
            }
        }
    }

    fn make(path: PathBuf, folder: Option<PathBuf>) -> Result<SecretFile, SecretError> {
        let secret = JobSecret::random()?;
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(secret.expose())
        };
        write().map_err(failed(&path))?;
        Ok(SecretFile { path, secret, folder })
    }
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            // The system cleans its folder of temporary files anyway; nothing can be done here if this fails.
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// Reads a secret that somebody wrote. A file that others can read holds no secret.
pub fn read(path: &Path) -> Result<JobSecret, SecretError> {
    let mode = fs::metadata(path).map_err(failed(path))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(SecretError::Exposed { path: path.to_owned() });
    }
    let bytes = fs::read(path).map_err(failed(path))?;
    if bytes.trim_ascii().len() < MIN_BYTES {
        return Err(SecretError::TooShort { path: path.to_owned() });
    }
    Ok(JobSecret::new(&bytes))
}

fn rand_suffix() -> Result<String, SecretError> {
    let secret = JobSecret::random()?;
    Ok(String::from_utf8_lossy(&secret.expose()[..12]).into_owned())
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> SecretError {
    move |source| SecretError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_made_once_and_kept_from_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("job-secret");
        let made = SecretFile::open(Some(&path)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = SecretFile::open(Some(&path)).unwrap();
        assert_eq!(made.secret.expose(), again.secret.expose());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(read(&path), Err(SecretError::Exposed { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "short\n").unwrap();
        assert!(matches!(read(&path), Err(SecretError::TooShort { .. })));
    }

    #[test]
    fn a_secret_for_one_run_goes_with_it() {
        let file = SecretFile::open(None).unwrap();
        let path = file.path.clone();
        assert_eq!(read(&path).unwrap().expose(), file.secret.expose());
        drop(file);
        assert!(!path.exists() && !path.parent().unwrap().exists());
    }
}
