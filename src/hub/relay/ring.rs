//! The messages that some subscriber has not taken yet, in one ring of bytes.
//!
//! All subscribers read the same bytes, each at its own position, so that a message is in memory once. For a
//! subscriber that is too slow the oldest messages are dropped, whole ones, and for nobody else.

use std::collections::VecDeque;

use psistats_core::bytes::Writer;

/// Where a message lies: its first byte, and the one after its last. No message wraps around the end of the ring.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    end: u32,
}

/// The newest messages. Messages are numbered from 0.
#[derive(Debug)]
pub struct Ring {
    bytes: Box<[u8]>,
    spans: VecDeque<Span>,
    /// Number of the first of `spans`.
    first: u64,
}

impl Ring {
    /// An empty ring of `capacity` bytes, at most 4 GiB. They become resident only when they are written.
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.min(u32::MAX as usize);
        Self { bytes: vec![0; capacity].into_boxed_slice(), spans: VecDeque::new(), first: 0 }
    }

    /// The number of the oldest message in it.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The number that the next message will have.
    pub fn next(&self) -> u64 {
        self.first + self.spans.len() as u64
    }

    /// Adds a message of at most `length` bytes, which `write` writes; the oldest messages make room for it. An empty
    /// one is not added, nor one that is longer than the ring.
    pub fn push(&mut self, length: usize, write: impl FnOnce(&mut Writer<'_>)) {
        let Some(start) = self.make_room(length) else { return };
        let Some(space) = self.bytes.get_mut(start..start + length) else { return };
        let mut w = Writer::new(space);
        write(&mut w);
        let Ok(written) = w.finish() else { return };
        // Within the capacity, which fits.
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        self.spans.push_back(Span { start: place(start), end: place(start + written) });
    }

    /// Drops the oldest messages until `length` bytes are free. Gives where.
    fn make_room(&mut self, length: usize) -> Option<usize> {
        if length == 0 || length > self.bytes.len() {
            return None;
        }
        loop {
            let (Some(oldest), Some(newest)) = (self.spans.front(), self.spans.back()) else {
                // The front is the likeliest part to be in the processor's cache.
                return Some(0);
            };
            let (oldest, end) = (oldest.start as usize, newest.end as usize);
            let wrapped = newest.start < self.spans.front().map_or(0, |span| span.start);
            if wrapped {
                if end + length <= oldest {
                    return Some(end);
                }
            } else if end + length <= self.bytes.len() {
                return Some(end);
            } else if length <= oldest {
                return Some(0);
            }
            self.spans.pop_front();
            self.first += 1;
        }
    }

    /// The messages from `number` on, up to where the ring wraps. Empty where there is no message of that number.
    pub fn from(&self, number: u64) -> &[u8] {
        let Some(begin) = self.index(number).and_then(|index| self.spans.get(index)) else { return &[] };
        let end = match self.spans.back() {
            Some(newest) if newest.start >= begin.start => newest.end,
            _ => self.end_before_the_wrap(),
        };
        self.bytes.get(begin.start as usize..end as usize).unwrap_or_default()
    }

    /// Where the last message before the wrap ends.
    fn end_before_the_wrap(&self) -> u32 {
        let oldest = self.spans.front().map_or(0, |span| span.start);
        let after = self.spans.partition_point(|span| span.start >= oldest);
        after.checked_sub(1).and_then(|last| self.spans.get(last)).map_or(0, |span| span.end)
    }

    /// The message of that number. Empty where there is none.
    pub fn message(&self, number: u64) -> &[u8] {
        let span = self.index(number).and_then(|index| self.spans.get(index));
        span.and_then(|span| self.bytes.get(span.start as usize..span.end as usize)).unwrap_or_default()
    }

    /// After `taken` bytes of what [`Ring::from`] gives for `number` were written: the number of the first message of
    /// which nothing was, and the rest of the one before it.
    pub fn after(&self, number: u64, taken: usize) -> (u64, &[u8]) {
        let Some((index, begin)) = self.index(number).and_then(|i| self.spans.get(i).map(|span| (i, span)))
        else {
            return (number, &[]);
        };
        if taken == 0 {
            return (number, &[]);
        }
        let place = begin.start as usize + taken;
        let run = self.spans.range(index..);
        // Mostly all of them were written, or one.
        let begun = match self.spans.back() {
            Some(newest) if newest.end as usize == place => self.spans.len() - index,
            _ => run.take_while(|span| span.start >= begin.start && (span.start as usize) < place).count(),
        };
        let last = (index + begun).checked_sub(1).and_then(|last| self.spans.get(last));
        let rest = last.and_then(|last| self.bytes.get(place..last.end as usize)).unwrap_or_default();
        (number + begun as u64, rest)
    }

    /// Removes all messages: every subscriber has taken them.
    pub fn clear(&mut self) {
        self.first = self.next();
        self.spans.clear();
    }

    fn index(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.first)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn push(ring: &mut Ring, body: &[u8]) {
        ring.push(body.len(), |w| w.bytes(body));
    }

    #[test]
    fn what_is_pushed_is_read_in_one_piece_until_it_is_cleared() {
        let mut ring = Ring::new(10);
        push(&mut ring, b"abc");
        push(&mut ring, b"de");
        assert_eq!(ring.from(0), b"abcde");
        assert_eq!(ring.from(1), b"de");
        assert_eq!(ring.after(0, 5), (2, &b""[..]));
        assert_eq!(ring.after(0, 3), (1, &b""[..]));
        assert_eq!(ring.after(0, 4), (2, &b"e"[..]));
        ring.clear();
        assert_eq!((ring.first(), ring.next()), (2, 2));
        assert_eq!(ring.from(2), b"");
    }

    #[test]
    fn the_oldest_make_room_and_no_message_is_cut() {
        let mut ring = Ring::new(10);
        for body in [&b"aaaa"[..], b"bbbb", b"ccc"] {
            push(&mut ring, body);
        }
        // The first went; the third lies at the front, where it was.
        assert_eq!((ring.first(), ring.next()), (1, 3));
        assert_eq!(ring.from(1), b"bbbb");
        assert_eq!(ring.after(1, 4), (2, &b""[..]));
        assert_eq!(ring.from(2), b"ccc");
        push(&mut ring, b"0123456789");
        assert_eq!((ring.first(), ring.from(3)), (3, &b"0123456789"[..]));
        push(&mut ring, b"too long for it");
        assert_eq!(ring.next(), 4);
    }

    proptest! {
        #[test]
        fn a_reader_gets_a_gapless_end_of_what_was_pushed_however_it_reads(
            capacity in 1_usize..60,
            steps in prop::collection::vec((0_usize..20, 0_usize..40), 1..200),
        ) {
            let mut ring = Ring::new(capacity);
            let mut pushed: Vec<Vec<u8>> = Vec::new();
            let (mut number, mut rest, mut got) = (0_u64, Vec::new(), Vec::new());
            let mut expected = Vec::new();
            for (length, take) in steps {
                if (1..=capacity).contains(&length) {
                    pushed.push(vec![pushed.len() as u8; length]);
                    push(&mut ring, pushed.last().unwrap());
                }
                prop_assert_eq!(ring.next(), pushed.len() as u64);
                // As a subscriber does: first what is left of a message, then whole ones.
                let taken = take.min(rest.len());
                got.extend(rest.drain(..taken));
                if !rest.is_empty() { continue; }
                number = number.max(ring.first());
                let run = ring.from(number);
                let taken = take.min(run.len());
                got.extend_from_slice(&run[..taken]);
                let (next, left) = ring.after(number, taken);
                rest = left.to_vec();
                for index in number..next { expected.extend_from_slice(&pushed[index as usize]); }
                number = next;
            }
            got.extend(rest);
            prop_assert_eq!(got, expected);
        }
    }
}
