//! Verifies the Identity headers of one call with certificates and anchors from files.
//!
//! ```text
//! cargo run --example verify_file -- IDENTITY_FILE CHAIN_PEM ANCHORS_PEM FROM_NUMBER TO_NUMBER UNIX_SECONDS
//! ```
//!
//! IDENTITY_FILE holds Identity header values, one a line. CHAIN_PEM is taken for whatever URL they name. Prints the report
//! as JSON; the exit status is 0 when the call is verified.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use stir_shaken_verify::{Anchors, MessageView, NumberRules, Standing, Verifier, VerifierConfig};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [identity, chain, anchors, from, to, at] = arguments.as_slice() else {
        return Err("expected IDENTITY_FILE CHAIN_PEM ANCHORS_PEM FROM_NUMBER TO_NUMBER UNIX_SECONDS".into());
    };

    let mut trusted = Anchors::new();
    trusted.add_pem(&std::fs::read(anchors)?)?;
    let mut verifier = Verifier::new(VerifierConfig::new(trusted, NumberRules::new("US")?));

    // A SIP stack would take these from the message; URIs stand without display name and brackets.
    let identity = std::fs::read_to_string(identity)?;
    let (calling, called) = (format!("tel:{from}"), format!("tel:{to}"));
    let message = MessageView {
        identity: identity.lines().map(Into::into).collect(),
        from: calling.into(),
        to: called.as_str().into(),
        request_uri: called.as_str().into(),
        ..MessageView::default()
    };

    // Where a gateway would ask the network, here is a file. `named` instead of `wanted`: all checks are wanted, also those
    // of a header that has failed already.
    let chain: Arc<[u8]> = std::fs::read(chain)?.into();
    let mut verification = verifier.begin(&message, UNIX_EPOCH + Duration::from_secs(at.parse()?));
    let urls: Vec<String> = verification.named().into_iter().map(String::from).collect();
    for url in urls {
        verification.supply(&url, Ok(chain.clone()));
    }

    let report = verifier.conclude(verification);
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(match report.standing {
        Standing::Verified => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}
