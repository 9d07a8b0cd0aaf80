//! A disk in memory that forgets what was not synced.

mod content;
mod names;

use crate::disk::Disk;
use content::{Change, Content, Random};
use names::{Names, Node, Renaming};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What goes wrong at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The machine stops: this call has no effect, and it and every later one fail, until [`ModelDisk::crash`] or
    /// [`ModelDisk::restart`].
    Crash,
    /// No space is left. A write gets half of its bytes in.
    Full,
    /// The device fails. A write gets half of its bytes in.
    Io,
}

/// What survives a crash of that which was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    /// Nothing.
    Nothing,
    /// Everything.
    Everything,
    /// Of each file some of the writes, torn at any byte; of each folder the names up to some change. By a seed.
    Random(u64),
}

/// A disk in memory. Clones are handles of the same disk.
///
/// It is stricter than file systems are. A synced file is lost with its name, if the folder was not synced. After a sync
/// that failed, what it was to make durable never becomes so, unless it is written again; it can be read all the same.
#[derive(Clone, Debug, Default)]
pub struct ModelDisk(Arc<Mutex<State>>);

#[derive(Clone, Debug)]
struct State {
    files: Vec<Content>,
    folders: Vec<Names>,
    /// Calls so far.
    calls: u64,
    faults: BTreeMap<u64, Fault>,
    /// So many writes will find no space.
    full: u64,
    stopped: bool,
}

impl Default for State {
    fn default() -> State {
        State {
            files: Vec::new(),
            folders: vec![Names::default()],
            calls: 0,
            faults: BTreeMap::new(),
            full: 0,
            stopped: false,
        }
    }
}

impl State {
    /// Counts a call, and lets go wrong what is to.
    fn call(&mut self) -> Result<(), Fault> {
        if self.stopped {
            return Err(Fault::Crash);
        }
        let fault = self.faults.remove(&self.calls);
        self.calls += 1;
        match fault {
            Some(Fault::Crash) => {
                self.stopped = true;
                Err(Fault::Crash)
            }
            Some(fault) => Err(fault),
            None => Ok(()),
        }
    }

    fn folder(&self, path: &str) -> Option<usize> {
        let mut folder = 0;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            match self.folders[folder].current.get(name) {
                Some(Node::Folder(inner)) => folder = *inner,
                _ => return None,
            }
        }
        Some(folder)
    }

    fn node(&self, path: &str) -> Option<Node> {
        let (folder, name) = split(path);
        self.folders[self.folder(folder)?].current.get(name).copied()
    }

    fn file(&mut self, path: &str) -> io::Result<&mut Content> {
        match self.node(path) {
            Some(Node::File(file)) => Ok(&mut self.files[file]),
            _ => Err(ErrorKind::NotFound.into()),
        }
    }

    fn names(&mut self, folder: &str) -> io::Result<&mut Names> {
        let folder = self.folder(folder).ok_or(ErrorKind::NotFound)?;
        Ok(&mut self.folders[folder])
    }

    fn write(&mut self, path: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if self.node(path).is_none() {
            let (folder, name) = split(path);
            let node = Node::File(self.files.len());
            self.names(folder)?.change(Renaming::Set(name.to_owned(), node));
            self.files.push(Content::default());
        }
        self.file(path)?.change(Change::Write(offset as usize, bytes.to_vec()));
        Ok(())
    }
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> io::Error {
        match fault {
            Fault::Crash => io::Error::other("the machine has stopped"),
            Fault::Full => ErrorKind::StorageFull.into(),
            Fault::Io => io::Error::other("the device has failed"),
        }
    }
}

