//! A file of configuration: `<property>` with `<name>`, `<value>` and perhaps `<final>`, and `<xi:include>`.

use super::ConfError;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Largest file, in bytes.
const MAX_FILE: u64 = 16 * 1024 * 1024;
/// How deep files may include files.
const MAX_DEPTH: usize = 8;
/// How many files one may include in all.
const MAX_FILES: usize = 64;

/// What a key is, and who says so.
#[derive(Clone, Debug)]
pub(super) struct Property {
    pub(super) value: String,
    /// The file; none where it is built in.
    pub(super) file: Option<Arc<Path>>,
    pub(super) is_final: bool,
}

impl Property {
    /// Who says so, for messages.
    pub(super) fn place(&self) -> String {
        match &self.file {
            Some(file) => file.display().to_string(),
            None => "built in".to_owned(),
        }
    }
}

/// Files that are read, one in another.
#[derive(Default)]
pub(super) struct Files {
    read: usize,
}

/// A property that is being read.
#[derive(Default)]
struct Building {
    name: Option<String>,
    value: Option<String>,
    is_final: bool,
}

impl Files {
    /// The properties of a file, in their order.
    pub(super) fn read(&mut self, path: &Path) -> Result<Vec<(String, Property)>, ConfError> {
        let mut found = Vec::new();
        self.read_into(path, 0, &mut found)?;
        Ok(found)
    }

    fn read_into(
        &mut self,
        path: &Path,
        depth: usize,
        found: &mut Vec<(String, Property)>,
    ) -> Result<(), ConfError> {
        let wrong = |what: String| ConfError::Xml { file: path.to_owned(), what };
        self.read += 1;
        if depth > MAX_DEPTH || self.read > MAX_FILES {
            return Err(wrong("includes files too deep, or too many; in circles?".into()));
        }
        let text = text_of(path)?;
        let file: Arc<Path> = path.into();
        let mut reader = Reader::from_str(&text);
        let mut building: Option<Building> = None;
        // The element whose text is wanted, and the text.
        let mut field: Option<(Field, String)> = None;
        let mut fallback = Fallback::None;
        // Includes that are open within a fallback that is not needed: none of them is read.
        let mut skipped = 0usize;
        let mut depth_of_elements = 0usize;
        loop {
            let event = reader
                .read_event()
                .map_err(|error| wrong(format!("no XML at byte {}: {error}", reader.error_position())))?;
            match event {
                Event::Eof => break,
                Event::Start(ref element) | Event::Empty(ref element) => {
                    let is_empty = matches!(event, Event::Empty(_));
                    depth_of_elements += usize::from(!is_empty);
                    if fallback == Fallback::Skipped {
                        skipped += usize::from(!is_empty && element.local_name().as_ref() == b"include");
                        continue;
                    }
                    match element.local_name().as_ref() {
                        b"property" => {
                            let new = Building::of(element).map_err(wrong)?;
                            if is_empty {
                                new.finish(&file, found);
                            } else {
                                building = Some(new);
                            }
                        }
                        b"name" if building.is_some() && !is_empty => {
                            field = Some((Field::Name, String::new()))
                        }
                        b"value" if building.is_some() => {
                            if is_empty {
                                building.iter_mut().for_each(|b| b.value = Some(String::new()));
                            } else {
                                field = Some((Field::Value, String::new()));
                            }
                        }
                        b"final" if building.is_some() && !is_empty => {
                            field = Some((Field::Final, String::new()));
                        }
                        b"include" => {
                            let included = self.include(element, path, depth, found);
                            match included {
                                Ok(()) => fallback = Fallback::Skipped,
                                // What the file lacks may stand in the fallback.
                                Err(ConfError::Io { .. }) if !is_empty => fallback = Fallback::Wanted,
                                Err(error) => return Err(error),
                            }
                            if is_empty {
                                fallback = Fallback::None;
                            }
                        }
                        b"fallback" if fallback == Fallback::Wanted => fallback = Fallback::Used,
                        _ => {}
                    }
                }
                Event::End(element) => {
                    depth_of_elements = depth_of_elements.saturating_sub(1);
                    match element.local_name().as_ref() {
                        b"property" => {
                            if let Some(building) = building.take() {
                                building.finish(&file, found);
                            }
                        }
                        b"include" if skipped > 0 => skipped -= 1,
                        b"include" => {
                            if fallback == Fallback::Wanted {
                                return Err(wrong(
                                    "includes a file that is not there, without a fallback".into(),
                                ));
                            }
                            fallback = Fallback::None;
                        }
                        _ => {
                            if let (Some((field, text)), Some(building)) = (field.take(), &mut building) {
                                building.set(field, text);
                            }
                        }
                    }
                }
                Event::Text(text) => {
                    if let Some((_, so_far)) = &mut field {
                        so_far.push_str(&text.decode().map_err(|error| wrong(error.to_string()))?);
                    }
                }
                Event::CData(text) => {
                    if let Some((_, so_far)) = &mut field {
                        so_far.push_str(&text.decode().map_err(|error| wrong(error.to_string()))?);
                    }
                }
                Event::GeneralRef(reference) => {
                    if let Some((_, so_far)) = &mut field {
                        so_far.push_str(&character(&reference).map_err(wrong)?);
                    }
                }
                Event::DocType(_) => {
                    return Err(wrong("has a DOCTYPE, which a configuration may not have".into()));
                }
                Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
            }
        }
        if depth_of_elements != 0 { Err(wrong("ends in the middle".into())) } else { Ok(()) }
    }

