//! Blocks: the slots of one board over an hour, a day or sixteen, as bytes.
//!
//! ```text
//! block    CRC-32 of the rest (4 bytes, little-endian), number of columns, columns
//! column   series - that of the column before, length, body
//! body     n, first slot, runs of slots without a gap, runs of equal counts, decimals, min, avg, max
//! ```
//!
//! Numbers have a variable length ([`super::bytes`]). Minimum, average and maximum are arrays of pco. Where the values
//! have at most three decimals, those are integers: the minimum, and by how much the others are above it. The average
//! then has one decimal more than the values, and is rounded to that; all else comes back exactly.

use pco::ChunkConfig;
use pco::data_types::Number;
use pco::standalone::{simple_compress, simple_decompress_into};

use super::bytes::{Cursor, Damaged, put_bytes, put_number};
use super::slots::{Columns, Slot};

/// No block has more slots a series: sixteen days of quarters of an hour.
const MAX_SLOTS: usize = 1536;
/// In the place of decimals: the arrays hold floating-point numbers.
const FLOATS: u8 = 255;
/// Integers up to this are exact in floating point.
const EXACT: f64 = 9e15;

/// `columns` as a block.
///
/// # Errors
/// `Damaged` where it has more slots than a block may have, which no caller makes.
pub fn encode(columns: &Columns) -> Result<Vec<u8>, Damaged> {
    let mut block = vec![0; 4];
    put_number(&mut block, columns.0.len() as u64);
    let mut before = 0;
    for (series, slots) in &columns.0 {
        put_number(&mut block, u64::from(series - before));
        put_bytes(&mut block, &encode_column(slots)?);
        before = *series;
    }
    let sum = block.get(4..).map(crc32fast::hash).ok_or(Damaged)?;
    block.get_mut(..4).ok_or(Damaged)?.copy_from_slice(&sum.to_le_bytes());
    Ok(block)
}

/// The columns of a block: those of `series` alone, where one is asked for.
///
/// # Errors
/// The checksum does not fit, or the block holds what [`encode`] does not write.
pub fn decode(block: &[u8], series: Option<u32>) -> Result<Columns, Damaged> {
    let mut cursor = Cursor::new(block);
    let sum = u32::from_le_bytes(cursor.array()?);
    if block.get(4..).map(crc32fast::hash) != Some(sum) {
        return Err(Damaged);
    }
    let mut columns = Columns::default();
    let mut number = 0_u32;
    for _ in 0..cursor.number()? {
        number = number.checked_add(cursor.small()?).ok_or(Damaged)?;
        let body = cursor.bytes()?;
        if series.is_none_or(|wanted| wanted == number) {
            columns.0.insert(number, decode_column(body)?);
        }
    }
    Ok(columns)
}

fn encode_column(slots: &[Slot]) -> Result<Vec<u8>, Damaged> {
    let first = slots.first().ok_or(Damaged)?;
    if slots.len() > MAX_SLOTS {
        return Err(Damaged);
    }
    let mut body = Vec::with_capacity(slots.len() * 2);
    put_number(&mut body, slots.len() as u64);
    put_number(&mut body, u64::from(first.at));
    let mut next = first.at;
    for run in slots.chunk_by(|one, other| one.at + 1 == other.at) {
        let Some(start) = run.first() else { continue };
        put_number(&mut body, u64::from(start.at - next));
        put_number(&mut body, run.len() as u64);
        next = start.at + u32::try_from(run.len()).map_err(|_| Damaged)?;
    }
    for run in slots.chunk_by(|one, other| one.count == other.count) {
        let Some(start) = run.first() else { continue };
        put_number(&mut body, run.len() as u64);
        put_number(&mut body, u64::from(start.count));
    }
    if let Some((decimals, arrays)) = integers(slots) {
        body.push(decimals);
        arrays.iter().try_for_each(|array| put_array(&mut body, array))?;
    } else {
        body.push(FLOATS);
        for part in [|slot: &Slot| slot.min, Slot::average, |slot: &Slot| slot.max] {
            put_array(&mut body, &slots.iter().map(part).collect::<Vec<_>>())?;
        }
    }
    Ok(body)
}

fn decode_column(body: &[u8]) -> Result<Vec<Slot>, Damaged> {
    let mut cursor = Cursor::new(body);
    let n = usize::try_from(cursor.number()?).map_err(|_| Damaged)?;
    if n == 0 || n > MAX_SLOTS {
        return Err(Damaged);
    }
    let mut slots = Vec::with_capacity(n);
    let mut at = cursor.small()?;
    while slots.len() < n {
        at = at.checked_add(cursor.small()?).ok_or(Damaged)?;
        for _ in 0..run(&mut cursor, n - slots.len())? {
            slots.push(Slot { at, count: 0, sum: 0.0, min: 0.0, max: 0.0 });
            at = at.checked_add(1).ok_or(Damaged)?;
        }
    }
    let mut counted = 0;
    while counted < n {
        let length = run(&mut cursor, n - counted)?;
        let count = cursor.small()?;
        for slot in slots.iter_mut().skip(counted).take(length) {
            slot.count = count;
        }
        counted += length;
    }
    let [decimals] = cursor.array()?;
    if decimals == FLOATS {
        let [min, average, max] = arrays::<f64>(&mut cursor, n)?;
        for (((slot, min), average), max) in slots.iter_mut().zip(min).zip(average).zip(max) {
            (slot.min, slot.sum, slot.max) = (min, average * f64::from(slot.count), max);
        }
    } else {
        let scale = 10_f64.powi(i32::from(decimals));
        let [min, average, max] = arrays::<i64>(&mut cursor, n)?;
        for (((slot, min), average), max) in slots.iter_mut().zip(min).zip(average).zip(max) {
            slot.min = float(min) / scale;
            slot.max = float(min.wrapping_add(max)) / scale;
            let average = float(min.wrapping_mul(10).wrapping_add(average)) / (scale * 10.0);
            slot.sum = average.clamp(slot.min, slot.max.max(slot.min)) * f64::from(slot.count);
        }
    }
    if cursor.is_empty() { Ok(slots) } else { Err(Damaged) }
}

