//! Pictures on terminals that can show them.

use std::io::{self, IsTerminal};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The most of a picture that kitty takes at once, in characters.
const PART: usize = 4096;

/// Levels of each of red, green and blue: together as many colours as every sixel terminal has.
const LEVELS: u32 = 6;

/// The height of a row of sixels, in pixels.
const SIXEL: usize = 6;

/// How a terminal takes pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// kitty's graphics protocol.
    Kitty,
    /// iTerm2's inline images.
    Iterm,
    /// Sixels, as of DEC's VT340.
    Sixel,
}

/// How standard output takes pictures, if it does.
pub fn manner() -> Option<Manner> {
    let told = io::stdout().is_terminal().then(|| told(|name| std::env::var(name).unwrap_or_default()));
    told.flatten()
}

/// What a terminal says of itself by variables. Multiplexers keep those of the terminal around them, and pass none of
/// this on.
fn told(variable: impl Fn(&str) -> String) -> Option<Manner> {
    let term = variable("TERM");
    let set = |name: &str| !variable(name).is_empty();
    if set("TMUX") || set("STY") || term.starts_with("screen") || term.starts_with("tmux") {
        return None;
    }
    match variable("TERM_PROGRAM").as_str() {
        "ghostty" => return Some(Manner::Kitty),
        "iTerm.app" | "WezTerm" | "mintty" | "rio" => return Some(Manner::Iterm),
        _ => {}
    }
    match () {
        () if term.contains("kitty") || term.contains("ghostty") || set("KITTY_WINDOW_ID") => Some(Manner::Kitty),
        () if variable("LC_TERMINAL") == "iTerm2" || set("KONSOLE_VERSION") => Some(Manner::Iterm),
        () if ["foot", "mlterm", "yaft"].iter().any(|name| term.starts_with(name)) || term.contains("sixel") => {
            Some(Manner::Sixel)
        }
        () => None,
    }
}

/// A PNG file as what a terminal shows.
///
/// # Errors
/// For sixels, when it is no PNG of 8 bits.
pub fn encode(png: &[u8], manner: Manner) -> io::Result<String> {
    match manner {
        Manner::Kitty => Ok(kitty(&STANDARD.encode(png))),
        Manner::Iterm => {
            let size = png.len();
            let picture = STANDARD.encode(png);
            Ok(format!("\u{1b}]1337;File=inline=1;size={size};preserveAspectRatio=1:{picture}\u{7}\n"))
        }
        Manner::Sixel => sixel(png),
    }
}

/// The parts say whether more come; the first also what this is: a PNG, to be shown.
fn kitty(picture: &str) -> String {
    let mut parts = picture.as_bytes().chunks(PART).peekable();
    let mut text = String::new();
    let mut what = "f=100,a=T,";
    while let Some(part) = parts.next() {
        let more = u8::from(parts.peek().is_some());
        text += &format!("\u{1b}_G{what}m={more};{}\u{1b}\\", String::from_utf8_lossy(part));
        what = "";
    }
    text + "\n"
}

fn sixel(png: &[u8]) -> io::Result<String> {
    let mut decoder = png::Decoder::new(io::Cursor::new(png));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(io::Error::other)?;
    let mut pixels = vec![0; reader.output_buffer_size().ok_or(io::ErrorKind::InvalidData)?];
    let info = reader.next_frame(&mut pixels).map_err(io::Error::other)?;
    let (width, height) = (info.width as usize, info.height as usize);
    let samples = info.color_type.samples();
    let colours: Vec<u32> = pixels[..info.buffer_size()].chunks_exact(samples).map(colour).collect();
    let mut text = format!("\u{1b}Pq\"1;1;{width};{height}");
    for colour in 0..LEVELS.pow(3) {
        let level = |place: u32| colour / LEVELS.pow(place) % LEVELS * 100 / (LEVELS - 1);
        text += &format!("#{colour};2;{};{};{}", level(2), level(1), level(0));
    }
    colours.chunks(width.max(1) * SIXEL).for_each(|band| draw_band(band, width, &mut text));
    Ok(text + "\u{1b}\\\n")
}

