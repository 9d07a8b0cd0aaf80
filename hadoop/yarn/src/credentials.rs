//! Hadoop's file of credentials: tokens and secrets, each under a name.
//!
//! A file begins with `HDTS` and the number of a format: 0, in the words of Java's `Writable`, or 1, in protocol buffers.
//! ResourceManagers and NodeManagers write 0; both are read.

mod writable;

use crate::Token;
use crate::proto::rpc;
use prost::Message as _;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use writable::{Reader, Writer};

/// The variable that names the file of a container's credentials.
pub const TOKEN_FILE_VARIABLE: &str = "HADOOP_TOKEN_FILE_LOCATION";
/// What a file begins with.
const MAGIC: &[u8; 4] = b"HDTS";
/// Largest file that is read, in bytes. A token is a few hundred.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// Tokens and secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The tokens. The name of one is often the place where it is valid, and may be empty.
    pub tokens: BTreeMap<String, Token>,
    /// The secrets: bytes that are anybody's own.
    pub secrets: BTreeMap<String, Vec<u8>>,
}

/// Shows everything but the secrets.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.secrets.keys().collect();
        f.debug_struct("Credentials").field("tokens", &self.tokens).field("secrets", &names).finish()
    }
}

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// No file is named.
    #[error("{TOKEN_FILE_VARIABLE} names no file; YARN sets it in its containers")]
    Unset,
    /// The file cannot be read.
    #[error("cannot read the credentials in {path}: {source}")]
    Io {
        /// Where they should be.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// These are no credentials.
    #[error("no credentials of Hadoop: {0}")]
    Malformed(String),
}

impl Credentials {
    /// Those that YARN gave the container that this process runs in.
    pub fn from_env() -> Result<Credentials, CredentialsError> {
        let path = std::env::var_os(TOKEN_FILE_VARIABLE).ok_or(CredentialsError::Unset)?;
        Credentials::read(Path::new(&path))
    }

    /// Reads a file.
    pub fn read(path: &Path) -> Result<Credentials, CredentialsError> {
        use std::io::Read as _;
        let failed = |source| CredentialsError::Io { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(CredentialsError::Malformed(format!("{} is beyond 16 MiB", path.display())));
        }
        Credentials::from_bytes(&bytes)
    }

    /// Reads what a file holds, in either format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Credentials, CredentialsError> {
        let malformed = |what: &str| CredentialsError::Malformed(what.to_owned());
        let Some((magic, rest)) = bytes.split_first_chunk::<4>() else {
            return Err(malformed("shorter than its first word"));
        };
        if magic != MAGIC {
            return Err(malformed("does not begin with HDTS"));
        }
        match rest.split_first() {
            Some((0, rest)) => writable(rest).map_err(malformed),
            Some((1, rest)) => protobuf(rest).map_err(|what| malformed(&what)),
            Some((format, _)) => Err(malformed(&format!("the format {format}; there are 0 and 1"))),
            None => Err(malformed("ends after its first word")),
        }
    }

    /// Writes them in format 0, which every version of Hadoop reads.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.raw(MAGIC);
        out.raw(&[0]);
        out.number(self.tokens.len() as i64);
        for (alias, token) in &self.tokens {
            out.bytes(alias.as_bytes());
            out.bytes(&token.identifier);
            out.bytes(&token.password);
            out.bytes(token.kind.as_bytes());
            out.bytes(token.service.as_bytes());
        }
        out.number(self.secrets.len() as i64);
        for (alias, secret) in &self.secrets {
            out.bytes(alias.as_bytes());
            out.bytes(secret);
        }
        out.finish()
    }

    /// Writes them in format 1, as Hadoop 3 may.
    pub fn to_protobuf(&self) -> Vec<u8> {
        let token = |(alias, token): (&String, &Token)| rpc::CredentialsKv {
            alias: alias.clone(),
            token: Some(token.clone().into()),
            secret: None,
        };
        let secret = |(alias, secret): (&String, &Vec<u8>)| rpc::CredentialsKv {
            alias: alias.clone(),
            token: None,
            secret: Some(secret.clone()),
        };
        let message = rpc::Credentials {
            tokens: self.tokens.iter().map(token).collect(),
            secrets: self.secrets.iter().map(secret).collect(),
        };
        [MAGIC, &[1][..], &message.encode_length_delimited_to_vec()].concat()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty() && self.secrets.is_empty()
    }

    /// The first token of a kind.
    pub fn token(&self, kind: &str) -> Option<&Token> {
        self.tokens.values().find(|token| token.kind == kind)
    }

    /// Without tokens of a kind. The token of an application's master must not reach its other containers.
    pub fn without(mut self, kind: &str) -> Credentials {
        self.tokens.retain(|_, token| token.kind != kind);
        self
    }
}

fn writable(bytes: &[u8]) -> Result<Credentials, &'static str> {
    let mut reader = Reader::new(bytes);
    let mut found = Credentials::default();
    for _ in 0..reader.count()? {
        let alias = reader.text()?;
        let token = Token {
            identifier: reader.bytes()?.to_vec(),
            password: reader.bytes()?.to_vec(),
            kind: reader.text()?,
            service: reader.text()?,
        };
        found.tokens.insert(alias, token);
    }
    for _ in 0..reader.count()? {
        let alias = reader.text()?;
        found.secrets.insert(alias, reader.bytes()?.to_vec());
    }
    // What follows is ignored, as Java does: a later version may add to it.
    Ok(found)
}

fn protobuf(bytes: &[u8]) -> Result<Credentials, String> {
    let message = rpc::Credentials::decode_length_delimited(bytes).map_err(|error| error.to_string())?;
    let mut found = Credentials::default();
    for entry in message.tokens {
        let token = entry.token.ok_or_else(|| format!("no token under {:?}", entry.alias))?;
        found.tokens.insert(entry.alias, token.into());
    }
    for entry in message.secrets {
        let secret = entry.secret.ok_or_else(|| format!("no secret under {:?}", entry.alias))?;
        found.secrets.insert(entry.alias, secret);
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
