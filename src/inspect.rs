//! `warcdl-node inspect`: what is in an archive, before anything is configured.

mod contents;

use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use tokio::runtime::Runtime;

use self::contents::Contents;
use crate::cli::InspectArgs;
use crate::config::{Config, ConfigError};
use crate::exit::Exit;
use crate::kind::Kind;
use crate::prepare;
use crate::source::listing::{self, Listing};
use crate::source::{
    Archive, ArchiveReader, Entry, RecordSettings, RecordType, SourceError, SourceSettings, Store,
};
use crate::telemetry::table::printable;
use warcdl_actors::Position;
use warcdl_actors::port::Pulse;

/// Pages of an archive that are all looked at; behind them one of [`ONE_OF`].
const FIRST_PAGES: u64 = 1_000;
const ONE_OF: u64 = 16;

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// A `--set` that is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An index, whose records alone would have to be told.
    #[error("inspect reads archives whole: leave out --set source.index, and name the archives")]
    Index,
    /// Nothing is there by the names given.
    #[error(
        "no archives in {looked_at}: nothing there ends with {suffixes}; name the files, or --set source.suffixes"
    )]
    Empty {
        /// The places.
        looked_at: String,
        /// The suffixes.
        suffixes: String,
    },
    /// The archives cannot be listed.
    #[error(transparent)]
    Source(SourceError),
    /// What fetches cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// Standard output is closed.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

impl From<SourceError> for InspectError {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Empty { looked_at, suffixes } => InspectError::Empty { looked_at, suffixes },
            error => InspectError::Source(error),
        }
    }
}

impl InspectError {
    /// How the process ends.
    pub fn exit(&self) -> Exit {
        match self {
            InspectError::Config(_) | InspectError::Index => Exit::Usage,
            InspectError::Empty { .. } | InspectError::Source(_) => Exit::Source,
            InspectError::Thread(_) => Exit::Internal,
            InspectError::Output(_) => Exit::Output,
        }
    }
}

/// Reads the archives and prints what is in them to standard output. An archive that cannot be read on is told, and the
/// next one read. Must run outside any runtime: reading blocks.
pub fn run(args: &InspectArgs) -> Result<Exit, InspectError> {
    let (source, record) = settings(args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("fetch")
        .enable_all()
        .build()
        .map_err(InspectError::Thread)?;
    let contents = look(args, &source, &record, &runtime)?;
    // A fetch that `--limit` has left unread would be waited for.
    runtime.shutdown_background();
    let text = if args.json { format!("{:#}\n", contents.json()) } else { contents.report() };
    io::stdout().lock().write_all(text.as_bytes())?;
    let exit = contents.exit();
    if exit == Exit::Source {
        eprintln!("warcdl-node: there is no WARC record that can be read in {}", contents.looked_at());
    }
    Ok(exit)
}

/// The shipped settings, with what the operator sets of `[source]`; every record with a MIME type is let through to be
/// counted.
fn settings(args: &InspectArgs) -> Result<(SourceSettings, RecordSettings), InspectError> {
    let mut overrides = vec!["model.kind=passthrough".to_owned(), "source.paths=[\".\"]".to_owned()];
    overrides.extend_from_slice(&args.set);
    let Config { mut source, record, .. } = Config::parse(Path::new("config/warcdl.toml"), "", &overrides)?;
    if !source.index.is_empty() {
        return Err(InspectError::Index);
    }
    source.paths.clone_from(&args.files);
    let (http_status, content_types) = (Vec::new(), Vec::new());
    let types = vec![RecordType::Response, RecordType::Resource, RecordType::Conversion];
    Ok((source, RecordSettings { types, min_body_bytes: 1, http_status, content_types, ..record }))
}

fn look(
    args: &InspectArgs,
    source: &SourceSettings,
    record: &RecordSettings,
    runtime: &Runtime,
) -> Result<Contents, SourceError> {
    let store = Store::new(&source.s3, source.waits(), runtime.handle().clone());
    let Listing { archives, empty } = runtime.block_on(listing::find(source, &store))?;
    for place in empty {
        eprintln!("warcdl-node: {}", InspectError::from(place));
    }
    let start = Instant::now();
    let mut contents = Contents::new(args.limit);
    for archive in &archives {
        if let Err(reason) = read(archive, &store, record, args.limit, &mut contents) {
            eprintln!("warcdl-node: {}", printable(&reason, usize::MAX));
            contents.failed(&archive.name, reason);
        }
    }
    contents.finish(start.elapsed());
    Ok(contents)
}

fn read(
    archive: &Archive,
    store: &Store,
    record: &RecordSettings,
    limit: Option<u64>,
    contents: &mut Contents,
) -> Result<(), String> {
    contents.archive(&archive.name, archive.size);
    let input = store.open(archive, 0, &Pulse::default()).map_err(|error| error.to_string())?;
    let mut reader =
        ArchiveReader::new(input, &archive.name, Position::default(), record, Kind::Text).sized(archive.size);
    let (mut entries, mut pages) = (0, 0);
    let ended = loop {
        if limit == Some(entries) {
            break Ok(());
        }
        match reader.next() {
            Ok(Some(entry)) => {
                entries += 1;
                count(&entry, reader.mime(), &mut pages, contents);
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error.to_string()),
        }
    };
    contents.read(reader.bytes_read(), reader.bytes_inflated());
    ended
}

fn count(entry: &Entry, mime: &str, pages: &mut u64, contents: &mut Contents) {
    contents.entry(entry, mime);
    if let Ok(page) = &entry.content {
        if *pages < FIRST_PAGES || pages.is_multiple_of(ONE_OF) {
            contents.page(prepare::look(page));
        }
        *pages += 1;
    }
}
