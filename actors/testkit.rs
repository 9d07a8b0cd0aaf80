//! What tests put in the place of the world.

pub mod model_disk;
pub mod script;

pub use model_disk::{Fault, ModelDisk, Survival};
