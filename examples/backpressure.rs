//! A model of one's own, in Rust, that is far too slow: it sleeps 200 ms a batch. Watch that the readers wait, and that
//! the memory of the GPU node stays what the credits allow.
//!
//! ```text
//! cargo run --release --example backpressure -- --role gpu --config my.toml --set readers=4
//! ```
//!
//! The program is its own reader: the local launcher starts it with `--role reader`. It is its own application master as well.

use std::time::Duration;
use warcdl::cli::{Invocation, Role};
use warcdl::exit::Exit;
use warcdl::inspect;
use warcdl::model::{DEFAULT_MAX_TOKENS, Opened};
use warcdl::role::{am, gpu, reader, yarn};
use warcdl::telemetry::Console;
use warcdl_actors::{Input, Model, ModelError};

/// How long it takes over a batch.
const PAUSE: Duration = Duration::from_millis(200);

struct Sleepy;

impl Model for Sleepy {
    fn score(&mut self, inputs: &[&Input]) -> Result<Vec<f32>, ModelError> {
        std::thread::sleep(PAUSE);
        Ok(vec![0.0; inputs.len()])
    }
}

fn main() -> Exit {
    let Invocation { role, verbosity } =
        Invocation::parse(std::env::args_os()).unwrap_or_else(|error| error.exit());
    let (console, system) = (Console::new(), actix::System::new());
    let ended = match role {
        Role::Reader(args) => {
            system.block_on(reader::run(&args)).map(|()| Exit::Done).map_err(|e| e.to_string())
        }
        Role::Gpu(args) => {
            let open = |_: &_| {
                Ok(Opened {
                    models: vec![Box::new(Sleepy)],
                    label: "sleepy".to_owned(),
                    tokenizer_json: None,
                    max_tokens: DEFAULT_MAX_TOKENS,
                    image_size: None,
                    threads: 1,
                    digests: Default::default(),
                })
            };
            system.block_on(gpu::run_with(&args, verbosity, &console, open)).map_err(|e| e.to_string())
        }
        Role::Master => system.block_on(am::run()).map(|()| Exit::Done).map_err(|e| e.to_string()),
        Role::Yarn(args) => system.block_on(yarn::run(&args)).map_err(|e| e.to_string()),
        Role::Inspect(args) => inspect::run(&args).map_err(|e| e.to_string()),
    };
    ended.unwrap_or_else(|message| {
        eprintln!("{message}");
        Exit::Internal
    })
}
