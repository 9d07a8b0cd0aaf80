//! One HTTP response out of an archive: what reading hands to preparing.

use warcdl_actors::Meta;

/// A `response` record whose HTTP body is decoded (chunking and content codings undone).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// Provenance; charset, language, title and picture size are still empty.
    pub meta: Meta,
    /// Charset label of the HTTP `Content-Type`, as the server wrote it; empty if none.
    pub http_charset: String,
    /// The decoded body.
    pub body: Vec<u8>,
}
