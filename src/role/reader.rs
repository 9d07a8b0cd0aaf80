//! `--role reader`: reads archives for a GPU node, until that says that nothing is left.

use crate::bootstrap::{Bootstrap, BootstrapError};
use crate::cli::{ReaderArgs, SecretPlace};
use crate::exit::Exit;
use crate::intake::Intake;
use crate::job::Job;
use crate::secret_file::{self, SecretError};
use std::io;
use std::time::Duration;
use tokio::net::TcpStream;
use warcdl_actors::port::Source;
use warcdl_actors::reader::{ReaderError, serve};
use warcdl_actors::wire::HandshakeError;
use warcdl_yarn::Credentials;

/// Tries to reach the GPU node, a second apart: a reader may well be started before it.
const ATTEMPTS: u32 = 10;
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How long one of them may take: what a firewall swallows is never answered.
const CONNECT: Duration = Duration::from_secs(10);

/// Why a reader ends before the work does.
#[derive(Debug, thiserror::Error)]
pub enum ReaderRunError {
    /// There is no secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// YARN has given it nothing that it understands.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// Nobody answers.
    #[error("cannot reach the GPU node at {address}: {source}; is it running, and is the port open?")]
    Connect {
        /// `HOST:PORT`.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The link or the job is no good.
    #[error(transparent)]
    Reader(#[from] ReaderError),
}

impl ReaderRunError {
    /// How the process ends.
    pub fn exit(&self) -> Exit {
        match self {
            ReaderRunError::Secret(_) | ReaderRunError::Bootstrap(_) => Exit::Usage,
            ReaderRunError::Connect { .. } => Exit::Network,
            ReaderRunError::Reader(ReaderError::Worker | ReaderError::Thread(_)) => Exit::Internal,
            // Another build than the GPU node's, as it will be the next time. The GPU node, which is told the version first, gives
            // it as the reason for which it refuses; a reader that knows no secret finds that out by itself.
            ReaderRunError::Reader(
                ReaderError::Job(_)
                | ReaderError::Handshake(HandshakeError::Version { .. } | HandshakeError::Refused { .. }),
            ) => Exit::Usage,
            ReaderRunError::Reader(_) => Exit::Network,
        }
    }
}

/// Runs to the end. Must run within an actix system.
pub async fn run(args: &ReaderArgs) -> Result<(), ReaderRunError> {
    let (secret, mut keys) = match &args.secret {
        SecretPlace::File(file) => (secret_file::read(file)?, None),
        SecretPlace::Tokens => {
            let credentials = Credentials::from_env().map_err(BootstrapError::from)?;
            let Bootstrap { secret, s3 } = Bootstrap::read(&credentials)?;
            (secret, s3)
        }
    };
    let stream = connect(&args.connect).await?;
    // Grants and leases are small and must not wait for company.
    let _ = stream.set_nodelay(true);
    // Fetching has a thread of its own, so that neither decryption nor a slow store delays grants and heartbeats.
    let fetching = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("fetch")
        .enable_all()
        .build()
        .map_err(|error| ReaderRunError::Reader(ReaderError::Thread(error)))?;
    let runtime = fetching.handle().clone();
    let name = args.name.clone().unwrap_or_else(|| format!("pid-{}", std::process::id()));
    let source = |description: bytes::Bytes| -> Result<Box<dyn Source>, String> {
        let mut job = Job::decode(&description).map_err(|error| error.to_string())?;
        if let Some(keys) = keys.take() {
            keys.complete(&mut job.s3);
        }
        let store = job.store(runtime.clone());
        let intake = Intake::new(job, store).map_err(|error| error.to_string())?;
        Ok(Box::new(intake.with_threads(args.threads)))
    };
    let served = serve(stream, &secret, &name, crate::process::figures, source).await;
    fetching.shutdown_background();
    Ok(served?)
}

async fn connect(address: &str) -> Result<TcpStream, ReaderRunError> {
    let mut attempt = 1;
    loop {
        let connected = tokio::time::timeout(CONNECT, TcpStream::connect(address)).await;
        match connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => return Ok(stream),
            Err(source) if attempt == ATTEMPTS => {
                return Err(ReaderRunError::Connect { address: address.to_owned(), source });
            }
            Err(error) => tracing::warn!("cannot reach the GPU node at {address} yet: {error}"),
        }
        attempt += 1;
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_build_and_another_secret_have_exit_codes_of_their_own() {
        let version = HandshakeError::Version { theirs: 2, their_schema: 1 };
        let refused = HandshakeError::Refused { reason: version.to_string() };
        for (error, exit) in [
            (ReaderError::Job("unknown field".into()), Exit::Usage),
            (version.into(), Exit::Usage),
            (refused.into(), Exit::Usage),
            (HandshakeError::WrongSecret.into(), Exit::Network),
            (HandshakeError::Closed.into(), Exit::Network),
            (ReaderError::Closed, Exit::Network),
            (ReaderError::Worker, Exit::Internal),
        ] {
            let error = ReaderRunError::from(error);
            assert_eq!(error.exit(), exit, "{error}");
        }
    }
}
