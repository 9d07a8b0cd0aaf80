//! How applications begin and end.

use crate::port::free_port;
use crate::run::{Run, Settings};
use crate::stage::Stage;
use crate::until::PATIENCE;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Instant;

/// Where no GPU node is, but something else.
const ELSEWHERE: &str = "127.0.0.9";
/// Of the suite's user in HDFS, and what is put there.
const HOME: &str = "/user/tester";
const PROGRAMS: &str = "/user/tester/.warcdl";

/// A whole run, which the operator can look at.
pub fn nothing(stage: &Stage) -> Result<(), String> {
    let mut run = Run::start(stage, "calm", Settings::USUAL);
    run.midway(2)?;
    let said = run.operator(&["status"])?;
    if !said.contains(&run.application) || !said.contains("RUNNING") {
        return Err(format!("\"yarn status\" says {said:?} of {}", run.application));
    }
    run.finish()
}

/// The application ends by itself; the same command goes on with another one.
pub fn gpu_killed(stage: &Stage) -> Result<(), String> {
    let mut run = Run::start(stage, "F6", Settings { more: &["yarn.gpu_grace_s=5"], ..Settings::USUAL });
    run.midway(2)?;
    run.kill()?;
    run.is_over("FINISHED", "FAILED")?;
    run.go_on(&["yarn.gpu_grace_s=120"]);
    run.midway(2)?;
    run.finish()
}

/// Everything is over within seconds; the same command goes on.
pub fn interrupted(stage: &Stage) -> Result<(), String> {
    let mut run = Run::start(stage, "F7", Settings::USUAL);
    run.midway(2)?;
    let start = Instant::now();
    run.signal("INT");
    run.ends(PATIENCE, Some(130))?;
    run.is_over("FINISHED", "KILLED")?;
    println!("F7: all was over {:.1} s after Ctrl-C", start.elapsed().as_secs_f64());
    run.go_on(&[]);
    run.midway(2)?;
    run.finish()
}

/// By `warcdl-node yarn kill`; then by a second Ctrl-C. The same command goes on each time.
pub fn killed_from_outside(stage: &Stage) -> Result<(), String> {
    let mut run = Run::start(stage, "F13", Settings::USUAL);
    run.midway(2)?;
    run.operator(&["kill"])?;
    run.ends(PATIENCE, Some(7))?;
    run.is_over("KILLED", "KILLED")?;
    run.go_on(&[]);
    run.midway(2)?;
    run.signal("INT");
    run.told(&["once more to stop at once"])?;
    run.signal("INT");
    run.ends(PATIENCE, Some(130))?;
    run.is_over("KILLED", "KILLED")?;
    run.go_on(&[]);
    run.finish()
}

/// From HDFS a killed run first, which leaves the program there; the one that goes on takes it, and cleans up.
pub fn staged_elsewhere(stage: &Stage) -> Result<(), String> {
    let mut run = Run::start(stage, "F14-file", Settings { more: &["yarn.staging=file"], ..Settings::USUAL });
    run.midway(2)?;
    run.finish()?;

    let mut run = Run::start(stage, "F14-hdfs", Settings { more: &["yarn.staging=hdfs"], ..Settings::USUAL });
    run.midway(2)?;
    let programs = stage.cluster.hdfs(PROGRAMS).unwrap_or_default();
    let [program] = &programs[..] else { return Err(format!("{PROGRAMS} of HDFS has {programs:?}")) };
    let folder = format!("{PROGRAMS}/{program}");
    let expected = vec![run.application.clone(), "warcdl-node".to_owned()];
    let there = stage.cluster.hdfs(&folder);
    if there.as_ref() != Some(&expected) {
        return Err(format!("{folder} of HDFS has {there:?}, not {expected:?}"));
    }
    run.kill()?;
    run.go_on(&[]);
    run.midway(2)?;
    run.finish()?;
    match stage.cluster.hdfs(HOME) {
        Some(left) if left.is_empty() => Ok(()),
        left => Err(format!("{HOME} of HDFS has {left:?} at the end")),
    }
}

/// The operator is told why, without much ado.
pub fn program_bad(stage: &Stage) -> Result<(), String> {
    let size = fs::metadata(&stage.program).map_err(|error| error.to_string())?.len() as usize;
    let missing = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec();
    let mut other =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\nconnection: close\r\n\r\n").into_bytes();
    other.resize(other.len() + size, b'x');
    for (name, answer, cause) in
        [("F10-missing", missing, "FileNotFoundException"), ("F10-other", other, "its SHA-256 is wrong")]
    {
        // Nodes are told an address at which somebody else answers.
        let (data, port) = (free_port(), impostor(answer));
        let more = [
            format!("yarn.listen=127.0.0.1:{port}"),
            format!("transport.listen=127.0.0.1:{data}"),
            format!("transport.advertise={ELSEWHERE}:{data}"),
        ];
        let more = [0, 1, 2].map(|i| more[i].as_str());
        let mut run = Run::start(stage, name, Settings { more: &more, ..Settings::USUAL });
        run.submitted()?;
        run.ends(PATIENCE, Some(7))?;
        if !run.log().contains(cause) {
            return Err(format!("nothing of \"{cause}\": {}", run.log()));
        }
        run.is_over("FAILED", "FAILED")?;
    }
    Ok(())
}

/// Gives this answer to whoever asks, on this port elsewhere.
fn impostor(answer: Vec<u8>) -> u16 {
    let port = free_port();
    let listener = TcpListener::bind((ELSEWHERE, port)).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            // Who hangs up has heard enough.
            let _ = stream.read(&mut [0; 4096]).and_then(|_| stream.write_all(&answer));
        }
    });
    port
}
