//! Ends applications that nobody is to go on with.

use std::path::Path;
use std::time::Duration;

use warcdl_yarn::rpc::{ExceptionKind, Patience};
use warcdl_yarn::{ApplicationId, ClientError, Report, YarnClient};

use super::{FIRST_PATIENCE, State};

/// How long an application may take to be killed.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Kills an application, and says how it is then.
pub async fn kill(client: &YarnClient, id: ApplicationId, why: &str) -> Result<Report, ClientError> {
    client.kill_and_wait(id, why, PATIENCE).await?;
    client.report(id).await
}

/// What became of an application whose submission failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Withdrawn {
    /// It was never there.
    Unknown,
    /// It is over.
    Killed,
    /// It may go on. What is left in the folder of results names it, for the next run to end.
    Left,
}

/// Sees to it that an application does not go on whose submission failed: it may have been accepted, and only the answer
/// lost.
pub(super) async fn withdraw(client: YarnClient, id: ApplicationId) -> Withdrawn {
    let client = client.with_patience(Patience::of(FIRST_PATIENCE));
    let killing = client.kill_and_wait(id, "its submission failed", PATIENCE);
    let left = match tokio::time::timeout(PATIENCE, killing).await {
        Ok(Ok(())) => return Withdrawn::Killed,
        Ok(Err(error)) if is_unknown(&error) => return Withdrawn::Unknown,
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("it is not over after {} s", PATIENCE.as_secs()),
    };
    tracing::error!("{id} may go on and cannot be killed: {left}; run warcdl-node yarn kill {id}");
    Withdrawn::Left
}

fn is_unknown(error: &ClientError) -> bool {
    matches!(error, ClientError::Rpc(error) if error.kind() == Some(ExceptionKind::ApplicationNotFound))
}

/// The application of a run that broke off here must not go on beside this one, or after it.
pub(super) async fn end_predecessor(client: &YarnClient, output: &Path) -> Result<(), ClientError> {
    let Ok(Some(state)) = State::read(output) else { return Ok(()) };
    let Ok(id) = state.application.parse::<ApplicationId>() else { return Ok(()) };
    match client.report(id).await {
        Ok(report) if report.state.is_final() => {}
        Ok(_) => {
            eprintln!("yarn: {id} of the run before still goes on; it is killed");
            client
                .kill_and_wait(id, "its run broke off, and its results are another one's", PATIENCE)
                .await?;
        }
        // The ResourceManager has forgotten it, or is another one.
        Err(error) if is_unknown(&error) => {}
        Err(error) => return Err(error),
    }
    State::remove(output);
    Ok(())
}
