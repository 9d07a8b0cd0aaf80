//! Connections against the server's side, over a pipe and in virtual time.

use super::*;
use crate::Address;
use crate::fake::Fault;
use crate::fake::digest::Offer;
use crate::fake::fault::Faults;
use crate::fake::server::{self, Answer, Caller, Exception, Service};
use crate::proto::message::KillApplicationRequest as Text;
use crate::proto::rpc::SaslAuth;
use crate::rpc::frame::sasl_state;
use crate::sasl::SaslError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::time::Instant;

/// Answers with what it gets.
struct Echo {
    protection: Vec<Qop>,
    ciphers: &'static str,
    believes: bool,
    faults: Faults,
    pings: AtomicUsize,
    callers: Mutex<Vec<Caller>>,
}

impl Echo {
    fn new(protection: Vec<Qop>) -> Arc<Echo> {
        Echo::with(protection, "3des,rc4,des", false)
    }

    fn with(protection: Vec<Qop>, ciphers: &'static str, believes: bool) -> Arc<Echo> {
        let (faults, pings, callers) = Default::default();
        Arc::new(Echo { protection, ciphers, believes, faults, pings, callers })
    }
}

impl Service for Echo {
    fn protocol(&self) -> &'static str {
        CLIENT_PROTOCOL
    }
    fn offer(&self) -> Offer {
        Offer { protection: self.protection.clone(), ciphers: self.ciphers.to_owned() }
    }
    fn believes_names(&self) -> bool {
        self.believes
    }
    fn password(&self, identifier: &[u8]) -> Option<Vec<u8>> {
        (identifier == b"known").then(|| b"password".to_vec())
    }
    fn admits(&self) -> bool {
        true
    }
    fn faults(&self) -> &Faults {
        &self.faults
    }
    fn pinged(&self) {
        self.pings.fetch_add(1, Ordering::Relaxed);
    }
    fn call(&self, caller: &Caller, method: &str, message: &[u8], _: Option<&str>) -> Answer {
        self.callers.lock().unwrap().push(caller.clone());
        match method {
            "echo" => Ok(message.to_vec()),
            _ => Err(Exception::new("org.apache.hadoop.ipc.RpcNoSuchMethodException", method)),
        }
    }
}

fn at() -> Address {
    Address::new("server", 1)
}

fn token(password: &str) -> Login {
    Login::Token(Token {
        identifier: b"known".to_vec(),
        password: password.as_bytes().to_vec(),
        ..Token::default()
    })
}

/// A server on the other end of a pipe.
fn serving(echo: &Arc<Echo>) -> DuplexStream {
    let (client, mut server) = tokio::io::duplex(1000);
    let echo = echo.clone();
    tokio::spawn(async move { server::connection(&mut server, &*echo).await });
    client
}

async fn open(io: DuplexStream, login: &Login, options: Options) -> Result<Connection, RpcError> {
    let identity = Identity::new().unwrap();
    Connection::over(io, &at(), CLIENT_PROTOCOL, login, &Arc::new(options), &identity).await
}

async fn connected(echo: &Arc<Echo>, options: Options) -> Connection {
    open(serving(echo), &token("password"), options).await.unwrap()
}

async fn echoed(connection: &Connection, text: &str) -> Result<String, RpcError> {
    let request = Text { diagnostics: Some(text.to_owned()), ..Text::default() };
    let answer: Text = connection.call("echo", &request).await?;
    Ok(answer.diagnostics.unwrap_or_default())
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn answers_find_their_calls_in_whatever_order_they_come() {
    let echo = Echo::new(vec![Qop::Auth]);
    let connection = connected(&echo, Options::default()).await;
    for delay in [3, 1, 2] {
        echo.faults.push("echo", Fault::Delay(seconds(delay)));
    }
    let order = Mutex::new(Vec::new());
    let call = |text: &'static str| {
        let (connection, order) = (&connection, &order);
        async move {
            assert_eq!(echoed(connection, text).await.unwrap(), text);
            order.lock().unwrap().push(text);
        }
    };
    tokio::join!(call("a"), call("b"), call("c"));
    assert_eq!(*order.lock().unwrap(), ["b", "c", "a"]);
}

