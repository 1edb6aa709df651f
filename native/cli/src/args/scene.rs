//! What can be asked of a scene, and of pictures of it.

use std::path::PathBuf;

use clap::{Args as Group, ValueEnum};
use spindle_protocol::methods::render::Engine;

/// Which objects.
#[derive(Debug, Group)]
#[command(after_help = "Examples:\n  spindle objects 'Chair*'\n  spindle objects --type MESH --selected --json")]
pub struct Objects {
    /// Their names, with *, ? and [...] as in file names
    pub name: Option<String>,
    /// Of this type, such as MESH, LIGHT, CAMERA; may be repeated
    #[arg(long = "type", value_name = "TYPE")]
    pub types: Vec<String>,
    /// In this collection or below it
    #[arg(long)]
    pub collection: Option<String>,
    /// Only selected ones
    #[arg(long)]
    pub selected: bool,
    /// Only visible ones
    #[arg(long)]
    pub visible: bool,
}

/// What is read.
#[derive(Debug, Group)]
#[command(after_help = "Examples:\n  spindle get Cube\n  spindle get Cube 'modifiers[\"Bevel\"].width'\n  \
                        spindle get materials/Gold diffuse_color\n\n\
                        A path is what Blender's Copy Data Path gives. `spindle call data.set` writes one.")]
pub struct Get {
    /// An object's name, or COLLECTION/NAME of any data-block, such as materials/Gold
    pub block: String,
    /// The path of a property below it; without it, everything about the object
    pub path: Option<String>,
}

/// Where the picture goes, and what it shows.
#[derive(Debug, Group)]
#[command(after_help = "Examples:\n  spindle shot                      on the terminal, or into shot.png\n  \
                        spindle shot view.png --camera\n  spindle shot - | convert - view.jpg")]
pub struct Shot {
    /// The file; - writes to standard output. By default the terminal where it can show pictures, else shot.png
    pub out: Option<PathBuf>,
    /// Pixels
    #[arg(long)]
    pub width: Option<u32>,
    /// Pixels
    #[arg(long)]
    pub height: Option<u32>,
    /// Look through the active camera
    #[arg(long)]
    pub camera: bool,
}

/// What is rendered, how, and where it goes.
#[derive(Debug, Group)]
#[command(after_help = "Examples:\n  spindle render --out chair.png --samples 64\n  \
                        spindle render --frames 1-24 --out frames/ --width 960 --height 540\n\n\
                        What is not given is as the scene says. An animation is written by Blender, frame by frame, \
                        so its folder must be one that Blender's preferences allow, such as that of the open file.")]
pub struct Render {
    /// The picture's file, - for standard output; of an animation, its folder
    #[arg(long, short)]
    pub out: Option<PathBuf>,
    /// The engine
    #[arg(long, value_enum)]
    pub engine: Option<EngineName>,
    /// Samples per pixel
    #[arg(long)]
    pub samples: Option<u32>,
    /// Pixels
    #[arg(long)]
    pub width: Option<u32>,
    /// Pixels
    #[arg(long)]
    pub height: Option<u32>,
    /// The camera's name
    #[arg(long)]
    pub camera: Option<String>,
    /// The frame of a picture
    #[arg(long, conflicts_with = "frames", allow_negative_numbers = true)]
    pub frame: Option<i64>,
    /// Render an animation: these frames, as in 1-24; `all` is what the scene says
    #[arg(long, value_name = "FIRST-LAST", allow_hyphen_values = true)]
    pub frames: Option<FrameRange>,
    /// Every so many frames
    #[arg(long, requires = "frames")]
    pub step: Option<u32>,
    /// Print a job's id at once, and do not wait; see `spindle job`
    #[arg(long)]
    pub detach: bool,
}

/// An engine by its name on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum EngineName {
    /// Path tracing
    Cycles,
    /// Real time; needs a GPU, or a window with software OpenGL
    Eevee,
    /// Plain shading; needs a GPU, or a window with software OpenGL
    Workbench,
}

impl From<EngineName> for Engine {
    fn from(name: EngineName) -> Engine {
        match name {
            EngineName::Cycles => Engine::Cycles,
            EngineName::Eevee => Engine::Eevee,
            EngineName::Workbench => Engine::Workbench,
        }
    }
}

/// The frames of an animation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameRange {
    /// As the scene says.
    All,
    /// From the first to the last.
    Between(i64, i64),
}

impl std::str::FromStr for FrameRange {
    type Err = String;

    fn from_str(text: &str) -> Result<FrameRange, String> {
        if text == "all" {
            return Ok(FrameRange::All);
        }
        // The first character may be a sign.
        let dash = text.char_indices().skip(1).find(|(_, character)| *character == '-');
        let (first, last) = dash.map_or((text, text), |(at, _)| (&text[..at], &text[at + 1..]));
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) if first <= last => Ok(FrameRange::Between(first, last)),
            _ => Err("expected FIRST-LAST, such as 1-24, or all".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames() {
        let rows = [
            ("all", Some(FrameRange::All)),
            ("1-24", Some(FrameRange::Between(1, 24))),
            ("7", Some(FrameRange::Between(7, 7))),
            ("-10--5", Some(FrameRange::Between(-10, -5))),
            ("-3", Some(FrameRange::Between(-3, -3))),
            ("24-1", None),
            ("1-", None),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(text.parse::<FrameRange>().ok(), expected, "{text}");
        }
    }
}
