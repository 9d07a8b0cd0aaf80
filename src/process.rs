//! What the operating system knows of this process.

use std::fs;
use std::time::Duration;

/// Ticks of `/proc/self/stat` in a second: `USER_HZ`, which Linux fixes at 100 for every architecture we build for.
const USER_HZ: u64 = 100;

/// CPU time of all threads so far, and the largest resident memory in bytes. Zeros where there is no `/proc`.
pub fn figures() -> (Duration, u64) {
    (cpu_time().unwrap_or_default(), peak_memory().unwrap_or_default())
}

/// Fields 14 and 15 of proc(5)'s `stat`; the second field may hold spaces, so count from its closing bracket.
fn cpu_time() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 1000 / USER_HZ))
}

fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn this_process_uses_memory() {
        let (_, peak) = super::figures();
        assert!(peak > 1 << 20, "{peak}");
        assert!(super::cpu_time().is_some());
    }
}
