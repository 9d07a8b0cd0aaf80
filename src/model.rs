//! The model.

pub mod settings;

pub use settings::ModelSettings;
