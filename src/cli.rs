//! The command line of `warcdl-node`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::config::is_host_and_port;
use crate::control::MAX_READERS;
use crate::exit::Exit;

/// What a process is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// Its role, or what else it is to do, with what belongs to it.
    pub role: Role,
    /// How much it says.
    pub verbosity: Verbosity,
}

/// The role of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Lists the archives, gives them to readers, scores what they send and keeps the positives.
    Gpu(GpuArgs),
    /// Reads archives for a GPU node, from which it gets all settings.
    Reader(ReaderArgs),
    /// Keeps readers alive on a cluster, as a GPU node says. Started by YARN.
    Master,
    /// Looks at archives on its own, and tells what is in them.
    Inspect(InspectArgs),
    /// Looks at a run's application on a cluster, or changes it.
    Yarn(YarnArgs),
}

/// Flags of the GPU node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuArgs {
    /// The configuration file.
    pub config: PathBuf,
    /// `KEY=VALUE` settings on top of the file, in their order; `--overwrite` is one of them.
    pub overrides: Vec<String>,
    /// Only check: configuration, inputs, model, folder of results.
    pub check: bool,
}

/// Flags of a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderArgs {
    /// `HOST:PORT` of the GPU node's data port.
    pub connect: String,
    /// Where the job secret is.
    pub secret: SecretPlace,
    /// Under what name the GPU node logs it; its own choice where none is given.
    pub name: Option<String>,
    /// Threads that records are prepared on; 0: one a core.
    pub threads: usize,
}

/// Where a reader finds the job secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretPlace {
    /// In a file of its own.
    File(PathBuf),
    /// Among the credentials that YARN gives to the container.
    Tokens,
}

/// Arguments of `yarn`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct YarnArgs {
    /// What is to be done.
    #[command(subcommand)]
    pub command: YarnCommand,
}

