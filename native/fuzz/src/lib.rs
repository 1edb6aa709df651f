//! What the fuzz targets judge by: a count of the memory in use, and the rules for JSON read a second
//! time, from a tree, as plainly as can be.

pub mod memory;
pub mod tree;