/// The length of a run, of which at most `left` slots can be.
fn run(cursor: &mut Cursor<'_>, left: usize) -> Result<usize, Damaged> {
    match usize::try_from(cursor.number()?) {
        Ok(length) if (1..=left).contains(&length) => Ok(length),
        _ => Err(Damaged),
    }
}

/// Minimum, average above it and maximum above it, and the decimals of the values, where three are enough.
fn integers(slots: &[Slot]) -> Option<(u8, [Vec<i64>; 3])> {
    let decimals = (0..4_u8).find(|decimals| {
        let scale = 10_f64.powi(i32::from(*decimals));
        slots.iter().all(|slot| scaled(slot.min, scale).is_some() && scaled(slot.max, scale).is_some())
    })?;
    let scale = 10_f64.powi(i32::from(decimals));
    let mut arrays = [const { Vec::new() }; 3];
    let [mins, averages, maxima] = &mut arrays;
    for slot in slots {
        let min = scaled(slot.min, scale)?;
        mins.push(min);
        averages.push(integer((slot.average() * scale * 10.0).round())? - min * 10);
        maxima.push(scaled(slot.max, scale)? - min);
    }
    Some((decimals, arrays))
}

/// `value * scale`, where that is an integer from which `value` comes back exactly.
pub fn scaled(value: f64, scale: f64) -> Option<i64> {
    let scaled = (value * scale).round();
    // The sign of -0.0 would be lost.
    (scaled / scale == value && (value != 0.0 || value.is_sign_positive())).then(|| integer(scaled)).flatten()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "below a tenth of EXACT every one of these is an integer"
)]
fn integer(value: f64) -> Option<i64> {
    (value.abs() < EXACT / 10.0).then_some(value as i64)
}

#[expect(clippy::cast_precision_loss, reason = "what `integer` made is exact")]
pub const fn float(value: i64) -> f64 {
    value as f64
}

fn put_array<T: Number>(body: &mut Vec<u8>, values: &[T]) -> Result<(), Damaged> {
    let array = simple_compress(values, &ChunkConfig::default()).map_err(|_| Damaged)?;
    put_bytes(body, &array);
    Ok(())
}

fn arrays<T: Number + Default>(cursor: &mut Cursor<'_>, n: usize) -> Result<[Vec<T>; 3], Damaged> {
    let mut arrays = [const { Vec::new() }; 3];
    for array in &mut arrays {
        array.resize(n, T::default());
        let progress = simple_decompress_into(cursor.bytes()?, array).map_err(|_| Damaged)?;
        if progress.n_processed != n {
            return Err(Damaged);
        }
    }
    Ok(arrays)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn columns(slots: Vec<(u32, u32, f64, f64, f64)>) -> Columns {
        let mut columns = Columns::default();
        for (at, count, one, two, weight) in slots {
            let (min, max) = (one.min(two), one.max(two));
            let sum = (min + (max - min) * weight) * f64::from(count);
            columns.fold(7, Slot { at: 29_000_000 + at, count, sum, min, max });
        }
        columns
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![(-1000..1000_i32).prop_map(|v| f64::from(v) / 10.0), -1e12..1e12, Just(0.0), Just(-0.0)]
    }

    proptest! {
        #[test]
        fn a_block_comes_back(
            slots in prop::collection::vec((0..1440_u32, 1..100_u32, value(), value(), 0.0..=1.0), 1..200)
        ) {
            let columns = columns(slots);
            let back = decode(&encode(&columns).unwrap(), Some(7)).unwrap();
            for (one, other) in columns.0[&7].iter().zip(&back.0[&7]) {
                prop_assert_eq!((one.at, one.count), (other.at, other.count));
                prop_assert!(one.min.to_bits() == other.min.to_bits() && one.max.to_bits() == other.max.to_bits());
                let tolerance = (one.max - one.min).abs() * 0.051 + one.min.abs() * 1e-9;
                prop_assert!((one.average() - other.average()).abs() <= tolerance, "{one:?} {other:?}");
            }
            prop_assert_eq!(columns.0[&7].len(), back.0[&7].len());
        }

        #[test]
        fn a_flipped_bit_is_damage(place: prop::sample::Index, bit in 0..8_u8) {
            let mut block = encode(&columns((0..60).map(|i| (i, 60, f64::from(i), 5.5, 0.5)).collect())).unwrap();
            let place = place.index(block.len());
            block[place] ^= 1 << bit;
            prop_assert_eq!(decode(&block, None), Err(Damaged));
        }

        #[test]
        fn a_body_of_any_bytes_is_read_without_a_panic(body: Vec<u8>) {
            let _ = decode_column(&body);
        }
    }
}
