//! `/metrics` and `/healthz` over HTTP.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::{Registry, TEXT_FORMAT, TextEncoder};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::TelemetryError;

/// Serves `registry` on `address` (port 0 takes a free one) until the task is aborted: `GET /metrics` in Prometheus'
/// text format 0.0.4, `GET /healthz` for liveness probes. Returns the address that it got.
pub async fn serve(
    address: SocketAddr,
    registry: Registry,
) -> Result<(SocketAddr, JoinHandle<()>), TelemetryError> {
    let failed = |source| TelemetryError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let routes = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .with_state(registry);
    let server = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, routes).await {
            tracing::error!(%error, "metrics are no longer served");
        }
    });
    Ok((bound, server))
}

async fn metrics(State(registry): State<Registry>) -> Response {
    match TextEncoder::new().encode_to_string(&registry.gather()) {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use prometheus::{IntCounter, Registry};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::serve;

    fn loopback() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        response
    }

    #[tokio::test]
    async fn metrics_are_those_of_the_moment() {
        let registry = Registry::new();
        let counter = IntCounter::new("warcdl_probe_total", "A counter of this test.").unwrap();
        registry.register(Box::new(counter.clone())).unwrap();
        let (address, server) = serve(loopback(), registry).await.unwrap();
        for expected in ["warcdl_probe_total 0\n", "warcdl_probe_total 1\n"] {
            let response = get(address, "/metrics").await;
            assert!(response.starts_with("HTTP/1.1 200"), "{response}");
            assert!(response.contains("content-type: text/plain; version=0.0.4"), "{response}");
            assert!(response.contains(expected), "{response}");
            counter.inc();
        }
        assert!(get(address, "/healthz").await.ends_with("ok\n"));
        assert!(get(address, "/").await.starts_with("HTTP/1.1 404"));
        server.abort();
    }

    #[tokio::test]
    async fn a_port_in_use_is_told_with_address_and_key() {
        let (address, server) = serve(loopback(), Registry::new()).await.unwrap();
        let error = serve(address, Registry::new()).await.unwrap_err().to_string();
        assert!(error.contains(&address.to_string()), "{error}");
        assert!(error.contains("\"telemetry.metrics\""), "{error}");
        server.abort();
    }
}
