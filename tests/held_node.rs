//! A GPU node whose model waits until it is let go. It is the test itself that needs it, run once more in a process of its own:
//! the real program takes no model of a test's.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use warcdl::cli::{Invocation, Role};
use warcdl::model::{DEFAULT_MAX_TOKENS, Opened};
use warcdl::role::gpu;
use warcdl::telemetry::Console;
use warcdl_actors::{Input, Model, ModelError};

use crate::node::Running;

/// Who holds the model, and with which configuration the node runs.
const HOLDER: &str = "WARCDL_TEST_MODEL_HOLDER";
const CONFIG: &str = "WARCDL_TEST_CONFIG";

/// Holds the model until it is dropped.
pub struct Holder {
    listener: TcpListener,
    test: &'static str,
}

impl Holder {
    /// For the test of this name, which begins by this; in the process that is the node nothing is given, once the node is over.
    pub fn of(test: &'static str) -> Option<Holder> {
        if let (Ok(holder), Ok(config)) = (std::env::var(HOLDER), std::env::var(CONFIG)) {
            node(holder, &config);
            return None;
        }
        Some(Holder { listener: TcpListener::bind("127.0.0.1:0").unwrap(), test })
    }

    /// The node, with `environment` of its own.
    pub fn start(&self, config: &Path, environment: &[(&str, &Path)]) -> Running {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", self.test, "--nocapture"]);
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        command.env(HOLDER, self.listener.local_addr().unwrap().to_string()).env(CONFIG, config);
        // What the first thread of a program has, and a test's has not.
        command.env("RUST_MIN_STACK", (8 << 20).to_string());
        command.env_remove("RUST_LOG").env("HADOOP_USER_NAME", "tester").envs(environment.iter().copied());
        Running::start(&mut command)
    }
}

/// Takes everything, once it may.
struct Held(String);

impl Model for Held {
    fn score(&mut self, inputs: &[&Input]) -> Result<Vec<f32>, ModelError> {
        // Nothing ever comes: it ends with the holder, whatever the system calls that.
        if let Ok(mut holder) = TcpStream::connect(&self.0) {
            let _ = holder.read(&mut [0]);
        }
        Ok(vec![1.0; inputs.len()])
    }
}

fn node(holder: String, config: &str) {
    let words = ["warcdl-node", "--role", "gpu", "--config", config];
    let Ok(Invocation { role: Role::Gpu(args), verbosity }) = Invocation::parse(words) else {
        panic!("{words:?}")
    };
    let open = |_: &_| {
        Ok(Opened {
            models: vec![Box::new(Held(holder))],
            label: "held".to_owned(),
            tokenizer_json: None,
            max_tokens: DEFAULT_MAX_TOKENS,
            image_size: None,
            threads: 1,
            digests: Default::default(),
        })
    };
    let console = Console::new();
    actix::System::new().block_on(gpu::run_with(&args, verbosity, &console, open)).unwrap();
}
