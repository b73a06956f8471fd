//! The fields that methods and properties are written of.

use crate::bytes::Writer;
use crate::limits;
use crate::link::Write;

/// A short string (§4.2.5.3). The caller keeps texts within 255 bytes; one that is
/// longer is cut, because its length has one octet.
pub fn shortstr(w: &mut Writer<'_>, text: &str) {
    let mut length = text.len().min(limits::SHORTSTR);
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    w.u8(u8::try_from(length).unwrap_or(u8::MAX));
    w.bytes(text.as_bytes().get(..length).unwrap_or(&[]));
}

/// A field table (§4.2.5.5) with what `fields` writes.
pub fn table(w: &mut Writer<'_>, fields: Write<'_>) {
    let at = w.hold_u32();
    fields(w);
    w.fill_u32(at);
}

/// A table's field of type long string.
pub fn field_longstr(w: &mut Writer<'_>, name: &str, value: &[u8]) {
    shortstr(w, name);
    w.u8(b'S');
    let at = w.hold_u32();
    w.bytes(value);
    w.fill_u32(at);
}

/// A table's field of type boolean.
pub fn field_bool(w: &mut Writer<'_>, name: &str, value: bool) {
    shortstr(w, name);
    w.u8(b't');
    w.u8(u8::from(value));
}
