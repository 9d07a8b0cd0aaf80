//! Who uses the cluster.

use crate::Token;
use std::os::unix::fs::MetadataExt as _;

/// Who uses the cluster: a name, and perhaps a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name, which a cluster without security believes.
    pub name: String,
    /// A token of the kind [`RM_DELEGATION_TOKEN`](crate::RM_DELEGATION_TOKEN), used instead of name and ticket.
    pub token: Option<Token>,
}

impl User {
    /// A user by name.
    pub fn named(name: impl Into<String>) -> User {
        User { name: name.into(), token: None }
    }

    /// The user that `HADOOP_USER_NAME` names, or else the one that runs this process. `None` where neither has a name.
    pub fn from_env() -> Option<User> {
        let named = std::env::var("HADOOP_USER_NAME").ok().filter(|name| !name.is_empty());
        named.or_else(owner).or_else(|| std::env::var("USER").ok()).map(User::named)
    }
}

/// The name of the user that runs this process, as `/etc/passwd` has it.
fn owner() -> Option<String> {
    let uid = std::fs::metadata("/proc/self").ok()?.uid().to_string();
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    })
}