impl ModelDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls so far; those after the machine stopped do not count.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Lets call number `call`, counted from 0, go wrong.
    pub fn fail_at(&self, call: u64, fault: Fault) {
        self.state().faults.insert(call, fault);
    }

    /// Lets the next `writes` calls of [`Disk::write_at`] find no space.
    pub fn fill_for(&self, writes: u64) {
        self.state().full = writes;
    }

    /// Whether a [`Fault::Crash`] has come to pass and the machine is not up again.
    pub fn is_stopped(&self) -> bool {
        self.state().stopped
    }

    /// Loses what was not synced, but for what survives, and starts the machine again.
    pub fn crash(&self, survival: Survival) {
        let state = &mut *self.state();
        let mut random = Random(match survival {
            Survival::Random(seed) => seed,
            Survival::Nothing | Survival::Everything => 0,
        });
        state.files.iter_mut().for_each(|file| file.crash(survival, &mut random));
        state.folders.iter_mut().for_each(|folder| folder.crash(survival, &mut random));
        state.faults.clear();
        state.full = 0;
        state.stopped = false;
    }

    /// Starts the program again on a machine that stayed up: nothing is lost, and nothing is durable that was not.
    pub fn restart(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.full = 0;
        state.stopped = false;
    }

    /// Another disk with the same content, the same faults to come, and as many calls.
    pub fn fork(&self) -> ModelDisk {
        ModelDisk(Arc::new(Mutex::new(self.state().clone())))
    }

    /// Every file by its path, with its content as it can be read.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.state();
        let mut found = BTreeMap::new();
        let mut folders = vec![(String::new(), 0)];
        while let Some((prefix, folder)) = folders.pop() {
            for (name, node) in &state.folders[folder].current {
                match *node {
                    Node::File(file) => {
                        found.insert(format!("{prefix}{name}"), state.files[file].current.clone());
                    }
                    Node::Folder(folder) => folders.push((format!("{prefix}{name}/"), folder)),
                }
            }
        }
        found
    }

    /// Puts a file there, durably, in the place of an older one. Its folder must exist.
    pub fn place(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let state = &mut *self.state();
        state.write(path, 0, &[])?;
        let content = state.file(path)?;
        *content = Content { durable: bytes.to_vec(), current: bytes.to_vec(), unsynced: Vec::new() };
        let (folder, name) = split(path);
        let names = state.names(folder)?;
        let node = names.current[name];
        names.durable.insert(name.to_owned(), node);
        Ok(())
    }
}

impl Disk for ModelDisk {
    fn len(&mut self, path: &str) -> io::Result<Option<u64>> {
        let mut state = self.state();
        state.call()?;
        Ok(state.file(path).ok().map(|file| file.current.len() as u64))
    }

    fn read_at(&mut self, path: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut state = self.state();
        state.call()?;
        let content = &state.file(path)?.current;
        Ok(content.iter().skip(offset as usize).take(len).copied().collect())
    }

