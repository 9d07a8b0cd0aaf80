//! What frames the calls: headers of requests and responses, the connection's context, SASL, tokens and the stored form of
//! credentials (package `hadoop.common`).

use prost::Message;
use std::fmt;

/// `RpcRequestHeaderProto`: heads every message to a server.
#[derive(Clone, PartialEq, Message)]
pub struct RpcRequestHeader {
    /// 2: protocol buffers.
    #[prost(int32, optional, tag = "1")]
    pub rpc_kind: Option<i32>,
    /// 0: the whole of the call.
    #[prost(int32, optional, tag = "2")]
    pub rpc_op: Option<i32>,
    #[prost(sint32, required, tag = "3")]
    pub call_id: i32,
    /// 16 bytes, or none during SASL.
    #[prost(bytes = "vec", required, tag = "4")]
    pub client_id: Vec<u8>,
    /// -1 for what is no call.
    #[prost(sint32, optional, tag = "5")]
    pub retry_count: Option<i32>,
}

/// `RpcResponseHeaderProto`: heads every message from a server.
#[derive(Clone, PartialEq, Message)]
pub struct RpcResponseHeader {
    /// The bits of the request's; -33 comes as 4294967263.
    #[prost(uint32, required, tag = "1")]
    pub call_id: u32,
    /// 0 success, 1 error, 2 fatal.
    #[prost(int32, required, tag = "2")]
    pub status: i32,
    #[prost(uint32, optional, tag = "3")]
    pub server_ipc_version_num: Option<u32>,
    #[prost(string, optional, tag = "4")]
    pub exception_class_name: Option<String>,
    #[prost(string, optional, tag = "5")]
    pub error_msg: Option<String>,
    #[prost(int32, optional, tag = "6")]
    pub error_detail: Option<i32>,
    #[prost(bytes = "vec", optional, tag = "7")]
    pub client_id: Option<Vec<u8>>,
    #[prost(sint32, optional, tag = "8")]
    pub retry_count: Option<i32>,
}

/// `RpcSaslProto`: one step of SASL, or bytes that the agreed layer wrapped.
#[derive(Clone, PartialEq, Message)]
pub struct RpcSasl {
    #[prost(uint32, optional, tag = "1")]
    pub version: Option<u32>,
    #[prost(int32, required, tag = "2")]
    pub state: i32,
    #[prost(bytes = "vec", optional, tag = "3")]
    pub token: Option<Vec<u8>>,
    #[prost(message, repeated, tag = "4")]
    pub auths: Vec<SaslAuth>,
}

/// `SaslAuthProto`: one way that a server offers to authenticate.
#[derive(Clone, PartialEq, Message)]
pub struct SaslAuth {
    #[prost(string, required, tag = "1")]
    pub method: String,
    #[prost(string, required, tag = "2")]
    pub mechanism: String,
    #[prost(string, optional, tag = "3")]
    pub protocol: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub server_id: Option<String>,
    #[prost(bytes = "vec", optional, tag = "5")]
    pub challenge: Option<Vec<u8>>,
}

/// `RequestHeaderProto`: which method of which protocol is called.
#[derive(Clone, PartialEq, Message)]
pub struct RequestHeader {
    #[prost(string, required, tag = "1")]
    pub method_name: String,
    #[prost(string, required, tag = "2")]
    pub declaring_class_protocol_name: String,
    #[prost(uint64, required, tag = "3")]
    pub client_protocol_version: u64,
}

/// `IpcConnectionContextProto`: sent once, after authentication.
#[derive(Clone, PartialEq, Message)]
pub struct IpcConnectionContext {
    #[prost(message, optional, tag = "2")]
    pub user_info: Option<UserInformation>,
    #[prost(string, optional, tag = "3")]
    pub protocol: Option<String>,
}

/// `UserInformationProto`: who calls.
#[derive(Clone, PartialEq, Message)]
pub struct UserInformation {
    #[prost(string, optional, tag = "1")]
    pub effective_user: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub real_user: Option<String>,
}

/// `TokenProto`: a token as it is stored and as it is handed out.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub struct Token {
    #[prost(bytes = "vec", required, tag = "1")]
    pub identifier: Vec<u8>,
    #[prost(bytes = "vec", required, tag = "2")]
    pub password: Vec<u8>,
    #[prost(string, required, tag = "3")]
    pub kind: String,
    #[prost(string, required, tag = "4")]
    pub service: String,
}

/// `CredentialsKVProto`: a named token or a named secret.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub struct CredentialsKv {
    #[prost(string, required, tag = "1")]
    pub alias: String,
    #[prost(message, optional, tag = "2")]
    pub token: Option<Token>,
    #[prost(bytes = "vec", optional, tag = "3")]
    pub secret: Option<Vec<u8>>,
}

/// `CredentialsProto`: the stored form, version 1.
#[derive(Clone, PartialEq, Message)]
pub struct Credentials {
    #[prost(message, repeated, tag = "1")]
    pub tokens: Vec<CredentialsKv>,
    #[prost(message, repeated, tag = "2")]
    pub secrets: Vec<CredentialsKv>,
}

/// `GetDelegationTokenRequestProto`.
#[derive(Clone, PartialEq, Message)]
pub struct GetDelegationTokenRequest {
    #[prost(string, required, tag = "1")]
    pub renewer: String,
}

/// `GetDelegationTokenResponseProto`.
#[derive(Clone, PartialEq, Message)]
pub struct GetDelegationTokenResponse {
    #[prost(message, optional, tag = "1")]
    pub token: Option<Token>,
}

/// Without what must not be printed.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Without what must not be printed.
impl fmt::Debug for CredentialsKv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialsKv").field("alias", &self.alias).finish_non_exhaustive()
    }
}
