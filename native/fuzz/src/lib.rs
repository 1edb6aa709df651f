//! What the fuzz targets judge by: a count of the memory in use, and the rules for JSON read a second
//! time, from a tree, as plainly as can be. And how they mutate scripts.

pub mod memory;
pub mod splice;
pub mod tree;