    /// Reads the file that an `xi:include` names. Only files are: what lies elsewhere could change with every run.
    fn include(
        &mut self,
        element: &BytesStart<'_>,
        from: &Path,
        depth: usize,
        found: &mut Vec<(String, Property)>,
    ) -> Result<(), ConfError> {
        let wrong = |what: String| ConfError::Xml { file: from.to_owned(), what };
        let href = attribute(element, "href").map_err(wrong)?;
        let href = href.ok_or_else(|| wrong("includes nothing: there is no href".into()))?;
        if href.contains("://") || Path::new(&href).is_absolute() {
            return Err(wrong(format!("includes {href:?}; only files by a path from this one can be")));
        }
        let path: PathBuf = from.parent().unwrap_or(Path::new(".")).join(href);
        self.read_into(&path, depth + 1, found)
    }
}

/// What is to be read within a property.
#[derive(Clone, Copy)]
enum Field {
    Name,
    Value,
    Final,
}

/// What is to be done with what stands within an `xi:include`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fallback {
    /// We are in none.
    None,
    /// The file was read: it is not needed.
    Skipped,
    /// The file is not there: it is needed.
    Wanted,
    /// It is being read.
    Used,
}

impl Building {
    /// With what stands in attributes, as Hadoop 3 allows.
    fn of(element: &BytesStart<'_>) -> Result<Building, String> {
        Ok(Building {
            name: attribute(element, "name")?,
            value: attribute(element, "value")?,
            is_final: attribute(element, "final")?.is_some_and(|is_final| is_final.trim() == "true"),
        })
    }

    fn set(&mut self, field: Field, text: String) {
        match field {
            Field::Name => self.name = Some(text),
            Field::Value => self.value = Some(text),
            Field::Final => self.is_final = text.trim() == "true",
        }
    }

    /// A property without a name or a value says nothing.
    fn finish(self, file: &Arc<Path>, found: &mut Vec<(String, Property)>) {
        let Building { name: Some(name), value: Some(value), is_final } = self else { return };
        found.push((name.trim().to_owned(), Property { value, file: Some(file.clone()), is_final }));
    }
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Result<Option<String>, String> {
    let Some(attribute) = element.try_get_attribute(name).map_err(|error| error.to_string())? else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&attribute.value).map_err(|error| error.to_string())?;
    Ok(Some(quick_xml::escape::unescape(text).map_err(|error| error.to_string())?.into_owned()))
}

/// What `&…;` stands for; entities of one's own there are not.
fn character(reference: &quick_xml::events::BytesRef<'_>) -> Result<String, String> {
    if let Some(c) = reference.resolve_char_ref().map_err(|error| error.to_string())? {
        return Ok(c.to_string());
    }
    let name = reference.decode().map_err(|error| error.to_string())?;
    match quick_xml::escape::resolve_predefined_entity(&name) {
        Some(text) => Ok(text.to_owned()),
        None => Err(format!("has the entity &{name}; that XML does not have")),
    }
}

fn text_of(path: &Path) -> Result<String, ConfError> {
    use std::io::Read as _;
    let failed = |source| ConfError::Io { file: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(ConfError::Xml { file: path.to_owned(), what: "is beyond 16 MiB".into() });
    }
    String::from_utf8(bytes)
        .map_err(|_| ConfError::Xml { file: path.to_owned(), what: "is not UTF-8".into() })
}
