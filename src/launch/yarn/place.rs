//! Where nodes get the program from.

use std::time::Duration;

use warcdl_yarn::rpc::ExceptionKind;
use warcdl_yarn::{ApplicationId, ClientError, YarnClient};

use super::cluster::Cluster;
use super::{YarnError, narrowed};
use crate::bootstrap::Program;
use crate::config::StagingPlace;
use crate::launch::staging::hdfs::{Mark, Store, StoreError, Stored};
use crate::launch::staging::{Staging, StagingError};

/// From its mark on an application may take so long to become known: the program must be there before it is submitted, and
/// large ones take their time.
const SUBMITTED_WITHIN: Duration = Duration::from_secs(600);
/// How long the removal of the program may take.
const CLEAR_PATIENCE: Duration = Duration::from_secs(5);

/// Where nodes get the program from.
pub enum Place {
    /// From this process, for as long as this is kept.
    Http { _server: Staging },
    /// From their own disks.
    File,
    /// From HDFS.
    Hdfs(Stored),
}

impl Place {
    /// Has the program ready there; `host` is this machine to nodes.
    pub async fn prepare(cluster: &Cluster, host: &str) -> Result<(Place, Program), YarnError> {
        let Cluster { conf, user, client, artifact, settings, id, .. } = cluster;
        let (size, sha256) = (artifact.size, artifact.sha256.clone());
        Ok(match settings.staging {
            StagingPlace::Http => {
                let server = Staging::serve(artifact.clone(), narrowed(settings.listen, host)).await?;
                let url = format!("http://{host}:{}{}", server.port(), server.path());
                (Place::Http { _server: server }, Program { url, size, timestamp_ms: 0, sha256 })
            }
            StagingPlace::File => {
                let timestamp_ms = artifact.modified_ms()?;
                let url = format!("file://{}", artifact.absolute()?.display());
                (Place::File, Program { url, size, timestamp_ms, sha256 })
            }
            StagingPlace::Hdfs => {
                let nodes = client.cluster_metrics().await?.active;
                let stored =
                    Store::of(conf, user).map_err(StagingError::from)?.put(artifact, *id, nodes).await?;
                let program =
                    Program { url: stored.url.clone(), size, timestamp_ms: stored.modified_ms, sha256 };
                (Place::Hdfs(stored), program)
            }
        })
    }

    /// Leaves nothing behind that no other application needs. The one of this run must be over.
    pub async fn clear(&self, client: &YarnClient) {
        let Place::Hdfs(stored) = self else { return };
        let cleared = tokio::time::timeout(CLEAR_PATIENCE, clear(stored, client)).await;
        let why = match cleared {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer in {} s", CLEAR_PATIENCE.as_secs()),
        };
        tracing::warn!("{} stays behind: {why}", stored.url);
    }
}

async fn clear(stored: &Stored, client: &YarnClient) -> Result<(), StoreError> {
    for other in stored.leave().await? {
        if goes_on(client, &other).await {
            tracing::info!("{} stays for {}", stored.url, other.application);
            return Ok(());
        }
    }
    stored.remove().await
}

/// Whether an application may still need its program.
async fn goes_on(client: &YarnClient, Mark { application, age }: &Mark) -> bool {
    let Ok(id) = application.parse::<ApplicationId>() else { return true };
    match client.report(id).await {
        Ok(report) => !report.state.is_final(),
        Err(ClientError::Rpc(error)) if error.kind() == Some(ExceptionKind::ApplicationNotFound) => {
            *age < SUBMITTED_WITHIN
        }
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use warcdl_yarn::fake;
    use warcdl_yarn::rpc::{Login, Options};
    use warcdl_yarn::{Master, Submission};

    #[tokio::test]
    async fn a_program_stays_for_who_runs_and_for_who_is_just_starting() {
        let cluster = fake::Cluster::start(fake::Options::default()).await.unwrap();
        let login = Login::Simple { user: "anna".into() };
        let client = YarnClient::new(cluster.resource_managers(), login, Options::default()).unwrap();
        let submitted = client.new_application().await.unwrap().id;
        client.submit(&Submission::new(submitted, "test", Master::Unmanaged)).await.unwrap();
        // Its number was given out, and no more.
        let coming = client.new_application().await.unwrap().id;
        let (young, old) = (Duration::from_secs(5), Duration::from_secs(3600));
        let check = async |application: String, age, expected| {
            let mark = Mark { application, age };
            assert_eq!(goes_on(&client, &mark).await, expected, "{mark:?}");
        };
        check(submitted.to_string(), old, true).await;
        check(coming.to_string(), young, true).await;
        check(coming.to_string(), old, false).await;
        check("application_of_somebody".into(), old, true).await;
        client.kill_and_wait(submitted, "enough", old).await.unwrap();
        check(submitted.to_string(), young, false).await;
    }
}
