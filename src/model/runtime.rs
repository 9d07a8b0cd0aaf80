//! Finds and loads the shared library of ONNX Runtime, once a process.

use std::{
    collections::HashSet,
    env,
    error::Error as _,
    ffi::OsStr,
    fmt, fs,
    path::{self, Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use ort::{environment::Environment, logging::LogLevel};

/// The variable by which the library can be named.
const VARIABLE: &str = "ORT_DYLIB_PATH";
/// The folder, in the working directory or above the program, in which `make setup` puts the library.
const FOLDER: &str = "runtime";
/// `target/release/deps/..` of a test is three folders below the repository.
const FOLDERS_ABOVE: usize = 4;

/// ONNX Runtime, loaded.
#[derive(Clone)]
pub(super) struct Runtime {
    /// What sessions are made in.
    pub(super) environment: Environment,
    /// The library; a bare name where the system's loader found it.
    pub(super) dylib: PathBuf,
}

/// ONNX Runtime could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// No library where one was looked for.
    #[error(
        "ONNX Runtime is not installed: run make setup (scripts/fetch-onnxruntime.sh), or set {VARIABLE} to its \
         shared library; looked for {looked_for}: {message}"
    )]
    Missing {
        /// Every place.
        looked_for: Places,
        /// What the system's loader said at the last of them.
        message: String,
    },
    /// A library is there but cannot be used.
    #[error(
        "cannot load ONNX Runtime from {}: {message}; run make setup (scripts/fetch-onnxruntime.sh), or set \
         {VARIABLE} to another one", library.display()
    )]
    Load {
        /// The library.
        library: PathBuf,
        /// Why not.
        message: String,
    },
}

/// Where the library was looked for.
#[derive(Debug)]
pub struct Places(Vec<PathBuf>);

impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, place) in self.0.iter().enumerate() {
            write!(f, "{}{}", if index == 0 { "" } else { ", " }, place.display())?;
        }
        Ok(())
    }
}

/// The process's ONNX Runtime; loads it at the first call.
pub(super) fn runtime() -> Result<Runtime, RuntimeError> {
    static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);
    let mut loaded = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = &*loaded {
        return Ok(runtime.clone());
    }
    let named = env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    let runtime = match named {
        Some(library) => {
            // Relative to the working directory, as every path of the configuration.
            let library =
                if library.exists() { path::absolute(&library).unwrap_or(library) } else { library };
            load(&library).map_err(|message| RuntimeError::Load { library, message })?
        }
        None => search(&folders(env::current_dir().ok().as_deref(), env::current_exe().ok().as_deref()))?,
    };
    tracing::debug!(library = %runtime.dylib.display(), "ONNX Runtime is loaded");
    Ok(loaded.insert(runtime).clone())
}

/// Loads the library from the first of the folders that holds one, else by the system's loader.
fn search(folders: &[PathBuf]) -> Result<Runtime, RuntimeError> {
    if let Some(library) = folders.iter().find_map(|folder| library_in(folder)) {
        return load(&library).map_err(|message| RuntimeError::Load { library, message });
    }
    let system = PathBuf::from(format!("{}onnxruntime{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX));
    load(&system).map_err(|message| {
        let places = folders.iter().map(|folder| folder.join(&system)).chain([system.clone()]).collect();
        RuntimeError::Missing { looked_for: Places(places), message }
    })
}

/// Folders in which the library may lie, best first: of the working directory, then of the program and above it.
fn folders(working_directory: Option<&Path>, program: Option<&Path>) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = working_directory.iter().map(|folder| folder.join(FOLDER)).collect();
    if let Some(beside) = program.and_then(Path::parent) {
        folders.push(beside.to_owned());
        folders.extend(beside.ancestors().take(FOLDERS_ABOVE).map(|above| above.join(FOLDER)));
    }
    let mut seen = HashSet::new();
    folders.retain(|folder| seen.insert(folder.clone()));
    folders
}

/// The library in a folder: the unversioned name if there, else the last by name (`libonnxruntime.so.1.31.1`).
fn library_in(folder: &Path) -> Option<PathBuf> {
    let stem = format!("{}onnxruntime.", env::consts::DLL_PREFIX);
    let suffix = env::consts::DLL_SUFFIX;
    let is_library = |name: &str| name.starts_with(&stem) && name.contains(suffix);
    let libraries = fs::read_dir(folder).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    libraries
        .filter(|path| path.is_file() && path.file_name().and_then(OsStr::to_str).is_some_and(is_library))
        .max_by_key(|path| (path.extension() == Some(OsStr::new(&suffix[1..])), path.clone()))
}

fn load(library: &Path) -> Result<Runtime, String> {
    let builder = ort::init_from(library).map_err(explain)?;
    let environment = builder
        .with_name("warcdl")
        .with_telemetry(false)
        .with_logger(Arc::new(log))
        .build()
        .map_err(|error| error.to_string())?;
    environment.set_log_level(LogLevel::Warning);
    Ok(Runtime { environment, dylib: library.to_owned() })
}

/// The words of the system's loader, which its wrappers leave out.
fn explain(error: ort::LoadDynamicError) -> String {
    match &error {
        ort::LoadDynamicError::Dlopen { error: wrapper, .. } => {
            wrapper.source().map_or_else(|| error.to_string(), ToString::to_string)
        }
        _ => error.to_string(),
    }
}

/// Hands what ONNX Runtime logs on. Its errors also come back as results, so they are not errors of ours as well.
fn log(level: LogLevel, _category: &str, _id: &str, location: &str, message: &str) {
    match level {
        LogLevel::Error | LogLevel::Fatal => tracing::warn!(target: "onnxruntime", location, "{message}"),
        LogLevel::Warning => tracing::debug!(target: "onnxruntime", location, "{message}"),
        LogLevel::Verbose | LogLevel::Info => tracing::trace!(target: "onnxruntime", location, "{message}"),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{fs, path::Path, path::PathBuf};

    use super::{Places, RuntimeError, folders, library_in};

    #[test]
    fn looks_in_the_working_directory_then_beside_and_above_the_program() {
        let found = folders(Some(Path::new("/repo")), Some(Path::new("/repo/target/release/warcdl-node")));
        let expected = [
            "/repo/runtime",
            "/repo/target/release",
            "/repo/target/release/runtime",
            "/repo/target/runtime",
            "/runtime",
        ];
        assert_eq!(found, expected.map(PathBuf::from));
    }

    #[test]
    fn takes_the_library_and_not_its_providers() {
        let folder = tempfile::tempdir().unwrap();
        let check = |add: &str, expected: Option<&str>| {
            fs::write(folder.path().join(add), "").unwrap();
            assert_eq!(library_in(folder.path()), expected.map(|name| folder.path().join(name)), "{add}");
        };
        check("libonnxruntime_providers_shared.so", None);
        check("libonnxruntime.so.1.30.0", Some("libonnxruntime.so.1.30.0"));
        check("libonnxruntime.so.1.31.1", Some("libonnxruntime.so.1.31.1"));
        check("libonnxruntime.so", Some("libonnxruntime.so"));
    }

    #[test]
    fn a_missing_library_is_told_with_its_places_and_cure() {
        let looked_for = Places(vec!["runtime/libonnxruntime.so".into(), "libonnxruntime.so".into()]);
        let text = RuntimeError::Missing { looked_for, message: "not found".to_owned() }.to_string();
        assert!(
            text.contains("looked for runtime/libonnxruntime.so, libonnxruntime.so: not found"),
            "{text}"
        );
        assert!(text.contains("make setup (scripts/fetch-onnxruntime.sh)"), "{text}");
    }
}
