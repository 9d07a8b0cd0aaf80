//! DIGEST-MD5 (RFC 2831, `md5-sess`) as Hadoop's servers speak it: one realm, one nonce, no later authentication.
//!
//! The user's name is the base64 of a token's identifier and the password the base64 of its password. The digest's URI is
//! `protocol/server`, and Hadoop offers tokens with an empty protocol and the server "default".

use super::layer::{Cipher, DigestLayer, Role};
use super::{Qop, SaslError, challenge::Challenge};
use crate::Token;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::digest::Digest;
use md5::Md5;

/// Longest buffer that we say we take, in bytes. Servers of Hadoop wrap a whole response at once, whatever we say.
const MAXBUF: u32 = 65_536;

/// What both sides know once the nonces are exchanged.
#[derive(Clone)]
pub(crate) struct Session {
    h_a1: [u8; 16],
    nonce: String,
    cnonce: String,
    uri: String,
    qop: Qop,
}

impl Session {
    /// The session of a user in a realm.
    pub(crate) fn new(
        (user, realm, password): (&str, &str, &str),
        (nonce, cnonce): (&str, &str),
        uri: &str,
        qop: Qop,
    ) -> Session {
        let secret = md5(&[user.as_bytes(), b":", realm.as_bytes(), b":", password.as_bytes()]);
        let h_a1 = md5(&[&secret, b":", nonce.as_bytes(), b":", cnonce.as_bytes()]);
        Session { h_a1, nonce: nonce.to_owned(), cnonce: cnonce.to_owned(), uri: uri.to_owned(), qop }
    }

    /// What the client proves the password with.
    pub(crate) fn response(&self) -> String {
        self.proof("AUTHENTICATE")
    }

    /// What the server proves with that it knows the password too.
    pub(crate) fn rspauth(&self) -> String {
        self.proof("")
    }

    fn proof(&self, method: &str) -> String {
        let body = if self.qop == Qop::Auth { "" } else { ":00000000000000000000000000000000" };
        let a2 = md5(&[method.as_bytes(), b":", self.uri.as_bytes(), body.as_bytes()]);
        let middle = format!(":{}:00000001:{}:{}:", self.nonce, self.cnonce, self.qop.digest_name());
        hex(&md5(&[hex(&self.h_a1).as_bytes(), middle.as_bytes(), hex(&a2).as_bytes()]))
    }

    /// The layer that follows; none where nothing is signed.
    pub(crate) fn layer(&self, role: Role, cipher: Option<Cipher>) -> Option<DigestLayer> {
        match (self.qop, cipher) {
            (Qop::Auth, _) => None,
            (Qop::Integrity, _) => Some(DigestLayer::new(&self.h_a1, role, None)),
            (Qop::Privacy, cipher) => Some(DigestLayer::new(&self.h_a1, role, cipher)),
        }
    }
}

/// The name and the password that a token stands for.
pub(crate) fn name_and_password(token: &Token) -> (String, String) {
    (STANDARD.encode(&token.identifier), STANDARD.encode(&token.password))
}

/// The client's side of one authentication.
pub(crate) struct DigestClient {
    user: String,
    password: String,
    uri: String,
    allowed: Vec<Qop>,
    cnonce: String,
    answered: Option<(Session, Option<Cipher>)>,
    verified: bool,
}

impl DigestClient {
    /// For a token, and the protocol and server that the offer names. The first of `allowed` that the server offers too
    /// is taken.
    pub(crate) fn new(
        token: &Token,
        protocol: &str,
        server: &str,
        allowed: &[Qop],
    ) -> Result<DigestClient, SaslError> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| SaslError::Random(error.to_string()))?;
        Ok(DigestClient::with_cnonce(
            token,
            &format!("{protocol}/{server}"),
            allowed,
            STANDARD.encode(random),
        ))
    }

    fn with_cnonce(token: &Token, uri: &str, allowed: &[Qop], cnonce: String) -> DigestClient {
        let (user, password) = name_and_password(token);
        DigestClient {
            user,
            password,
            uri: uri.to_owned(),
            allowed: allowed.to_vec(),
            cnonce,
            answered: None,
            verified: false,
        }
    }

    /// Answers a challenge: the first with a response, the second, which the server proves itself with, with nothing.
    pub(crate) fn step(&mut self, challenge: &[u8]) -> Result<Vec<u8>, SaslError> {
        let challenge = Challenge::parse(challenge)?;
        if let Some((session, _)) = &self.answered {
            check_rspauth(session, &challenge)?;
            self.verified = true;
            return Ok(Vec::new());
        }
        challenge.expect_algorithm()?;
        let offered = challenge.qops();
        let qop = *self.allowed.iter().find(|qop| offered.contains(qop)).ok_or_else(|| SaslError::NoQop {
            offered: challenge.get("qop").unwrap_or("auth").to_owned(),
            allowed: self.allowed.clone(),
        })?;
        let cipher = match qop {
            Qop::Privacy => Some(Cipher::choose(challenge.get("cipher").unwrap_or_default())?),
            _ => None,
        };
        let realm = challenge.get("realm").unwrap_or_default();
        let nonce = challenge.require("nonce")?;
        for text in [realm, nonce] {
            if text.contains(['"', '\\']) {
                return Err(SaslError::Malformed("a quotation mark in the realm or the nonce"));
            }
        }
        let session =
            Session::new((&self.user, realm, &self.password), (nonce, &self.cnonce), &self.uri, qop);
        let mut reply = format!(
            "charset=utf-8,username=\"{}\",realm=\"{realm}\",nonce=\"{nonce}\",nc=00000001,cnonce=\"{}\",digest-uri=\"{}\",\
             maxbuf={MAXBUF},response={},qop={}",
            self.user,
            self.cnonce,
            self.uri,
            session.response(),
            qop.digest_name(),
        );
        if let Some(cipher) = cipher {
            reply.push_str(",cipher=");
            reply.push_str(cipher.name());
        }
        self.answered = Some((session, cipher));
        Ok(reply.into_bytes())
    }

    /// Ends the authentication, by the server's last word; refuses a server that did not prove itself.
    pub(crate) fn finish(mut self, last: Option<&[u8]>) -> Result<Option<DigestLayer>, SaslError> {
        let (session, cipher) = self.answered.take().ok_or(SaslError::Early)?;
        if !self.verified {
            check_rspauth(&session, &Challenge::parse(last.ok_or(SaslError::Unproved)?)?)?;
        }
        Ok(session.layer(Role::Client, cipher))
    }
}

