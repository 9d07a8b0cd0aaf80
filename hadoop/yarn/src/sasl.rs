//! SASL, as Hadoop's servers speak it: DIGEST-MD5 for tokens, and GSSAPI for Kerberos behind the feature `kerberos`.

mod challenge;
pub(crate) mod digest_md5;
#[cfg(feature = "kerberos")]
pub(crate) mod gssapi;
pub(crate) mod layer;
mod rc4;

#[cfg(feature = "fake")]
pub(crate) use challenge::Challenge;

use std::fmt;
use std::str::FromStr;

/// What a connection protects, in the words of `hadoop.rpc.protection`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Qop {
    /// `authentication`: who speaks. Nothing after that is protected.
    Auth,
    /// `integrity`: and that nobody changes what is said.
    Integrity,
    /// `privacy`: and that nobody else reads it.
    Privacy,
}

impl Qop {
    /// Its name in DIGEST-MD5.
    pub(crate) fn digest_name(self) -> &'static str {
        match self {
            Qop::Auth => "auth",
            Qop::Integrity => "auth-int",
            Qop::Privacy => "auth-conf",
        }
    }

    pub(crate) fn from_digest_name(name: &str) -> Option<Qop> {
        [Qop::Auth, Qop::Integrity, Qop::Privacy].into_iter().find(|qop| qop.digest_name() == name)
    }
}

impl FromStr for Qop {
    type Err = ();

    /// Reads a word of `hadoop.rpc.protection`, in whatever case.
    fn from_str(word: &str) -> Result<Qop, ()> {
        match &*word.to_ascii_lowercase() {
            "authentication" => Ok(Qop::Auth),
            "integrity" => Ok(Qop::Integrity),
            "privacy" => Ok(Qop::Privacy),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Qop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Qop::Auth => "authentication",
            Qop::Integrity => "integrity",
            Qop::Privacy => "privacy",
        })
    }
}

/// Why an authentication failed on our side. What a server refuses comes as a
/// [`RemoteException`](crate::rpc::RemoteException).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SaslError {
    /// The server's message is not what the mechanism has.
    #[error("the server sent {0}")]
    Malformed(&'static str),
    /// A directive is missing.
    #[error("the server's challenge lacks {0:?}")]
    Lacks(&'static str),
    /// The server wants another algorithm.
    #[error("the server wants the algorithm {0:?} of DIGEST-MD5; there is md5-sess")]
    Algorithm(String),
    /// The server offers no protection that we may use.
    #[error("the server offers the protection {offered:?}, and hadoop.rpc.protection allows {}", list(.allowed))]
    NoQop {
        /// What it offers, in its words.
        offered: String,
        /// What is allowed.
        allowed: Vec<Qop>,
    },
    /// The server offers no cipher that we take.
    #[error("the server offers the ciphers {offered:?}; there are 3des and rc4")]
    NoCipher {
        /// What it offers.
        offered: String,
    },
    /// The server did not show that it knows the password.
    #[error("the server did not prove that it knows the token's password")]
    Unproved,
    /// The server says that all is well before it asked anything.
    #[error("the server ended the authentication before it began")]
    Early,
    /// A message was changed on its way, or encrypted with another key.
    #[error("a message was changed on its way")]
    Tampered,
    /// The server offers nothing that we have the means for.
    #[error("the server offers {offered}, and there is {have}")]
    NoMethod {
        /// What it offers.
        offered: String,
        /// What we have.
        have: String,
    },
    /// Security is on, and the server would do without.
    #[error(
        "security is on and the server has it off; set ipc.client.fallback-to-simple-auth-allowed to talk to it"
    )]
    Fallback,
    /// The server is not the one that the configuration names.
    #[error("the server calls itself {offered}, and {key} names {expected}{}", host_cure(.expected, .key))]
    Principal {
        /// What the server calls itself.
        offered: String,
        /// What it should be.
        expected: String,
        /// The key that says so.
        key: String,
    },
    /// There is no randomness to be had.
    #[error("no random bytes: {0}")]
    Random(String),
    /// Nothing to authenticate with.
    #[error("kerberos: there is no ticket; get one by kinit, or name a keytab in KRB5_CLIENT_KTNAME: {0}")]
    NoTicket(String),
    /// The ticket is of no use any more.
    #[error("kerberos: the ticket has expired; get a new one by kinit: {0}")]
    Expired(String),
    /// GSSAPI says no for another reason, such as a server that the realm does not know.
    #[error("kerberos: {0}; look at klist, and at the realm in yarn.resourcemanager.principal")]
    Gssapi(String),
}

