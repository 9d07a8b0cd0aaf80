//! The server's side of DIGEST-MD5.

use crate::Token;
use crate::proto::rpc::SaslAuth;
use crate::sasl::Challenge;
use crate::sasl::Qop;
use crate::sasl::digest_md5::{Session, name_and_password};
use crate::sasl::layer::{Cipher, DigestLayer, Role};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What a server offers: protections, and the ciphers by their names.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub(crate) protection: Vec<Qop>,
    pub(crate) ciphers: String,
}

/// One authentication.
pub(crate) struct DigestServer {
    offer: Offer,
    nonce: String,
}

/// What an authentication came to: who it is, the server's last word, and the layer.
pub(crate) struct Proved {
    pub(crate) identifier: Vec<u8>,
    pub(crate) last: String,
    pub(crate) layer: Option<DigestLayer>,
}

impl DigestServer {
    pub(crate) fn new(offer: Offer) -> DigestServer {
        let mut random = [0; 16];
        getrandom::fill(&mut random).expect("the system has random bytes");
        DigestServer { offer, nonce: STANDARD.encode(random) }
    }

    /// What is offered; the entry that comes back has no challenge.
    pub(crate) fn entry(&self) -> SaslAuth {
        SaslAuth {
            method: "TOKEN".into(),
            mechanism: "DIGEST-MD5".into(),
            protocol: Some(String::new()),
            server_id: Some("default".into()),
            challenge: Some(self.challenge().into_bytes()),
        }
    }

    pub(crate) fn challenge(&self) -> String {
        let qops: Vec<&str> = self.offer.protection.iter().map(|qop| qop.digest_name()).collect();
        let (nonce, qops) = (&self.nonce, qops.join(","));
        let mut text =
            format!("realm=\"default\",nonce=\"{nonce}\",qop=\"{qops}\",charset=utf-8,algorithm=md5-sess");
        if self.offer.protection.contains(&Qop::Privacy) {
            text.push_str(&format!(",cipher=\"{}\"", self.offer.ciphers));
        }
        text
    }

    /// Checks a response; `password` knows the password of an identifier.
    pub(crate) fn check(
        &self,
        response: &[u8],
        password: impl Fn(&[u8]) -> Option<Vec<u8>>,
    ) -> Result<Proved, String> {
        let response = Challenge::parse(response).map_err(|error| error.to_string())?;
        let get = |name: &'static str| response.require(name).map_err(|error| error.to_string());
        let identifier = STANDARD.decode(get("username")?).map_err(|error| error.to_string())?;
        let password = password(&identifier).ok_or("token can't be found in cache")?;
        let token = Token { identifier, password, ..Token::default() };
        let (user, password) = name_and_password(&token);
        let qop = Qop::from_digest_name(get("qop")?).ok_or("unknown protection")?;
        if !self.offer.protection.contains(&qop) || get("nonce")? != self.nonce {
            return Err("what was not offered".into());
        }
        let cipher = match (qop, response.get("cipher")) {
            (Qop::Privacy, Some(name)) => Some(Cipher::choose(name).map_err(|error| error.to_string())?),
            (Qop::Privacy, None) => return Err("no cipher".into()),
            _ => None,
        };
        let realm_user = (&*user, get("realm")?, &*password);
        let session = Session::new(realm_user, (&self.nonce, get("cnonce")?), get("digest-uri")?, qop);
        if get("digest-uri")? != "/default" || session.response() != get("response")? {
            return Err("DIGEST-MD5: digest response format violation. Mismatched response.".into());
        }
        let last = format!("rspauth={}", session.rspauth());
        Ok(Proved { identifier: token.identifier, last, layer: session.layer(Role::Server, cipher) })
    }
}
