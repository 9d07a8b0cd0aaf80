//! What can go wrong with a call, and what a server's exceptions mean.

use crate::{Address, SaslError};
use std::time::Duration;

/// Why a call has no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RpcError {
    /// No connection came about.
    #[error("cannot connect to {address}: {reason}")]
    Connect {
        /// Where to.
        address: Address,
        /// Why not.
        reason: String,
    },
    /// The connection broke; the server may have done what the call asked for.
    #[error("lost the connection to {address}: {reason}")]
    Lost {
        /// Where to.
        address: Address,
        /// How it broke.
        reason: String,
    },
    /// No answer came in time; the server may have done what the call asked for.
    #[error("{address} did not answer {method} within {after:?}")]
    Timeout {
        /// Who did not answer.
        address: Address,
        /// What was called.
        method: &'static str,
        /// How long it was waited for.
        after: Duration,
    },
    /// The request is longer than the server takes.
    #[error("a request of {bytes} bytes, and {limit} are the limit (ipc.maximum.data.length)")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// What it may be.
        limit: usize,
    },
    /// What came is not what the protocol has.
    #[error("{address} sent {what}")]
    Malformed {
        /// Who sent it.
        address: Address,
        /// What came.
        what: String,
    },
    /// The authentication failed on our side.
    #[error("cannot authenticate to {address}: {source}")]
    Sasl {
        /// To whom.
        address: Address,
        /// Why not.
        #[source]
        source: SaslError,
    },
    /// The server answered with an exception.
    #[error(transparent)]
    Remote(#[from] RemoteException),
}

impl RpcError {
    /// What the server's exception means, if it is one.
    pub fn kind(&self) -> Option<ExceptionKind> {
        match self {
            RpcError::Remote(exception) => Some(exception.kind),
            _ => None,
        }
    }

    /// Whether another server, or the same later, may well answer.
    pub fn is_passing(&self) -> bool {
        match self {
            RpcError::Connect { .. } | RpcError::Lost { .. } | RpcError::Timeout { .. } => true,
            RpcError::Remote(exception) => exception.kind.is_passing(),
            _ => false,
        }
    }

    /// Whether whoever answered spoke another protocol, or did not prove to be the server: it may be a load balancer whose
    /// server is away. What a server of Hadoop says and wants is not meant, nor what is wrong on our side.
    pub fn is_strange(&self) -> bool {
        match self {
            RpcError::Malformed { .. } => true,
            RpcError::Sasl { source, .. } => matches!(
                source,
                SaslError::Malformed(_)
                    | SaslError::Lacks(_)
                    | SaslError::Early
                    | SaslError::Unproved
                    | SaslError::Tampered
            ),
            _ => false,
        }
    }
}

/// An exception that a server answered with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{address}: {}: {message}", simple_name(.class))]
pub struct RemoteException {
    /// Who answered.
    pub address: Address,
    /// Its Java class.
    pub class: String,
    /// Its first line; the stack trace behind it is logged at the level "debug".
    pub message: String,
    /// What it means.
    pub kind: ExceptionKind,
    /// Whether the server closes the connection.
    pub fatal: bool,
}

impl RemoteException {
    pub(crate) fn new(address: &Address, class: &str, text: &str, fatal: bool) -> RemoteException {
        let mut lines = text.splitn(2, '\n');
        let message = lines.next().unwrap_or_default().trim().to_owned();
        if let Some(trace) = lines.next() {
            tracing::debug!(%address, class, trace, "exception of the server");
        }
        let kind = ExceptionKind::of(class);
        RemoteException { address: address.clone(), class: class.to_owned(), message, kind, fatal }
    }

    /// The name of the class without its package.
    pub fn simple_name(&self) -> &str {
        simple_name(&self.class)
    }
}

fn simple_name(class: &str) -> &str {
    class.rsplit(['.', '$']).next().unwrap_or(class)
}

/// What an exception means to a client. Told by the simple name of the class: packages moved between versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExceptionKind {
    /// This server is not the active one.
    Standby,
    /// The server asks to be called again.
    Retriable,
    /// The NodeManager does not serve yet.
    NotYetReady,
    /// The ResourceManager started anew: register again.
    NotRegistered,
    /// The ResourceManager does not know the attempt, or no longer: its master must stop.
    AttemptNotFound,
    /// The application is not known.
    ApplicationNotFound,
    /// Registered twice, or a heartbeat out of order.
    InvalidMasterRequest,
    /// More resources than there are, or a queue or a label that there is not.
    InvalidResourceRequest,
    /// The token is not known, or no longer.
    InvalidToken,
    /// The user may not do that, or the server wants another way of authentication.
    AccessDenied,
    /// The authentication failed on the server's side.
    Sasl,
    /// The server does not have the protocol, the method or the version.
    Unsupported,
    /// The request itself is wrong, as YARN sees it.
    Yarn,
    /// Anything else.
    Other,
}

impl ExceptionKind {
    fn of(class: &str) -> ExceptionKind {
        use ExceptionKind::*;
        match simple_name(class) {
            "StandbyException" | "ObserverRetryOnActiveException" => Standby,
            "RetriableException" | "RetryTaskException" => Retriable,
            "NMNotYetReadyException" => NotYetReady,
            "ApplicationMasterNotRegisteredException" => NotRegistered,
            "ApplicationAttemptNotFoundException" => AttemptNotFound,
            "ApplicationNotFoundException" => ApplicationNotFound,
            "InvalidApplicationMasterRequestException" => InvalidMasterRequest,
            "InvalidResourceRequestException" | "InvalidLabelResourceRequestException" => {
                InvalidResourceRequest
            }
            "InvalidToken" | "ExpiredTokenException" | "InvalidNMTokenException" => InvalidToken,
            "AccessControlException" | "AuthorizationException" => AccessDenied,
            "SaslException" | "FailedLoginException" => Sasl,
            "RpcNoSuchProtocolException" | "RpcNoSuchMethodException" | "VersionMismatch" => Unsupported,
            "YarnException"
            | "InvalidContainerReleaseException"
            | "InvalidResourceBlacklistRequestException" => Yarn,
            _ => Other,
        }
    }

    /// Whether another server, or the same later, may well answer.
    pub fn is_passing(self) -> bool {
        matches!(self, ExceptionKind::Standby | ExceptionKind::Retriable | ExceptionKind::NotYetReady)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_mean_something_whatever_their_package() {
        let at = Address::new("rm", 8032);
        let exception = RemoteException::new(
            &at,
            "org.apache.hadoop.ipc.StandbyException",
            "not active\n\tat org.apache.hadoop.X.y(X.java:1)",
            false,
        );
        assert_eq!(exception.kind, ExceptionKind::Standby);
        assert_eq!(exception.to_string(), "rm:8032: StandbyException: not active");
        let nested = "org.apache.hadoop.security.token.SecretManager$InvalidToken";
        assert_eq!(ExceptionKind::of(nested), ExceptionKind::InvalidToken);
        assert_eq!(ExceptionKind::of("java.lang.NullPointerException"), ExceptionKind::Other);
        assert_eq!(ExceptionKind::of(""), ExceptionKind::Other);
        assert!(RpcError::Remote(exception).is_passing());
    }
}
