//! Revocation lists: the policy administrator's is indirect, one list for every authority.

use rcgen::SerialNumber;

use crate::matrix::authority::{Lists, SHARED_SERIAL, provider};
use crate::matrix::{Case, Must, case};

const LIST: &str = "RFC 5280 §6.3, ATIS-1000080";

pub fn cases() -> Vec<Case> {
    vec![
        case(
            "revoked",
            "the certificate stands in the list",
            Must::Refuse(437),
            LIST,
            |stage| {
                let world = stage.world;
                let chain = world.chain_of(&world.revoked);
                stage.call_by(&world.revoked, chain)
            },
        ),
        case(
            "revoked-authority",
            "the issuing authority's certificate stands in the list",
            Must::Refuse(437),
            "RFC 5280 §6.3: every certificate of the path",
            |stage| {
                let issuing = &stage.world.revoked_issuing;
                let leaf = issuing.issue(provider("SHAKEN 1234", stage.now));
                stage.call_under(&[&leaf, issuing])
            },
        ),
        case(
            "serial-of-another-issuer",
            "the list has our serial number, for a certificate of another authority",
            Must::Verify,
            "RFC 5280 §5.3.3: serial number and issuer; in an indirect list the issuer stands in the entry",
            |stage| {
                let mut params = provider("SHAKEN 1234", stage.now);
                params.serial_number = Some(SerialNumber::from_slice(SHARED_SERIAL));
                stage.call_with_certificate(params)
            },
        ),
        case(
            "list-badly-signed",
            "the list's signature does not hold",
            Must::Unchecked,
            "RFC 5280 §6.3.3 (g): then nothing is known, neither good nor revoked",
            |stage| stage.call(&stage.token()).with_lists(Lists::BadSignature),
        ),
        case(
            "list-of-a-stranger",
            "the list is signed by somebody to whom no anchor leads",
            Must::Unchecked,
            "RFC 5280 §6.3.3 (f)",
            |stage| stage.call(&stage.token()).with_lists(Lists::OfAStranger),
        ),
        case(
            "list-outdated",
            "the list's nextUpdate has passed",
            Must::Unchecked,
            "RFC 5280 §6.3.3: a list out of date says nothing; what then is a matter of policy",
            |stage| stage.call(&stage.token()).with_lists(Lists::Stale),
        )
        .open(),
    ]
}
