//! `warcdl-node`: one program, three roles, and a look at archives and at applications on a cluster.

use warcdl::cli::{Invocation, Role};
use warcdl::exit::Exit;
use warcdl::inspect;
use warcdl::role::{am, gpu, reader, yarn};
use warcdl::telemetry::Console;

fn main() -> Exit {
    let Invocation { role, verbosity } = match Invocation::parse(std::env::args_os()) {
        Ok(invocation) => invocation,
        Err(error) => error.exit(),
    };
    let console = Console::new();
    let ended = match role {
        Role::Gpu(args) => actix::System::new()
            .block_on(gpu::run(&args, verbosity, &console))
            .map_err(|error| (error.exit(), error.to_string())),
        Role::Reader(args) => match console.init_tracing("info", verbosity) {
            Ok(()) => actix::System::new()
                .block_on(reader::run(&args))
                .map(|()| Exit::Done)
                .map_err(|error| (error.exit(), error.to_string())),
            Err(error) => Err((Exit::Usage, error.to_string())),
        },
        Role::Master => match console.init_tracing("info", verbosity) {
            Ok(()) => actix::System::new()
                .block_on(am::run())
                .map(|()| Exit::Done)
                .map_err(|error| (error.exit(), error.to_string())),
            Err(error) => Err((Exit::Usage, error.to_string())),
        },
        Role::Yarn(args) => match console.init_tracing("warn", verbosity) {
            Ok(()) => actix::System::new()
                .block_on(yarn::run(&args))
                .map_err(|error| (error.exit(), error.to_string())),
            Err(error) => Err((Exit::Usage, error.to_string())),
        },
        Role::Inspect(args) => match console.init_tracing("warn", verbosity) {
            Ok(()) => inspect::run(&args).map_err(|error| (error.exit(), error.to_string())),
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
