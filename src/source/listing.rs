//! Which archives a run reads.

use std::cmp::Reverse;

use tokio::task::JoinSet;
use warcdl_actors::Named;

use super::SourceSettings;
use super::common_crawl::Sample;
use super::error::SourceError;
use super::index;
use super::store::{Store, is_url};

mod empty;
pub(super) mod lines;
mod local;
mod place;

pub(super) use self::empty::Empty;
pub(super) use self::place::{Line, Place, check_scheme};

/// A stored archive as the listing saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// Absolute path, `s3://bucket/key`, or `https://`.
    pub name: String,
    /// Bytes as stored; 0 if not known.
    pub size: u64,
    /// Entity tag of an object; of a file, when it was changed last, in nanoseconds since 1970, if the system tells.
    pub etag: String,
    /// The records that an index names, which alone are read; `None` for all.
    pub named: Option<Named>,
}

/// Archives with servers of which sizes and entity tags are asked for before the run, one by one. Of more, as a whole crawl
/// has, they are learned when each is opened: a server should not be asked 90,000 questions in a row. Until then such an
/// archive cannot be cut in two, the progress line knows no total, and a change between two leases goes unnoticed.
const DESCRIBED: usize = 1000;
/// How many of these questions are under way at a time.
const QUESTIONS: usize = 16;

/// What the source has.
#[derive(Debug)]
pub struct Listing {
    /// Every archive, sorted by name, each once; at least one.
    pub archives: Vec<Archive>,
    /// Places that have none, each as the error that it would be alone.
    pub empty: Vec<SourceError>,
}

/// Every archive of the source, sorted by name, each once. Of places without any it is warned.
///
/// # Errors
/// A place that cannot be read, or no archive at all.
pub async fn list(settings: &SourceSettings, store: &Store) -> Result<Vec<Archive>, SourceError> {
    let Listing { archives, empty } = find(settings, store).await?;
    for place in empty {
        tracing::warn!("{place}");
    }
    Ok(archives)
}

/// The same, with the places that have no archive.
///
/// # Errors
/// A place that cannot be read, or no archive at all.
pub async fn find(settings: &SourceSettings, store: &Store) -> Result<Listing, SourceError> {
    let SourceSettings { paths, list, index, index_base, .. } = settings;
    let crawl = settings.common_crawl.list();
    for name in paths.iter().chain(index).chain([list, index_base]).chain(&crawl) {
        check_scheme(name, true)?;
    }
    let (mut places, mut empty) = (Vec::new(), Empty::default());
    for name in paths {
        match lines::is_list(name) {
            true => places.extend(empty.unless_named(name, lines::read(name, store).await?)),
            false => places.push(Place::given(name)),
        }
    }
    if !list.is_empty() {
        places.extend(empty.unless_named(list, lines::read(list, store).await?));
    }
    places.extend(settings.s3.buckets.iter().map(|bucket| Place::given(&format!("s3://{bucket}"))));
    let mut named = Vec::new();
    if let Some(list) = crawl {
        let sample = Sample::parse(&settings.common_crawl.sample).unwrap_or(Sample::Whole);
        named.extend(sample.of(empty.unless_named(&list, lines::read(&list, store).await?)));
    }
    let mut archives = Vec::new();
    for place in places {
        let before = archives.len();
        let listed = match place.name.strip_prefix("s3://") {
            _ if is_url(&place.name) || is_listed_object(&place, settings) => {
                named.push(place);
                continue;
            }
            Some(bucket) => list_bucket(bucket, settings, store, &mut archives).await,
            None => local::list(&place.name, settings, &mut archives),
        };
        listed.map_err(|error| place.told(error))?;
        if archives.len() == before {
            empty.searched.push(place);
        }
    }
    archives.extend(describe(named, store).await?.into_iter().map(|(_, archive)| archive));
    archives.extend(index::read(settings, store, &mut empty).await?);
    if archives.is_empty() {
        return Err(empty.all(settings));
    }
    Ok(Listing { archives: merged(archives), empty: empty.each(settings) })
}

/// Each archive once, sorted by name.
fn merged(mut archives: Vec<Archive>) -> Vec<Archive> {
    // One that is listed whole comes before itself as an index has it, and wins.
    archives.sort_unstable_by(|a, b| (&a.name, &a.named).cmp(&(&b.name, &b.named)));
    archives.dedup_by(|later, kept| {
        let same = later.name == kept.name;
        // Two names of one file: what either names is read.
        if same && let (Some(named), Some(more)) = (&kept.named, &later.named) {
            let mut extents: Vec<_> = named.clone().into_iter().chain(more.clone()).collect();
            extents.sort_unstable_by_key(|extent| (extent.offset, Reverse(extent.length)));
            kept.named = Some(Named::new(extents));
        }
        same
    });
    archives
}

/// The archives at these places, beside the name of each: with their sizes and entity tags, unless too many lie with servers.
pub(super) async fn describe(
    mut places: Vec<Place>,
    store: &Store,
) -> Result<Vec<(String, Archive)>, SourceError> {
    places.sort_unstable();
    places.dedup_by(|later, kept| later.name == kept.name);
    let is_remote = |place: &&Place| is_url(&place.name) || place.name.starts_with("s3://");
    let too_many = places.iter().filter(is_remote).count() > DESCRIBED;
    let (mut asked, mut archives) = (JoinSet::new(), Vec::with_capacity(places.len()));
    for place in places {
        if too_many && is_remote(&&place) {
            let name = place.name;
            let unknown = Archive { name: name.clone(), size: 0, etag: String::new(), named: None };
            archives.push((name, unknown));
            continue;
        }
        if asked.len() == QUESTIONS
            && let Some(answer) = asked.join_next().await
        {
            archives.push(answer.expect("asking does not panic")?);
        }
        let store = store.clone();
        asked.spawn(async move {
            let archive = store.describe(&place.name).await.map_err(|error| place.told(error))?;
            Ok((place.name, archive))
        });
    }
    while let Some(answer) = asked.join_next().await {
        archives.push(answer.expect("asking does not panic")?);
    }
    Ok(archives)
}

/// Whether a list names an object of S3 that is an archive by its name. Such ones are taken as they are: a list has thousands
/// of them, and to search for each would be as many questions in a row.
fn is_listed_object(place: &Place, settings: &SourceSettings) -> bool {
    let key = place.name.strip_prefix("s3://").and_then(|place| place.split_once('/'));
    place.line.is_some() && key.is_some_and(|(_, key)| is_archive(key, settings))
}

fn is_archive(name: &str, settings: &SourceSettings) -> bool {
    settings.suffixes.iter().any(|suffix| name.ends_with(suffix.as_str()))
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
    let whole = format!("s3://{bucket}/{prefix}");
    let take = |archive: Archive| {
        let named = archive.name == whole;
        if named || is_archive(&archive.name, settings) {
            archives.push(archive);
        }
        // A key sorts before those that it begins: it is the first one listed.
        !named
    };
    store.list_bucket(bucket, prefix, take).await
}

#[cfg(test)]
mod tests;
