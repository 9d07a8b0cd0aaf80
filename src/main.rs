//! `warcdl-node`: one program, two roles.

use warcdl::cli::{Invocation, Role};
use warcdl::exit::Exit;
use warcdl::role::{gpu, reader};
use warcdl::telemetry::Console;

fn main() -> Exit {
    let Invocation { role, verbosity } = match Invocation::parse(std::env::args_os()) {
        Ok(invocation) => invocation,
        Err(error) => error.exit(),
    };
    let console = Console::new();
    let system = actix::System::new();
    let ended = match role {
        Role::Gpu(args) => system
            .block_on(gpu::run(&args, verbosity, &console))
            .map_err(|error| (error.exit(), error.to_string())),
        Role::Reader(args) => match console.init_tracing("info", verbosity) {
            Ok(()) => system
                .block_on(reader::run(&args))
                .map(|()| Exit::Done)
                .map_err(|error| (error.exit(), error.to_string())),
            Err(error) => Err((Exit::Usage, error.to_string())),
        },
    };
    match ended {
        Ok(exit) => exit,
        Err((exit, message)) => {
            eprintln!("warcdl-node: {message}");
            exit
        }
    }
}
