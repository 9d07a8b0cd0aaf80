//! From a response to the model's input.

pub mod settings;

pub use settings::{ImageSettings, TextSettings};
