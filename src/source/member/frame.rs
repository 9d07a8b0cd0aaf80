//! Decoding of zstd frames (RFC 8878), one at a time and within bounded memory.

use std::io;

use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, ResetDirective, get_error_name};

use super::End;

pub(super) const MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// Length of the magic and the length of a skippable frame.
pub(super) const SKIPPABLE_HEADER: usize = 8;
/// Windows up to 128 MiB, as large as compressors make them unless they are forced.
pub(in super::super) const WINDOW_LOG_MAX: u32 = 27;
/// What the decoder asks for at the start of a frame.
const FIRST_HINT: usize = 5;
const BLOCK_HEADER: usize = 3;
/// `ZSTD_error_checksum_wrong`, pinned by the library's interface.
const CHECKSUM_WRONG: usize = 22;

/// Decodes frame after frame with one dictionary.
pub(super) struct Frames {
    context: DCtx<'static>,
    /// Stored bytes that the open frame wants next.
    hint: usize,
}

/// What one call decoded.
pub(super) struct Step {
    pub(super) taken: usize,
    pub(super) made: usize,
    pub(super) ended: Option<End>,
}

impl Frames {
    pub(super) fn new(dictionary: Option<&[u8]>) -> io::Result<Self> {
        let told = |code| io::Error::new(io::ErrorKind::InvalidData, get_error_name(code));
        let mut context = DCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
        context.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX)).map_err(told)?;
        if let Some(dictionary) = dictionary {
            // The library takes a broken dictionary for a lack of memory.
            context.load_dictionary(dictionary).map_err(|_| {
                io::Error::new(io::ErrorKind::InvalidData, "the archive's zstd dictionary is corrupt")
            })?;
        }
        Ok(Frames { context, hint: FIRST_HINT })
    }

    /// Starts a frame, whatever became of the one before.
    pub(super) fn open(&mut self) -> io::Result<()> {
        self.hint = FIRST_HINT;
        let reset = self.context.reset(ResetDirective::SessionOnly);
        reset.map(|_| ()).map_err(|code| io::Error::other(get_error_name(code)))
    }

    /// Decodes some of `stored`, of which at least one byte is there, into `target`.
    pub(super) fn decode(&mut self, stored: &[u8], target: &mut [u8]) -> Step {
        // A call that fails tells nothing of what it has made: each gets one block, without the header of the next one
        // that the hint includes, so that damage takes nothing from the blocks before it.
        let wanted = if self.hint > BLOCK_HEADER { self.hint - BLOCK_HEADER } else { self.hint };
        let mut input = InBuffer::around(&stored[..stored.len().min(wanted.max(1))]);
        let mut output = OutBuffer::around(target);
        let ended = match self.context.decompress_stream(&mut output, &mut input) {
            Ok(0) => Some(End::Whole),
            Ok(hint) => {
                self.hint = hint;
                None
            }
            Err(code) if code.wrapping_neg() == CHECKSUM_WRONG => Some(End::BadCrc),
            Err(_) => Some(End::Corrupt),
        };
        Step { taken: input.pos(), made: output.pos(), ended }
    }
}

/// Whether a skippable frame starts here.
pub(super) fn is_skippable(bytes: &[u8]) -> bool {
    matches!(bytes, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// Length of the skippable frame whose header starts `bytes`.
pub(super) fn skippable_len(bytes: &[u8]) -> u64 {
    let length = bytes.get(4..SKIPPABLE_HEADER).and_then(|length| length.try_into().ok());
    SKIPPABLE_HEADER as u64 + u64::from(length.map_or(0, u32::from_le_bytes))
}
