//! Identifiers of YARN, printed and read as Hadoop prints them.

use crate::proto::record;
use std::fmt;
use std::str::FromStr;

/// What is no identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {kind}; one looks like {example}")]
pub struct IdError {
    /// What was read.
    pub text: String,
    /// What it was to be.
    pub kind: &'static str,
    /// How one looks.
    pub example: &'static str,
}

/// An application: when its ResourceManager started, in milliseconds since 1970, and its number since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApplicationId {
    /// When the ResourceManager started, in milliseconds since 1970.
    pub cluster_timestamp: i64,
    /// The number of the application, from 1.
    pub id: i32,
}

/// One attempt at running the master of an application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId {
    /// The application.
    pub application: ApplicationId,
    /// The number of the attempt, from 1.
    pub attempt: i32,
}

/// A container of an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerId {
    /// The attempt that the container was given to.
    pub attempt: AttemptId,
    /// 24 bits that count the restarts of the ResourceManager, and 40 bits of the container's number.
    pub id: i64,
}

/// A node, by the host and the port of its NodeManager.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    /// The host, as the NodeManager names itself.
    pub host: String,
    /// The port of its container manager.
    pub port: u16,
}

/// Bits of a container's number that are not the epoch.
const NUMBER_BITS: u32 = 40;

/// Splits `prefix_1_2_…` into its numbers.
fn numbers<const N: usize>(text: &str, prefix: &str) -> Option<[i64; N]> {
    let mut parts = text.strip_prefix(prefix)?.strip_prefix('_')?.split('_');
    let mut found = [0; N];
    for number in &mut found {
        let part = parts.next()?;
        if !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(found)
}

impl ApplicationId {
    fn parse(text: &str) -> Option<ApplicationId> {
        let [cluster_timestamp, id] = numbers(text, "application")?;
        Some(ApplicationId { cluster_timestamp, id: id.try_into().ok()? })
    }
}

impl AttemptId {
    fn parse(text: &str) -> Option<AttemptId> {
        let [cluster_timestamp, id, attempt] = numbers(text, "appattempt")?;
        let application = ApplicationId { cluster_timestamp, id: id.try_into().ok()? };
        Some(AttemptId { application, attempt: attempt.try_into().ok()? })
    }
}

impl ContainerId {
    /// How often the ResourceManager had started anew when it gave the container.
    pub fn epoch(&self) -> i64 {
        self.id >> NUMBER_BITS
    }

    fn parse(text: &str) -> Option<ContainerId> {
        let rest = text.strip_prefix("container_")?;
        let (epoch, rest) = match rest.strip_prefix('e') {
            Some(rest) => {
                let (epoch, rest) = rest.split_once('_')?;
                (epoch.parse::<u32>().ok().filter(|&epoch| epoch < 1 << 23)?, rest)
            }
            None => (0, rest),
        };
        let [cluster_timestamp, id, attempt, number] = numbers(&format!("_{rest}"), "")?;
        if number >> NUMBER_BITS != 0 {
            return None;
        }
        let application = ApplicationId { cluster_timestamp, id: id.try_into().ok()? };
        let attempt = AttemptId { application, attempt: attempt.try_into().ok()? };
        Some(ContainerId { attempt, id: i64::from(epoch) << NUMBER_BITS | number })
    }
}

impl NodeId {
    fn parse(text: &str) -> Option<NodeId> {
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok()?;
        (!host.is_empty()).then(|| NodeId { host: host.to_owned(), port })
    }
}

impl fmt::Display for ApplicationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "application_{}_{:04}", self.cluster_timestamp, self.id)
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ApplicationId { cluster_timestamp, id } = self.application;
        write!(f, "appattempt_{cluster_timestamp}_{id:04}_{:06}", self.attempt)
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AttemptId { application: ApplicationId { cluster_timestamp, id }, attempt } = self.attempt;
        f.write_str("container_")?;
        if self.epoch() > 0 {
            write!(f, "e{:02}_", self.epoch())?;
        }
        let number = self.id & ((1 << NUMBER_BITS) - 1);
        write!(f, "{cluster_timestamp}_{id:04}_{attempt:02}_{number:06}")
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// [`FromStr`] by a function that finds one or none.
macro_rules! from_str {
    ($type:ident, $kind:literal, $example:literal) => {
        impl FromStr for $type {
            type Err = IdError;
            fn from_str(text: &str) -> Result<$type, IdError> {
                $type::parse(text).ok_or_else(|| IdError {
                    text: text.chars().take(80).collect(),
                    kind: $kind,
                    example: $example,
                })
            }
        }
    };
}
from_str!(ApplicationId, "id of an application", "application_1700000000000_0001");
from_str!(AttemptId, "id of an attempt", "appattempt_1700000000000_0001_000001");
from_str!(ContainerId, "id of a container", "container_1700000000000_0001_01_000001");
from_str!(NodeId, "address", "node1.example.org:45454");

