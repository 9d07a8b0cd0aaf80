//! Serves the program to the nodes of a cluster, over HTTP; `hdfs` puts it into HDFS instead.
//!
//! YARN's localizer fetches it by its URL, which holds a number that nobody guesses and the program's SHA-256. The number
//! shows in the logs of the cluster, so nothing secret is served; the hash is checked once more by the command that starts
//! the program, for HTTP itself promises nothing.

pub mod hdfs;

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::elf::{self, Needs};
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use futures_util::stream;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use warcdl_actors::wire::{HandshakeError, JobSecret};

/// Name of the program on the nodes.
pub const PROGRAM: &str = "warcdl-node";
/// Bytes read and sent at a time.
const PIECE: usize = 256 << 10;

/// Why the program cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum StagingError {
    /// The program's file cannot be read.
    #[error("cannot read the program for the cluster, {}: {source}; see yarn.artifact", path.display())]
    Artifact {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The address cannot be listened on.
    #[error(
        "cannot serve the program on yarn.listen = \"{address}\": {source}; set it to a free address of this machine"
    )]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// HDFS does not take it.
    #[error(transparent)]
    Hdfs(#[from] hdfs::StoreError),
    /// The system gives no random numbers.
    #[error(transparent)]
    Random(#[from] HandshakeError),
}

/// The program as it is on disk now; what becomes of its file later does not matter.
#[derive(Clone, Debug)]
pub struct Artifact {
    file: Arc<File>,
    /// Where it came from.
    pub path: PathBuf,
    /// Length in bytes.
    pub size: u64,
    /// SHA-256, in hexadecimal.
    pub sha256: String,
}

impl Artifact {
    /// Opens and hashes the file.
    pub fn open(path: &Path) -> Result<Artifact, StagingError> {
        let failed = |source| StagingError::Artifact { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(failed)?;
        let mut hash = Sha256::new();
        let size = io::copy(&mut file, &mut hash).map_err(failed)?;
        let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Artifact { file: Arc::new(file), path: path.to_owned(), size, sha256 })
    }

    /// What it needs of the nodes.
    pub fn needs(&self) -> io::Result<Needs> {
        elf::needs(&self.file)
    }

    /// When it was last changed, in milliseconds since 1970.
    pub fn modified_ms(&self) -> Result<i64, StagingError> {
        let failed = |source| StagingError::Artifact { path: self.path.clone(), source };
        let modified = self.file.metadata().and_then(|data| data.modified()).map_err(failed)?;
        let since = modified.duration_since(UNIX_EPOCH).map_err(|error| failed(io::Error::other(error)))?;
        Ok(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// Where it is, whatever the working directory and links.
    pub fn absolute(&self) -> Result<PathBuf, StagingError> {
        let failed = |source| StagingError::Artifact { path: self.path.clone(), source };
        self.path.canonicalize().map_err(failed)
    }

    /// Its bytes, piece by piece.
    fn body(&self) -> Body {
        Body::from_stream(stream::try_unfold((Arc::clone(&self.file), 0), read_piece))
    }
}

async fn read_piece((file, at): (Arc<File>, u64)) -> io::Result<Option<(Bytes, (Arc<File>, u64))>> {
    let read = move || {
        let mut piece = vec![0; PIECE];
        let length = file.read_at(&mut piece, at)?;
        piece.truncate(length);
        Ok((length > 0).then(|| (Bytes::from(piece), (file, at + length as u64))))
    };
    tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
}

/// A running server; dropping it ends it.
#[derive(Debug)]
pub struct Staging {
    address: SocketAddr,
    path: String,
    _server: JoinSet<()>,
}

impl Staging {
    /// Serves `artifact`, and nothing else, on `address`; port 0 takes a free one.
    pub async fn serve(artifact: Artifact, address: SocketAddr) -> Result<Staging, StagingError> {
        let failed = |source| StagingError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let number = JobSecret::random()?;
        let number = String::from_utf8_lossy(&number.expose()[..32]);
        let path = format!("/a/{number}/{}/{PROGRAM}", artifact.sha256);
        let routes = Router::new().route(&path, get(program)).with_state(artifact);
        let mut server = JoinSet::new();
        server.spawn(async move {
            let service = routes.into_make_service_with_connect_info::<SocketAddr>();
            if let Err(error) = axum::serve(listener, service).await {
                tracing::error!("the program is no longer served to the cluster: {error}");
            }
        });
        Ok(Staging { address: bound, path, _server: server })
    }

    /// The port that is listened on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Path of the program in URLs of this server.
    pub fn path(&self) -> &str {
        &self.path
    }
}

async fn program(State(artifact): State<Artifact>, ConnectInfo(peer): ConnectInfo<SocketAddr>) -> Response {
    tracing::info!(%peer, "the program is fetched");
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, artifact.size.to_string()),
    ];
    (headers, artifact.body()).into_response()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use sha2::{Digest, Sha256};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::{Artifact, Staging};

    async fn get(port: u16, path: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = Vec::new();
        stream.read_to_end(&mut response).await.unwrap();
        let end = response.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        (String::from_utf8_lossy(&response[..end]).to_ascii_lowercase(), response.split_off(end))
    }

    #[tokio::test]
    async fn the_program_is_served_whole_as_it_was_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("program");
        let content: Vec<u8> = (0..700_000_u32).flat_map(u32::to_le_bytes).collect();
        std::fs::write(&file, &content).unwrap();
        let artifact = Artifact::open(&file).unwrap();
        let hash: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((artifact.size, &artifact.sha256), (content.len() as u64, &hash));
        let staging = Staging::serve(artifact, SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        // A newer build takes its place: what was announced is served all the same.
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, "newer").unwrap();

        let (head, body) = get(staging.port(), staging.path()).await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert!(head.contains(&format!("content-length: {}\r\n", content.len())), "{head}");
        assert!(staging.path().ends_with(&format!("/{hash}/warcdl-node")), "{}", staging.path());
        assert_eq!(body, content);
        for path in ["/", "/a", &staging.path()[..40], "/a/../../etc/passwd"] {
            let (head, _) = get(staging.port(), path).await;
            assert!(head.starts_with("http/1.1 404"), "{path}: {head}");
        }
    }
}
