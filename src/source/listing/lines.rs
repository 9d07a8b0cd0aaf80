//! Lists: files that name a place a line, plain or gzipped, wherever they lie.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;

use super::{Line, Place, check_scheme};
use crate::source::store::{Store, is_url};
use crate::source::{Archive, SourceError};

/// Longest line, in bytes: longer ones are of something else than a list or an index.
const MAX_LINE: usize = 64 << 10;
/// First bytes of a gzipped file.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// Calls `take` with each line of a file, wherever it lies, and its number from 1 on; gzipped if it begins so. An error of
/// `take`, in words, is told with the file's name and the line. Blocks.
pub(in crate::source) fn for_each_line(
    archive: &Archive,
    store: &Store,
    mut take: impl FnMut(&str, u64) -> Result<(), String>,
) -> Result<(), SourceError> {
    let input = store.open_list(archive)?;
    let failed = |source| SourceError::Path { path: archive.name.clone(), source };
    let mut stored = BufReader::with_capacity(256 << 10, input);
    let gzipped = stored.fill_buf().map_err(failed)?.starts_with(GZIP);
    let mut lines: Box<dyn BufRead> =
        if gzipped { Box::new(BufReader::new(MultiGzDecoder::new(stored))) } else { Box::new(stored) };
    let mut line = String::new();
    for number in 1.. {
        let told = |reason| SourceError::Line { path: archive.name.clone(), line: number, reason };
        line.clear();
        match lines.by_ref().take(MAX_LINE as u64).read_line(&mut line) {
            Ok(0) => break,
            Ok(MAX_LINE) if !line.ends_with('\n') => {
                return Err(told(format!("longer than {MAX_LINE} bytes")));
            }
            Ok(_) => take(line.trim(), number).map_err(told)?,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(told("it is no text in UTF-8".to_owned()));
            }
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(())
}

/// The places that a list names; `#` starts a comment.
pub(super) async fn read(name: &str, store: &Store) -> Result<Vec<Place>, SourceError> {
    let list = store.describe(name).await?;
    let (name, store) = (name.to_owned(), store.clone());
    let reading = tokio::task::spawn_blocking(move || {
        let (mut places, file) = (Vec::new(), Arc::<str>::from(list.name.as_str()));
        for_each_line(&list, &store, |line, number| {
            if line.is_empty() || line.starts_with('#') {
                return Ok(());
            }
            // It would be read as an archive, and nothing that it names.
            if is_list(line) {
                return Err(format!(
                    "a list may not name another list, as {line} is by its name; put its lines here, or the list into source.paths"
                ));
            }
            let line_of = Line { file: file.clone(), number };
            places.push(Place { name: resolve(&name, line)?, line: Some(line_of) });
            Ok(())
        })?;
        Ok(places)
    });
    reading.await.expect("reading a list does not panic")
}

/// Whether a place is a list of places, by its name, which is Common Crawl's.
pub(super) fn is_list(place: &str) -> bool {
    place.ends_with(".paths") || place.ends_with(".paths.gz")
}

/// What a line of `list` names. A list of this machine names what `source.paths` may name. One that lies with a server names
/// absolute addresses, or paths from the root of that server or bucket, as Common Crawl's do: never files of this machine.
fn resolve(list: &str, line: &str) -> Result<String, String> {
    let root = root(list);
    check_scheme(line, root.is_none()).map_err(|error| error.to_string())?;
    Ok(match root {
        Some(root) if !is_url(line) && !line.starts_with("s3://") => {
            format!("{root}/{}", line.trim_start_matches('/'))
        }
        _ => line.to_owned(),
    })
}

/// `https://host` or `s3://bucket`, of what lies there.
fn root(name: &str) -> Option<&str> {
    if !is_url(name) && !name.starts_with("s3://") {
        return None;
    }
    let authority = name.find("://")? + 3;
    Some(name[authority..].find('/').map_or(name, |slash| &name[..authority + slash]))
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn lines_are_relative_to_the_root_of_the_lists_server() {
        for (list, line, expected) in [
            ("https://h:1/a/b/warc.paths.gz", "crawl/x.gz", Ok("https://h:1/crawl/x.gz")),
            ("http://h/warc.paths", "/crawl/x.gz", Ok("http://h/crawl/x.gz")),
            ("s3://bucket/a/warc.paths.gz", "crawl/x.gz", Ok("s3://bucket/crawl/x.gz")),
            ("https://h/warc.paths", "s3://other/x.gz", Ok("s3://other/x.gz")),
            ("https://h/warc.paths", "/../../etc/passwd", Ok("https://h/../../etc/passwd")),
            ("https://h/warc.paths", "file:///etc/passwd", Err("no files of this machine")),
            ("lists/mine.txt", "file:///etc/passwd", Err("write the path alone")),
            ("lists/mine.txt", "hdfs://n/x.gz", Err("hdfs:// is not known")),
            ("lists/mine.txt", "/data/x.gz", Ok("/data/x.gz")),
            ("lists/mine.txt", "data/*.gz", Ok("data/*.gz")),
        ] {
            match (resolve(list, line), expected) {
                (Err(error), Err(part)) => assert!(error.contains(part), "{list}: {line}: {error}"),
                (got, expected) => assert_eq!(got.as_deref(), Ok(expected.unwrap()), "{list}: {line}"),
            }
        }
    }
}