impl From<ApplicationId> for record::ApplicationId {
    fn from(id: ApplicationId) -> Self {
        record::ApplicationId { id: Some(id.id), cluster_timestamp: Some(id.cluster_timestamp) }
    }
}

impl From<&record::ApplicationId> for ApplicationId {
    fn from(id: &record::ApplicationId) -> Self {
        ApplicationId { cluster_timestamp: id.cluster_timestamp(), id: id.id() }
    }
}

impl From<AttemptId> for record::ApplicationAttemptId {
    fn from(id: AttemptId) -> Self {
        record::ApplicationAttemptId {
            application_id: Some(id.application.into()),
            attempt_id: Some(id.attempt),
        }
    }
}

impl From<&record::ApplicationAttemptId> for AttemptId {
    fn from(id: &record::ApplicationAttemptId) -> Self {
        AttemptId {
            application: id.application_id.as_ref().map(ApplicationId::from).unwrap_or_default(),
            attempt: id.attempt_id(),
        }
    }
}

impl From<ContainerId> for record::ContainerId {
    fn from(id: ContainerId) -> Self {
        record::ContainerId { app_id: None, app_attempt_id: Some(id.attempt.into()), id: Some(id.id) }
    }
}

impl From<&record::ContainerId> for ContainerId {
    fn from(id: &record::ContainerId) -> Self {
        ContainerId {
            attempt: id.app_attempt_id.as_ref().map(AttemptId::from).unwrap_or_default(),
            id: id.id(),
        }
    }
}

impl From<&NodeId> for record::NodeId {
    fn from(id: &NodeId) -> Self {
        record::NodeId { host: Some(id.host.clone()), port: Some(id.port.into()) }
    }
}

impl From<&record::NodeId> for NodeId {
    /// A port that is none becomes 0, which no connection is made to.
    fn from(id: &record::NodeId) -> Self {
        NodeId { host: id.host().to_owned(), port: id.port().try_into().unwrap_or(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_printed_and_read_as_hadoop_prints_them() {
        fn check<T: FromStr<Err = IdError> + fmt::Display + PartialEq + fmt::Debug>(text: &str, id: T) {
            assert_eq!(id.to_string(), text);
            assert_eq!(text.parse::<T>(), Ok(id));
        }
        let application = ApplicationId { cluster_timestamp: 1_410_901_177_871, id: 1 };
        let attempt = AttemptId { application, attempt: 1 };
        check("application_1410901177871_0001", application);
        check("application_5_123456", ApplicationId { cluster_timestamp: 5, id: 123_456 });
        check("appattempt_1410901177871_0001_000001", attempt);
        check("container_1410901177871_0001_01_000005", ContainerId { attempt, id: 5 });
        check("container_e17_1410901177871_0001_01_000005", ContainerId { attempt, id: 17 << 40 | 5 });
        check("container_1410901177871_0001_01_1234567", ContainerId { attempt, id: 1_234_567 });
        check("node-1:45454", NodeId { host: "node-1".into(), port: 45_454 });
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in [
            "",
            "application",
            "application_1",
            "application_1_2_3",
            "application_+1_2",
            "application_1_99999999999",
            "job_1_0001",
        ] {
            assert!(text.parse::<ApplicationId>().is_err(), "{text}");
        }
        for text in
            ["container_1_2_3", "container_e_1_2_3_4", "container_e99999999_1_2_3_4", "container_1_2_3_4_5"]
        {
            assert!(text.parse::<ContainerId>().is_err(), "{text}");
        }
        for text in ["host", "host:", ":1", "host:70000"] {
            assert!(text.parse::<NodeId>().is_err(), "{text}");
        }
    }
}
