//! The form of one record: a header of 24 bytes, then the payload in postcard.
//!
//! | bytes | what (little endian) |
//! |---|---|
//! | 0..4 | length of the payload |
//! | 4..8 | check: CRC-32 over the *previous record's check*, the length, and bytes 8..24 |
//! | 8..16 | sequence number |
//! | 16..20 | CRC-32 of the payload |
//! | 20 | type, see [`Kind`] |
//! | 21..24 | zero |
//!
//! The checks form a chain: a record is valid only behind the very record that it was written behind. What an earlier
//! use of the file, or an earlier run that lost power, left behind the end is never taken for a record, however well
//! formed it is and even where its sequence number would fit; every run's first record holds random bytes, so that no
//! two runs write the same chain.

use serde::{Serialize, de::DeserializeOwned};

/// Bytes in front of each payload.
pub(super) const HEADER_BYTES: usize = 24;

/// What a record is. A number is never given a second meaning: a payload of another shape gets a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A run of the server starts here; random bytes.
    Opened,
    /// [`FirstBegin`](crate::records::FirstBegin): read, no longer written.
    FirstBegin,
    /// [`SecondBegin`](crate::records::SecondBegin): read, no longer written.
    SecondBegin,
    /// [`Begin`](crate::records::Begin).
    Begin,
    /// [`FirstEnd`](crate::records::FirstEnd): read, no longer written.
    FirstEnd,
    /// [`SecondEnd`](crate::records::SecondEnd): read, no longer written.
    SecondEnd,
    /// [`End`](crate::records::End).
    End,
    /// The [`AttemptId`](insula_model::AttemptId) of an attempt that never reached its provider.
    Release,
    /// [`TraceRecord`](crate::records::TraceRecord).
    Trace,
}

impl Kind {
    fn number(self) -> u8 {
        match self {
            Kind::Opened => 1,
            Kind::FirstBegin => 2,
            Kind::FirstEnd => 3,
            Kind::Release => 4,
            Kind::Trace => 5,
            Kind::SecondBegin => 6,
            Kind::SecondEnd => 8,
            Kind::End => 9,
            Kind::Begin => 10,
        }
    }

    /// The kind of this number; `None` if a newer version wrote it.
    pub(super) fn of(number: u8) -> Option<Self> {
        let all = [
            Kind::Opened,
            Kind::FirstBegin,
            Kind::FirstEnd,
            Kind::Release,
            Kind::Trace,
            Kind::SecondBegin,
            Kind::SecondEnd,
            Kind::End,
            Kind::Begin,
        ];
        all.into_iter().find(|kind| kind.number() == number)
    }
}

/// A record's header, taken apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    /// Bytes of payload behind it.
    pub(super) length: u32,
    /// The link of the chain.
    pub(super) check: u32,
    /// Its place in the journal.
    pub(super) seq: u64,
    payload_crc: u32,
    /// Its kind's number.
    pub(super) kind: u8,
}

impl Header {
    /// Takes the first 24 bytes of `bytes` apart; `None` if there are fewer.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk()?;
        let (check, rest) = rest.split_first_chunk()?;
        let (seq, rest) = rest.split_first_chunk()?;
        let (payload_crc, rest) = rest.split_first_chunk()?;
        let kind = *rest.get(..4)?.first()?;
        Some(Self {
            length: u32::from_le_bytes(*length),
            check: u32::from_le_bytes(*check),
            seq: u64::from_le_bytes(*seq),
            payload_crc: u32::from_le_bytes(*payload_crc),
            kind,
        })
    }

    /// Whether this is the header of record `seq` behind a record whose check is `previous`.
    pub(super) fn follows(&self, seq: u64, previous: u32) -> bool {
        self.seq == seq && self.check == link(previous, self.length, seq, self.payload_crc, self.kind)
    }

    /// Whether `payload` is what was written behind this header.
    pub(super) fn holds(&self, payload: &[u8]) -> bool {
        self.payload_crc == crc32fast::hash(payload)
    }
}

