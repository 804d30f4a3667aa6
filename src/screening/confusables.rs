//! Characters that look like plain letters and digits, and characters that nobody sees.
//!
//! A short table of what is used to imitate Latin words (Unicode TR 39 has thousands; these are the ones that render
//! alike on phones), plus whole blocks by arithmetic.

use std::sync::LazyLock;

/// The plain upper-case letter or digit a character is read as; None when it is none (a separator, a mark, another
/// script's own letter).
pub(crate) fn read_as(c: char) -> Option<char> {
    if c.is_ascii_alphanumeric() {
        return Some(c.to_ascii_uppercase());
    }
    if c.is_ascii() {
        return ASCII[c as usize];
    }
    let code = c as u32;
    let letter = |offset: u32| char::from_u32('A' as u32 + offset % 26);
    let digit = |offset: u32| char::from_u32('0' as u32 + offset % 10);
    match code {
        0xFF10..=0xFF19 => digit(code - 0xFF10),
        0xFF21..=0xFF3A => letter(code - 0xFF21),
        0xFF41..=0xFF5A => letter(code - 0xFF41),
        // Mathematical bold, italic, script, Fraktur, double-struck, sans-serif, monospace: 26 + 26 letters each.
        0x1D400..=0x1D6A3 => letter((code - 0x1D400) % 52),
        0x1D7CE..=0x1D7FF => digit(code - 0x1D7CE),
        // Circled, squared, parenthesised, regional indicators.
        0x24B6..=0x24CF => letter(code - 0x24B6),
        0x24D0..=0x24E9 => letter(code - 0x24D0),
        0x249C..=0x24B5 => letter(code - 0x249C),
        0x1F110..=0x1F129 => letter(code - 0x1F110),
        0x1F130..=0x1F149 => letter(code - 0x1F130),
        0x1F150..=0x1F169 => letter(code - 0x1F150),
        0x1F170..=0x1F189 => letter(code - 0x1F170),
        0x1F1E6..=0x1F1FF => letter(code - 0x1F1E6),
        _ => in_table(c),
    }
}

fn in_table(c: char) -> Option<char> {
    let mut rows = TABLE.iter();
    rows.find(|(_, look_alikes)| look_alikes.contains(c))
        .map(|(plain, _)| *plain)
}

/// What the table says of ASCII: of white space and punctuation, which stand in every name.
static ASCII: LazyLock<[Option<char>; 128]> =
    LazyLock::new(|| std::array::from_fn(|octet| in_table(char::from(octet as u8))));

/// What a character is shown as on a display that has only ASCII: accents are dropped. None when nothing fits.
pub(crate) fn ascii(c: char) -> Option<char> {
    if c.is_ascii() {
        return Some(c);
    }
    match c {
        '\u{2018}' | '\u{2019}' | '\u{201B}' => return Some('\''),
        '\u{2010}'..='\u{2015}' => return Some('-'),
        _ if c.is_whitespace() => return Some(' '),
        _ => {}
    }
    let plain = read_as(c)?;
    Some(if c.is_lowercase() {
        plain.to_ascii_lowercase()
    } else {
        plain
    })
}

/// Never seen, or changes the order in which others are seen: controls, bidirectional marks, zero-width characters,
/// variation selectors, tag characters, soft hyphens, private use.
pub(crate) fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c as u32,
            0x00AD | 0x034F | 0x061C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F
            | 0x2028..=0x202E | 0x2060..=0x206F | 0x2800 | 0x3164 | 0xE000..=0xF8FF | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0
            | 0xFFF0..=0xFFFF | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF | 0xF0000..=0x10FFFF)
}

/// A mark that sits on the letter before it.
pub(crate) fn is_combining(c: char) -> bool {
    matches!(c as u32, 0x0300..=0x036F | 0x0483..=0x0489 | 0x1AB0..=0x1AFF | 0x1DC0..=0x1DFF | 0x20D0..=0x20FF | 0xFE20..=0xFE2F)
}

/// Pictures that say "checked", "protected" or "approved".
pub(crate) fn is_trust_picture(c: char) -> bool {
    matches!(
        c,
        '✓' | '✔'
            | '☑'
            | '✅'
            | '🗸'
            | '🗹'
            | '√'
            | '⍻'
            | '✆'
            | '🔒'
            | '🔐'
            | '🔏'
            | '🛡'
            | '👍'
            | '👌'
            | '🆗'
            | '🉑'
            | '🏅'
            | '🎖'
            | '⭐'
            | '★'
            | '☆'
            | '🌟'
            | '🟢'
            | '🟩'
            | '💚'
            | '⛨'
            | '🔰'
            | '☘'
            | '⚠'
            | '🚫'
            | '⛔'
            | '🛑'
            | '❗'
            | '❌'
            | '✗'
            | '✘'
            | '🔴'
    )
}