fn check_rspauth(session: &Session, last: &Challenge) -> Result<(), SaslError> {
    // A server that lies learns nothing by how long this takes: its guess is worth one try.
    if last.require("rspauth")? == session.rspauth() { Ok(()) } else { Err(SaslError::Unproved) }
}

/// MD5 of parts, one after another.
pub(crate) fn md5(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Md5::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: &str = r#"realm="default",nonce="AAAAAAAAAAAAAAAAAAAAAA==",qop="auth,auth-int,auth-conf",charset=utf-8,algorithm=md5-sess,cipher="3des,rc4,des,rc4-56,rc4-40""#;

    fn token() -> Token {
        Token {
            identifier: b"\x0a\x0d\x0a\x09\x08\x07\x10\x80\xd0\x95\xff\xbc\x31\x10\x01\x10\xb9\x60".to_vec(),
            password: (0..20).collect(),
            ..Token::default()
        }
    }

    fn client(qop: Qop) -> DigestClient {
        DigestClient::with_cnonce(&token(), "/default", &[qop], "BBBBBBBBBBBBBBBBBBBBBB==".into())
    }

    /// Vectors made with the JDK's implementation and with a second one.
    #[test]
    fn responses_are_the_known_ones() {
        fn check(qop: Qop, response: &str, rspauth: &str, end: &str) {
            let mut client = client(qop);
            let reply = String::from_utf8(client.step(CHALLENGE.as_bytes()).unwrap()).unwrap();
            assert!(reply.contains(&format!("response={response},")), "{reply}");
            assert!(reply.ends_with(end), "{reply}");
            let layer = client.finish(Some(format!("rspauth={rspauth}").as_bytes())).unwrap();
            assert_eq!(layer.is_some(), qop != Qop::Auth);
        }
        check(Qop::Auth, "40a2f2c2c8d8d917d097bc52e81f2aab", "e0aa59cbd29b98c44eae8f103c03eceb", "qop=auth");
        check(
            Qop::Integrity,
            "2ee040cc5d0efd4be1c2786a5ce2d1d4",
            "6b16474085cd64f82a6199d9bef2cb54",
            "qop=auth-int",
        );
        check(
            Qop::Privacy,
            "c11b8d9ad42707ec8d5b83e0121a2c7e",
            "1d3c0249d01fc34aab4695f6743095ff",
            "qop=auth-conf,cipher=3des",
        );
    }

    #[test]
    fn layers_wrap_as_known() {
        fn wrapped(qop: Qop) -> String {
            let mut client = client(qop);
            client.step(CHALLENGE.as_bytes()).unwrap();
            let (session, cipher) = client.answered.take().unwrap();
            assert_eq!(hex(&session.h_a1), "d1f056b504d8dc7d2862122dcfb0fd17");
            hex(&session.layer(Role::Client, cipher).unwrap().wrap(b"abc"))
        }
        assert_eq!(wrapped(Qop::Integrity), "616263985f0ff15aeb06d5e00a000100000000");
        assert_eq!(wrapped(Qop::Privacy), "92a0605f08fd90700fe3c3903ac91ae6000100000000");
    }

    #[test]
    fn a_server_that_does_not_prove_itself_is_refused() {
        let mut first = client(Qop::Auth);
        first.step(CHALLENGE.as_bytes()).unwrap();
        let lie = format!("rspauth={}", "0".repeat(32));
        assert!(matches!(first.finish(Some(lie.as_bytes())), Err(SaslError::Unproved)));
        let mut second = client(Qop::Auth);
        second.step(CHALLENGE.as_bytes()).unwrap();
        assert!(matches!(second.finish(None), Err(SaslError::Unproved)));
        assert!(matches!(client(Qop::Auth).finish(None), Err(SaslError::Early)));
    }

    #[test]
    fn challenges_that_cannot_be_met_are_refused() {
        fn check(challenge: &str, qop: Qop) -> SaslError {
            client(qop).step(challenge.as_bytes()).unwrap_err()
        }
        assert!(matches!(
            check(r#"nonce="a",qop="auth",algorithm=md5-sess"#, Qop::Privacy),
            SaslError::NoQop { .. }
        ));
        assert!(matches!(check(r#"nonce="a",algorithm=md5-sess"#, Qop::Integrity), SaslError::NoQop { .. }));
        assert!(matches!(
            check(r#"nonce="a",qop="auth-conf",algorithm=md5-sess,cipher="des""#, Qop::Privacy),
            SaslError::NoCipher { .. }
        ));
        assert!(matches!(check(r#"qop="auth",algorithm=md5-sess"#, Qop::Auth), SaslError::Lacks("nonce")));
        assert!(matches!(check(r#"nonce="a",algorithm=md5"#, Qop::Auth), SaslError::Algorithm(_)));
        assert!(matches!(check("nonce=\"a", Qop::Auth), SaslError::Malformed(_)));
    }
}
