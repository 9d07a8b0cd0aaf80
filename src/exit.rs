//! How a process ends: the exit codes that scripts and schedulers go by.

use std::process;

/// Exit codes of `warcdl-node`.
///
/// Damage alone does not make a run fail: where members of an archive are corrupt, but every archive was read to its
/// end, the run ends with [`Exit::Done`] and the summary and the metrics tell the damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything that was to be read was read, scored and written.
    Done = 0,
    /// The command line or the configuration is wrong, and nothing was started; or a reader is of another build than its GPU
    /// node.
    Usage = 2,
    /// The archives cannot be listed, or none of them can be read.
    Source = 3,
    /// The model cannot be opened, or failed while scoring.
    Model = 4,
    /// The folder of results cannot be taken: it holds something else, or results of other settings.
    Output = 5,
    /// The run came to its end, but some archives could not be read to theirs. The results are good as far as they go.
    Incomplete = 6,
    /// A port is taken; readers and GPU node cannot reach or do not recognise each other; or the cluster cannot be reached, or
    /// ended the application.
    Network = 7,
    /// A defect of the program (`EX_SOFTWARE` of BSD's sysexits).
    Internal = 70,
    /// Another run is writing to the folder of results (`EX_CANTCREAT`).
    InUse = 73,
    /// The disk of the results fails (`EX_IOERR`). What was committed is intact.
    Disk = 74,
    /// The disk of the results is full, and was for too long (`EX_TEMPFAIL`). What was committed is intact.
    DiskFull = 75,
    /// Stopped by a signal of the operator (128 + `SIGINT`, as shells report it).
    Interrupted = 130,
}

impl Exit {
    /// Every code, in ascending order.
    pub const ALL: [Exit; 12] = [
        Exit::Done,
        Exit::Usage,
        Exit::Source,
        Exit::Model,
        Exit::Output,
        Exit::Incomplete,
        Exit::Network,
        Exit::Internal,
        Exit::InUse,
        Exit::Disk,
        Exit::DiskFull,
        Exit::Interrupted,
    ];

    /// The number that the operating system gets.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// What it means, for `--help`.
    pub const fn help(self) -> &'static str {
        match self {
            Exit::Done => "done (damaged records are told, but do not count as a failure)",
            Exit::Usage => {
                "the command line or the configuration is wrong, or a reader is of another build than its GPU node"
            }
            Exit::Source => "the archives cannot be listed or read",
            Exit::Model => "the model cannot be opened, or failed",
            Exit::Output => "the folder of results cannot be taken",
            Exit::Incomplete => "finished, but some archives could not be read to their end",
            Exit::Network => {
                "a port is taken; readers and GPU node cannot connect or authenticate; or the cluster ended the application"
            }
            Exit::Internal => "a defect of this program",
            Exit::InUse => "another run is writing to the folder of results",
            Exit::Disk => "the disk of the results fails; what was committed is intact",
            Exit::DiskFull => "the disk of the results stays full; what was committed is intact",
            Exit::Interrupted => "interrupted",
        }
    }
}

impl From<Exit> for process::ExitCode {
    fn from(exit: Exit) -> Self {
        process::ExitCode::from(exit.code())
    }
}

impl process::Termination for Exit {
    fn report(self) -> process::ExitCode {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn codes_are_those_that_scripts_rely_on() {
        assert_eq!(Exit::ALL.map(Exit::code), [0, 2, 3, 4, 5, 6, 7, 70, 73, 74, 75, 130]);
    }
}
