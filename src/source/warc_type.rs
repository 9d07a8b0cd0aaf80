//! The types of records.

/// `WARC-Type` (ISO 28500, section 5.5), read in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WarcType {
    /// What a server answered.
    Response,
    /// What it was asked.
    Request,
    /// What the crawler notes of a capture.
    Metadata,
    /// A capture that was stored before.
    Revisit,
    /// A file without the protocol by which it came.
    Resource,
    /// A capture in another format.
    Conversion,
    /// A further piece of a record that was split.
    Continuation,
    /// What the archive tells of itself.
    Warcinfo,
    /// None of those of the standard, or none given.
    Other,
}

impl WarcType {
    /// Every type.
    pub const ALL: [WarcType; 9] = [
        WarcType::Response,
        WarcType::Request,
        WarcType::Metadata,
        WarcType::Revisit,
        WarcType::Resource,
        WarcType::Conversion,
        WarcType::Continuation,
        WarcType::Warcinfo,
        WarcType::Other,
    ];

    /// As the standard writes it; `other` is ours.
    pub const fn name(self) -> &'static str {
        match self {
            WarcType::Response => "response",
            WarcType::Request => "request",
            WarcType::Metadata => "metadata",
            WarcType::Revisit => "revisit",
            WarcType::Resource => "resource",
            WarcType::Conversion => "conversion",
            WarcType::Continuation => "continuation",
            WarcType::Warcinfo => "warcinfo",
            WarcType::Other => "other",
        }
    }

    /// The type that a header names.
    pub fn named(value: &[u8]) -> WarcType {
        let named = |of: &WarcType| of.name().as_bytes().eq_ignore_ascii_case(value);
        WarcType::ALL.into_iter().find(named).unwrap_or(WarcType::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::WarcType;

    #[test]
    fn types_are_known_by_their_names() {
        for of in WarcType::ALL {
            assert_eq!(WarcType::named(of.name().to_ascii_uppercase().as_bytes()), of);
        }
        for unknown in ["", "respons", "responses", "\u{1b}"] {
            assert_eq!(WarcType::named(unknown.as_bytes()), WarcType::Other, "{unknown:?}");
        }
    }
}
