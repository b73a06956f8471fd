//! A run of at most [`ROWS`] numbers in few bytes.
//!
//! Figures are decimals of few places, so they are kept as integers times a power of ten where that is exact, and
//! otherwise by the bits of an f32. Integers are kept as differences, of the order that takes the least room, in
//! Rice codes: `q` ones and a zero, then `k` bits, for `q * 2^k + bits`.
//!
//! ```text
//! numbers:  scale (1 byte), for a scale with [`STEPS`]: step, remainder (varints); integers
//! integers: order * 64 + k (1 byte), base (varint), differences (bits)
//! ```

/// The most numbers in one run.
pub const ROWS: usize = 60;

/// The most decimals that are kept exactly.
const DECIMALS: u8 = 6;
/// Values are the bits of an f32.
const SINGLE: u8 = 7;
/// Values are the bits of an f64, since some number is beyond f32.
const DOUBLE: u8 = 8;

/// In the place of `k`: all differences are 0, and none is written.
const STILL: u8 = 63;
/// So many ones stand before 64 plain bits, without a zero.
const ESCAPE: u64 = 24;

/// Beside a scale: the integers are multiples of a step, after a remainder is taken away.
const STEPS: u8 = 0x10;

/// Adds `values`, at most [`ROWS`], to `out`.
pub fn encode(values: &[f64], out: &mut Vec<u8>) {
    let mut integers = [0; ROWS];
    let scale = scale_of(values);
    for (integer, value) in integers.iter_mut().zip(values) {
        *integer = to_integer(*value, scale);
    }
    let integers = integers.get_mut(..values.len()).unwrap_or_default();
    let step = if scale <= DECIMALS { step_of(integers) } else { 1 };
    if step > 1 {
        let remainder = integers.first().map_or(0, |first| first.rem_euclid(step));
        for integer in &mut *integers {
            *integer = (*integer - remainder) / step;
        }
        out.push(scale | STEPS);
        write_varint(step.unsigned_abs(), out);
        write_varint(remainder.unsigned_abs(), out);
    } else {
        out.push(scale);
    }
    encode_integers(integers, out);
}

/// Reads `count` numbers, as [`encode`] wrote them, from the beginning of `rest`.
pub fn decode(rest: &mut &[u8], count: usize, mut give: impl FnMut(f64)) -> Option<()> {
    let scale = take(rest)?;
    let (mut step, mut remainder) = (1, 0);
    if scale & STEPS != 0 {
        (step, remainder) = (read_varint(rest)?.cast_signed(), read_varint(rest)?.cast_signed());
    }
    decode_integers(rest, count, |integer| {
        give(to_number(integer.wrapping_mul(step).wrapping_add(remainder), scale & !STEPS));
    })
}

/// The largest step of which all integers, which are below 2^53, are a multiple away from each other.
fn step_of(integers: &[i64]) -> i64 {
    let first = integers.first().copied().unwrap_or_default();
    let mut step = 0;
    for integer in integers {
        let mut rest = (integer - first).abs();
        while rest != 0 {
            (step, rest) = (rest, step % rest);
        }
        if step == 1 {
            break;
        }
    }
    step
}

/// The fewest decimals that all values have, or that they have to be kept by their bits.
fn scale_of(values: &[f64]) -> u8 {
    let mut decimals = 0;
    for value in values {
        while !is_exact(*value, decimals) {
            decimals += 1;
            if decimals > DECIMALS {
                let fits = values.iter().all(|value| value.abs() <= f64::from(f32::MAX));
                return if fits { SINGLE } else { DOUBLE };
            }
        }
    }
    decimals
}

fn is_exact(value: f64, decimals: u8) -> bool {
    let scaled = value * power(decimals);
    scaled.abs() < 9e15 && rounded(scaled) as f64 / power(decimals) == value
}