/// What can be done with an application.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum YarnCommand {
    /// Tell how it is
    Status {
        /// Such as application_1763812345678_0042; that of the run of --config where it is left out
        #[arg(value_name = "APPLICATION", required_unless_present = "config")]
        application: Option<String>,
        /// Configuration file of a run
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// End it at once, with all its readers
    Kill {
        /// Such as application_1763812345678_0042; that of the run of --config where it is left out
        #[arg(value_name = "APPLICATION", required_unless_present = "config")]
        application: Option<String>,
        /// Configuration file of a run
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Have a run keep another number of readers alive
    Scale {
        /// How many
        #[arg(value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_READERS)))]
        readers: u32,
        /// Configuration file of the run
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

/// Arguments of `inspect`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct InspectArgs {
    /// Files, folders, globs, s3://bucket/prefix, or https://host/file
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<String>,
    /// Print one JSON object instead of tables
    #[arg(long)]
    pub json: bool,
    /// Read only the first N records of each archive
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// Set one key of [source], such as --set source.s3.anonymous=true; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// How much a process says, against what `telemetry.log` has it say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verbosity {
    /// Twice `-q`: of the log errors only, no progress.
    Silent,
    /// `-q`: of the log warnings and errors, no progress.
    Quiet,
    /// As configured.
    #[default]
    Configured,
    /// `-v`: debug messages.
    Debug,
    /// Twice `-v`: everything.
    Trace,
}

impl Verbosity {
    /// The log filter that replaces the configured one, if any.
    pub fn log_filter(self) -> Option<&'static str> {
        match self {
            Verbosity::Silent => Some("error"),
            Verbosity::Quiet => Some("warn"),
            Verbosity::Configured => None,
            Verbosity::Debug => Some("info,warcdl=debug,warcdl_actors=debug"),
            Verbosity::Trace => Some("debug,warcdl=trace,warcdl_actors=trace"),
        }
    }

    /// Whether progress is shown.
    pub fn shows_progress(self) -> bool {
        !matches!(self, Verbosity::Silent | Verbosity::Quiet)
    }
}

impl Invocation {
    /// Understands `args`, the program's name first. The error prints itself (`clap::Error::exit`): help and version
    /// too come as one, with exit code 0; wrong usage with [`Exit::Usage`].
    pub fn parse<I, T>(args: I) -> Result<Invocation, clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<OsString> + Clone,
    {
        let flags = Flags::try_parse_from(args)?;
        flags.reject_those_of_the_other_role()?;
        let Flags { role, gpu, reader, verbose, quiet, command } = flags;
        let verbosity = match (verbose, quiet) {
            (0, 0) => Verbosity::Configured,
            (0, 1) => Verbosity::Quiet,
            (0, _) => Verbosity::Silent,
            (1, _) => Verbosity::Debug,
            (_, _) => Verbosity::Trace,
        };
        let missing = |flag: &str| {
            let message = format!("{flag} is required with this role");
            Flags::command().error(ErrorKind::MissingRequiredArgument, message)
        };
        let role = match (command, role) {
            (Some(Command::Inspect(args)), _) => Role::Inspect(args),
            (Some(Command::Yarn(args)), _) => Role::Yarn(args),
            (None, None) => return Err(missing("--role")),
            (None, Some(RoleName::Gpu)) => {
                let mut overrides = gpu.set;
                if gpu.overwrite {
                    overrides.push("output.overwrite=true".to_owned());
                }
                let config = gpu.config.ok_or_else(|| missing("--config"))?;
                Role::Gpu(GpuArgs { config, overrides, check: gpu.check })
            }
            (None, Some(RoleName::Reader)) => Role::Reader(ReaderArgs {
                connect: reader.connect.ok_or_else(|| missing("--connect"))?,
                secret: match reader.secret_file {
                    _ if reader.tokens => SecretPlace::Tokens,
                    Some(file) => SecretPlace::File(file),
                    None => return Err(missing("--secret-file")),
                },
                name: reader.name,
                threads: reader.threads.unwrap_or(1),
            }),
            (None, Some(RoleName::Am)) if !reader.tokens => return Err(missing("--tokens")),
            (None, Some(RoleName::Am)) => Role::Master,
        };
        Ok(Invocation { role, verbosity })
    }
}

/// Find the few texts or images in petabytes of web archive that your own model calls positive.
#[derive(Debug, Parser)]
#[command(name = "warcdl-node", version, after_help = exit_codes(), max_term_width = 110)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true
)]
struct Flags {
    /// What this process does: "gpu" runs a job, "reader" reads archives for one, "am" is what YARN starts for one
    #[arg(long, value_enum, value_name = "ROLE", required = true)]
    role: Option<RoleName>,
    /// Say more; twice: everything
    #[arg(short, long, action = ArgAction::Count, conflicts_with = "quiet", global = true)]
    verbose: u8,
    /// Log only warnings and errors, show no progress; twice: log only errors. Headlines and results stay
    #[arg(short, long, action = ArgAction::Count, global = true)]
    quiet: u8,
    #[command(flatten)]
    gpu: GpuFlags,
    #[command(flatten)]
    reader: ReaderFlags,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print what is in archives: types, statuses, MIME types, charsets, languages, damage
    #[command(after_help = exit_codes())]
    Inspect(InspectArgs),
    /// Look at a run's application on a YARN cluster, kill it, or change its number of readers
    #[command(after_help = exit_codes())]
    Yarn(YarnArgs),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RoleName {
    Gpu,
    Reader,
    Am,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "With --role gpu")]
struct GpuFlags {
    /// Configuration file; keys that it leaves out have their defaults
    #[arg(long, value_name = "FILE", required_if_eq("role", "gpu"))]
    config: Option<PathBuf>,
    /// Set one key of the configuration, such as --set readers=4 or --set filter.languages='["en"]'; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Remove an earlier run's results from the output folder first
    #[arg(long)]
    overwrite: bool,
    /// Check the configuration, list the inputs, open the model, look at the output folder, and exit
    #[arg(long)]
    check: bool,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "With --role reader")]
struct ReaderFlags {
    /// Data port of the GPU node, which prints it when it starts
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port, required_if_eq("role", "reader"))]
    connect: Option<String>,
    /// File with the job secret, a copy of the one that the GPU node names
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Take the job secret from the credentials that YARN gives to a container, in place of --secret-file
    #[arg(long, conflicts_with = "secret_file")]
    tokens: bool,
    /// Name of this reader in the GPU node's log
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Cores to prepare records on, at most 32; 0: all [default: 1]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

