//! Every kind of message that costs some parser more than its length, for the test that counts and the bench that times.

/// What a message needs to be one.
pub const HEAD: &str = "INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
                    To: <sip:b@h>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n";

/// Headers that both read value by value.
pub const NAMES: [&str; 7] = [
    "Via",
    "Contact",
    "Route",
    "Record-Route",
    "Identity",
    "Subject",
    "X",
];

/// Every kind of message that costs some parser more than its length. `{}` marks where the pieces go.
pub const KINDS: &[(&str, &str, &str)] = &[
    ("headers", "X: y\r\n", "{}\r\n"),
    (
        "unknown long names",
        "X-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: y\r\n",
        "{}\r\n",
    ),
    ("folds", "y\r\n ", "X: {}z\r\n\r\n"),
    ("empty folds", "\r\n ", "X: {}z\r\n\r\n"),
    ("white space before a fold", "   \t", "X: {}\r\n z\r\n\r\n"),
    ("commas", ",", "Contact: {}\r\n\r\n"),
    ("addresses", "<sip:a@h>,", "Contact: {}<sip:b@h>\r\n\r\n"),
    ("parameters", ";a=b", "Contact: <sip:a@h>{}\r\n\r\n"),
    ("semicolons", ";", "Contact: <sip:a@h>{}\r\n\r\n"),
    ("URI parameters", ";a=b", "Contact: <sip:a@h{}>\r\n\r\n"),
    ("quotes", "\"", "Contact: {}\r\n\r\n"),
    ("escaped quotes", "\\\"", "Contact: \"{}\r\n\r\n"),
    ("open quotes and commas", "\\\",", "Contact: \"{}\r\n\r\n"),
    ("quoted parameters", ";a=\"b,;\"", "Contact: <sip:a@h>{}\r\n\r\n"),
    ("backslashes", "\\", "Contact: \"{}\r\n\r\n"),
    ("brackets", "<", "Contact: {}\r\n\r\n"),
    ("closing brackets", "<>", "Contact: {}\r\n\r\n"),
    ("parentheses", "(", "Subject: {}\r\n\r\n"),
    ("comments", "(())", "User-Agent: {}\r\n\r\n"),
    ("colons", ":", "Subject: {}\r\n\r\n"),
    ("Vias", "Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\n", "{}\r\n"),
    (
        "Vias on a line",
        "SIP/2.0/UDP h;branch=z9hG4bK1,",
        "Via: {}SIP/2.0/UDP h\r\n\r\n",
    ),
    ("slashes in Via", "SIP / ", "Via: {}\r\n\r\n"),
    ("percent signs", "%41", "Contact: <sip:{}@h>\r\n\r\n"),
    ("at signs", "@", "Contact: <sip:{}@h>\r\n\r\n"),
    ("IPv6", "1:", "Contact: <sip:[{}]>\r\n\r\n"),
    ("routes", "Record-Route: <sip:h;lr>\r\n", "{}\r\n"),
    ("lengths", "l: 0\r\n", "{}\r\n"),
    ("no UTF-8", "\u{e9}", "Subject: {}\r\n\r\n"),
    (
        "lines of a body",
        "a=x\r\n",
        "Content-Type: application/sdp\r\n\r\nv=0\r\n{}",
    ),
    (
        "hyphens in a body",
        "-",
        "Content-Type: multipart/mixed;boundary=-\r\n\r\n{}",
    ),
    (
        "parts",
        "--b\r\n\r\n",
        "Content-Type: multipart/mixed;boundary=b\r\n\r\n{}",
    ),
    (
        "heads of parts",
        "--b\r\nX: y\r\n",
        "Content-Type: multipart/mixed;boundary=b\r\n\r\n{}",
    ),
    ("no line end", "x", "X: {}"),
    ("CRs", "\r", "X: {}\r\n\r\n"),
    ("CRLFs", "\r\n", "{}"),
];

/// A message of about `size` octets made of `piece`, put into `frame` behind what a message needs.
pub fn filled_frame(piece: &str, frame: &str, size: usize) -> Vec<u8> {
    let (before, after) = frame.split_once("{}").unwrap_or((frame, ""));
    filled(&[HEAD, before].concat(), piece, after, size)
}

/// A message of about `size` octets made of `piece`, put between `before` and `after`.
pub fn filled(before: &str, piece: &str, after: &str, size: usize) -> Vec<u8> {
    let room = size - before.len() - after.len();
    [before, &piece.repeat(room / piece.len()), after]
        .concat()
        .into_bytes()
}
