//! A way to a server through this process, which can be made narrow, and cut.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What a narrow way lets through of one connection's answers, and how often: 100 KB/s.
const PIECE: usize = 10_000;
const EVERY: Duration = Duration::from_millis(100);

/// A way that is open until it is dropped with its runtime.
pub struct Way {
    /// Where it begins.
    pub address: SocketAddr,
    is_narrow: Arc<AtomicBool>,
    connections: Arc<AtomicUsize>,
    cuts: watch::Sender<u64>,
}

impl Way {
    /// To the server at `HOST:PORT`, from a free port of loopback.
    pub async fn to(server: &str) -> Way {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (is_narrow, connections) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let cuts = watch::Sender::new(0);
        let (server, narrow, made, cut) =
            (server.to_owned(), is_narrow.clone(), connections.clone(), cuts.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                made.fetch_add(1, Ordering::Relaxed);
                let (server, narrow, mut cut) = (server.clone(), narrow.clone(), cut.subscribe());
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(server).await else { return };
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    let wide = AtomicBool::new(false);
                    tokio::select! {
                        _ = cut.changed() => {}
                        () = pass(from_client, to_server, &wide) => {}
                        () = pass(from_server, to_client, &narrow) => {}
                    }
                });
            }
        });
        Way { address, is_narrow, connections, cuts }
    }

    /// As a slow network; or as fast as this machine.
    pub fn set_narrow(&self, is_narrow: bool) {
        self.is_narrow.store(is_narrow, Ordering::Relaxed);
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Ends every connection; new ones are let through.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

/// Until one of the ends is closed.
async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, is_narrow: &AtomicBool) {
    let mut piece = [0; 64 << 10];
    loop {
        let size = if is_narrow.load(Ordering::Relaxed) { PIECE } else { piece.len() };
        let Ok(count @ 1..) = from.read(&mut piece[..size]).await else { return };
        if to.write_all(&piece[..count]).await.is_err() {
            return;
        }
        if is_narrow.load(Ordering::Relaxed) {
            tokio::time::sleep(EVERY).await;
        }
    }
}
