//! What a container runs: a command, its environment, its files and its tokens.

use crate::Credentials;
use crate::proto::application as proto;
use std::collections::BTreeMap;

/// What a container runs.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// A line for `bash -c`. The NodeManager puts it between double quotes, so it may have none; `<LOG_DIR>` stands for the
    /// folder of the container's logs.
    pub command: String,
    /// Variables for the command. They can be read in YARN's web pages: no secrets.
    pub environment: BTreeMap<String, String>,
    /// Files that the NodeManager fetches, by the names they get in the container's folder.
    pub files: BTreeMap<String, LocalResource>,
    /// Tokens and secrets; the container finds them in the file that `HADOOP_TOKEN_FILE_LOCATION` names.
    pub credentials: Credentials,
    /// Who may view, beside the user: users and groups, as `user1,user2 group1,group2`.
    pub view_acl: Option<String>,
    /// Who may kill, beside the user.
    pub modify_acl: Option<String>,
}

/// A file that a NodeManager fetches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalResource {
    /// Where it is.
    pub url: ResourceUrl,
    /// Its length in bytes.
    pub size: u64,
    /// When it was last changed, in milliseconds since 1970, exactly; 0 for `http:`, where NodeManagers know no time.
    pub timestamp_ms: i64,
    /// What is done with it.
    pub kind: ResourceKind,
    /// Who shares it.
    pub visibility: Visibility,
}

/// What a NodeManager does with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceKind {
    /// Unpacks it into a folder.
    Archive = 1,
    /// Leaves it as it is.
    File = 2,
}

/// Who shares what a NodeManager fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// All users of the node; the file must be readable by everybody, which `http:` cannot show.
    Public = 1,
    /// The user's applications.
    Private = 2,
    /// The containers of the application.
    Application = 3,
}

/// Where a file is, in the parts that YARN sends. There is none for a query: `?x` would be lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceUrl {
    /// `http`, `hdfs`, `file` …
    pub scheme: String,
    /// The host; may be empty.
    pub host: String,
    /// The port, or -1.
    pub port: i32,
    /// The path, from `/`.
    pub path: String,
}

/// What is no URL of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no URL that YARN can fetch; one looks like http://host:8000/path, without ? and #")]
pub struct UrlError(pub String);

impl std::fmt::Display for ResourceUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ResourceUrl { scheme, host, port, path } = self;
        match port {
            0.. => write!(f, "{scheme}://{host}:{port}{path}"),
            _ => write!(f, "{scheme}://{host}{path}"),
        }
    }
}

impl std::str::FromStr for ResourceUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<ResourceUrl, UrlError> {
        let refuse = || UrlError(text.to_owned());
        if text.contains(['?', '#', ' ']) {
            return Err(refuse());
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(refuse)?;
        let slash = rest.find('/').ok_or_else(refuse)?;
        let (authority, path) = rest.split_at(slash);
        if scheme.is_empty() || authority.contains('@') {
            return Err(refuse());
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                (host, port.parse::<u16>().map_err(|_| refuse())?.into())
            }
            _ => (authority, -1),
        };
        Ok(ResourceUrl { scheme: scheme.into(), host: host.into(), port, path: path.into() })
    }
}

impl Launch {
    /// As it is sent.
    pub(crate) fn to_proto(&self) -> proto::ContainerLaunchContext {
        let acl = |access_type, acl: &Option<String>| {
            acl.clone().map(|acl| proto::ApplicationAclMap { access_type: Some(access_type), acl: Some(acl) })
        };
        let tokens = (!self.credentials.is_empty()).then(|| self.credentials.to_bytes());
        let variable = |(key, value): (&String, &String)| proto::StringStringMap {
            key: Some(key.clone()),
            value: Some(value.clone()),
        };
        let file = |(name, file): (&String, &LocalResource)| proto::StringLocalResourceMap {
            key: Some(name.clone()),
            value: Some(file.to_proto()),
        };
        proto::ContainerLaunchContext {
            local_resources: self.files.iter().map(file).collect(),
            tokens,
            environment: self.environment.iter().map(variable).collect(),
            command: vec![self.command.clone()],
            application_acls: [acl(1, &self.view_acl), acl(2, &self.modify_acl)]
                .into_iter()
                .flatten()
                .collect(),
            ..proto::ContainerLaunchContext::default()
        }
    }
}

impl LocalResource {
    fn to_proto(&self) -> proto::LocalResource {
        let ResourceUrl { scheme, host, port, path } = &self.url;
        let resource = proto::Url {
            scheme: Some(scheme.clone()),
            host: (!host.is_empty()).then(|| host.clone()),
            port: Some(*port),
            file: Some(path.clone()),
            user_info: None,
        };
        proto::LocalResource {
            resource: Some(resource),
            size: Some(i64::try_from(self.size).unwrap_or(i64::MAX)),
            timestamp: Some(self.timestamp_ms),
            kind: Some(self.kind as i32),
            visibility: Some(self.visibility as i32),
            ..proto::LocalResource::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_parted() {
        let url = |scheme: &str, host: &str, port, path: &str| {
            Ok(ResourceUrl { scheme: scheme.into(), host: host.into(), port, path: path.into() })
        };
        assert_eq!("http://h:80/a/b".parse(), url("http", "h", 80, "/a/b"));
        assert_eq!("hdfs://ns/a".parse(), url("hdfs", "ns", -1, "/a"));
        assert_eq!("file:///a".parse(), url("file", "", -1, "/a"));
        for text in ["http://h:80/a/b", "hdfs://ns/a", "file:///a"] {
            assert_eq!(text.parse::<ResourceUrl>().unwrap().to_string(), text);
        }
        for text in ["/a", "http://h", "http://h/a?b", "http://u@h/a", "http://h:x/a", "://h/a"] {
            assert!(text.parse::<ResourceUrl>().is_err(), "{text}");
        }
    }
}
