// Shared by the tests of the parser (`src/sip/torture.rs`) and of whole calls (`tests/calls/torture.rs`): include!d.

/// One message of a document.
pub struct Sample {
    pub name: &'static str,
    pub section: &'static str,
    pub octets: Vec<u8>,
}

/// `=== name section title`, then the lines of the message; line ends become CRLF and `\#XX` the octet XX.
pub fn corpus(text: &'static str) -> Vec<Sample> {
    text.split("=== ")
        .skip(1)
        .map(|part| {
            let (head, message) = part.split_once('\n').expect("a line with the name");
            let mut words = head.split(' ');
            Sample {
                name: words.next().expect("a name"),
                section: words.next().expect("a section"),
                octets: wire_octets(message),
            }
        })
        .collect()
}

fn wire_octets(text: &str) -> Vec<u8> {
    let crlf = text.replace('\n', "\r\n");
    let mut octets = Vec::new();
    let mut rest = crlf.as_str();
    while let Some((before, after)) = rest.split_once("\\#") {
        octets.extend_from_slice(before.as_bytes());
        octets.push(u8::from_str_radix(&after[..2], 16).expect("two hexadecimal digits"));
        rest = &after[2..];
    }
    octets.extend_from_slice(rest.as_bytes());
    octets
}
