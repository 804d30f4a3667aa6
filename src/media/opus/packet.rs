//! How an Opus packet is put together (RFC 6716 §3): what its first octet says, and whether the rest can be that.

/// Why octets are no Opus packet: the rules of RFC 6716 §3.4, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    #[error("Opus: no octet at all (R1)")]
    Empty,
    #[error("Opus: a frame of more than 1,275 octets (R2)")]
    LongFrame,
    #[error("Opus: two frames of one length in an odd number of octets (R3)")]
    Odd,
    #[error("Opus: a frame that ends behind the packet (R4, R7)")]
    Overrun,
    #[error("Opus: no frame, or more than 120 ms of them (R5)")]
    Duration,
    #[error("Opus: frames of one length that do not fill their packet (R6)")]
    Uneven,
}

/// Octets of the longest frame (R2).
const FRAME_OCTETS_MAX: usize = 1275;

/// Quarters of a millisecond in the longest packet (R5).
const QUARTERS_MAX: u16 = 480;

/// Whole milliseconds of audio in this packet, rounded up: 2.5 ms count as three.
///
/// # Errors
///
/// As [`quarters`].
pub fn milliseconds(packet: &[u8]) -> Result<u32, PacketError> {
    quarters(packet).map(|quarters| u32::from(quarters).div_ceil(4))
}

/// Quarters of a millisecond of audio in this packet: 10 (2.5 ms) to 480 (120 ms).
///
/// Looks at nothing but its structure: what is in the frames is the decoder's business, and any octets are a frame.
///
/// # Errors
///
/// [`PacketError`] names the rule that the octets break.
pub fn quarters(packet: &[u8]) -> Result<u16, PacketError> {
    let (first, rest) = packet.split_first().ok_or(PacketError::Empty)?;
    let of_frame = frame_quarters(*first);
    let frames = match first & 3 {
        0 => {
            fits(rest.len())?;
            1
        }
        1 => {
            if !rest.len().is_multiple_of(2) {
                return Err(PacketError::Odd);
            }
            fits(rest.len() / 2)?;
            2
        }
        2 => {
            let (len, rest) = length(rest)?;
            fits(rest.len().checked_sub(len).ok_or(PacketError::Overrun)?)?;
            2
        }
        _ => many(rest)?,
    };
    let quarters = of_frame * frames;
    if quarters > QUARTERS_MAX {
        return Err(PacketError::Duration);
    }
    Ok(quarters)
}

/// The number of frames of a packet of code 3 (RFC 6716 §3.2.5).
fn many(rest: &[u8]) -> Result<u16, PacketError> {
    let (count, mut rest) = rest.split_first().ok_or(PacketError::Overrun)?;
    let frames = u16::from(count & 0x3f);
    // 48 frames of 2.5 ms are 120 ms.
    if frames == 0 || frames > 48 {
        return Err(PacketError::Duration);
    }
    if count & 0x40 != 0 {
        let mut padding = 0;
        loop {
            let (octets, after) = rest.split_first().ok_or(PacketError::Overrun)?;
            rest = after;
            padding += if *octets == 255 { 254 } else { usize::from(*octets) };
            if *octets != 255 {
                break;
            }
        }
        let end = rest.len().checked_sub(padding).ok_or(PacketError::Overrun)?;
        rest = &rest[..end];
    }
    if count & 0x80 == 0 {
        if !rest.len().is_multiple_of(usize::from(frames)) {
            return Err(PacketError::Uneven);
        }
        fits(rest.len() / usize::from(frames))?;
        return Ok(frames);
    }
    let mut frames_octets = 0;
    for _ in 1..frames {
        let (len, after) = length(rest)?;
        rest = after;
        frames_octets += len;
    }
    fits(
        rest.len()
            .checked_sub(frames_octets)
            .ok_or(PacketError::Overrun)?,
    )?;
    Ok(frames)
}

