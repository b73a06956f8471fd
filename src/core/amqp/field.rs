//! The fields that methods and properties are made of.

use crate::bytes::{Reader, Short, Writer};
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

/// The octets of a short string.
pub fn read_shortstr<'a>(r: &mut Reader<'a>) -> Result<&'a [u8], Short> {
    let length = r.u8()?;
    r.take(usize::from(length))
}

/// The octets of a long string (§4.2.5.3).
pub fn read_longstr<'a>(r: &mut Reader<'a>) -> Result<&'a [u8], Short> {
    let length = r.u32()?;
    r.take(length as usize)
}

/// A field table; its fields are not looked at yet.
pub fn read_table<'a>(r: &mut Reader<'a>) -> Result<Table<'a>, Short> {
    Ok(Table { fields: read_longstr(r)? })
}

/// A text up to its first octet that is not UTF-8.
pub fn utf8(octets: &[u8]) -> &str {
    octets.utf8_chunks().next().map_or("", |chunk| chunk.valid())
}

/// A field table as it is on the wire, a peer's or our own: an iterator of names and values (§4.2.5.5).
///
/// It ends before the first field that cannot be read. The types are those that RabbitMQ and its clients speak, which
/// differ from the specification's in `s` and `L`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Table<'a> {
    fields: &'a [u8],
}

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// `t`
    Bool(bool),
    /// `b`, `B`, `s`, `u`, `I`, `i`, `l`, `L`: integers of every width.
    Int(i64),
    /// `f`, `d`
    Double(f64),
    /// `T`: Unix seconds.
    Timestamp(u64),
    /// `S`, `x`: text or any octets.
    Octets(&'a [u8]),
    /// `F`
    Table(Table<'a>),
    /// `A`, `D`, `V`: arrays, decimals, nothing.
    Other,
}

impl<'a> Table<'a> {
    /// No fields.
    pub const EMPTY: Self = Self { fields: &[] };

    /// A table of these octets, which [`Table::octets`] gave.
    pub const fn new(fields: &'a [u8]) -> Self {
        Self { fields }
    }

    /// A table of these fields, in `memory`. A value that is [`Value::Other`] is nothing.
    ///
    /// # Errors
    /// [`Short`] where there is too little memory.
    pub fn encode<'f>(
        fields: impl IntoIterator<Item = (&'f str, Value<'f>)>,
        memory: &'a mut [u8],
    ) -> Result<Self, Short> {
        let mut w = Writer::new(memory);
        for (name, value) in fields {
            shortstr(&mut w, name);
            put_value(&mut w, &value);
        }
        let length = w.finish()?;
        Ok(Self { fields: memory.get(..length).unwrap_or(&[]) })
    }

    /// As it is on the wire, without its length.
    pub const fn octets(self) -> &'a [u8] {
        self.fields
    }

    /// Whether it has no fields.
    pub const fn is_empty(self) -> bool {
        self.fields.is_empty()
    }

    /// The value of the first field of that name.
    pub fn get(mut self, name: &str) -> Option<Value<'a>> {
        self.find(|(field, _)| *field == name).map(|(_, value)| value)
    }
}

impl<'a> Iterator for Table<'a> {
    type Item = (&'a str, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let mut r = Reader::new(core::mem::take(&mut self.fields));
        let name = utf8(read_shortstr(&mut r).ok()?);
        let value = value(&mut r).ok()??;
        self.fields = r.rest();
        Some((name, value))
    }
}

/// One value, of the type that its variant is. One that is [`Value::Other`] is nothing.
pub fn put_value(w: &mut Writer<'_>, value: &Value<'_>) {
    let long = |w: &mut Writer<'_>, kind: u8, octets: &[u8]| {
        w.u8(kind);
        let at = w.hold_u32();
        w.bytes(octets);
        w.fill_u32(at);
    };
    match value {
        Value::Bool(value) => w.bytes(&[b't', u8::from(*value)]),
        Value::Int(value) => {
            w.u8(b'l');
            w.bytes(&value.to_be_bytes());
        }
        Value::Double(value) => {
            w.u8(b'd');
            w.bytes(&value.to_be_bytes());
        }
        Value::Timestamp(seconds) => {
            w.u8(b'T');
            w.u64(*seconds);
        }
        Value::Octets(octets) => long(w, b'S', octets),
        Value::Table(table) => long(w, b'F', table.fields),
        Value::Other => w.u8(b'V'),
    }
}

/// One value; none of a type that is unknown, so that nobody knows where it ends.
fn value<'a>(r: &mut Reader<'a>) -> Result<Option<Value<'a>>, Short> {
    Ok(Some(match r.u8()? {
        b't' => Value::Bool(r.u8()? != 0),
        b'b' => Value::Int(i8::from_be_bytes(r.array()?).into()),
        b'B' => Value::Int(r.u8()?.into()),
        b's' => Value::Int(i16::from_be_bytes(r.array()?).into()),
        b'u' => Value::Int(r.u16()?.into()),
        b'I' => Value::Int(i32::from_be_bytes(r.array()?).into()),
        b'i' => Value::Int(r.u32()?.into()),
        b'l' | b'L' => Value::Int(i64::from_be_bytes(r.array()?)),
        b'f' => Value::Double(f32::from_be_bytes(r.array()?).into()),
        b'd' => Value::Double(f64::from_be_bytes(r.array()?)),
        b'T' => Value::Timestamp(r.u64()?),
        b'S' | b'x' => Value::Octets(read_longstr(r)?),
        b'F' => Value::Table(read_table(r)?),
        b'A' => {
            read_longstr(r)?;
            Value::Other
        }
        b'D' => {
            r.take(5)?;
            Value::Other
        }
        b'V' => Value::Other,
        _ => return Ok(None),
    }))
}
