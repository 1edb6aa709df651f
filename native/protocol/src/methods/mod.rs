//! Each method's parameters and result, a file per noun. Units are Blender's: metres (Blender
//! units), radians, linear colour, frames, watts.
//!
//! The type of a method carries its descriptor; `Option` members may be left out.

pub mod cache;
pub mod compat;
pub mod control;
pub mod data;
pub mod docs;
pub mod edit;
pub mod file;
pub mod job;
pub mod material;
pub mod object;
pub mod operator;
pub mod render;
pub mod scene;
pub mod script;
pub mod view;
pub mod watch;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// No parameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}
