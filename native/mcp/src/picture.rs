//! Blender's PNG files as small JPEGs.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageError, ImageFormat, RgbImage, RgbaImage, imageops::FilterType};

/// The longest side that a model is shown, pixels: Claude's API refuses more in a chat with many pictures.
pub const MOST_PIXELS: u32 = 2000;

/// The longest side unless more is asked for, pixels.
pub const USUAL_PIXELS: u32 = 768;

/// The most bytes of a picture: 900 kB as base64, which takes a third more. Claude Desktop refuses answers above 1 MB.
pub const MOST_BYTES: usize = 670_000;

/// No picture is made smaller than this, pixels.
const LEAST_PIXELS: u32 = 16;

/// Tried in turn, until the picture is small enough.
const QUALITIES: [u8; 5] = [85, 75, 60, 40, 20];

/// What shows through transparent pixels: neither the black nor the white that objects often are.
const BACKGROUND: u8 = 64;

/// A PNG as a JPEG whose longest side is at most so many pixels.
///
/// # Errors
/// For a file that is no PNG, or too large for memory.
pub fn jpeg(png: &[u8], pixels: u32) -> Result<Vec<u8>, ImageError> {
    within(png, pixels.min(MOST_PIXELS), MOST_BYTES)
}

fn within(png: &[u8], pixels: u32, bytes: usize) -> Result<Vec<u8>, ImageError> {
    let full = image::load_from_memory_with_format(png, ImageFormat::Png)?;
    let is_large = full.width().max(full.height()) > pixels;
    let mut picture = if is_large { full.resize(pixels, pixels, FilterType::Triangle) } else { full };
    loop {
        let flat = DynamicImage::ImageRgb8(flatten(&picture.to_rgba8()));
        for quality in QUALITIES {
            let mut made = Cursor::new(Vec::new());
            flat.write_with_encoder(JpegEncoder::new_with_quality(&mut made, quality))?;
            if made.get_ref().len() <= bytes || picture.width().max(picture.height()) <= LEAST_PIXELS {
                return Ok(made.into_inner());
            }
        }
        picture = picture.resize(picture.width() / 2, picture.height() / 2, FilterType::Triangle);
    }
}

/// JPEG knows no transparency.
fn flatten(picture: &RgbaImage) -> RgbImage {
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [red, green, blue, alpha] = picture.get_pixel(x, y).0;
        let mix = |value: u8| {
            let (value, alpha) = (u32::from(value), u32::from(alpha));
            ((value * alpha + u32::from(BACKGROUND) * (255 - alpha)) / 255) as u8
        };
        image::Rgb([mix(red), mix(green), mix(blue)])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 4]) -> Vec<u8> {
        let picture = RgbaImage::from_fn(width, height, |x, y| image::Rgba(pixel(x, y)));
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, ImageFormat::Png).expect("memory has room");
        bytes.into_inner()
    }

    #[test]
    fn a_picture_is_shown_within_the_limits() {
        // Noise is what JPEG can do least with.
        let noise =
            |x: u32, y: u32| (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503_001)).wrapping_mul(2_246_822_519);
        let noisy = |x, y| [noise(x, y) as u8, (noise(x, y) >> 8) as u8, (noise(x, y) >> 16) as u8, 255];
        for (width, height, asked, most, expected) in [
            (64, 32, 768, MOST_BYTES, (64, 32)),
            (192, 108, 96, MOST_BYTES, (96, 54)),
            (96, 96, 96, 1_500, (48, 48)),
            (96, 96, 96, 1, (12, 12)),
        ] {
            let made = within(&png(width, height, noisy), asked, most).expect("a picture");
            let read = image::load_from_memory_with_format(&made, ImageFormat::Jpeg).expect("a JPEG");
            assert_eq!((read.width(), read.height()), expected, "{} bytes", made.len());
        }
    }

    #[test]
    fn transparency_is_grey() {
        let made = jpeg(&png(16, 16, |_, _| [255, 0, 0, 0]), 768).expect("a picture");
        let read = image::load_from_memory_with_format(&made, ImageFormat::Jpeg).expect("a JPEG").to_rgb8();
        assert!(read.get_pixel(8, 8).0.iter().all(|value| value.abs_diff(BACKGROUND) < 4));
    }

    #[test]
    fn what_is_no_png_is_an_error() {
        assert!(jpeg(b"no picture", 768).is_err());
    }
}
