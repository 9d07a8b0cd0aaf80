//! Who starts the readers.

pub mod elf;
mod local;
pub mod staging;
pub mod yarn;

pub use local::{LaunchError, LocalReaders};

use std::net::SocketAddr;
use std::path::Path;

/// Where readers find the GPU node.
#[derive(Clone, Debug)]
pub struct Rendezvous {
    /// `HOST:PORT` of the data port, as readers reach it.
    pub connect: String,
    /// The file with the job's secret.
    pub secret_file: std::path::PathBuf,
}

impl Rendezvous {
    /// The address under which `bound` is reached: `advertise` where it is set; for a wildcard address this machine's
    /// loopback, which only readers of this machine can use.
    pub fn new(bound: SocketAddr, advertise: Option<&str>, secret_file: &Path) -> Rendezvous {
        let connect = match advertise {
            Some(advertise) => advertise.to_owned(),
            None if bound.ip().is_unspecified() => format!("127.0.0.1:{}", bound.port()),
            None => bound.to_string(),
        };
        Rendezvous { connect, secret_file: secret_file.to_owned() }
    }

    /// The arguments of `warcdl-node` that start a reader.
    pub fn arguments(&self) -> Vec<String> {
        let file = self.secret_file.display().to_string();
        ["--role", "reader", "--connect", &self.connect, "--secret-file", &file].map(str::to_owned).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::Rendezvous;
    use std::path::Path;

    #[test]
    fn readers_are_told_an_address_that_they_can_reach() {
        let cases = [
            ("127.0.0.1:7", None, "127.0.0.1:7"),
            ("0.0.0.0:7", None, "127.0.0.1:7"),
            ("0.0.0.0:7", Some("gpu1:7700"), "gpu1:7700"),
            ("10.0.0.5:7", None, "10.0.0.5:7"),
        ];
        for (bound, advertise, connect) in cases {
            let rendezvous = Rendezvous::new(bound.parse().unwrap(), advertise, Path::new("s"));
            assert_eq!(rendezvous.connect, connect);
            assert_eq!(
                rendezvous.arguments().join(" "),
                format!("--role reader --connect {connect} --secret-file s")
            );
        }
    }
}
