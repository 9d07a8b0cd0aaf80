//! An S3 server in this process.

use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use std::path::Path;
use tokio::net::TcpListener;

/// Serves a folder whose folders are buckets, to `key` with this secret or to anybody; gives its endpoint.
pub async fn serve(folder: &Path, secret: Option<&str>) -> String {
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder).unwrap());
    if let Some(secret) = secret {
        builder.set_auth(SimpleAuth::from_single("key", secret));
    }
    let service = builder.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let http = hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
                let _ = http.serve_connection(hyper_util::rt::TokioIo::new(socket), service).await;
            });
        }
    });
    endpoint
}