/// A frame length of one or two octets (RFC 6716 §3.2.1), and what stands behind it.
fn length(octets: &[u8]) -> Result<(usize, &[u8]), PacketError> {
    let (first, rest) = octets.split_first().ok_or(PacketError::Overrun)?;
    if *first < 252 {
        return Ok((usize::from(*first), rest));
    }
    let (second, rest) = rest.split_first().ok_or(PacketError::Overrun)?;
    Ok((usize::from(*second) * 4 + usize::from(*first), rest))
}

fn fits(len: usize) -> Result<(), PacketError> {
    match len > FRAME_OCTETS_MAX {
        true => Err(PacketError::LongFrame),
        false => Ok(()),
    }
}

/// Quarters of a millisecond in one frame, by the first octet (RFC 6716 §3.1, table 2).
fn frame_quarters(first: u8) -> u16 {
    match first >> 3 {
        speech @ 0..=11 => [40, 80, 160, 240][usize::from(speech & 3)],
        both @ 12..=15 => [40, 80][usize::from(both & 1)],
        music => [10, 20, 40, 80][usize::from(music & 3)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_octet_says_how_long_a_frame_is() {
        for (configuration, quarters) in [
            (0, 40),
            (1, 80),
            (2, 160),
            (3, 240),
            (9, 80),
            (11, 240),
            (12, 40),
            (13, 80),
            (14, 40),
            (15, 80),
            (16, 10),
            (17, 20),
            (18, 40),
            (19, 80),
            (28, 10),
            (31, 80),
        ] {
            assert_eq!(frame_quarters(configuration << 3), quarters, "{configuration}");
        }
    }

    #[test]
    fn each_code_has_its_frames_and_its_rules() {
        use PacketError::*;
        // 20 ms of speech at 16 kHz, and 60 ms of it.
        let (short, long) = (9 << 3, 11 << 3);
        let frame = |len: usize| vec![7; len];
        let packet = |first: u8, head: &[u8], len: usize| [&[first], head, &frame(len)[..]].concat();
        for (octets, expected) in [
            (vec![], Err(Empty)),
            (vec![short], Ok(80)),
            (packet(short, &[], 1275), Ok(80)),
            (packet(short, &[], 1276), Err(LongFrame)),
            (packet(short | 1, &[], 40), Ok(160)),
            (packet(short | 1, &[], 41), Err(Odd)),
            (packet(short | 1, &[], 2552), Err(LongFrame)),
            (packet(short | 2, &[10], 40), Ok(160)),
            (packet(short | 2, &[41], 40), Err(Overrun)),
            (packet(short | 2, &[252, 1], 300), Ok(160)),
            (packet(short | 2, &[252], 0), Err(Overrun)),
            (packet(short | 2, &[], 0), Err(Overrun)),
            (packet(short | 2, &[0], 1276), Err(LongFrame)),
            (vec![short | 3], Err(Overrun)),
            (packet(short | 3, &[0], 10), Err(Duration)),
            (packet(short | 3, &[3], 30), Ok(240)),
            (packet(short | 3, &[3], 31), Err(Uneven)),
            (packet(short | 3, &[0x80 | 3, 10, 10], 35), Ok(240)),
            (packet(short | 3, &[0x80 | 3, 10, 30], 35), Err(Overrun)),
            (packet(short | 3, &[0x40 | 2, 6], 26), Ok(160)),
            (packet(short | 3, &[0x40 | 2, 27], 26), Err(Overrun)),
            (packet(short | 3, &[0x40 | 2, 255, 4], 300), Ok(160)),
            (packet(short | 3, &[0x40 | 2, 255], 0), Err(Overrun)),
            (packet(long | 3, &[2], 20), Ok(480)),
            (packet(long | 3, &[3], 30), Err(Duration)),
            (packet(28 << 3 | 3, &[48], 48), Ok(480)),
            (packet(28 << 3 | 3, &[49], 49), Err(Duration)),
        ] {
            assert_eq!(
                quarters(&octets),
                expected,
                "{:?}",
                &octets[..octets.len().min(4)]
            );
        }
        assert_eq!(milliseconds(&[28 << 3, 1]), Ok(3));
    }
}