/// The nearest of the colours; a grey pixel has one sample for all three.
fn colour(pixel: &[u8]) -> u32 {
    let of = |sample: u8| (u32::from(sample) * (LEVELS - 1) + 127) / 255;
    let [red, green, blue] = if pixel.len() < 3 { [pixel[0]; 3] } else { [pixel[0], pixel[1], pixel[2]] };
    (of(red) * LEVELS + of(green)) * LEVELS + of(blue)
}

/// Six rows: for each colour in them, a sixel for each column, in runs.
fn draw_band(band: &[u32], width: usize, text: &mut String) {
    let mut used = band.to_vec();
    used.sort_unstable();
    used.dedup();
    for colour in used {
        *text += &format!("#{colour}");
        let bits = |column: usize| {
            let rows = band.iter().skip(column).step_by(width).enumerate();
            rows.map(|(row, found)| u8::from(*found == colour) << row).sum::<u8>()
        };
        let columns: Vec<u8> = (0..width).map(bits).collect();
        for run in columns.chunk_by(|a, b| a == b) {
            *text += &format!("!{}{}", run.len(), char::from(b'?' + run[0]));
        }
        text.push('$');
    }
    text.push('-');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_by_their_variables() {
        type Row = (&'static [(&'static str, &'static str)], Option<Manner>);
        let rows: [Row; 9] = [
            (&[("TERM", "xterm-256color")], None),
            (&[("TERM", "xterm-kitty")], Some(Manner::Kitty)),
            (&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "ghostty")], Some(Manner::Kitty)),
            (&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "iTerm.app")], Some(Manner::Iterm)),
            (&[("TERM", "xterm-256color"), ("LC_TERMINAL", "iTerm2")], Some(Manner::Iterm)),
            (&[("TERM", "foot")], Some(Manner::Sixel)),
            (&[("TERM", "xterm-sixel")], Some(Manner::Sixel)),
            (&[("TERM", "tmux-256color"), ("KITTY_WINDOW_ID", "1")], None),
            (&[], None),
        ];
        for (variables, expected) in rows {
            let variable = |name: &str| {
                variables
                    .iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, text)| (*text).to_owned())
                    .unwrap_or_default()
            };
            assert_eq!(told(variable), expected, "{variables:?}");
        }
    }

    #[test]
    fn a_picture_in_parts() {
        assert_eq!(kitty("QQ=="), "\u{1b}_Gf=100,a=T,m=0;QQ==\u{1b}\\\n");
        let long = "A".repeat(PART + 1);
        let expected = format!("\u{1b}_Gf=100,a=T,m=1;{}\u{1b}\\\u{1b}_Gm=0;A\u{1b}\\\n", "A".repeat(PART));
        assert_eq!(kitty(&long), expected);
        let iterm = encode(b"A", Manner::Iterm).expect("bytes");
        assert_eq!(iterm, "\u{1b}]1337;File=inline=1;size=1;preserveAspectRatio=1:QQ==\u{7}\n");
    }

    /// Two columns, seven rows: red on the left, and on the right blue but for a red pixel in the seventh row.
    #[test]
    fn sixels() {
        let (red, blue) = ([255, 0, 0], [0, 0, 255]);
        let pixels: Vec<u8> = (0..7).flat_map(|row| [red, if row == 6 { red } else { blue }]).flatten().collect();
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, 2, 7);
        encoder.set_color(png::ColorType::Rgb);
        let mut writer = encoder.write_header().expect("written");
        writer.write_image_data(&pixels).and_then(|()| writer.finish()).expect("written");
        let text = encode(&file, Manner::Sixel).expect("a picture");
        assert!(text.starts_with("\u{1b}Pq\"1;1;2;7#0;2;0;0;0#1;2;0;0;20"), "{text}");
        assert!(text.contains("#180;2;100;0;0"), "{text}");
        assert!(text.ends_with("#5!1?!1~$#180!1~!1?$-#180!2@$-\u{1b}\\\n"), "{text}");
        encode(b"no picture", Manner::Sixel).expect_err("no picture");
    }
}