    fn list(&mut self, folder: &str) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.call()?;
        Ok(state.names(folder).map_or(Vec::new(), |names| names.current.keys().cloned().collect()))
    }

    fn write_at(&mut self, path: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        state
            .call()
            .and_then(|()| {
                let is_full = state.full > 0;
                state.full = state.full.saturating_sub(1);
                if is_full { Err(Fault::Full) } else { Ok(()) }
            })
            .or_else(|fault| {
                if fault != Fault::Crash {
                    state.write(path, offset, &bytes[..bytes.len() / 2])?;
                }
                Err(io::Error::from(fault))
            })?;
        state.write(path, offset, bytes)
    }

    fn truncate(&mut self, path: &str, len: u64) -> io::Result<()> {
        let mut state = self.state();
        state.call()?;
        state.file(path)?.change(Change::Truncate(len as usize));
        Ok(())
    }

    fn sync(&mut self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        match state.call() {
            Ok(()) => state.file(path)?.sync(),
            Err(Fault::Crash) => return Err(Fault::Crash.into()),
            // The system takes the pages for clean now.
            Err(fault) => {
                state.file(path)?.unsynced.clear();
                return Err(fault.into());
            }
        }
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.call()?;
        let ((folder, from), (target, to)) = (split(from), split(to));
        if folder != target {
            return Err(ErrorKind::CrossesDevices.into());
        }
        let names = state.names(folder)?;
        if !names.current.contains_key(from) {
            return Err(ErrorKind::NotFound.into());
        }
        names.change(Renaming::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&mut self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        state.call()?;
        state.file(path)?;
        let (folder, name) = split(path);
        state.names(folder)?.change(Renaming::Remove(name.to_owned()));
        Ok(())
    }

    fn create_folder(&mut self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        state.call()?;
        match state.node(path) {
            Some(Node::Folder(_)) => return Ok(()),
            Some(Node::File(_)) => return Err(ErrorKind::AlreadyExists.into()),
            None => {}
        }
        let (folder, name) = split(path);
        let node = Node::Folder(state.folders.len());
        state.names(folder)?.change(Renaming::Set(name.to_owned(), node));
        state.folders.push(Names::default());
        Ok(())
    }

    fn sync_folder(&mut self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        state.call()?;
        state.names(path)?.sync();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk on which `a` is durable, `b` is synced without its name, and `a` was written again.
    fn disk() -> ModelDisk {
        let model = ModelDisk::default();
        let mut disk = model.clone();
        disk.write_at("a", 0, b"old").unwrap();
        disk.sync("a").unwrap();
        disk.sync_folder("").unwrap();
        disk.write_at("b", 0, b"new").unwrap();
        disk.sync("b").unwrap();
        disk.write_at("a", 3, b"er").unwrap();
        model
    }

    fn texts(disk: &ModelDisk) -> Vec<(String, String)> {
        disk.files().into_iter().map(|(path, bytes)| (path, String::from_utf8(bytes).unwrap())).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn a_crash_takes_what_was_not_synced() {
        let check = |survival, expected: &[(&str, &str)]| {
            let disk = disk();
            disk.crash(survival);
            assert_eq!(texts(&disk), pairs(expected), "{survival:?}");
        };
        check(Survival::Nothing, &[("a", "old")]);
        check(Survival::Everything, &[("a", "older"), ("b", "new")]);
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let disk = disk();
            disk.crash(Survival::Random(seed));
            seen.insert(disk.files());
        }
        // "old", "olde", "older", "old\0r", "old\0" and "old\0\0", each with and without `b`.
        assert_eq!(seen.len(), 12);
    }

    #[test]
    fn a_restart_loses_nothing_and_keeps_nothing() {
        let disk = disk();
        disk.restart();
        assert_eq!(texts(&disk), pairs(&[("a", "older"), ("b", "new")]));
        disk.crash(Survival::Nothing);
        assert_eq!(texts(&disk), pairs(&[("a", "old")]));
    }

    #[test]
    fn faults_come_when_they_are_due() {
        let model = disk();
        let mut disk = model.clone();
        model.fail_at(model.calls(), Fault::Full);
        model.fail_at(model.calls() + 1, Fault::Io);
        model.fail_at(model.calls() + 3, Fault::Crash);
        assert_eq!(disk.write_at("c", 0, b"1234").unwrap_err().kind(), ErrorKind::StorageFull);
        assert!(!model.is_stopped() && disk.sync("c").is_err());
        disk.sync("c").unwrap();
        assert!(disk.len("c").is_err() && model.is_stopped() && disk.len("c").is_err());
        let fork = model.fork();
        model.crash(Survival::Everything);
        assert_eq!(model.files()["c"], b"12", "half of the bytes");
        fork.restart();
        fork.clone().sync_folder("").unwrap();
        fork.crash(Survival::Nothing);
        assert_eq!(
            fork.files()["c"],
            b"",
            "a sync after one that failed does nothing for what was written before"
        );
        fork.fill_for(1);
        assert_eq!(fork.clone().write_at("c", 0, b"12").unwrap_err().kind(), ErrorKind::StorageFull);
        fork.clone().write_at("c", 0, b"12").unwrap();
    }
}
