//! An archive whose entries are unpacked one by one, each within bounds.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read},
};

use zip::{ZipArchive, read::read_zipfile_from_stream, result::ZipError};

use crate::{Bounds, DefectKind, Unreadable, draft::Draft, encoding};

/// An entry that unpacks to less is never too much for its size.
const RATIO_FROM_BYTES: usize = 1024 * 1024;

/// The entries of an archive.
pub(super) struct Package<'a> {
    source: Entries<'a>,
    names: Vec<String>,
    unpacked_bytes: usize,
}

enum Entries<'a> {
    Whole(ZipArchive<Cursor<&'a [u8]>>),
    /// What stood before the place where the archive was cut off.
    Cut(BTreeMap<String, Vec<u8>>),
}

impl<'a> Package<'a> {
    /// Opens it. Where the list at the end is missing, what stands before is taken.
    pub(super) fn open(bytes: &'a [u8], draft: &mut Draft<'_>) -> Result<Self, Unreadable> {
        match ZipArchive::new(Cursor::new(bytes)) {
            Ok(archive) if archive.len() > draft.bounds.entries_max => Err(bomb("entries_max")),
            Ok(archive) => {
                let names = archive.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
                Ok(Self { source: Entries::Whole(archive), names, unpacked_bytes: 0 })
            }
            Err(error) => {
                let (entries, unpacked_bytes) = salvage(bytes, draft.bounds)?;
                if entries.is_empty() {
                    return Err(Unreadable::damaged(format!("no archive: {error}")));
                }
                draft.note(DefectKind::CutOff, "the archive has no list of its entries; what stands before was read");
                let names = entries.keys().cloned().collect();
                Ok(Self { source: Entries::Cut(entries), names, unpacked_bytes })
            }
        }
    }

    /// The names of its entries.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Names that begin and end so, by the number in between.
    pub(super) fn numbered(&self, start: &str, end: &str) -> Vec<String> {
        let number = |name: &str| name.strip_prefix(start)?.strip_suffix(end)?.parse::<u32>().ok();
        let mut found: Vec<(u32, String)> = self.names().filter_map(|name| Some((number(name)?, name.to_owned()))).collect();
        found.sort_unstable();
        found.into_iter().map(|(_, name)| name).collect()
    }

    /// Whether it was cut off.
    pub(super) fn was_cut(&self) -> bool {
        matches!(self.source, Entries::Cut(_))
    }

    /// The letters of an entry; nothing where there is none of this name, or it is broken, which is noted.
    pub(super) fn text(&mut self, name: &str, draft: &mut Draft<'_>) -> Result<Option<String>, Unreadable> {
        let bytes = match &mut self.source {
            Entries::Cut(entries) => match entries.get(name) {
                Some(bytes) => bytes.clone(),
                None => return Ok(None),
            },
            Entries::Whole(archive) => {
                let file = match archive.by_name(name) {
                    Ok(file) => file,
                    Err(ZipError::FileNotFound) => return Ok(None),
                    Err(ZipError::UnsupportedArchive(what)) if what.contains("assword") => return Err(Unreadable::Protected),
                    Err(error) => {
                        draft.note(DefectKind::Malformed, format!("{name}: {error}"));
                        return Ok(None);
                    }
                };
                let packed = usize::try_from(file.compressed_size()).unwrap_or(usize::MAX);
                let (bytes, whole) = unpack(file, packed, self.unpacked_bytes, draft.bounds)?;
                if !whole {
                    draft.note(DefectKind::Malformed, format!("{name} cannot be unpacked to its end"));
                }
                self.unpacked_bytes += bytes.len();
                bytes
            }
        };
        Ok(Some(encoding::decode(&bytes).text))
    }
}

fn bomb(bound: &str) -> Unreadable {
    Unreadable::Bomb { bound: bound.to_owned() }
}

/// Unpacks within bounds; whether to the end.
fn unpack(mut packed: impl Read, packed_bytes: usize, before: usize, bounds: &Bounds) -> Result<(Vec<u8>, bool), Unreadable> {
    let mut bytes = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        let read = match packed.read(&mut piece) {
            Ok(0) => return Ok((bytes, true)),
            Ok(read) => read,
            Err(_) => return Ok((bytes, false)),
        };
        bytes.extend_from_slice(&piece[..read]);
        if before + bytes.len() > bounds.unpacked_bytes_max {
            return Err(bomb("unpacked_bytes_max"));
        }
        if bytes.len() > RATIO_FROM_BYTES && bytes.len() / packed_bytes.max(1) > bounds.expansion_ratio_max {
            return Err(bomb("expansion_ratio_max"));
        }
    }
}

/// Entries one after the other, up to where the archive ends or makes no sense.
fn salvage(bytes: &[u8], bounds: &Bounds) -> Result<(BTreeMap<String, Vec<u8>>, usize), Unreadable> {
    let mut entries = BTreeMap::new();
    let mut stream = Cursor::new(bytes);
    let mut unpacked = 0;
    while entries.len() < bounds.entries_max {
        let Ok(Some(mut file)) = read_zipfile_from_stream(&mut stream) else { break };
        let name = file.name().map(|name| name.to_string()).unwrap_or_default();
        // What is really left of it, whatever its head says.
        let packed = usize::try_from(file.compressed_size()).unwrap_or(usize::MAX).min(bytes.len());
        let (content, whole) = unpack(&mut file, packed, unpacked, bounds)?;
        unpacked += content.len();
        entries.insert(name, content);
        if !whole {
            // The entry is not read to its end when it goes, so what follows it cannot be found.
            break;
        }
    }
    Ok((entries, unpacked))
}
