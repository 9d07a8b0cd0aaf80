//! A record on which the stack overflows: the process aborts, and nothing within it can confine that. The readers here are
//! processes, so that they can.

use crate::world::{Script, World};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::process::Command;
use warcdl_actors::Exclusion;
use warcdl_actors::reader::serve;
use warcdl_actors::wire::JobSecret;

/// Tells the child process where the GPU node is.
const CHILD: &str = "WARCDL_TEST_OVERFLOW_NODE";

fn world() -> World {
    let mut script = vec![Script::Record { score: 90, keep: 1 }; 40];
    script[17] = Script::Overflow;
    World::new(vec![script])
}

/// A reader, in the child process.
fn read(address: &str) {
    actix::System::new().block_on(async {
        let io = TcpStream::connect(address).await.unwrap();
        let source = Box::new(world().source);
        let secret = JobSecret::new(b"secret");
        serve(io, &secret, "child", || (Duration::ZERO, 0), |_| Ok(source)).await.unwrap();
    });
}

#[test]
fn a_record_that_overflows_the_stack_is_quarantined_after_three_processes() {
    if let Ok(address) = std::env::var(CHILD) {
        return read(&address);
    }
    let aborts = Arc::new(Mutex::new(0));
    let count = Arc::clone(&aborts);
    let outcome = world()
        .play(|stage| async move {
            loop {
                // This program again, and of its tests this one.
                let status = Command::new(std::env::current_exe().unwrap())
                    .args(["--exact", std::thread::current().name().unwrap()])
                    .env(CHILD, stage.address.to_string())
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .status()
                    .await
                    .unwrap();
                if status.success() {
                    return;
                }
                assert_eq!(status.signal(), Some(6), "it was aborted: {status}");
                *count.lock().unwrap() += 1;
                assert!(*count.lock().unwrap() < 10, "no end");
            }
        })
        .unwrap();
    outcome.check().unwrap();
    assert!(outcome.complete());
    assert_eq!(*aborts.lock().unwrap(), 3);
    assert_eq!((outcome.total.positives, outcome.total.excluded.get(Exclusion::Quarantined)), (39, 1));
    assert_eq!(outcome.quarantined.iter().map(|key| key.position.offset).collect::<Vec<_>>(), [170]);
}
