//! The cluster before anything is asked of it: what its configuration says, and whether it can do what is wanted.

use std::fmt;
use std::path::{Path, PathBuf};

use warcdl_yarn::{Address, ApplicationId, Conf, NewApplication, Queue, Resource, User, YarnClient};

use super::address::{host_of, is_loopback};
use super::kill::end_predecessor;
use super::{YarnError, connect};
use crate::config::{Config, StagingPlace, YarnSettings};
use crate::launch::elf::Glibc;
use crate::launch::staging::{Artifact, StagingError, hdfs::Store};

/// A cluster that was reached, and an application's number on it.
pub struct Cluster {
    pub(super) conf: Conf,
    pub(super) user: String,
    pub(super) client: YarnClient,
    pub(super) artifact: Artifact,
    pub(super) settings: YarnSettings,
    pub(super) id: ApplicationId,
    /// Whether the queue will do is not known.
    pub(super) doubt: Option<Doubt>,
}

impl Cluster {
    /// The number that the application has, or will have.
    pub fn id(&self) -> ApplicationId {
        self.id
    }

    /// Ends the application of a run that broke off with its results in this folder, which must be this run's by now: its
    /// owner may live as long as it is not.
    pub async fn end_predecessor(&self, output: &Path) -> Result<(), YarnError> {
        Ok(end_predecessor(&self.client, output).await?)
    }

    /// Reads Hadoop's configuration, asks the ResourceManager, and looks at the program for the nodes. Everything that
    /// can be wrong is found here, before the application is submitted; only whether a queue will do, which it may make for
    /// it, the ResourceManager says then.
    pub async fn reach(config: &Config) -> Result<Cluster, YarnError> {
        let settings = config.yarn.clone();
        let conf = Conf::from_env()?;
        let user = User::from_env().ok_or(YarnError::NoUser)?;
        let store = match settings.staging {
            StagingPlace::Hdfs => Some(Store::of(&conf, &user.name).map_err(StagingError::from)?),
            StagingPlace::Http | StagingPlace::File => None,
        };
        let addresses = conf.resource_managers()?;
        let client = connect(&conf, user.clone()).await?;
        check_host(config, &addresses)?;
        let doubt = doubt_of(&client, &settings.queue).await?;
        if let Some(doubt) = &doubt {
            eprintln!("yarn: warning: {doubt}");
        }
        let NewApplication { id, maximum } = client.new_application().await?;
        for (key, asked) in [
            (
                "reader_memory_mb",
                Resource { memory_mb: settings.reader_memory_mb, vcores: settings.reader_vcores },
            ),
            ("am_memory_mb", Resource { memory_mb: settings.am_memory_mb, vcores: 1 }),
        ] {
            if asked.memory_mb > maximum.memory_mb || asked.vcores > maximum.vcores {
                return Err(YarnError::TooLarge { key, asked, largest: maximum });
            }
        }
        let program = match &settings.artifact {
            Some(path) => path.clone(),
            None => this_program()?,
        };
        let artifact = Artifact::open(&program)?;
        check_program(&artifact, &settings.nodes_glibc)?;
        if let Some(store) = store {
            store.reach().await.map_err(StagingError::from)?;
        }
        let security = if conf.is_secure()? { "kerberos" } else { "simple" };
        let managers: Vec<String> = addresses.iter().map(Address::to_string).collect();
        eprintln!(
            "yarn: ResourceManager {} ({security}, user {}), queue {}, largest container {} MB, {} cores",
            managers.join(", "),
            user.name,
            settings.queue,
            maximum.memory_mb,
            maximum.vcores
        );
        Ok(Cluster { conf, user: user.name, client, artifact, settings, id, doubt })
    }
}

/// Nodes must be able to execute the program.
fn check_program(artifact: &Artifact, nodes_glibc: &str) -> Result<(), YarnError> {
    let unfit = |what: String| YarnError::Artifact { path: artifact.path.clone(), what };
    let needs = artifact.needs().map_err(|error| unfit(error.to_string()))?;
    let Some(glibc) = needs.glibc else { return Ok(()) };
    match nodes_glibc.parse::<Glibc>() {
        Ok(there) if there < glibc => Err(unfit(format!(
            "it needs glibc {glibc}, and nodes have {there} by yarn.nodes_glibc: make portable builds one for older nodes"
        ))),
        Ok(_) => Ok(()),
        // Not said.
        Err(()) => {
            eprintln!("yarn: nodes need glibc {glibc} or newer for {}", artifact.path.display());
            Ok(())
        }
    }
}

