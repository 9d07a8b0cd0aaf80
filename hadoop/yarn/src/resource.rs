//! Amounts of memory and cores.

use crate::proto::record;
use std::fmt;

/// What a container has, or a node, or a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Resource {
    /// Memory in MB.
    pub memory_mb: u64,
    /// Virtual cores.
    pub vcores: u32,
}

impl Resource {
    /// Whether this is no more than `other`, in both respects.
    pub fn fits(self, other: Resource) -> bool {
        self.memory_mb <= other.memory_mb && self.vcores <= other.vcores
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MB, {} vcores", self.memory_mb, self.vcores)
    }
}

impl From<Resource> for record::Resource {
    /// Saturates where the wire has fewer bits.
    fn from(resource: Resource) -> Self {
        record::Resource {
            memory: Some(i64::try_from(resource.memory_mb).unwrap_or(i64::MAX)),
            virtual_cores: Some(i32::try_from(resource.vcores).unwrap_or(i32::MAX)),
        }
    }
}

impl From<&record::Resource> for Resource {
    /// Negative amounts, which a queue's headroom may show, become none.
    fn from(resource: &record::Resource) -> Self {
        Resource {
            memory_mb: resource.memory().try_into().unwrap_or(0),
            vcores: resource.virtual_cores().try_into().unwrap_or(0),
        }
    }
}

/// One of these out of an optional field; nothing where it is missing.
pub(crate) fn amount(resource: Option<&record::Resource>) -> Resource {
    resource.map(Resource::from).unwrap_or_default()
}