impl Flags {
    fn reject_those_of_the_other_role(&self) -> Result<(), clap::Error> {
        let GpuFlags { config, set, overwrite, check } = &self.gpu;
        let ReaderFlags { connect, secret_file, tokens, name, threads } = &self.reader;
        let of_gpu = [
            ("--config", config.is_some()),
            ("--set", !set.is_empty()),
            ("--overwrite", *overwrite),
            ("--check", *check),
        ];
        let of_reader = [
            ("--connect", connect.is_some()),
            ("--secret-file", secret_file.is_some()),
            ("--name", name.is_some()),
            ("--threads", threads.is_some()),
        ];
        let tokens = ("--tokens", *tokens);
        let Some(role_name) = self.role else { return Ok(()) };
        let (role, flags) = match role_name {
            RoleName::Gpu => ("gpu", [&of_reader[..], &[tokens]].concat()),
            RoleName::Reader => ("reader", of_gpu.to_vec()),
            RoleName::Am => ("am", [&of_gpu[..], &of_reader].concat()),
        };
        match flags.into_iter().find(|&(_, given)| given) {
            Some((flag, _)) => {
                let cure = match role_name {
                    RoleName::Gpu if flag == "--secret-file" => ": set transport.secret_file",
                    RoleName::Gpu if flag == "--threads" => ": set reader_threads",
                    RoleName::Gpu => "",
                    RoleName::Reader => ": a reader gets its settings from the GPU node",
                    RoleName::Am => ": the application master gets everything from the GPU node",
                };
                let message = format!("{flag} cannot be used with --role {role}{cure}");
                Err(Flags::command().error(ErrorKind::ArgumentConflict, message))
            }
            None => Ok(()),
        }
    }
}

fn host_and_port(text: &str) -> Result<String, String> {
    if is_host_and_port(text) {
        return Ok(text.to_owned());
    }
    Err("expected HOST:PORT, such as gpu1.example.org:7700".to_owned())
}

