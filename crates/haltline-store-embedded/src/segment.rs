//! A segment: one file of the journal, written within one boot of the machine. Its head is
//! durable before its first frame, and a segment is synced whole before the next one begins, so
//! that only the last can have a torn end.

use crate::codec::{Reader, Writer};
use crate::disk::Disk;
use crate::error::OpenError;
use crate::frame::{self, Found, Place};
use haltline_types::Timestamp;

const MAGIC: &[u8; 8] = b"haltline";
/// The version of the format that this program writes, and the newest that it reads.
pub(crate) const VERSION: u32 = 1;
/// Bytes before the first frame, which is the head's own.
const PREFIX: usize = MAGIC.len() + 4;
/// No head is longer.
const HEAD_MAX: usize = 4096;

/// What the head of a segment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Its number, as in its name.
    pub(crate) number: u64,
    /// The boot of the machine in which it was written.
    pub(crate) boot_id: String,
    /// When it was begun.
    pub(crate) begun: Timestamp,
}

/// A segment that was read whole.
pub(crate) struct Loaded {
    /// The name of its file.
    pub(crate) name: String,
    /// What its head says.
    pub(crate) head: Head,
    /// All its bytes, the head's included.
    pub(crate) bytes: Vec<u8>,
    /// Where the first frame after the head is.
    pub(crate) first: usize,
}

/// The name of the file of segment `number`.
pub(crate) fn name(number: u64) -> String {
    format!("journal-{number:08}.hl")
}

/// The number in a segment's name; `None` for other files.
pub(crate) fn number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("journal-")?.strip_suffix(".hl")?;
    (digits.len() >= 8 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// The numbers of all segments, in order, without a gap.
pub(crate) fn numbers(disk: &dyn Disk) -> Result<Vec<u64>, OpenError> {
    let names = disk.list().map_err(OpenError::io("reading the data directory"))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| number(name)).collect();
    numbers.sort_unstable();
    for pair in numbers.windows(2) {
        if pair[1] != pair[0] + 1 {
            return Err(OpenError::corrupt(
                &name(pair[0] + 1),
                0,
                "the file is missing, though older and newer ones are there",
            ));
        }
    }
    Ok(numbers)
}

/// The first bytes of a segment.
pub(crate) fn write_head(head: &Head) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(128);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    let place = Place { segment: head.number, offset: PREFIX as u64 };
    let fits = frame::push(&mut bytes, place, |out| {
        let mut writer = Writer(out);
        writer.u64(head.number);
        writer.text(&head.boot_id);
        writer.time(head.begun);
    });
    debug_assert!(fits, "a boot id is short");
    bytes
}

/// Reads a segment's bytes and its head.
pub(crate) fn load(disk: &dyn Disk, number: u64) -> Result<Loaded, OpenError> {
    let name = name(number);
    let bytes = disk.read_all(&name).map_err(OpenError::io(format!("reading {name}")))?;
    let (magic, rest) = bytes.split_at_checked(MAGIC.len()).unwrap_or((&[], &[]));
    let version = rest.first_chunk::<4>().map(|version| u32::from_le_bytes(*version));
    let version = match version {
        Some(version) if magic == MAGIC => version,
        _ => return Err(OpenError::corrupt(&name, 0, "it does not begin like a journal")),
    };
    if version > VERSION {
        return Err(OpenError::Newer { file: name, found: version, known: VERSION });
    }
    let place = Place { segment: number, offset: PREFIX as u64 };
    let Found::Frame(payload) = frame::find(&bytes[PREFIX..], place) else {
        return Err(OpenError::corrupt(&name, place.offset, "its head is not what was written"));
    };
    let first = PREFIX + frame::HEAD + payload.len();
    let head = read_head(payload)
        .filter(|head| head.number == number)
        .ok_or_else(|| OpenError::corrupt(&name, place.offset, "its head makes no sense"))?;
    Ok(Loaded { name, head, bytes, first })
}

/// The offset of the first frame behind the head of segment `number`.
pub(crate) fn first_frame(disk: &dyn Disk, number: u64) -> Result<u64, OpenError> {
    let name = name(number);
    let head = disk.read(&name, PREFIX as u64, HEAD_MAX).map_err(OpenError::io(format!("reading {name}")))?;
    let place = Place { segment: number, offset: PREFIX as u64 };
    match frame::find(&head, place) {
        Found::Frame(payload) => Ok((PREFIX + frame::HEAD + payload.len()) as u64),
        _ => Err(OpenError::corrupt(&name, place.offset, "its head is not what was written")),
    }
}

fn read_head(payload: &[u8]) -> Option<Head> {
    let mut reader = Reader::new(payload);
    let head = Head { number: reader.u64()?, boot_id: reader.text()?.to_owned(), begun: reader.time()? };
    reader.end().map(|()| head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::SimDisk;

    fn head() -> Head {
        Head { number: 12, boot_id: "boot".into(), begun: Timestamp::from_secs(1) }
    }

    #[test]
    fn a_head_is_read_back() {
        let disk = SimDisk::new(1);
        disk.replace(&name(12), &write_head(&head())).expect("write");
        let loaded = load(&disk, 12).expect("load");
        assert_eq!(loaded.head, head());
        assert_eq!(loaded.first, loaded.bytes.len());
    }

    #[test]
    fn a_newer_version_is_refused_with_both_numbers() {
        let disk = SimDisk::new(1);
        let mut bytes = write_head(&head());
        bytes[8] = 9;
        disk.replace(&name(12), &bytes).expect("write");
        let refused = load(&disk, 12).err().expect("refused").to_string();
        assert!(refused.contains("version 9") && refused.contains("version 1"), "{refused}");
    }

    #[test]
    fn names_carry_numbers() {
        assert_eq!(number(&name(7)), Some(7));
        assert_eq!(number(&name(123_456_789)), Some(123_456_789));
        for other in ["journal-7.hl", "journal-00000007.hl.new", "views.db", "journal-+0000007.hl"] {
            assert_eq!(number(other), None, "{other}");
        }
    }

    #[test]
    fn a_missing_segment_is_noticed() {
        let disk = SimDisk::new(1);
        for number in [3, 4, 6] {
            disk.replace(&name(number), b"").expect("write");
        }
        let refused = numbers(&disk).expect_err("refused").to_string();
        assert!(refused.contains("journal-00000005.hl"), "{refused}");
    }
}
