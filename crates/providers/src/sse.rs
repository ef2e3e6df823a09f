//! Cutting a byte stream into server-sent events, wherever the network has cut it.
//!
//! Source: WHATWG HTML, "Server-sent events", 9.2.6: lines end in LF, CRLF or CR; an empty line ends an event; `data` lines
//! are joined by LF; a byte order mark may stand first; lines that begin with a colon are comments.

use std::{borrow::Cow, ops::Range};

use bytes::{Bytes, BytesMut};
use memchr::memchr2;

/// An event was longer than its bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventTooLong;

/// One whole event.
pub(crate) struct Event<'b> {
    /// The bytes that it came in.
    pub buffer: &'b Bytes,
    /// Where it stands in them, the empty line included.
    pub range: Range<usize>,
    /// What its data lines say.
    pub data: Cow<'b, [u8]>,
    /// Whether it is just `data: `, the data and two line feeds, so that it can go on as it is.
    pub is_plain: bool,
}

/// Cuts a stream into events.
#[derive(Debug)]
pub(crate) struct Splitter {
    /// The begun event, when a read ended within it.
    held: BytesMut,
    /// So much of `held` has no end of an event.
    searched: usize,
    has_begun: bool,
    event_bytes_max: usize,
}

impl Splitter {
    pub fn new(event_bytes_max: usize) -> Self {
        Self { held: BytesMut::new(), searched: 0, has_begun: false, event_bytes_max }
    }

    /// Takes what was read and hands over each event that is now whole and has data.
    pub fn feed<E: From<EventTooLong>>(
        &mut self,
        read: Bytes,
        mut each: impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let buffer = if self.held.is_empty() {
            read
        } else {
            self.held.extend_from_slice(&read);
            if event_end(&self.held, 0, self.searched).is_none() {
                return self.hold();
            }
            std::mem::take(&mut self.held).freeze()
        };
        let (mut at, mut searched) = (0, std::mem::take(&mut self.searched));
        while let Some(end) = event_end(&buffer, at, searched) {
            if end - at > self.event_bytes_max {
                return Err(EventTooLong.into());
            }
            if let Some(event) = read_event(&buffer, at..end, !self.has_begun) {
                each(event)?;
            }
            self.has_begun = true;
            (at, searched) = (end, end);
        }
        if at < buffer.len() {
            self.held.extend_from_slice(&buffer[at..]);
            return self.hold();
        }
        Ok(())
    }

    /// The bound.
    pub fn event_bytes_max(&self) -> usize {
        self.event_bytes_max
    }

    /// Keeps what is held for the next read.
    fn hold<E: From<EventTooLong>>(&mut self) -> Result<(), E> {
        // The last bytes may be the first part of an end.
        self.searched = self.held.len().saturating_sub(3);
        if self.held.len() > self.event_bytes_max { Err(EventTooLong.into()) } else { Ok(()) }
    }