fn this_program() -> Result<PathBuf, YarnError> {
    std::env::current_exe().map_err(|error| YarnError::Artifact {
        path: PathBuf::from("this program"),
        what: format!("its file is not known: {error}"),
    })
}

/// Nodes must be able to connect to the host that they are told.
fn check_host(config: &Config, managers: &[Address]) -> Result<(), YarnError> {
    let transport = &config.transport;
    let connect = transport.advertise.clone().unwrap_or_else(|| transport.listen.to_string());
    let host = host_of(&connect);
    // It becomes a word of a shell's command.
    if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte)) {
        return Err(YarnError::Host(connect));
    }
    match managers.iter().find(|manager| !is_loopback(&manager.host)) {
        Some(manager) if is_loopback(host) => Err(YarnError::Loopback { connect, manager: manager.clone() }),
        _ => Ok(()),
    }
}

/// A queue that the ResourceManager does not show, or that is stopped. It may refuse the application, or make the queue, or
/// map the application to another one: only it knows its rules for that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Doubt {
    queue: String,
    is_there: bool,
    /// Queues that take applications.
    known: String,
}

impl Doubt {
    fn of(name: &str, queue: Option<&Queue>, root: Option<&Queue>) -> Option<Doubt> {
        if queue.is_some_and(|queue| queue.is_running) {
            return None;
        }
        let names: Vec<&str> = root.map(leaves).unwrap_or_default();
        let known = if names.is_empty() { "not known".to_owned() } else { names.join(", ") };
        Some(Doubt { queue: name.to_owned(), is_there: queue.is_some(), known })
    }

    /// What the doubt was for.
    pub(super) fn refused(&self, refusal: String) -> YarnError {
        let Doubt { queue, known, .. } = self.clone();
        YarnError::Queue { queue, known, refusal }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Doubt { queue, is_there, known } = self;
        match is_there {
            true => {
                write!(f, "the queue {queue:?} takes no applications at present; those that do are {known}")
            }
            false => write!(
                f,
                "the cluster shows no queue {queue:?}; unless it makes or maps it, yarn.queue must be one of {known}"
            ),
        }
    }
}

/// The queues below this one, or itself, that take applications.
fn leaves(queue: &Queue) -> Vec<&str> {
    match &queue.children[..] {
        [] if queue.is_running => vec![&queue.name],
        children => children.iter().flat_map(leaves).collect(),
    }
}

async fn doubt_of(client: &YarnClient, name: &str) -> Result<Option<Doubt>, YarnError> {
    let queue = client.queue(name).await?;
    let root = match &queue {
        Some(queue) if queue.is_running => None,
        _ => client.queue("root").await.ok().flatten(),
    };
    Ok(Doubt::of(name, queue.as_ref(), root.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_takes_no_applications_is_doubted_and_others_are_named() {
        let queue = |name: &str, is_running, children| Queue {
            name: name.to_owned(),
            capacity: 0.0,
            maximum_capacity: 1.0,
            used: 0.0,
            is_running,
            children,
        };
        let inner = queue("users", true, vec![queue("anna", true, vec![]), queue("bert", false, vec![])]);
        let root = queue("root", true, vec![queue("default", true, vec![]), inner]);
        let doubt = |queue: Option<&Queue>| Doubt::of("q", queue, Some(&root)).map(|doubt| doubt.to_string());
        assert_eq!(doubt(Some(&queue("q", true, vec![]))), None);
        let stopped = doubt(Some(&queue("q", false, vec![]))).unwrap();
        assert!(stopped.contains("at present") && stopped.ends_with("default, anna"), "{stopped}");
        let unknown = doubt(None).unwrap();
        assert!(unknown.contains("yarn.queue") && unknown.ends_with("default, anna"), "{unknown}");
        assert!(Doubt::of("q", None, None).unwrap().to_string().ends_with("not known"));
    }
}
