//! S3 as a source, against a server in this process and against none.

use std::io::Read;

use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use warcdl::source::{S3Settings, Secret, SourceSettings, Store, list};

fn settings(endpoint_url: String, bucket: &str, secret: &str) -> SourceSettings {
    let s3 = S3Settings {
        buckets: vec![bucket.to_owned()],
        endpoint_url,
        region: "us-east-1".to_owned(),
        path_style: true,
        profile: String::new(),
        access_key_id: "key".to_owned(),
        secret_access_key: Secret(secret.to_owned()),
        session_token: Secret::default(),
        anonymous: false,
    };
    SourceSettings { paths: Vec::new(), list: String::new(), suffixes: vec![".warc.gz".to_owned()], s3 }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_listed_and_read_from_an_offset() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("bucket")).unwrap();
    let data: Vec<u8> = (0..700_000u32).map(|number| (number % 251) as u8).collect();
    for number in 0..1005 {
        std::fs::write(folder.path().join(format!("bucket/{number:04}.warc.gz")), "x").unwrap();
    }
    std::fs::write(folder.path().join("bucket/big.warc.gz"), &data).unwrap();
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
    builder.set_auth(SimpleAuth::from_single("key", "secret"));
    let service = builder.build();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
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
    let store = |given: &SourceSettings| Store::new(&given.s3, tokio::runtime::Handle::current());
    let given = settings(endpoint.clone(), "bucket", "secret");
    let archives = list(&given, &store(&given)).await.unwrap();
    assert_eq!(archives.len(), 1006);
    let mut input = store(&given).open(&archives[1005], 300_001).unwrap();
    let tail = tokio::task::spawn_blocking(move || {
        let mut tail = Vec::new();
        input.read_to_end(&mut tail).map(|_| tail)
    });
    assert_eq!(tail.await.unwrap().unwrap(), data[300_001..]);
    for (bucket, secret, cure) in [("none", "secret", "no such bucket"), ("bucket", "wrong", "access denied")]
    {
        let given = settings(endpoint.clone(), bucket, secret);
        let error = list(&given, &store(&given)).await.unwrap_err().to_string();
        assert!(error.contains(cure) && error.contains(&endpoint), "{error}");
    }
}
