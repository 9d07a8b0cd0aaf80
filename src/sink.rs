//! Where positives are kept.

pub mod settings;

pub use settings::OutputSettings;
