//! CPU time.

/// CPU time of this thread in seconds; from nanoseconds, where `/proc/self/stat` counts hundredths.
pub fn seconds() -> f64 {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("the system's figures");
    let nanoseconds = schedstat.split(' ').next().and_then(|field| field.parse::<f64>().ok());
    nanoseconds.expect("CPU time comes first") / 1e9
}