fn exit_codes() -> String {
    let lines = Exit::ALL.map(|exit| format!("  {:>3}  {}", exit.code(), exit.help()));
    format!("Exit codes:\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    use super::{
        Exit, GpuArgs, InspectArgs, Invocation, ReaderArgs, Role, SecretPlace, Verbosity, YarnArgs,
        YarnCommand,
    };

    fn parse(line: &str) -> Result<Invocation, clap::Error> {
        Invocation::parse(["warcdl-node"].into_iter().chain(line.split_whitespace()))
    }

    #[test]
    fn a_gpu_node_takes_its_flags() {
        let invocation =
            parse("--role gpu --config a.toml --set readers=4 --set kind=image --overwrite -v").unwrap();
        let overrides = ["readers=4", "kind=image", "output.overwrite=true"].map(str::to_owned).to_vec();
        let gpu = GpuArgs { config: "a.toml".into(), overrides, check: false };
        assert_eq!(invocation, Invocation { role: Role::Gpu(gpu), verbosity: Verbosity::Debug });
    }

    #[test]
    fn a_reader_takes_its_flags() {
        let invocation =
            parse("--role reader --connect [::1]:7700 --secret-file s --name r7 --threads 3 -qq").unwrap();
        let reader = ReaderArgs {
            connect: "[::1]:7700".to_owned(),
            secret: SecretPlace::File("s".into()),
            name: Some("r7".to_owned()),
            threads: 3,
        };
        assert_eq!(invocation, Invocation { role: Role::Reader(reader), verbosity: Verbosity::Silent });
    }

    #[test]
    fn what_yarn_starts_takes_the_secret_from_its_tokens() {
        let role = |line| parse(line).unwrap().role;
        let reader = ReaderArgs {
            connect: "gpu:7700".to_owned(),
            secret: SecretPlace::Tokens,
            name: None,
            threads: 1,
        };
        assert_eq!(role("--role reader --connect gpu:7700 --tokens"), Role::Reader(reader));
        assert_eq!(role("--role am --tokens"), Role::Master);
    }

    #[test]
    fn yarn_takes_an_application_or_a_configuration() {
        let command = |line| match parse(line).unwrap().role {
            Role::Yarn(YarnArgs { command }) => command,
            role => panic!("{role:?}"),
        };
        let application = Some("application_1_0002".to_owned());
        let config = Some("a.toml".into());
        assert_eq!(
            command("yarn status application_1_0002"),
            YarnCommand::Status { application, config: None }
        );
        assert_eq!(command("yarn kill --config a.toml"), YarnCommand::Kill { application: None, config });
        assert_eq!(
            command("yarn scale 7 --config a.toml"),
            YarnCommand::Scale { readers: 7, config: "a.toml".into() }
        );
    }

    #[test]
    fn inspect_takes_files_and_no_role() {
        let invocation = parse("inspect a.warc.gz s3://b/c --json --limit 9 --set readers=2 -v").unwrap();
        let inspect = InspectArgs {
            files: ["a.warc.gz", "s3://b/c"].map(str::to_owned).to_vec(),
            json: true,
            limit: Some(9),
            set: vec!["readers=2".to_owned()],
        };
        assert_eq!(invocation, Invocation { role: Role::Inspect(inspect), verbosity: Verbosity::Debug });
    }

    #[test]
    fn wrong_usage_is_told_with_the_flag_that_is_wrong() {
        let check = |line: &str, kind: ErrorKind, part: &str| {
            let error = parse(line).unwrap_err();
            assert_eq!(error.kind(), kind, "{line}: {error}");
            assert!(error.to_string().contains(part), "{line}: {error}");
            assert_eq!(error.exit_code(), i32::from(Exit::Usage.code()));
        };
        check("", ErrorKind::MissingRequiredArgument, "--role");
        check("--role gpu", ErrorKind::MissingRequiredArgument, "--config");
        check("--role reader --secret-file s", ErrorKind::MissingRequiredArgument, "--connect");
        check("--role reader --connect a:1", ErrorKind::MissingRequiredArgument, "--secret-file");
        check("--role reader --connect a --secret-file s", ErrorKind::ValueValidation, "HOST:PORT");
        check("--role reader --connect :1 --secret-file s", ErrorKind::ValueValidation, "HOST:PORT");
        check("--role cpu --config a.toml", ErrorKind::InvalidValue, "gpu, reader, am");
        check("--role am", ErrorKind::MissingRequiredArgument, "--tokens");
        check("--role am --tokens --config a.toml", ErrorKind::ArgumentConflict, "--config");
        check("--role gpu --config a.toml --tokens", ErrorKind::ArgumentConflict, "--tokens");
        check("yarn status", ErrorKind::MissingRequiredArgument, "APPLICATION");
        check("yarn scale 0 --config a.toml", ErrorKind::ValueValidation, "N");
        check("yarn scale 3", ErrorKind::MissingRequiredArgument, "--config");
        check("--role gpu --config a.toml --name n", ErrorKind::ArgumentConflict, "--name");
        check("--role gpu --config a --secret-file s", ErrorKind::ArgumentConflict, "transport.secret_file");
        check("--role reader --connect a:1 --secret-file s --check", ErrorKind::ArgumentConflict, "--check");
        check("inspect", ErrorKind::MissingRequiredArgument, "<FILE>...");
        check("inspect a --limit 0", ErrorKind::ValueValidation, "--limit");
        check("inspect a --config a.toml", ErrorKind::UnknownArgument, "--config");
        check("--role gpu --config a.toml inspect a", ErrorKind::ArgumentConflict, "inspect");
        check("look a", ErrorKind::InvalidSubcommand, "look");
        check("--role gpu --config a.toml -v -q", ErrorKind::ArgumentConflict, "--quiet");
    }

    #[test]
    fn help_tells_what_flags_leave_and_look_at() {
        let help = parse("--help").unwrap_err().to_string();
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in
            ["Log only warnings and errors", "Headlines and results stay", "look at the output folder"]
        {
            assert!(help.contains(words), "{words}: {help}");
        }
    }

    #[test]
    fn help_lists_the_exit_codes() {
        let help = parse("--help").unwrap_err();
        assert_eq!(help.exit_code(), 0);
        for exit in Exit::ALL {
            assert!(help.to_string().contains(exit.help()), "{exit:?}");
        }
    }
}
