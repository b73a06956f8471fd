//! Bytes of our own files: numbers of a variable length, read through one checked cursor.

/// What was read does not end where it should, or holds what nobody wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damaged;

/// Appends `value`, seven bits a byte, the lowest first (LEB128).
pub fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(low_byte(value) | 0x80);
        value >>= 7;
    }
    out.push(low_byte(value));
}

/// Appends a number that may be negative; small ones of either sign are short.
pub fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_number(out, zigzag(value));
}

/// Appends `bytes` behind their length.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// 0, -1, 1, -2, ... become 0, 1, 2, 3, ...
pub const fn zigzag(value: i64) -> u64 {
    (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned()
}

/// The reverse of [`zigzag`].
pub const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

const fn low_byte(value: u64) -> u8 {
    let [byte, ..] = value.to_le_bytes();
    byte
}

/// Reads from the front of some bytes.
#[derive(Debug, Clone)]
pub struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn take(&mut self, length: usize) -> Result<&'a [u8], Damaged> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Damaged)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub fn number(&mut self) -> Result<u64, Damaged> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Damaged)
    }

    pub fn signed(&mut self) -> Result<i64, Damaged> {
        self.number().map(unzigzag)
    }

    /// A number that stands for a series, a board, a slot or a count.
    pub fn small(&mut self) -> Result<u32, Damaged> {
        u32::try_from(self.number()?).map_err(|_| Damaged)
    }

    /// What [`put_bytes`] appended.
    pub fn bytes(&mut self) -> Result<&'a [u8], Damaged> {
        let length = usize::try_from(self.number()?).map_err(|_| Damaged)?;
        self.take(length)
    }

    pub fn text(&mut self) -> Result<&'a str, Damaged> {
        str::from_utf8(self.bytes()?).map_err(|_| Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(value: i64, other: u64) {
            let mut bytes = Vec::new();
            put_signed(&mut bytes, value);
            put_number(&mut bytes, other);
            let mut cursor = Cursor::new(&bytes);
            prop_assert_eq!(cursor.signed(), Ok(value));
            prop_assert_eq!(cursor.number(), Ok(other));
            prop_assert!(cursor.is_empty());
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let mut cursor = Cursor::new(&bytes);
            while cursor.text().is_ok() || cursor.number().is_ok() {}
        }
    }
}
