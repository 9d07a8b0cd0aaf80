//! GSSAPI with Kerberos (RFC 4752): by the ticket that `kinit` got, or by the keytab that `KRB5_CLIENT_KTNAME` names.

use super::{Qop, SaslError};
use libgssapi::context::{ClientCtx, CtxFlags, SecurityContext as _};
use libgssapi::credential::{Cred, CredUsage};
use libgssapi::error::{Error, MajorFlags};
use libgssapi::name::Name;
use libgssapi::oid::{GSS_MECH_KRB5, GSS_NT_HOSTBASED_SERVICE, GSS_NT_KRB5_PRINCIPAL, OidSet};

/// Most bytes of a wrapped message that we say we take.
const MAXBUF: u32 = 0x00ff_ffff;

/// What a protection is called in the server's offer, a set of bits.
fn bit(qop: Qop) -> u8 {
    match qop {
        Qop::Auth => 1,
        Qop::Integrity => 2,
        Qop::Privacy => 4,
    }
}

/// The client's side of one authentication.
pub(crate) struct GssapiClient {
    /// Away while a step is being made.
    state: Option<State>,
}

struct State {
    context: ClientCtx,
    allowed: Vec<Qop>,
    chosen: Option<Qop>,
}

impl GssapiClient {
    /// For a service on a host, of this realm or else of the one that Kerberos finds for the host. The first of `allowed`
    /// that the server offers too is taken.
    pub(crate) fn new(
        service: &str,
        host: &str,
        realm: Option<&str>,
        allowed: &[Qop],
    ) -> Result<GssapiClient, SaslError> {
        let name = match realm {
            Some(realm) => {
                Name::new(format!("{service}/{host}@{realm}").as_bytes(), Some(GSS_NT_KRB5_PRINCIPAL))
            }
            None => Name::new(format!("{service}@{host}").as_bytes(), Some(GSS_NT_HOSTBASED_SERVICE)),
        };
        let mut mechanisms = OidSet::new();
        mechanisms.add(GSS_MECH_KRB5).map_err(failed)?;
        let credential = Cred::acquire(None, None, CredUsage::Initiate, Some(&mechanisms)).map_err(failed)?;
        let flags = CtxFlags::GSS_C_MUTUAL_FLAG
            | CtxFlags::GSS_C_SEQUENCE_FLAG
            | CtxFlags::GSS_C_INTEG_FLAG
            | CtxFlags::GSS_C_CONF_FLAG;
        let context = ClientCtx::new(Some(credential), name.map_err(failed)?, flags, Some(GSS_MECH_KRB5));
        Ok(GssapiClient { state: Some(State { context, allowed: allowed.to_vec(), chosen: None }) })
    }

    /// Answers a challenge; the first is empty. Asks the key server where it must, so it runs beside the other tasks.
    pub(crate) async fn step(&mut self, challenge: &[u8]) -> Result<Vec<u8>, SaslError> {
        let mut state = self.state.take().ok_or(SaslError::Early)?;
        let challenge = challenge.to_vec();
        let stepped = tokio::task::spawn_blocking(move || {
            let answer = state.step(&challenge);
            (state, answer)
        });
        let (state, answer) = stepped.await.map_err(|error| SaslError::Gssapi(error.to_string()))?;
        self.state = Some(state);
        answer
    }

    /// Ends the authentication; refuses a server that ends it before a protection was agreed on.
    pub(crate) fn finish(self) -> Result<Option<GssapiLayer>, SaslError> {
        let State { context, chosen, .. } = self.state.ok_or(SaslError::Early)?;
        match chosen.ok_or(SaslError::Early)? {
            Qop::Auth => Ok(None),
            qop => Ok(Some(GssapiLayer { context, encrypts: qop == Qop::Privacy })),
        }
    }
}

impl State {
    fn step(&mut self, challenge: &[u8]) -> Result<Vec<u8>, SaslError> {
        if !self.context.is_complete() {
            let challenge = (!challenge.is_empty()).then_some(challenge);
            let answer = self.context.step(challenge, None).map_err(failed)?;
            return Ok(answer.map(|answer| answer.to_vec()).unwrap_or_default());
        }
        if self.chosen.is_some() {
            return Err(SaslError::Malformed("a challenge after the last one"));
        }
        let offer = self.context.unwrap(challenge).map_err(failed)?;
        let &[offered, _, _, _] = &*offer else {
            return Err(SaslError::Malformed("an offer of protections that is not four bytes"));
        };
        let qop = self.allowed.iter().copied().find(|&qop| offered & bit(qop) != 0);
        let qop = qop.ok_or_else(|| SaslError::NoQop {
            offered: format!("layers {offered:#05b}"),
            allowed: self.allowed.clone(),
        })?;
        let maxbuf = if qop == Qop::Auth { 0 } else { MAXBUF };
        let answer = u32::from(bit(qop)) << 24 | maxbuf;
        let answer = self.context.wrap(false, &answer.to_be_bytes()).map_err(failed)?;
        self.chosen = Some(qop);
        Ok(answer.to_vec())
    }
}

/// What wraps messages after an authentication.
pub(crate) struct GssapiLayer {
    context: ClientCtx,
    encrypts: bool,
}

impl GssapiLayer {
    pub(crate) fn wrap(&mut self, message: &[u8]) -> Result<Vec<u8>, SaslError> {
        Ok(self.context.wrap(self.encrypts, message).map_err(failed)?.to_vec())
    }

    pub(crate) fn unwrap(&mut self, wrapped: &[u8]) -> Result<Vec<u8>, SaslError> {
        Ok(self.context.unwrap(wrapped).map_err(failed)?.to_vec())
    }
}

/// The second of the three numbers that a status is made of (RFC 2744, section 3.9.1); the others are not of interest.
const ROUTINE: u32 = 0x00ff_0000;
/// What MIT Kerberos calls its error 32, "ticket expired" (RFC 4120, section 7.5.9). It comes with the status "failure".
const TICKET_EXPIRED: u32 = (-1_765_328_384_i32 + 32) as u32;

fn failed(error: Error) -> SaslError {
    let text = error.to_string();
    match error.major.bits() & ROUTINE {
        _ if error.minor == TICKET_EXPIRED => SaslError::Expired(text),
        code if code == MajorFlags::GSS_S_NO_CRED.bits() => SaslError::NoTicket(text),
        code if code == MajorFlags::GSS_S_CREDENTIALS_EXPIRED.bits() => SaslError::Expired(text),
        _ => SaslError::Gssapi(text),
    }
}
