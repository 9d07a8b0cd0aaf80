//! Layout of a RECORD frame, after its type byte:
//!
//! ```text
//! u32 part, u32 epoch, position at, progress,
//! string url, fetch_time, content_digest, content_mime_type, content_charset, content_languages, warc_record_id, title,
//! author, published,
//! u16 fetch_status, u64 warc_record_length, u32 image width, u32 image height,
//! u8 input kind: 0 none | 1 tokens: bytes (u32 ids) | 2 pixels: u32 height, u32 width, bytes (height·width·3),
//! bytes keep
//! ```
//!
//! A change of this layout raises [`super::RECORD_SCHEMA`].

use super::WireError;
use super::field::{Fields, prefixed, put_bytes};
use super::frame::RecordFrame;
use super::progress::{Progress, put_position, take_position};
use crate::message::{Input, Meta, Prepared};
use bytes::{BufMut, BytesMut};

impl RecordFrame {
    /// Bytes of the fields.
    pub fn encoded_len(&self) -> usize {
        let Prepared { meta, input, keep } = &self.prepared;
        let input_len = match input {
            Input::None => 0,
            Input::Tokens(data) => prefixed(data.len()),
            Input::Pixels { data, .. } => 8 + prefixed(data.len()),
        };
        let strings: usize = strings(meta).iter().map(|s| prefixed(s.len())).sum();
        4 + 4 + 12 + self.progress.encoded_len() + strings + 2 + 8 + 8 + 1 + input_len + prefixed(keep.len())
    }

    /// Appends the fields.
    pub fn encode(&self, out: &mut BytesMut) {
        let Prepared { meta, input, keep } = &self.prepared;
        out.put_u32_le(self.part);
        out.put_u32_le(self.epoch);
        put_position(out, self.at);
        self.progress.encode(out);
        strings(meta).iter().for_each(|s| put_bytes(out, s.as_bytes()));
        out.put_u16_le(meta.fetch_status);
        out.put_u64_le(meta.warc_record_length);
        out.put_u32_le(meta.image_size.0);
        out.put_u32_le(meta.image_size.1);
        match input {
            Input::None => out.put_u8(0),
            Input::Tokens(data) => {
                out.put_u8(1);
                put_bytes(out, data);
            }
            Input::Pixels { height, width, data } => {
                out.put_u8(2);
                out.put_u32_le(*height);
                out.put_u32_le(*width);
                put_bytes(out, data);
            }
        }
        put_bytes(out, keep);
    }

    /// Reads the fields. Sizes of the input are checked against each other.
    pub fn decode(f: &mut Fields) -> Result<RecordFrame, WireError> {
        let (part, epoch, at, progress) =
            (f.u32("part")?, f.u32("epoch")?, take_position(f, "at")?, Progress::decode(f)?);
        let meta = Meta {
            url: f.string("url")?,
            fetch_time: f.string("fetch time")?,
            content_digest: f.string("digest")?,
            content_mime_type: f.string("mime type")?,
            content_charset: f.string("charset")?,
            content_languages: f.string("languages")?,
            warc_record_id: f.string("record id")?,
            title: f.string("title")?,
            author: f.string("author")?,
            published: f.string("published")?,
            fetch_status: f.u16("status")?,
            warc_record_length: f.u64("record length")?,
            image_size: (f.u32("image width")?, f.u32("image height")?),
        };
        let input = match f.u8("input kind")? {
            0 => Input::None,
            1 => {
                let data = f.bytes("tokens")?;
                if data.len() % 4 != 0 {
                    return Err(f.bad("tokens", data.len() as u64));
                }
                Input::Tokens(data)
            }
            2 => {
                let (height, width, data) = (f.u32("height")?, f.u32("width")?, f.bytes("pixels")?);
                if u128::from(height) * u128::from(width) * 3 != data.len() as u128 {
                    return Err(f.bad("pixels", data.len() as u64));
                }
                Input::Pixels { height, width, data }
            }
            other => return Err(f.bad("input kind", other.into())),
        };
        let keep = f.bytes("keep")?;
        Ok(RecordFrame { part, epoch, at, progress, prepared: Prepared { meta, input, keep } })
    }
}

/// The strings of `meta` in the order of the layout.
fn strings(meta: &Meta) -> [&str; 10] {
    [
        &meta.url,
        &meta.fetch_time,
        &meta.content_digest,
        &meta.content_mime_type,
        &meta.content_charset,
        &meta.content_languages,
        &meta.warc_record_id,
        &meta.title,
        &meta.author,
        &meta.published,
    ]
}