    /// Takes what is held as an event, although the stream ended without the empty line.
    pub fn finish<E: From<EventTooLong>>(&mut self, each: impl FnMut(Event<'_>) -> Result<(), E>) -> Result<(), E> {
        match self.held.is_empty() {
            true => Ok(()),
            false => self.feed(Bytes::from_static(b"\n\n"), each),
        }
    }
}

/// Where the event ends that begins at `start`, its empty line included; `None` while that cannot be told. Nothing before
/// `searched` ends it.
fn event_end(buffer: &[u8], start: usize, searched: usize) -> Option<usize> {
    let mut at = searched.max(start);
    // An empty line first is an event without anything; it may be the rest of the end before.
    if at == start && matches!(buffer.get(start)?, b'\n' | b'\r') {
        return Some(start + 1);
    }
    loop {
        at += memchr2(b'\n', b'\r', buffer.get(at..)?)?;
        let next = match buffer[at] {
            b'\r' if *buffer.get(at + 1)? == b'\n' => at + 2,
            _ => at + 1,
        };
        match buffer.get(next)? {
            b'\n' | b'\r' => return Some(next + 1),
            _ => at = next,
        }
    }
}

/// Reads the lines of an event; `None` when it has no data.
fn read_event(buffer: &Bytes, range: Range<usize>, is_first: bool) -> Option<Event<'_>> {
    let bytes = buffer.get(range.clone())?;
    if let Some(data) = bytes.strip_prefix(b"data: ").and_then(|rest| rest.strip_suffix(b"\n\n"))
        && !data.is_empty()
        && memchr2(b'\n', b'\r', data).is_none()
    {
        return Some(Event { buffer, range, data: Cow::Borrowed(data), is_plain: true });
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").filter(|_| is_first).unwrap_or(bytes);
    let mut data: Option<Cow<'_, [u8]>> = None;
    for line in bytes.split(|b| matches!(b, b'\n' | b'\r')) {
        let Some(rest) = line.strip_prefix(b"data") else { continue };
        let value = match rest {
            [] => rest,
            [b':', b' ', value @ ..] | [b':', value @ ..] => value,
            _ => continue,
        };
        data = Some(match data {
            None => Cow::Borrowed(value),
            Some(before) => {
                let mut joined = before.into_owned();
                joined.push(b'\n');
                joined.extend_from_slice(value);
                Cow::Owned(joined)
            }
        });
    }
    data.filter(|data| !data.is_empty()).map(|data| Event { buffer, range, data, is_plain: false })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl From<EventTooLong> for () {
        fn from(_: EventTooLong) {}
    }

    fn events(pieces: &[&[u8]], max: usize) -> Result<Vec<String>, ()> {
        let mut seen = Vec::new();
        let mut splitter = Splitter::new(max);
        let mut see = |event: Event<'_>| -> Result<(), ()> {
            if event.is_plain {
                assert_eq!(&event.buffer[event.range.clone()], [b"data: ", &event.data[..], b"\n\n"].concat());
            }
            seen.push(String::from_utf8_lossy(&event.data).into_owned());
            Ok(())
        };
        for piece in pieces {
            splitter.feed(Bytes::copy_from_slice(piece), &mut see)?;
        }
        splitter.finish(&mut see)?;
        Ok(seen)
    }

    const STREAM: &[u8] =
        b"\xef\xbb\xbfdata: 1\n\n: comment\n\nevent: x\ndata: 2\nid: 7\n\ndata:3\r\n\r\ndata: a\r\ndata\r\ndata:  b\r\n\r\n\
        retry: 5\r\rdata: 4\r\rdata: \xc3\xa4\n\n\n\ndatafoo: no\n\ndata:\n\ndata: [DONE]\n";
    const EVENTS: [&str; 7] = ["1", "2", "3", "a\n\n b", "4", "ä", "[DONE]"];

    #[test]
    fn all_line_ends_comments_and_fields() {
        assert_eq!(events(&[STREAM], 100).unwrap(), EVENTS);
    }

    #[test]
    fn a_cut_at_any_byte_changes_nothing() {
        for cut in 0..=STREAM.len() {
            let (left, right) = STREAM.split_at(cut);
            assert_eq!(events(&[left, right], 100).unwrap(), EVENTS, "cut at {cut}");
        }
        let single: Vec<&[u8]> = STREAM.chunks(1).collect();
        assert_eq!(events(&single, 100).unwrap(), EVENTS);
    }

    #[test]
    fn events_are_bounded() {
        let long = format!("data: {}\n\n", "x".repeat(100));
        assert!(events(&[long.as_bytes()], 100).is_err());
        assert!(events(&long.as_bytes().chunks(7).collect::<Vec<_>>(), 100).is_err());
        assert_eq!(events(&[long.as_bytes()], 200).unwrap().len(), 1);
    }

    proptest! {
        #[test]
        fn any_bytes_cut_anywhere_give_the_same_events(
            text in "(data: ?[a-z:]{0,3}|:|event|\r|\n|\r\n|\u{feff}){0,24}",
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let bytes = text.as_bytes();
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            at.extend([0, bytes.len()]);
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect();
            prop_assert_eq!(events(&pieces, 1 << 20), events(&[bytes], 1 << 20));
        }
    }
}
