//! A stranger's picture, drawn again: decoded under bounds, made small, written as a new PNG.
//!
//! What a browser gets has passed through plain pixels: no metadata, no colour profile, no animation, no script (SVG is
//! not read at all), and no octet of the file that the caller's host served. Pure; takes milliseconds, so it is asked on
//! a thread that may wait.

use png::{BitDepth, ColorType, Decoder, Encoder, Limits, Transformations};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// Pixels of one side of a picture that is read; a logo has a few hundred (RFC 9795 §5.1.3 speaks of icons). Four octets
/// a pixel make 4 MiB at most; a larger picture is refused before anything of it is decoded.
pub const SIDE_READ_MAX: u32 = 1024;
/// Pixels of the longer side of what is shown; a larger picture is made smaller, a smaller one is left.
pub const SIDE_SHOWN_MAX: u32 = 256;

/// Why there is no picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PictureFault {
    #[error("neither PNG nor JPEG")]
    Kind,
    #[error("more than 1024 pixels wide or high, or none at all")]
    Size,
    #[error("a picture that cannot be read")]
    Broken,
}

/// Reads a PNG or JPEG file and writes its picture as PNG: 8 bits each of red, green, blue and opacity, at most
/// [`SIDE_SHOWN_MAX`] pixels a side. Of an animation, the first frame.
///
/// # Errors
///
/// Every fault of the file; nothing of it is shown then.
pub fn redraw(file: &[u8]) -> Result<Vec<u8>, PictureFault> {
    let picture = if file.starts_with(b"\x89PNG\r\n\x1a\n") {
        read_png(file)?
    } else if file.starts_with(&[0xff, 0xd8, 0xff]) {
        read_jpeg(file)?
    } else {
        return Err(PictureFault::Kind);
    };
    write_png(&picture.shrunk())
}

/// Four octets a pixel, line by line.
struct Picture {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

fn check_size(width: u32, height: u32) -> Result<(), PictureFault> {
    let is_readable = |side| (1..=SIDE_READ_MAX).contains(&side);
    if is_readable(width) && is_readable(height) {
        Ok(())
    } else {
        Err(PictureFault::Size)
    }
}

fn read_png(file: &[u8]) -> Result<Picture, PictureFault> {
    let limits = Limits {
        bytes: (SIDE_READ_MAX * SIDE_READ_MAX * 8) as usize,
    };
    let mut decoder = Decoder::new_with_limits(std::io::Cursor::new(file), limits);
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    decoder.ignore_checksums(false);
    let mut reader = decoder.read_info().map_err(|_| PictureFault::Broken)?;
    let (width, height) = (reader.info().width, reader.info().height);
    check_size(width, height)?;
    let octets = reader.output_buffer_size().ok_or(PictureFault::Size)?;
    let mut raw = vec![0; octets];
    let frame = reader.next_frame(&mut raw).map_err(|_| PictureFault::Broken)?;
    if (frame.width, frame.height, frame.bit_depth) != (width, height, BitDepth::Eight) {
        return Err(PictureFault::Broken);
    }
    let raw = raw.get(..frame.buffer_size()).ok_or(PictureFault::Broken)?;
    let pixels = match frame.color_type {
        ColorType::Rgba => raw.to_vec(),
        ColorType::Rgb => raw
            .as_chunks()
            .0
            .iter()
            .flat_map(|&[r, g, b]| [r, g, b, 255])
            .collect(),
        ColorType::Grayscale => raw.iter().flat_map(|&grey| [grey, grey, grey, 255]).collect(),
        ColorType::GrayscaleAlpha => {
            let pairs = raw.as_chunks().0.iter();
            pairs
                .flat_map(|&[grey, opacity]| [grey, grey, grey, opacity])
                .collect()
        }
        ColorType::Indexed => return Err(PictureFault::Broken),
    };
    Picture::new(width, height, pixels)
}

fn read_jpeg(file: &[u8]) -> Result<Picture, PictureFault> {
    let side = SIDE_READ_MAX as usize;
    let options = DecoderOptions::default()
        .set_max_width(side)
        .set_max_height(side)
        .set_strict_mode(true)
        .jpeg_set_out_colorspace(ColorSpace::RGBA);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
    decoder.decode_headers().map_err(|_| PictureFault::Broken)?;
    let (width, height) = decoder.dimensions().ok_or(PictureFault::Broken)?;
    let side = |side: usize| u32::try_from(side).map_err(|_| PictureFault::Size);
    let (width, height) = (side(width)?, side(height)?);
    check_size(width, height)?;
    let pixels = decoder.decode().map_err(|_| PictureFault::Broken)?;
    Picture::new(width, height, pixels)
}

impl Picture {
    fn new(width: u32, height: u32, pixels: Vec<u8>) -> Result<Picture, PictureFault> {
        if pixels.len() == (width * height * 4) as usize {
            Ok(Picture {
                width,
                height,
                pixels,
            })
        } else {
            Err(PictureFault::Broken)
        }
    }

