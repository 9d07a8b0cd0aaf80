//! Tokens: what a holder shows instead of a password.

use crate::proto::{message, rpc};
use crate::{AttemptId, NodeId};
use prost::Message as _;
use std::fmt;

/// Kind of the token with which the master of an application speaks to the ResourceManager.
pub const AM_RM_TOKEN: &str = "YARN_AM_RM_TOKEN";
/// Kind of the token with which it speaks to a NodeManager.
pub const NM_TOKEN: &str = "NMToken";
/// Kind of the token with which a client speaks to the ResourceManager without a ticket.
pub const RM_DELEGATION_TOKEN: &str = "RM_DELEGATION_TOKEN";

/// A token. The identifier is the issuer's, and opaque; the password is the secret that proves it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Token {
    /// What the token says, in the issuer's words.
    pub identifier: Vec<u8>,
    /// What proves it. Never printed.
    pub password: Vec<u8>,
    /// What the token is for, such as [`AM_RM_TOKEN`].
    pub kind: String,
    /// Where it is valid, as `host:port`; may be empty.
    pub service: String,
}

impl Token {
    /// The attempt that a token of the kind [`AM_RM_TOKEN`] is for, if it says.
    pub fn attempt(&self) -> Option<AttemptId> {
        let identifier = message::AmRmTokenIdentifier::decode(&*self.identifier).ok()?;
        identifier.app_attempt_id.as_ref().map(AttemptId::from)
    }
}

/// Shows everything but the password.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("kind", &self.kind)
            .field("service", &self.service)
            .field("identifier", &format_args!("{} bytes", self.identifier.len()))
            .finish_non_exhaustive()
    }
}

impl From<rpc::Token> for Token {
    fn from(token: rpc::Token) -> Token {
        let rpc::Token { identifier, password, kind, service } = token;
        Token { identifier, password, kind, service }
    }
}

impl From<Token> for rpc::Token {
    fn from(token: Token) -> rpc::Token {
        let Token { identifier, password, kind, service } = token;
        rpc::Token { identifier, password, kind, service }
    }
}

/// A token of the kind [`NM_TOKEN`], and the node it opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeToken {
    /// The node.
    pub node: NodeId,
    /// The token.
    pub token: Token,
}
