//! The beginning of a connection: the preamble, authentication, and who calls what.

use super::frame::{self, Gathering, MAX_HANDSHAKE, NoFrame, sasl_state, status};
use super::{Login, Options, RemoteException, RpcError};
use crate::proto::rpc::{IpcConnectionContext, RpcSasl, SaslAuth, UserInformation};
use crate::sasl::digest_md5::DigestClient;
#[cfg(feature = "kerberos")]
use crate::sasl::gssapi::GssapiClient;
use crate::sasl::{Layer, Mechanism};
use crate::{Address, SaslError};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

/// Most steps of one authentication; Kerberos takes four.
const MAX_STEPS: usize = 16;

/// What a handshake agreed on.
pub(super) struct Agreed {
    /// What wraps everything that follows; none where it goes as it is.
    pub(super) layer: Option<Layer>,
    /// Bytes that came already.
    pub(super) gathering: Gathering,
    /// Whether the server believes the name that the context says.
    believes: bool,
}

/// Who speaks to whom, and how.
pub(super) struct Handshake<'a, Io> {
    pub(super) io: &'a mut Io,
    pub(super) address: &'a Address,
    pub(super) login: &'a Login,
    pub(super) options: &'a Options,
    pub(super) gathering: Gathering,
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Handshake<'_, Io> {
    /// Authenticates. The context is the first frame that goes through the layer, and is the caller's to send.
    pub(super) async fn run(mut self) -> Result<Agreed, RpcError> {
        let secure = self.login.is_secure();
        let mut first = frame::PREAMBLE.to_vec();
        first.push(if secure { frame::AUTH_SASL } else { frame::AUTH_NONE });
        if secure {
            let negotiate = RpcSasl { state: sasl_state::NEGOTIATE, ..RpcSasl::default() };
            first.extend(frame::sasl(&negotiate));
        }
        self.send(&first).await?;
        let proved = if secure { self.authenticate().await? } else { None };
        let believes = proved.is_none();
        Ok(Agreed { layer: proved.flatten(), gathering: self.gathering, believes })
    }

    /// The layer that was agreed on; the outer `None` where nothing was proved.
    async fn authenticate(&mut self) -> Result<Option<Option<Layer>>, RpcError> {
        let offer = self.receive().await?;
        if offer.state == sasl_state::SUCCESS {
            self.without_security()?;
            return Ok(None);
        }
        if offer.state != sasl_state::NEGOTIATE {
            return Err(self.malformed(format!("the state {} of SASL instead of an offer", offer.state)));
        }
        let Some((mut chosen, mut mechanism)) = self.choose(&offer.auths)? else {
            self.simple(offer.auths).await?;
            return Ok(None);
        };
        // The server compares the entry with its own, which has no challenge by then.
        let challenge = chosen.challenge.take();
        let token = self.sasl(mechanism.begin(challenge.as_deref()).await)?;
        let initiate =
            RpcSasl { state: sasl_state::INITIATE, token, auths: vec![chosen], ..RpcSasl::default() };
        self.send(&frame::sasl(&initiate)).await?;
        for _ in 0..MAX_STEPS {
            let message = self.receive().await?;
            match message.state {
                sasl_state::CHALLENGE => {
                    let answer = mechanism.step(message.token.as_deref().unwrap_or_default()).await;
                    let token = Some(self.sasl(answer)?);
                    let response = RpcSasl { state: sasl_state::RESPONSE, token, ..RpcSasl::default() };
                    self.send(&frame::sasl(&response)).await?;
                }
                sasl_state::SUCCESS => {
                    return self.sasl(mechanism.finish(message.token.as_deref())).map(Some);
                }
                state => return Err(self.malformed(format!("the unexpected state {state} of SASL"))),
            }
        }
        Err(self.malformed(format!("more than {MAX_STEPS} steps of SASL")))
    }

    /// The server has security off, or is ready to do without.
    fn without_security(&self) -> Result<(), RpcError> {
        match self.login {
            Login::Kerberos { fallback: false, .. } => Err(self.sasl_error(SaslError::Fallback)),
            // Whoever has a token for it has the token's password, and protection comes with the proof.
            Login::Token(_) => Err(self.sasl_error(SaslError::Unproved)),
            Login::Kerberos { .. } | Login::Simple { .. } => Ok(()),
        }
    }

    /// Takes the server's offer to believe a name.
    async fn simple(&mut self, auths: Vec<SaslAuth>) -> Result<(), RpcError> {
        self.without_security()?;
        let auths = auths.into_iter().filter(|auth| auth.method == "SIMPLE").take(1).collect();
        let initiate = RpcSasl { state: sasl_state::INITIATE, auths, ..RpcSasl::default() };
        self.send(&frame::sasl(&initiate)).await
    }

    /// The first offer that we have the means for; none where that is to be believed by name.
    fn choose(&self, auths: &[SaslAuth]) -> Result<Option<(SaslAuth, Mechanism)>, RpcError> {
        for auth in auths {
            match (&*auth.method, self.login) {
                ("TOKEN", Login::Token(token)) if auth.mechanism == "DIGEST-MD5" => {
                    let allowed = &self.options.protection;
                    let client = DigestClient::new(token, auth.protocol(), auth.server_id(), allowed);
                    return Ok(Some((auth.clone(), Mechanism::Digest(self.sasl(client)?))));
                }
                #[cfg(feature = "kerberos")]
                ("KERBEROS", Login::Kerberos { server, .. }) => {
                    if !server.admits(auth.protocol(), auth.server_id(), &self.address.host) {
                        return Err(self.sasl_error(SaslError::Principal {
                            offered: format!("{}/{}", auth.protocol(), auth.server_id()),
                            expected: server.pattern.clone().unwrap_or_else(|| server.principal.clone()),
                            key: server.key.clone(),
                        }));
                    }
                    let allowed = &self.options.protection;
                    let (service, host) = (auth.protocol(), auth.server_id());
                    let client = GssapiClient::new(service, host, server.realm(), allowed);
                    return Ok(Some((auth.clone(), Mechanism::Gssapi(self.sasl(client)?))));
                }
                ("SIMPLE", _) => return Ok(None),
                _ => {}
            }
        }
        let offered: Vec<String> =
            auths.iter().map(|auth| format!("{} ({})", auth.method, auth.mechanism)).collect();
        let have = match self.login {
            Login::Simple { .. } => "a user's name".to_owned(),
            Login::Token(token) => format!("a token of the kind {} for DIGEST-MD5", token.kind),
            Login::Kerberos { .. } if cfg!(feature = "kerberos") => "a ticket".to_owned(),
            Login::Kerberos { .. } => {
                "a ticket, for which this program is built without the feature kerberos".to_owned()
            }
        };
        Err(self.sasl_error(SaslError::NoMethod { offered: offered.join(", "), have }))
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), RpcError> {
        self.io.write_all(bytes).await.map_err(|error| self.lost(error.to_string()))
    }

    /// The next message of SASL, or the exception that came in its place.
    async fn receive(&mut self) -> Result<RpcSasl, RpcError> {
        let frame = match self.gathering.next(self.io, MAX_HANDSHAKE).await {
            Ok(Some(frame)) => frame,
            Ok(None) => return Err(self.lost("closed during the authentication".into())),
            Err(NoFrame::Malformed(what)) => return Err(self.malformed(what)),
            Err(error @ (NoFrame::Broken(_) | NoFrame::Cut)) => return Err(self.lost(error.to_string())),
        };
        let mut rest = &*frame;
        let header = frame::response(&mut rest).map_err(|what| self.malformed(what))?;
        if header.status != status::SUCCESS {
            let (class, text) = (header.exception_class_name(), header.error_msg());
            return Err(RemoteException::new(self.address, class, text, true).into());
        }
        if header.call_id as i32 != frame::CALL_SASL {
            return Err(self.malformed("a response during the authentication".into()));
        }
        frame::only(rest).map_err(|what| self.malformed(what))
    }

    fn lost(&self, reason: String) -> RpcError {
        RpcError::Lost { address: self.address.clone(), reason }
    }

    fn malformed(&self, what: String) -> RpcError {
        RpcError::Malformed { address: self.address.clone(), what }
    }

    fn sasl_error(&self, source: SaslError) -> RpcError {
        RpcError::Sasl { address: self.address.clone(), source }
    }

    fn sasl<T>(&self, result: Result<T, SaslError>) -> Result<T, RpcError> {
        result.map_err(|source| self.sasl_error(source))
    }
}

/// Who calls what: where something was proved, the server knows already who.
pub(super) fn context(login: &Login, agreed: &Agreed, protocol: &str, client_id: &[u8]) -> Vec<u8> {
    let effective_user = match login {
        Login::Simple { user } | Login::Kerberos { user, .. } if agreed.believes => Some(user.clone()),
        _ => None,
    };
    let user_info = Some(UserInformation { effective_user, real_user: None });
    frame::context(client_id, &IpcConnectionContext { user_info, protocol: Some(protocol.to_owned()) })
}
