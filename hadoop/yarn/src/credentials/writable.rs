//! Numbers and texts as Java's `Writable` has them.
//!
//! A number from -112 to 127 is one byte. Otherwise the first byte says how many follow, big end first: -113 to -120 one to
//! eight of a positive number, -121 to -128 one to eight of the complement of a negative one.

/// Reads from bytes; every length is checked against what is left.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or("cut off")?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn number(&mut self) -> Result<i64, &'static str> {
        let first = self.take(1)?[0] as i8;
        let (len, negative) = match first {
            -112.. => return Ok(first.into()),
            -120..=-113 => ((-112 - i32::from(first)) as usize, false),
            _ => ((-120 - i32::from(first)) as usize, true),
        };
        let value = self.take(len)?.iter().fold(0u64, |value, &byte| value << 8 | u64::from(byte)) as i64;
        Ok(if negative { !value } else { value })
    }

    /// How many entries follow. Each is a byte at least.
    pub(super) fn count(&mut self) -> Result<usize, &'static str> {
        let count = usize::try_from(self.number()?).map_err(|_| "a negative count")?;
        if count > self.0.len() { Err("more entries than there are bytes") } else { Ok(count) }
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], &'static str> {
        let len = usize::try_from(self.number()?).map_err(|_| "a negative length")?;
        self.take(len)
    }

    pub(super) fn text(&mut self) -> Result<String, &'static str> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| "a text that is not UTF-8")
    }
}

/// Writes to bytes.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn number(&mut self, value: i64) {
        if let -112..=127 = value {
            self.0.push(value as u8);
            return;
        }
        let (magnitude, first) = if value < 0 { (!value as u64, -120) } else { (value as u64, -112) };
        let len = (8 - magnitude.leading_zeros() as usize / 8).max(1);
        self.0.push((first - len as i32) as u8);
        self.raw(&magnitude.to_be_bytes()[8 - len..]);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as i64);
        self.raw(bytes);
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_the_known_bytes() {
        fn check(value: i64, bytes: &[u8]) {
            let mut writer = Writer::default();
            writer.number(value);
            assert_eq!(writer.finish(), bytes, "{value}");
            assert_eq!(Reader::new(bytes).number(), Ok(value));
        }
        check(0, &[0]);
        check(127, &[0x7f]);
        check(-112, &[0x90]);
        check(128, &[0x8f, 0x80]);
        check(300, &[0x8e, 0x01, 0x2c]);
        check(-113, &[0x87, 0x70]);
        check(i64::MAX, &[0x88, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        check(i64::MIN, &[0x80, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    }

    proptest! {
        #[test]
        fn numbers_come_back(value: i64) {
            let mut writer = Writer::default();
            writer.number(value);
            prop_assert_eq!(Reader::new(&writer.finish()).number(), Ok(value));
        }
    }
}
