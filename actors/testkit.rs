//! What tests put in the place of the world.

pub mod model_disk;

pub use model_disk::{Fault, ModelDisk, Survival};
