//! `warcdl-node yarn`: looks at a run's application on the cluster, ends it, or changes its number of readers.

use std::path::{Path, PathBuf};

use warcdl_yarn::{ApplicationId, ClientError, Conf, ConfError, IdError, Report, User, YarnClient};

use crate::cli::{YarnArgs, YarnCommand};
use crate::config::{Config, ConfigError};
use crate::control::{Answer, ControlError, scale};
use crate::exit::Exit;
use crate::launch::yarn::{State, YarnError, connect, kill};
use crate::secret_file::{self, SecretError};

/// Why it cannot be done.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum YarnCommandError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Conf(#[from] ConfError),
    #[error(transparent)]
    Id(#[from] IdError),
    #[error("cannot read {}: {source}", path.display())]
    State { path: PathBuf, source: std::io::Error },
    #[error(
        "there is no {}: no run with launcher = \"yarn\" works there; name the application",
        .0.display()
    )]
    NoRun(PathBuf),
    #[error("no user is known to the cluster: set HADOOP_USER_NAME")]
    NoUser,
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Yarn(#[from] YarnError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("the GPU node at {address} does not answer: {source}")]
    Control { address: String, source: ControlError },
    #[error("the GPU node refuses: {0}")]
    Refused(String),
}

impl YarnCommandError {
    /// How the process ends.
    pub fn exit(&self) -> Exit {
        match self {
            YarnCommandError::Yarn(error) if error.is_usage() => Exit::Usage,
            YarnCommandError::Yarn(_)
            | YarnCommandError::Client(_)
            | YarnCommandError::Control { .. }
            | YarnCommandError::Refused(_) => Exit::Network,
            _ => Exit::Usage,
        }
    }
}

/// Does it.
pub async fn run(args: &YarnArgs) -> Result<Exit, YarnCommandError> {
    match &args.command {
        YarnCommand::Status { application, config } => {
            let report = client().await?.report(application_of(application, config)?).await?;
            print!("{}", text(&report));
        }
        YarnCommand::Kill { application, config } => {
            let id = application_of(application, config)?;
            let report = kill(&client().await?, id, "killed by warcdl-node yarn kill").await?;
            println!("{id} {} ({})", report.state, report.final_status);
        }
        YarnCommand::Scale { readers, config } => {
            let State { control, secret_file, .. } = state_of(config)?;
            let secret = secret_file::read(&secret_file)?;
            match scale(&control, &secret, *readers).await {
                Ok(Answer::Target { readers }) => println!("{readers} readers are wanted from now on"),
                Ok(Answer::Refused { why }) => return Err(YarnCommandError::Refused(why)),
                Err(source) => return Err(YarnCommandError::Control { address: control, source }),
            }
        }
    }
    Ok(Exit::Done)
}

async fn client() -> Result<YarnClient, YarnCommandError> {
    let user = User::from_env().ok_or(YarnCommandError::NoUser)?;
    Ok(connect(&Conf::from_env()?, user).await?)
}

/// The application that is named, or that of the run in the configuration's folder of results.
fn application_of(
    named: &Option<String>,
    config: &Option<PathBuf>,
) -> Result<ApplicationId, YarnCommandError> {
    let name = match (named, config) {
        (Some(name), _) => name.clone(),
        (None, Some(config)) => state_of(config)?.application,
        (None, None) => unreachable!("the command line asks for one of them"),
    };
    Ok(name.parse()?)
}

fn state_of(config: &Path) -> Result<State, YarnCommandError> {
    let folder = Config::load(config, &[])?.output.path;
    let path = State::path(&folder);
    match State::read(&folder) {
        Ok(Some(state)) => Ok(state),
        Ok(None) => Err(YarnCommandError::NoRun(path)),
        Err(source) => Err(YarnCommandError::State { path, source }),
    }
}

fn text(report: &Report) -> String {
    let mut lines = vec![
        ("application", report.id.to_string()),
        ("state", format!("{} ({})", report.state, report.final_status)),
        ("name", format!("{}, user {}, queue {}", report.name, report.user, report.queue)),
        (
            "containers",
            format!("{} ({} MB, {} cores)", report.containers, report.used.memory_mb, report.used.vcores),
        ),
        ("progress", format!("{:.0} %", report.progress * 100.0)),
    ];
    if let Some(attempt) = report.attempt {
        lines.push(("attempt", attempt.attempt.to_string()));
    }
    if !report.tracking_url.is_empty() {
        lines.push(("tracking URL", report.tracking_url.clone()));
    }
    if !report.diagnostics.trim().is_empty() {
        lines.push(("diagnostics", report.diagnostics.trim().to_owned()));
    }
    lines.iter().map(|(name, value)| format!("{name:<13} {value}\n")).collect()
}