    /// The same picture with at most [`SIDE_SHOWN_MAX`] pixels a side: each new pixel is the mean of those it covers,
    /// weighed by their opacity, so that what nobody sees does not shine through.
    fn shrunk(self) -> Picture {
        let longer = self.width.max(self.height);
        if longer <= SIDE_SHOWN_MAX {
            return self;
        }
        let scaled = |side: u32| (side * SIDE_SHOWN_MAX / longer).max(1);
        let (width, height) = (scaled(self.width), scaled(self.height));
        let mut pixels = Vec::with_capacity((width * height * 4) as usize);
        for y in 0..height {
            let lines = covered(y, height, self.height);
            for x in 0..width {
                let columns = covered(x, width, self.width);
                pixels.extend(self.mean(lines.clone(), columns));
            }
        }
        Picture {
            width,
            height,
            pixels,
        }
    }

    fn mean(&self, lines: std::ops::Range<u32>, columns: std::ops::Range<u32>) -> [u8; 4] {
        let (mut sums, mut opacity, mut count) = ([0u64; 3], 0u64, 0u64);
        for line in lines {
            for column in columns.clone() {
                let at = ((line * self.width + column) * 4) as usize;
                let Some(&[r, g, b, a]) = self.pixels[at..].first_chunk() else {
                    continue;
                };
                for (sum, part) in sums.iter_mut().zip([r, g, b]) {
                    *sum += u64::from(part) * u64::from(a);
                }
                opacity += u64::from(a);
                count += 1;
            }
        }
        let [r, g, b] = sums.map(|sum| sum.checked_div(opacity).unwrap_or(0) as u8);
        [r, g, b, opacity.checked_div(count).unwrap_or(0) as u8]
    }
}

/// Which of `full` pixels the pixel `at` of `few` covers; never none.
fn covered(at: u32, few: u32, full: u32) -> std::ops::Range<u32> {
    let start = at * full / few;
    let end = ((at + 1) * full / few).max(start + 1);
    start..end
}

fn write_png(picture: &Picture) -> Result<Vec<u8>, PictureFault> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, picture.width, picture.height);
    encoder.set_color(ColorType::Rgba);
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(|_| PictureFault::Broken)?;
    writer
        .write_image_data(&picture.pixels)
        .map_err(|_| PictureFault::Broken)?;
    writer.finish().map_err(|_| PictureFault::Broken)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;

    use super::*;

    fn png(width: u32, height: u32, color: ColorType, pixels: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut encoder = Encoder::new(&mut out, width, height);
        encoder.set_color(color);
        encoder.set_depth(BitDepth::Eight);
        encoder
            .add_text_chunk("Comment".into(), "<script>alert(1)</script>".into())
            .unwrap();
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(pixels).unwrap();
        writer.finish().unwrap();
        out
    }

    fn size(file: &[u8]) -> (u32, u32) {
        let picture = read_png(file).unwrap();
        (picture.width, picture.height)
    }

    /// A JPEG of 8 by 8 grey pixels.
    fn jpeg() -> Vec<u8> {
        base64::engine::general_purpose::STANDARD.decode("/9j/4AAQSkZJRgABAgAAAQABAAD//gAQTGF2YzU5LjM3LjEwMAD/2wBDAAgEBAQEBAUFBQUFBQYGBgYGBgYGBgYGBgYHBwcICAgHBwcGBgcHCAgICAkJCQgICAgJCQoKCgwMCwsODg4RERT/xABKAAEAAAAAAAAAAAAAAAAAAAAAAQEAAAAAAAAAAAAAAAAAAAAAEAEAAAAAAAAAAAAAAAAAAAAAEQEAAAAAAAAAAAAAAAAAAAAA/8AAEQgACAAIAwESAAISAAMSAP/aAAwDAQACEQMRAD8AAA//2Q==").unwrap()
    }

    #[test]
    fn r_05_a_picture_is_drawn_again_and_nothing_else_of_the_file_comes_through() {
        for (color, octets) in [
            (ColorType::Rgba, 4),
            (ColorType::Rgb, 3),
            (ColorType::Grayscale, 1),
            (ColorType::GrayscaleAlpha, 2),
        ] {
            let mut file = png(3, 2, color, &vec![200; 6 * octets]);
            file.extend(b"<html>trailing</html>");
            let drawn = redraw(&file).unwrap();
            assert_eq!(size(&drawn), (3, 2));
            let text = String::from_utf8_lossy(&drawn);
            assert!(!text.contains("script") && !text.contains("html"));
            assert_eq!(read_png(&drawn).unwrap().pixels[..3], [200; 3]);
        }
        assert_eq!(size(&redraw(&jpeg()).unwrap()), (8, 8));
    }

    #[test]
    fn r_05_a_large_picture_is_made_small_and_a_huge_one_is_refused() {
        let square = |side: u32| png(side, side, ColorType::Grayscale, &vec![9; (side * side) as usize]);
        assert_eq!(size(&redraw(&square(SIDE_SHOWN_MAX)).unwrap()), (256, 256));
        assert_eq!(size(&redraw(&square(SIDE_SHOWN_MAX + 1)).unwrap()), (256, 256));
        assert_eq!(size(&redraw(&square(SIDE_READ_MAX)).unwrap()), (256, 256));
        assert_eq!(redraw(&square(SIDE_READ_MAX + 1)), Err(PictureFault::Size));
        let line = png(
            SIDE_READ_MAX,
            1,
            ColorType::Grayscale,
            &vec![9; SIDE_READ_MAX as usize],
        );
        assert_eq!(size(&redraw(&line).unwrap()), (256, 1));
    }

    #[test]
    fn r_05_shrinking_keeps_what_is_seen() {
        // Half red and opaque, half green and invisible, column by column.
        let pixels: Vec<u8> = (0..512 * 512)
            .flat_map(|at| match at % 2 {
                0 => [255, 0, 0, 255],
                _ => [0, 255, 0, 0],
            })
            .collect();
        let drawn = read_png(&redraw(&png(512, 512, ColorType::Rgba, &pixels)).unwrap()).unwrap();
        assert!(
            drawn
                .pixels
                .as_chunks()
                .0
                .iter()
                .all(|pixel| *pixel == [255, 0, 0, 127])
        );
    }

    #[test]
    fn r_05_what_is_no_picture_is_refused() {
        let good = png(4, 4, ColorType::Rgb, &[1; 48]);
        for kind in [
            &b""[..],
            b"<svg onload='x'/>",
            b"GIF89a",
            b"\x00\x00\x01\x00",
            b"RIFF____WEBP",
        ] {
            assert_eq!(redraw(kind), Err(PictureFault::Kind));
        }
        for length in 8..good.len() - 12 {
            assert!(redraw(&good[..length]).is_err(), "{length}");
        }
        let jpeg = jpeg();
        for length in 3..jpeg.len() / 2 {
            assert!(redraw(&jpeg[..length]).is_err(), "{length}");
        }
        // A header that promises far more than follows.
        let mut bomb = good.clone();
        bomb[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        assert!(redraw(&bomb).is_err());
    }

    #[test]
    fn r_05_any_changed_octet_is_read_or_refused_without_panic() {
        let good = png(9, 7, ColorType::Rgba, &(0..252).collect::<Vec<u8>>());
        for file in [good, jpeg()] {
            for at in 0..file.len() {
                for octet in [0, 0xff, file[at] ^ 1, file[at] ^ 0x80] {
                    let mut changed = file.clone();
                    changed[at] = octet;
                    if let Ok(drawn) = redraw(&changed) {
                        let (width, height) = size(&drawn);
                        assert!(width <= SIDE_SHOWN_MAX && height <= SIDE_SHOWN_MAX);
                    }
                }
            }
        }
    }
}