/// Plain letter, and what is read as it in Latin, Greek, Cyrillic, Armenian, Cherokee, Lisu and letter-like symbols.
const TABLE: &[(char, &str)] = &[
    ('A', "ÀÁÂÃÄÅĀĂĄǍȀȂȦàáâãäåāăąǎȁȃȧАаΑαᎪᗅꓮɑ@ªǺǻẠạẢảⱭ∀"),
    ('B', "ВвΒβЬьᏴᗷꓐƁɃɓḂḃʙßϐ"),
    ('C', "ÇĆĈĊČçćĉċčСсϹϲᏟᑕꓚƇƈȻȼℂℭ¢©ᴄ"),
    ('D', "ĎĐďđÐðᎠᗞꓓƊɖɗԁḊḋᴅ∂"),
    ('E', "ÈÉÊËĒĔĖĘĚèéêëēĕėęěЕеЁёΕεЀѐᎬꓰɛȄȅȆȇẸẹẺẻẼẽ€℮ℰℯᴇ∈"),
    ('F', "ϜϝᖴꓝƑƒḞḟſꞘꜰ"),
    ('G', "ĜĞĠĢĝğġģǦǧԌԍᏀᏳꓖɡɢǤǥ"),
    ('H', "ĤĦĥħНнΗηᎻᕼꓧḤḥℋℌℍʜһҺ"),
    ('I', "ÌÍÎÏĨĪĬĮİìíîïĩīĭįıІіЇїΙιӀӏᏆꓲɪǏǐⅠⅰ|¡ℐℑẸỊị¦"),
    ('J', "ĴĵЈјͿᎫᒍꓙɈɉϳᴊ"),
    ('K', "ĶķĸКкΚκᏦꓗƘƙҚқKᴋ"),
    ('L', "ĹĻĽĿŁĺļľŀłᏞᒪꓡⅬⅼℒℓ£ʟ"),
    ('M', "МмΜᎷᗰꓟϺϻⅯⅿḾḿℳᴍ"),
    ('N', "ÑŃŅŇñńņňŉŊŋΝᑎꓠɴƝǸǹηпПℕИи"),
    ('O', "ÒÓÔÕÖØŌŎŐòóôõöøōŏőОоΟοσՕօᎤꓳƠơǑǒ○●◯☉ⵔ°ºᴏ"),
    ('P', "РрΡρᏢᑭꓑƤƥℙ℘þÞᴘ"),
    ('Q', "ԚԛႭℚɊɋ"),
    ('R', "ŔŖŘŕŗřᎡᏒꓣɌɍȐȑℛℜℝ®гГʀ"),
    ('S', "ŚŜŞŠśŝşšЅѕՏᏚꓢȘșƧʂ§ꜱ"),
    ('T', "ŢŤŦţťŧТтΤτᎢꓔȚțƬƭ†⊤ᴛ"),
    ('U', "ÙÚÛÜŨŪŬŮŰŲùúûüũūŭůűųՍսᑌꓴƯưǓǔʋυᴜμ"),
    ('V', "ѴѵνᏙᐯꓦⅤⅴ∨ᴠ"),
    ('W', "ŴŵѠѡԜԝᎳꓪẀẁẂẃẄẅωᴡшШ"),
    ('X', "ХхΧχꓫⅩⅹ×✕✖Ҳҳ᙮"),
    ('Y', "ÝŶŸýÿŷУуΥγҮүᎩꓬƳƴ¥ʏ"),
    ('Z', "ŹŻŽźżžΖζᏃꓜƵƶȤȥℤᴢ"),
    ('0', "⓪⓿₀⁰٠۰०০"),
    ('1', "①₁¹١۱ⅼ"),
    ('2', "②₂²٢۲"),
    ('3', "③₃³٣۳Ʒʒз"),
    ('4', "④₄⁴٤۴"),
    ('5', "⑤₅⁵٥۵"),
    ('6', "⑥₆⁶٦۶б"),
    ('7', "⑦₇⁷٧۷"),
    ('8', "⑧₈⁸٨۸"),
    ('9', "⑨₉⁹٩۹"),
];
