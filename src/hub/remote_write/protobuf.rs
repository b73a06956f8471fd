//! A request as bytes: Protocol Buffers of the message `WriteRequest`. It has four fields of three kinds, written
//! straight from the samples; code that is generated for it would have every label as a string of its own first.
//!
//! ```text
//! WriteRequest  1: TimeSeries...
//! TimeSeries    1: Label...     2: Sample...
//! Label         1: name         2: value
//! Sample        1: value (fixed64)  2: timestamp (varint, Unix milliseconds)
//! ```

/// Fields with a length before them (wire type 2).
const FIRST: u8 = 1 << 3 | 2;
const SECOND: u8 = 2 << 3 | 2;
/// A Sample's value (wire type 1), and its timestamp (wire type 0).
const VALUE: u8 = 1 << 3 | 1;
const TIMESTAMP: u8 = 2 << 3;

/// Adds a label to a series.
pub fn put_label(out: &mut Vec<u8>, name: &str, value: &str) {
    let length = field_length(name.len()) + field_length(value.len());
    put_head(out, FIRST, length);
    put_bytes(out, FIRST, name.as_bytes());
    put_bytes(out, SECOND, value.as_bytes());
}

/// Adds a series to a request. `labels` are parts as [`put_label`] writes them, in the order of the labels' names.
pub fn put_series(out: &mut Vec<u8>, labels: [&[u8]; 3], samples: &[(i64, f64)]) {
    let of_labels: usize = labels.iter().map(|part| part.len()).sum();
    let of_samples: usize = samples.iter().map(|(time, _)| field_length(sample_length(*time))).sum();
    put_head(out, FIRST, of_labels + of_samples);
    labels.iter().for_each(|part| out.extend_from_slice(part));
    for (time, value) in samples {
        put_head(out, SECOND, sample_length(*time));
        out.push(VALUE);
        out.extend_from_slice(&value.to_le_bytes());
        out.push(TIMESTAMP);
        put_varint(out, time.cast_unsigned());
    }
}

fn sample_length(time: i64) -> usize {
    1 + 8 + 1 + varint_length(time.cast_unsigned())
}

/// Of a field of so many bytes, with its head.
fn field_length(length: usize) -> usize {
    1 + varint_length(length as u64) + length
}

fn put_head(out: &mut Vec<u8>, field: u8, length: usize) {
    out.push(field);
    put_varint(out, length as u64);
}

fn put_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    put_head(out, field, bytes.len());
    out.extend_from_slice(bytes);
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

fn varint_length(value: u64) -> usize {
    let bits = (u64::BITS - value.leading_zeros()).max(1);
    usize::try_from(bits.div_ceil(7)).unwrap_or(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_what_protoc_makes_of_it() {
        let (mut labels, mut request) = (Vec::new(), Vec::new());
        put_label(&mut labels, "__name__", "up");
        put_series(&mut request, [&labels, b"", b""], &[(1_700_000_000_123, 1.5), (5, -0.0)]);
        // protoc --encode=prometheus.WriteRequest, given this as text.
        let expected = "0a2f0a0e0a085f5f6e616d655f5f12027570121009000000000000f83f10\
                        fbd095ffbc31120b0900000000000000801005";
        let hex: String = request.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expected);
    }

    #[test]
    fn the_length_of_a_number_is_that_which_is_written() {
        for value in (0..64).flat_map(|bit| [1_u64 << bit, (1_u64 << bit) - 1]).chain([u64::MAX]) {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(out.len(), varint_length(value), "{value}");
        }
    }
}
