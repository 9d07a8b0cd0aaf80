//! A proxy that knows HTTP and does to each answer what a plan says: refuses, stalls, breaks off, lies.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of an answer.
pub enum Fault {
    /// 503 with S3's error document; `Retry-After` if there is a number.
    SlowDown(Option<u32>),
    /// The head, so much of the body (a share of it), and then nothing until the client goes.
    Stall(f64),
    /// The head, so much of the body, and the end of the connection.
    Truncate(f64),
    /// The same, with a reset.
    Reset(f64),
    /// Another answer than the server's.
    Edit(fn(&mut Answer)),
}

/// A request as the proxy sees it.
#[derive(Clone, Debug)]
pub struct Question {
    pub method: String,
    /// With the query.
    pub path: String,
    /// Header lines, in lower case.
    pub headers: String,
    /// Requests for the same path before this one.
    pub nth: u32,
}

/// An answer of the server.
pub struct Answer {
    pub status: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// Takes all headers of this name away, and sets one if there is a value.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        self.headers.retain(|(other, _)| other != name);
        self.headers.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    }

    /// A page with status 200 in the answer's place.
    pub fn page(&mut self, content_type: &str, body: &str) {
        self.status = "200 OK".to_owned();
        self.headers.clear();
        self.set("content-type", Some(content_type));
        self.set("content-length", Some(&body.len().to_string()));
        self.body = body.as_bytes().to_vec();
    }

    fn parse(bytes: &[u8]) -> Option<Answer> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.lines();
        let status = lines.next()?.split_once(' ')?.1.to_owned();
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect();
        Some(Answer { status, headers, body: bytes[end + 4..].to_vec() })
    }

    fn head(&self) -> String {
        let headers: String =
            self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("HTTP/1.1 {}\r\n{headers}\r\n", self.status)
    }
}

pub struct Proxy {
    pub endpoint: String,
    pub asked: Arc<Mutex<Vec<Question>>>,
    /// Bytes of bodies that were sent of ranges.
    pub sent: Arc<AtomicU64>,
}

impl Proxy {
    /// Questions so far whose path holds this text.
    pub fn count(&self, path: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|question| question.path.contains(path)).count()
    }

    /// Passes requests on to `endpoint`; what becomes of each answer is up to `plan`. A connection serves one request, so that
    /// each fault meets one.
    pub async fn start(
        endpoint: &str,
        plan: impl Fn(&Question) -> Option<Fault> + Send + Sync + 'static,
    ) -> Proxy {
        let server = endpoint.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, plan) = (asked.clone(), Arc::new(plan));
        let sent = Arc::new(AtomicU64::new(0));
        let sum = sent.clone();
        let counts = Arc::new(Mutex::new(HashMap::new()));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, log, plan, counts) = (server.clone(), log.clone(), plan.clone(), counts.clone());
                let sum = sum.clone();
                tokio::spawn(async move {
                    // An error is a client that went away.
                    let _ = serve(client, &server, &log, &counts, &sum, &*plan).await;
                });
            }
        });
        Proxy { endpoint, asked, sent }
    }
}

async fn serve(
    mut client: TcpStream,
    server: &str,
    log: &Mutex<Vec<Question>>,
    counts: &Mutex<HashMap<String, u32>>,
    sum: &AtomicU64,
    plan: &(dyn Fn(&Question) -> Option<Fault> + Send + Sync),
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
    let headers = head.to_lowercase();
    let nth = {
        let mut counts = counts.lock().unwrap();
        let count = counts.entry(path.clone()).or_default();
        *count += 1;
        *count - 1
    };
    let question = Question { method, path, headers, nth };
    let fault = plan(&question);
    log.lock().unwrap().push(question.clone());

    let mut upstream = TcpStream::connect(server).await?;
    upstream.write_all(head.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).await?;
    let mut answer = Answer::parse(&answer).expect("the server speaks HTTP");
    answer.set("connection", Some("close"));
    let mut share = 1.0;
    match &fault {
        None => {}
        Some(Fault::Edit(edit)) => edit(&mut answer),
        Some(Fault::SlowDown(retry_after)) => {
            let document =
                "<?xml version=\"1.0\"?><Error><Code>SlowDown</Code><Message>Slow</Message></Error>";
            answer.page("application/xml", document);
            answer.status = "503 Slow Down".to_owned();
            answer.set("retry-after", retry_after.map(|seconds| seconds.to_string()).as_deref());
        }
        Some(Fault::Stall(part) | Fault::Truncate(part) | Fault::Reset(part)) => share = *part,
    }
    let length = (answer.body.len() as f64 * share) as usize;
    client.write_all(answer.head().as_bytes()).await?;
    if question.method != "HEAD" {
        client.write_all(&answer.body[..length]).await?;
        if question.headers.contains("\r\nrange: ") {
            sum.fetch_add(length as u64, Ordering::Relaxed);
        }
    }
    match fault {
        Some(Fault::Stall(_)) => client.read_u8().await.map(drop),
        Some(Fault::Reset(_)) => client.set_zero_linger(),
        _ => client.shutdown().await,
    }
}

/// What the weather is like: the shares of requests that meet each fault, by the seed, the path, and how often that was asked
/// for, so that a seed is the same weather however the readers share the work.
pub fn storm(seed: u64, question: &Question) -> Option<Fault> {
    let path = question.path.bytes().fold(seed, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
    let mut random = fastrand::Rng::with_seed(path.wrapping_add(u64::from(question.nth) << 32));
    let part = random.f64() * 0.99;
    match random.u32(0..100) {
        0..30 => Some(Fault::SlowDown(None)),
        30..40 => Some(Fault::Stall(part)),
        40..50 => Some(Fault::Truncate(part)),
        50 => Some(Fault::Reset(part)),
        _ => None,
    }
}
