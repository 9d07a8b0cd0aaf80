//! The directives of DIGEST-MD5: `name=value` or `name="value"`, separated by commas.

use super::{Qop, SaslError};

/// Most bytes of a message of DIGEST-MD5, as RFC 2831 has it.
const LIMIT: usize = 4096;

/// The directives of one message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Challenge(Vec<(String, String)>);

impl Challenge {
    /// Reads directives; a backslash in a quoted value takes the next character as it is.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Challenge, SaslError> {
        if bytes.len() > LIMIT {
            return Err(SaslError::Malformed("a message of DIGEST-MD5 beyond 4096 bytes"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| SaslError::Malformed("bytes that are no text"))?;
        let mut found: Vec<(String, String)> = Vec::new();
        let mut rest = text.trim_start_matches([' ', '\t', '\r', '\n', ',']);
        while !rest.is_empty() {
            let (name, after) = rest.split_once('=').ok_or(SaslError::Malformed("a directive without ="))?;
            let name = name.trim().to_ascii_lowercase();
            let (value, after) = value(after.trim_start())?;
            if found.iter().any(|(other, _)| *other == name) && name != "realm" {
                return Err(SaslError::Malformed("a directive twice"));
            }
            found.push((name, value));
            let after = after.trim_start();
            if !after.is_empty() && !after.starts_with(',') {
                return Err(SaslError::Malformed("no comma after a directive"));
            }
            rest = after.trim_start_matches([' ', '\t', '\r', '\n', ',']);
        }
        Ok(Challenge(found))
    }

    /// The value of a directive; the first where there are several realms.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| &**value)
    }

    /// The value of a directive that must be there.
    pub(crate) fn require(&self, name: &'static str) -> Result<&str, SaslError> {
        self.get(name).ok_or(SaslError::Lacks(name))
    }

    /// What the server offers to protect; one that says nothing offers authentication alone.
    pub(crate) fn qops(&self) -> Vec<Qop> {
        let offered = self.get("qop").unwrap_or("auth").split(',');
        offered.filter_map(|name| Qop::from_digest_name(name.trim())).collect()
    }

    /// Refuses all algorithms but the one that there is.
    pub(crate) fn expect_algorithm(&self) -> Result<(), SaslError> {
        match self.require("algorithm")? {
            "md5-sess" => Ok(()),
            other => Err(SaslError::Algorithm(other.to_owned())),
        }
    }
}

/// A value, and what follows it.
fn value(text: &str) -> Result<(String, &str), SaslError> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return Ok((text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &quoted[at + 1..])),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    Err(SaslError::Malformed("a quotation mark that is not closed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_read() {
        let read =
            Challenge::parse(br#" realm="a\"b", ,nonce = "x,y=z" ,qop="auth, auth-int",charset=utf-8"#);
        let read = read.unwrap();
        assert_eq!(read.get("realm"), Some("a\"b"));
        assert_eq!(read.get("nonce"), Some("x,y=z"));
        assert_eq!(read.get("charset"), Some("utf-8"));
        assert_eq!(read.qops(), [Qop::Auth, Qop::Integrity]);
        assert_eq!(Challenge::parse(b""), Ok(Challenge(Vec::new())));
    }

    #[test]
    fn malformed_directives_are_refused() {
        for text in ["a", "a=\"b", "a=\"b\"c=d", "nonce=a,nonce=b", "a=\"\\"] {
            assert!(matches!(Challenge::parse(text.as_bytes()), Err(SaslError::Malformed(_))), "{text}");
        }
        assert!(Challenge::parse(&[b'a'; LIMIT + 1]).is_err());
        assert!(Challenge::parse(b"a=\xff").is_err());
    }
}