fn link(previous: u32, length: u32, seq: u64, payload_crc: u32, kind: u8) -> u32 {
    let mut covered = [0; HEADER_BYTES];
    covered[..4].copy_from_slice(&previous.to_le_bytes());
    covered[4..8].copy_from_slice(&length.to_le_bytes());
    covered[8..16].copy_from_slice(&seq.to_le_bytes());
    covered[16..20].copy_from_slice(&payload_crc.to_le_bytes());
    covered[20] = kind;
    crc32fast::hash(&covered)
}

/// Appends a record to `out`, complete but for its place: [`seal`] gives it that under the writer's lock.
pub(super) fn encode(out: &mut Vec<u8>, kind: Kind, payload: &impl Serialize) -> postcard::Result<()> {
    let start = out.len();
    out.resize(start + HEADER_BYTES, 0);
    postcard::serialize_with_flavor(payload, Appending(out))?;
    let (header, payload) = out[start..].split_at_mut(HEADER_BYTES);
    let length = u32::try_from(payload.len()).map_err(|_| postcard::Error::SerializeBufferFull)?;
    header[..4].copy_from_slice(&length.to_le_bytes());
    header[16..20].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
    header[20] = kind.number();
    Ok(())
}

/// Gives the encoded records in `records` their places: the first becomes record `seq` behind the check `previous`.
/// Returns the next free sequence number and the last record's check.
pub(super) fn seal(mut records: &mut [u8], mut seq: u64, mut previous: u32) -> (u64, u32) {
    while let Some(header) = Header::parse(records) {
        previous = link(previous, header.length, seq, header.payload_crc, header.kind);
        records[4..8].copy_from_slice(&previous.to_le_bytes());
        records[8..16].copy_from_slice(&seq.to_le_bytes());
        seq += 1;
        records = &mut records[HEADER_BYTES + header.length as usize..];
    }
    (seq, previous)
}

/// Reads a payload back.
pub(crate) fn decode<T: DeserializeOwned>(payload: &[u8]) -> postcard::Result<T> {
    postcard::from_bytes(payload)
}

/// Serialises behind what a vector already holds, byte strings in one copy.
struct Appending<'a>(&'a mut Vec<u8>);

impl postcard::ser_flavors::Flavor for Appending<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_valid_only_behind_its_predecessor() {
        let mut bytes = Vec::new();
        encode(&mut bytes, Kind::Opened, &[7u8; 16]).unwrap();
        let first_len = bytes.len();
        encode(&mut bytes, Kind::Release, &[9u8; 16]).unwrap();
        let (next, check) = seal(&mut bytes, 41, 5);
        assert_eq!(next, 43);

        let first = Header::parse(&bytes).unwrap();
        assert!(first.follows(41, 5) && first.holds(&bytes[HEADER_BYTES..first_len]));
        assert!(!first.follows(41, 6), "behind another record");
        assert!(!first.follows(42, 5), "at another place");
        let second = Header::parse(&bytes[first_len..]).unwrap();
        assert!(second.follows(42, first.check));
        assert_eq!((second.check, Kind::of(second.kind)), (check, Some(Kind::Release)));
    }

    #[test]
    fn a_number_never_gets_a_second_meaning() {
        let known = [1, 2, 3, 4, 5, 6, 8, 9, 10].map(|number| Kind::of(number).map(Kind::number));
        assert_eq!(known, [1, 2, 3, 4, 5, 6, 8, 9, 10].map(Some));
        assert_eq!([3, 8, 9].map(Kind::of), [Kind::FirstEnd, Kind::SecondEnd, Kind::End].map(Some));
        assert_eq!([0, 7, 11].map(Kind::of), [None; 3]);
        assert_eq!([2, 6, 10].map(Kind::of), [Kind::FirstBegin, Kind::SecondBegin, Kind::Begin].map(Some));
    }

    #[test]
    fn zeros_are_no_record() {
        let zeros = Header::parse(&[0; HEADER_BYTES]).unwrap();
        assert!(!zeros.follows(1, 0));
        assert!(Header::parse(&[0; HEADER_BYTES - 1]).is_none());
    }
}
