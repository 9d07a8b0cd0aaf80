//! One capture out of an archive: what reading hands to preparing.

use warcdl_actors::Meta;

/// MIME type of texts that are taken as they are.
pub const PLAIN_TEXT: &str = "text/plain";

/// A record whose HTTP body, or file, is decoded (chunking and content codings undone).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// Provenance; charset, language, title and picture size are still empty.
    pub meta: Meta,
    /// Charset label of the HTTP `Content-Type`, as the server wrote it; empty if none.
    pub http_charset: String,
    /// The decoded body.
    pub body: Vec<u8>,
}
