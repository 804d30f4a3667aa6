//! What a signer's side does: certificates, PASSporTs, and an identity engine that trusts the anchors given.

use std::time::Duration;

use ringward::identity::{Config, Engine};

/// An engine that trusts these anchors (PEM or DER, as the engine takes them).
pub fn identity(anchors: &[Vec<u8>]) -> Engine {
    let config = Config {
        anchors: Vec::new(),
        country: "US".into(),
        x5u_allow: Vec::new(),
        x5u_tls_anchors: Vec::new(),
        freshness: Duration::from_secs(60),
        fetch_timeout: Duration::from_secs(2),
        shelf_entries: 1000,
    };
    Engine::new(&config, anchors).expect("the anchors can be read")
}

/// An Identity header with a well-formed token that nobody signed, pointing at `url`.
pub fn unsigned_token(orig: &str, dest: &str, iat: u64, url: &str) -> String {
    use base64::Engine as _;
    let encode = |text: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let header = format!(r#"{{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"{url}"}}"#);
    let payload = format!(
        r#"{{"attest":"A","dest":{{"tn":["{dest}"]}},"iat":{iat},"orig":{{"tn":"{orig}"}},"origid":"123e4567-e89b-12d3-a456-426655440000"}}"#
    );
    let signature = encode(&[0x5a; 64]);
    format!(
        "{}.{}.{signature};info=<{url}>;alg=ES256;ppt=\"shaken\"",
        encode(header.as_bytes()),
        encode(payload.as_bytes())
    )
}
