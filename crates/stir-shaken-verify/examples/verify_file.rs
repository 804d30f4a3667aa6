//! Verifies one Identity header with a certificate chain and anchors from files.
//!
//! `verify_file IDENTITY_FILE CHAIN_PEM ANCHORS_PEM FROM_NUMBER TO_NUMBER UNIX_SECONDS`

use std::time::{Duration, UNIX_EPOCH};

use stir_shaken_verify::{Anchors, MessageView, NumberRules, Verifier, VerifierConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [identity, chain, anchors, from, to, at] = arguments.as_slice() else {
        return Err("IDENTITY_FILE CHAIN_PEM ANCHORS_PEM FROM_NUMBER TO_NUMBER UNIX_SECONDS".into());
    };
    let mut trusted = Anchors::new();
    trusted.add_pem(&std::fs::read(anchors)?)?;
    let mut verifier = Verifier::new(VerifierConfig::new(trusted, NumberRules::new("US")?));

    let identity = std::fs::read_to_string(identity)?;
    let called = format!("tel:{to}");
    let message = MessageView {
        identity: vec![identity.trim().into()],
        from: format!("tel:{from}").into(),
        to: called.as_str().into(),
        request_uri: called.as_str().into(),
        ..MessageView::default()
    };
    let mut verification = verifier.begin(&message, UNIX_EPOCH + Duration::from_secs(at.parse()?));
    for url in verification
        .named()
        .into_iter()
        .map(String::from)
        .collect::<Vec<_>>()
    {
        verification.supply(&url, Ok(std::fs::read(chain)?.into()));
    }
    println!("{:#?}", verifier.conclude(verification));
    Ok(())
}