/// To the nearest integer. Where a machine has no instruction for it, this takes less time than `round`.
#[expect(clippy::cast_possible_truncation, reason = "what is too large becomes the largest")]
fn rounded(value: f64) -> i64 {
    (value + 0.5_f64.copysign(value)) as i64
}

fn power(decimals: u8) -> f64 {
    match decimals {
        0 => 1.0,
        1 => 10.0,
        2 => 100.0,
        3 => 1_000.0,
        4 => 10_000.0,
        5 => 100_000.0,
        _ => 1_000_000.0,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the scale was chosen so that it fits; f32 is meant to round"
)]
fn to_integer(value: f64, scale: u8) -> i64 {
    match scale {
        SINGLE => ordered(i64::from((value as f32).to_bits().cast_signed())),
        DOUBLE => ordered(value.to_bits().cast_signed()),
        decimals => rounded(value * power(decimals)),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the bits of an f32 are the lower 32")]
fn to_number(integer: i64, scale: u8) -> f64 {
    match scale {
        SINGLE => f64::from(f32::from_bits((ordered(integer) as i32).cast_unsigned())),
        DOUBLE => f64::from_bits(ordered(integer).cast_unsigned()),
        decimals => integer as f64 / power(decimals),
    }
}

/// From a float's bits to an integer of the same order, and back.
fn ordered(bits: i64) -> i64 {
    if bits < 0 { bits ^ i64::MAX } else { bits }
}

/// Adds `values`, at most [`ROWS`], to `out`.
pub fn encode_integers(values: &[i64], out: &mut Vec<u8>) {
    // The order with the smallest differences has the shortest codes.
    let mut best = (u128::MAX, 0, 0, [0; ROWS], 0);
    for order in 0..=2_u8 {
        let mut codes = [0; ROWS];
        let (base, count) = differences(values, order, &mut codes);
        let sum = codes.iter().take(count).map(|code| u128::from(*code)).sum();
        if sum < best.0 {
            best = (sum, order, base, codes, count);
        }
    }
    let (sum, order, base, codes, count) = best;
    let k = parameter(codes.get(..count).unwrap_or_default(), sum);
    out.push(order << 6 | k);
    write_varint(zigzag(base), out);
    if k != STILL {
        let mut bits = BitWriter { out, bits: 0, count: 0 };
        for code in codes.iter().take(count) {
            bits.code(*code, k);
        }
        bits.finish();
    }
}

/// Reads `count` integers, as [`encode_integers`] wrote them, from the beginning of `rest`.
pub fn decode_integers(rest: &mut &[u8], count: usize, mut give: impl FnMut(i64)) -> Option<()> {
    let head = take(rest)?;
    let (order, k) = (head >> 6, head & 63);
    let mut value = unzigzag(read_varint(rest)?);
    let mut slope = 0_i64;
    let mut bits = BitReader { rest, bits: 0, count: 0 };
    let base = value;
    for n in 0..count {
        if order == 0 || n > 0 {
            let difference = if k == STILL { 0 } else { unzigzag(bits.code(k)?) };
            match order {
                0 => value = base.wrapping_add(difference),
                1 => value = value.wrapping_add(difference),
                _ => {
                    slope = slope.wrapping_add(difference);
                    value = value.wrapping_add(slope);
                }
            }
        }
        give(value);
    }
    Some(())
}

/// The base and the coded differences of an order: 0 from the mean, 1 from the value before, 2 from the change before.
fn differences(values: &[i64], order: u8, codes: &mut [u64; ROWS]) -> (i64, usize) {
    let first = values.first().copied().unwrap_or_default();
    if order == 0 {
        let sum: i128 = values.iter().map(|value| i128::from(*value)).sum();
        let count = i128::try_from(values.len()).unwrap_or(1).max(1);
        // A mean lies between two i64.
        let mean = i64::try_from(sum.div_euclid(count)).unwrap_or(first);
        for (code, value) in codes.iter_mut().zip(values) {
            *code = zigzag(value.wrapping_sub(mean));
        }
        return (mean, values.len());
    }
    let (mut before, mut slope) = (first, 0_i64);
    for (code, value) in codes.iter_mut().zip(values.iter().skip(1)) {
        let change = value.wrapping_sub(before);
        *code = zigzag(if order == 1 { change } else { change.wrapping_sub(slope) });
        (before, slope) = (*value, change);
    }
    (first, values.len().saturating_sub(1))
}

/// The `k` with which the codes take the fewest bits.
fn parameter(codes: &[u64], sum: u128) -> u8 {
    if sum == 0 {
        return STILL;
    }
    let mean = sum / u128::try_from(codes.len()).unwrap_or(1).max(1);
    let near = u8::try_from((u128::BITS - mean.leading_zeros()).min(60)).unwrap_or(60);
    let bits = |k: u8| codes.iter().map(|code| length(*code, k)).sum::<u64>();
    (near.saturating_sub(2)..=near + 1).min_by_key(|k| bits(*k)).unwrap_or(near)
}

fn length(code: u64, k: u8) -> u64 {
    let ones = code >> k;
    if ones < ESCAPE { ones + 1 + u64::from(k) } else { ESCAPE + 64 }
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

fn unzigzag(code: u64) -> i64 {
    (code >> 1).cast_signed() ^ -(code & 1).cast_signed()
}

/// Adds a number in groups of seven bits, the lowest first.
pub fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

/// Reads what [`write_varint`] wrote.
pub fn read_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for group in 0..10 {
        let octet = take(rest)?;
        value |= u64::from(octet & 0x7f) << (7 * group);
        if octet < 0x80 {
            return Some(value);
        }
    }
    None
}

fn take(rest: &mut &[u8]) -> Option<u8> {
    let (octet, after) = rest.split_first()?;
    *rest = after;
    Some(*octet)
}

/// Bits from the lowest on.
struct BitWriter<'o> {
    out: &'o mut Vec<u8>,
    bits: u128,
    count: u32,
}

impl BitWriter<'_> {
    fn write(&mut self, bits: u64, count: u32) {
        self.bits |= u128::from(bits) << self.count;
        self.count += count;
        while self.count >= 8 {
            self.out.push((self.bits & 0xff) as u8);
            self.bits >>= 8;
            self.count -= 8;
        }
    }

    fn code(&mut self, code: u64, k: u8) {
        let ones = code >> k;
        if ones < ESCAPE {
            self.write((1 << ones) - 1, u32::try_from(ones).unwrap_or_default() + 1);
            self.write(code & ((1 << k) - 1), u32::from(k));
        } else {
            self.write((1 << ESCAPE) - 1, 24);
            self.write(code, 64);
        }
    }

    fn finish(self) {
        if self.count > 0 {
            self.out.push((self.bits & 0xff) as u8);
        }
    }
}

struct BitReader<'b, 'r> {
    rest: &'r mut &'b [u8],
    bits: u128,
    count: u32,
}

impl BitReader<'_, '_> {
    fn fill(&mut self, count: u32) -> Option<()> {
        while self.count < count {
            self.bits |= u128::from(take(self.rest)?) << self.count;
            self.count += 8;
        }
        Some(())
    }

    #[expect(clippy::cast_possible_truncation, reason = "the lower bits are meant")]
    fn read(&mut self, count: u32) -> Option<u64> {
        self.fill(count)?;
        let bits = self.bits as u64 & u64::MAX.checked_shr(64 - count).unwrap_or_default();
        self.bits >>= count;
        self.count -= count;
        Some(bits)
    }

    fn code(&mut self, k: u8) -> Option<u64> {
        let mut ones = 0;
        while self.read(1)? == 1 {
            ones += 1;
            if ones == ESCAPE {
                return self.read(64);
            }
        }
        Some(ones << k | self.read(u32::from(k))?)
    }
}
