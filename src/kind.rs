//! What a pipeline looks for: texts or pictures.

use serde::{Deserialize, Serialize};

/// The kind of content that a run takes from the archives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Web pages.
    Text,
    /// Pictures.
    Image,
}

impl Kind {
    /// The MIME types that are taken where `record.content_types` is empty.
    pub const fn content_types(self) -> &'static [&'static str] {
        match self {
            Kind::Text => &["text/html", "application/xhtml+xml"],
            Kind::Image => &[
                "image/jpeg",
                "image/jpg",
                "image/pjpeg",
                "image/png",
                "image/x-png",
                "image/gif",
                "image/bmp",
                "image/x-ms-bmp",
                "image/webp",
            ],
        }
    }
}