/// Hadoop's own clients ask DNS what a host is called in full. A name that came over a network without proof is none to trust a
/// server by, so the name that is configured is taken here.
fn host_cure(expected: &str, key: &str) -> String {
    if !expected.contains("_HOST") {
        return String::new();
    }
    format!(
        "; _HOST is the host as yarn.resourcemanager.hostname or .address names it: set it to its full name, or {key}.pattern"
    )
}

fn list(qops: &[Qop]) -> String {
    qops.iter().map(Qop::to_string).collect::<Vec<_>>().join(", ")
}

/// One mechanism, in the middle of an authentication.
pub(crate) enum Mechanism {
    Digest(digest_md5::DigestClient),
    #[cfg(feature = "kerberos")]
    Gssapi(gssapi::GssapiClient),
}

impl Mechanism {
    /// What is said first, to the challenge that came with the offer, if one did. A mechanism that speaks first does so
    /// without one; DIGEST-MD5 waits for it.
    pub(crate) async fn begin(&mut self, challenge: Option<&[u8]>) -> Result<Option<Vec<u8>>, SaslError> {
        if let (Mechanism::Digest(_), None) = (&*self, challenge) {
            return Ok(None);
        }
        self.step(challenge.unwrap_or_default()).await.map(Some)
    }

    /// Answers a challenge.
    pub(crate) async fn step(&mut self, challenge: &[u8]) -> Result<Vec<u8>, SaslError> {
        match self {
            Mechanism::Digest(client) => client.step(challenge),
            #[cfg(feature = "kerberos")]
            Mechanism::Gssapi(client) => client.step(challenge).await,
        }
    }

    /// Ends the authentication by the server's last word, and gives the layer that follows.
    pub(crate) fn finish(self, last: Option<&[u8]>) -> Result<Option<Layer>, SaslError> {
        match self {
            Mechanism::Digest(client) => Ok(client.finish(last)?.map(Layer::Digest)),
            #[cfg(feature = "kerberos")]
            Mechanism::Gssapi(client) => Ok(client.finish()?.map(Layer::Gssapi)),
        }
    }
}

/// What wraps messages after an authentication.
pub(crate) enum Layer {
    Digest(layer::DigestLayer),
    #[cfg(feature = "kerberos")]
    Gssapi(gssapi::GssapiLayer),
}

impl Layer {
    /// Most bytes that go into one wrapped message: a server's buffer is at least 65,536 bytes, wrapping included.
    pub(crate) const MAX_WRAPPED: usize = 60_000;

    pub(crate) fn wrap(&mut self, message: &[u8]) -> Result<Vec<u8>, SaslError> {
        match self {
            Layer::Digest(layer) => Ok(layer.wrap(message)),
            #[cfg(feature = "kerberos")]
            Layer::Gssapi(layer) => layer.wrap(message),
        }
    }

    pub(crate) fn unwrap(&mut self, wrapped: &[u8]) -> Result<Vec<u8>, SaslError> {
        match self {
            Layer::Digest(layer) => layer.unwrap(wrapped),
            #[cfg(feature = "kerberos")]
            Layer::Gssapi(layer) => layer.unwrap(wrapped),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_is_named_in_short_is_told_with_its_cure() {
        let says = |expected: &str| {
            let key = "yarn.resourcemanager.principal".to_owned();
            SaslError::Principal { offered: "rm/rm1.example.org".into(), expected: expected.into(), key }
                .to_string()
        };
        let in_short = says("rm/_HOST@EXAMPLE.ORG");
        for part in ["rm/rm1.example.org", "yarn.resourcemanager.hostname", "principal.pattern"] {
            assert!(in_short.contains(part), "{in_short}");
        }
        assert!(says("rm/other@EXAMPLE.ORG").ends_with("names rm/other@EXAMPLE.ORG"));
    }
}
