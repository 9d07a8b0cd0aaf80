//! The ResourceManager's reports of an application, one after the other.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use warcdl_yarn::{ApplicationId, ClientError, Report, YarnClient};

/// How often the ResourceManager is asked how the application is.
const EVERY: Duration = Duration::from_secs(1);
/// The same while it is about to end.
const SOON: Duration = Duration::from_millis(200);

/// Asks in a task of its own: a question to one of several ResourceManagers that is gone takes as long as its connection is
/// tried for, and must come to its end for the next one to be asked.
pub(super) struct Reports {
    answers: mpsc::Receiver<Result<Report, ClientError>>,
    pace: watch::Sender<Duration>,
    _asking: JoinSet<()>,
}

impl Reports {
    /// Begins to ask.
    pub(super) fn start(client: YarnClient, id: ApplicationId) -> Reports {
        let (tell, answers) = mpsc::channel(1);
        let pace = watch::Sender::new(EVERY);
        let mut paces = pace.subscribe();
        let mut asking = JoinSet::new();
        asking.spawn(async move {
            loop {
                let every = *paces.borrow_and_update();
                tokio::select! {
                    () = tokio::time::sleep(every) => {}
                    // Its other end is here as long as this task.
                    Ok(()) = paces.changed() => {}
                }
                if tell.send(client.report(id).await).await.is_err() {
                    return;
                }
            }
        });
        Reports { answers, pace, _asking: asking }
    }

    /// Asks more often from now on.
    pub(super) fn hurry(&self) {
        self.pace.send_replace(SOON);
    }

    /// The next answer. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Result<Report, ClientError> {
        match self.answers.recv().await {
            Some(answer) => answer,
            // The task ends with this value.
            None => std::future::pending().await,
        }
    }
}