#[tokio::test(start_paused = true)]
async fn every_protection_carries_messages_longer_than_its_buffer() {
    let long = "x".repeat(200_000);
    for protection in [Qop::Auth, Qop::Integrity, Qop::Privacy] {
        for ciphers in ["3des,rc4", "rc4,des"] {
            let echo = Echo::with(vec![Qop::Auth, Qop::Integrity, Qop::Privacy], ciphers, false);
            let options = Options { protection: vec![protection], ..Options::default() };
            let connection = connected(&echo, options).await;
            for text in ["", "short", &long, "again"] {
                assert_eq!(echoed(&connection, text).await.unwrap(), text, "{protection} {ciphers}");
            }
            assert_eq!(echo.callers.lock().unwrap()[0], Caller::Holder(b"known".to_vec()));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_wanted_most_of_what_is_offered_is_taken() {
    let echo = Echo::new(vec![Qop::Auth, Qop::Integrity]);
    let wanting = |protection| Options { protection, ..Options::default() };
    let connection = connected(&echo, wanting(vec![Qop::Privacy, Qop::Integrity, Qop::Auth])).await;
    assert_eq!(echoed(&connection, "a").await.unwrap(), "a");
    let refused = open(serving(&echo), &token("password"), wanting(vec![Qop::Privacy])).await.unwrap_err();
    assert!(refused.to_string().contains("hadoop.rpc.protection allows privacy"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_and_a_wrong_method_are_told() {
    let echo = Echo::new(vec![Qop::Auth]);
    let error = open(serving(&echo), &token("guess"), Options::default()).await.unwrap_err();
    assert_eq!(error.kind(), Some(ExceptionKind::Sasl), "{error}");
    let Login::Token(mut unknown) = token("password") else { unreachable!() };
    unknown.identifier.push(0);
    let error = open(serving(&echo), &Login::Token(unknown), Options::default()).await.unwrap_err();
    assert_eq!(error.kind(), Some(ExceptionKind::InvalidToken), "{error}");
    let connection = connected(&echo, Options::default()).await;
    let error = connection.call::<Text>("other", &Text::default()).await.unwrap_err();
    assert_eq!(error.kind(), Some(ExceptionKind::Unsupported), "{error}");
    assert_eq!(echoed(&connection, "still here").await.unwrap(), "still here");
}

#[tokio::test(start_paused = true)]
async fn a_name_is_enough_only_where_names_are_believed() {
    let named = Login::Simple { user: "anna".into() };
    let believing = Echo::with(vec![Qop::Auth], "", true);
    let connection = open(serving(&believing), &named, Options::default()).await.unwrap();
    echoed(&connection, "a").await.unwrap();
    assert_eq!(*believing.callers.lock().unwrap(), [Caller::Named("anna".into())]);
    let strict = Echo::new(vec![Qop::Auth]);
    let connection = open(serving(&strict), &named, Options::default()).await.unwrap();
    let error = echoed(&connection, "a").await.unwrap_err();
    assert_eq!(error.kind(), Some(ExceptionKind::AccessDenied), "{error}");
    assert!(error.to_string().contains("SIMPLE authentication is not enabled"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_not_answered_ends_in_time_and_a_silent_connection_with_it() {
    let echo = Echo::new(vec![Qop::Auth]);
    let options = Options { call_timeout: seconds(30), ..Options::default() };
    let connection = connected(&echo, options).await;
    echo.faults.push("echo", Fault::Silence);
    let begin = Instant::now();
    let error = echoed(&connection, "a").await.unwrap_err();
    assert!(matches!(error, RpcError::Timeout { method: "echo", .. }), "{error}");
    assert_eq!(begin.elapsed().as_secs(), 30);
    assert!(matches!(echoed(&connection, "b").await, Err(RpcError::Lost { .. })));
    assert!(connection.is_closed());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_too_late_is_nobodys() {
    let echo = Echo::new(vec![Qop::Auth]);
    let options = Options { call_timeout: seconds(30), ..Options::default() };
    let connection = connected(&echo, options).await;
    echo.faults.push("echo", Fault::Delay(seconds(40)));
    let late = tokio::spawn({
        let connection = connection.clone();
        async move { echoed(&connection, "late").await }
    });
    tokio::time::sleep(seconds(20)).await;
    assert_eq!(echoed(&connection, "b").await.unwrap(), "b");
    assert!(matches!(late.await.unwrap(), Err(RpcError::Timeout { .. })));
    echo.faults.push("echo", Fault::Delay(seconds(20)));
    assert_eq!(echoed(&connection, "c").await.unwrap(), "c");
}

#[tokio::test(start_paused = true)]
async fn a_server_is_pinged_while_a_call_waits() {
    let echo = Echo::new(vec![Qop::Integrity]);
    let options = Options {
        call_timeout: seconds(100),
        ping_interval: seconds(10),
        protection: vec![Qop::Integrity],
        ..Options::default()
    };
    let connection = connected(&echo, options).await;
    echo.faults.push("echo", Fault::Delay(seconds(55)));
    assert_eq!(echoed(&connection, "a").await.unwrap(), "a");
    assert_eq!(echo.pings.load(Ordering::Relaxed), 5);
    tokio::time::sleep(seconds(9)).await;
    assert_eq!(echo.pings.load(Ordering::Relaxed), 5, "nothing waits");
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_closes() {
    let echo = Echo::new(vec![Qop::Auth]);
    let connection = connected(&echo, Options { max_idle: seconds(10), ..Options::default() }).await;
    tokio::time::sleep(seconds(9)).await;
    assert_eq!(echoed(&connection, "a").await.unwrap(), "a");
    tokio::time::sleep(seconds(9)).await;
    assert!(!connection.is_closed());
    tokio::time::sleep(seconds(2)).await;
    assert!(connection.is_closed());
    assert!(matches!(echoed(&connection, "b").await, Err(RpcError::Lost { .. })));
}

#[tokio::test(start_paused = true)]
async fn all_calls_fail_when_the_connection_breaks() {
    let echo = Echo::new(vec![Qop::Auth]);
    let connection = connected(&echo, Options::default()).await;
    echo.faults.push("echo", Fault::Silence);
    echo.faults.push("echo", Fault::LoseReply);
    let (first, second) = tokio::join!(echoed(&connection, "a"), echoed(&connection, "b"));
    for error in [first.unwrap_err(), second.unwrap_err()] {
        assert!(matches!(error, RpcError::Lost { .. }) && error.is_passing(), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn lengths_are_limited_in_both_directions() {
    let echo = Echo::new(vec![Qop::Auth]);
    let options = Options { max_response: 1000, max_request: 2000, ..Options::default() };
    let connection = connected(&echo, options).await;
    let error = echoed(&connection, &"x".repeat(3000)).await.unwrap_err();
    assert!(matches!(error, RpcError::TooLong { limit: 2000, .. }), "{error}");
    assert_eq!(echoed(&connection, &"x".repeat(900)).await.unwrap().len(), 900);
    let error = echoed(&connection, &"x".repeat(1500)).await.unwrap_err();
    assert!(matches!(error, RpcError::Malformed { .. }), "{error}");
}

/// A pipe in whose way every byte from the server, after so many, is changed.
fn tampered(mut server: DuplexStream, after: usize) -> DuplexStream {
    let (client, mut middle) = tokio::io::duplex(1000);
    tokio::spawn(async move {
        let mut passed = 0;
        let (mut from_client, mut from_server) = ([0; 1000], [0; 1000]);
        loop {
            tokio::select! {
                Ok(len) = middle.read(&mut from_client) => {
                    if len == 0 || server.write_all(&from_client[..len]).await.is_err() { return; }
                }
                Ok(len) = server.read(&mut from_server) => {
                    for byte in &mut from_server[..len] {
                        passed += 1;
                        *byte ^= u8::from(passed > after);
                    }
                    if len == 0 || middle.write_all(&from_server[..len]).await.is_err() { return; }
                }
                else => return,
            }
        }
    });
    client
}

#[tokio::test(start_paused = true)]
async fn no_changed_byte_passes_for_an_answer() {
    for protection in [Qop::Integrity, Qop::Privacy] {
        let options =
            Options { protection: vec![protection], call_timeout: seconds(5), ..Options::default() };
        for after in (0..1000).step_by(7) {
            let echo = Echo::new(vec![Qop::Integrity, Qop::Privacy]);
            let io = tampered(serving(&echo), after);
            let opened =
                tokio::time::timeout(seconds(5), open(io, &token("password"), options.clone())).await;
            let Ok(Ok(connection)) = opened else { continue };
            if let Ok(text) = echoed(&connection, &"y".repeat(400)).await {
                assert_eq!(text, "y".repeat(400), "{protection} after {after}");
            }
        }
    }
}

/// A server that is restarted, or takes over, breaks connections off wherever they are: that is no answer.
#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_while_it_is_opened_is_lost() {
    for sent in [&[][..], &[0, 0], &[0, 0, 0, 9, 1]] {
        let (client, mut server) = tokio::io::duplex(4000);
        tokio::spawn(async move {
            server.read_exact(&mut [0; 7]).await.unwrap();
            server.write_all(sent).await.unwrap();
        });
        let error = open(client, &token("password"), Options::default()).await.unwrap_err();
        assert!(error.is_passing(), "{sent:?}: {error}");
    }
}

/// Whoever answers in a server's place knows no password, and asks for none.
#[tokio::test(start_paused = true)]
async fn a_server_that_asks_for_no_proof_gives_none() {
    for state in [sasl_state::SUCCESS, sasl_state::NEGOTIATE] {
        let auth = SaslAuth { method: "SIMPLE".into(), ..SaslAuth::default() };
        let answer = server::sasl_answer(state, None, vec![auth]);
        let (client, mut server) = tokio::io::duplex(4000);
        tokio::spawn(async move {
            server.read_exact(&mut [0; 7]).await.unwrap();
            server.write_all(&answer).await.unwrap();
            let _ = server.read(&mut [0; 1000]).await;
        });
        let error = open(client, &token("password"), Options::default()).await.unwrap_err();
        assert!(matches!(error, RpcError::Sasl { source: SaslError::Unproved, .. }), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_a_server_sends_ends_in_an_error() {
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..300 {
        let (client, mut server) = tokio::io::duplex(4000);
        let mut bytes = vec![0, 0, 0, random.u8(0..60)];
        bytes.extend((0..200).map(|_| random.u8(..)));
        tokio::spawn(async move {
            let _ = server.write_all(&bytes).await;
            // Then it closes: whoever waits for more is told that nothing comes.
        });
        let opened =
            tokio::time::timeout(seconds(5), open(client, &token("password"), Options::default())).await;
        assert!(matches!(opened, Ok(Err(_))), "seed {seed}");
    }
}
