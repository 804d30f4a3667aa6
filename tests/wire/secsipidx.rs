//! Identity headers signed by `secsipidx`, which nobody here wrote, verified by `ringward verify`.

use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

use crate::support;

const URL: &str = "https://cert.example.org/sp.pem";
const CALLER: &str = "14045550123";
const CALLED: &str = "12125550100";

#[test]
fn a_call_signed_by_secsipidx_is_verified() {
    let Some(peer) = Peer::new("good") else { return };
    let report = peer.verify(&peer.identity("A"), CALLER, CALLED);
    assert_eq!(
        (&report["standing"], &report["attestation"]),
        (&"verified".into(), &"A".into()),
        "{report}"
    );
    assert_eq!(report["verstat"], "TN-Validation-Passed");
    let report = peer.verify(&peer.identity("B"), CALLER, CALLED);
    assert_eq!(
        (&report["standing"], &report["attestation"]),
        (&"verified".into(), &"B".into()),
        "{report}"
    );
}

#[test]
fn altered_calls_fail_for_the_right_reason() {
    let Some(peer) = Peer::new("altered") else { return };
    let identity = peer.identity("A");
    check(
        &peer.verify(&identity, "14045550124", CALLED),
        "orig_mismatch",
        Some(438),
    );
    check(
        &peer.verify(&identity, CALLER, "12125550199"),
        "dest_mismatch",
        Some(438),
    );
    check(
        &peer.verify(&identity.replace(";info=<https", ";info=<http"), CALLER, CALLED),
        "bad_info",
        Some(436),
    );

    // A payload of another call under this call's signature.
    let other = peer.identity("B");
    let parts = |identity: &str| identity.splitn(3, '.').map(str::to_string).collect::<Vec<_>>();
    let (ours, theirs) = (parts(&identity), parts(&other));
    let mixed = format!("{}.{}.{}", ours[0], theirs[1], ours[2]);
    check(&peer.verify(&mixed, CALLER, CALLED), "invalid", Some(438));

    // The same signer under an authority that nobody has configured.
    let stranger = Peer::new("stranger").expect("the tool is there");
    let report = peer.verify_with(&identity, CALLER, CALLED, &stranger.folder.join("anchors.pem"), 0);
    check(&report, "untrusted_credential", Some(437));

    let report = peer.verify_with(&identity, CALLER, CALLED, &peer.folder.join("anchors.pem"), 120);
    check(&report, "stale", Some(403));
}

fn check(report: &serde_json::Value, outcome: &str, code: Option<u16>) {
    assert_eq!(report["standing"], "failed", "{report}");
    let header = &report["headers"][0];
    assert_eq!(
        (&header["outcome"], &header["code"]),
        (&outcome.into(), &code.into()),
        "{report}"
    );
}

/// A provider with its certificate and key in files, and the tool that signs with them.
struct Peer {
    folder: PathBuf,
}

impl Peer {
    fn new(name: &str) -> Option<Peer> {
        if !support::have(&["secsipidx"]) {
            return None;
        }
        let folder = support::folder(&format!("secsipidx-{name}"));
        let mut authority = CertificateParams::default();
        authority
            .distinguished_name
            .push(DnType::CommonName, "Test STI root");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority_key = KeyPair::generate().unwrap();
        let anchor = authority.self_signed(&authority_key).unwrap();

        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "SHAKEN 1234");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // SEQUENCE { [0] { IA5String "1234" } }: provider code 1234.
        let list = [&[0x30, 8, 0xa0, 6, 0x16, 4], &b"1234"[..]].concat();
        params.custom_extensions = vec![CustomExtension::from_oid_content(
            &[1, 3, 6, 1, 5, 5, 7, 1, 26],
            list,
        )];
        let key = KeyPair::generate().unwrap();
        let certificate = params
            .signed_by(&key, &Issuer::from_params(&authority, &authority_key))
            .unwrap();

        std::fs::write(folder.join("anchors.pem"), anchor.pem()).unwrap();
        std::fs::write(folder.join("sp.pem"), certificate.pem()).unwrap();
        std::fs::write(folder.join("sp.key"), key.serialize_pem()).unwrap();
        Some(Peer { folder })
    }

    fn identity(&self, attest: &str) -> String {
        let key = self.folder.join("sp.key");
        let output = Command::new("secsipidx")
            .args(["-sign-full", "-k"])
            .arg(&key)
            .args(["-orig-tn", CALLER, "-dest-tn", CALLED, "-a", attest, "-x5u", URL])
            .args(["-orig-id", "123e4567-e89b-12d3-a456-426655440000"])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "secsipidx: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_string()
    }

    fn verify(&self, identity: &str, from: &str, to: &str) -> serde_json::Value {
        self.verify_with(identity, from, to, &self.folder.join("anchors.pem"), 0)
    }

    /// Through the command line, `late` seconds after now.
    fn verify_with(
        &self,
        identity: &str,
        from: &str,
        to: &str,
        roots: &Path,
        late: u64,
    ) -> serde_json::Value {
        let invite = self.folder.join("call.sip");
        let message = format!(
            "INVITE sip:+{to}@192.0.2.1;user=phone SIP/2.0\r\n\
             Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK1\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:+{from}@carrier.example.com;user=phone>;tag=1\r\n\
             To: <sip:+{to}@example.com;user=phone>\r\n\
             Call-ID: 1@carrier.example.com\r\n\
             CSeq: 1 INVITE\r\n\
             Contact: <sip:192.0.2.9>\r\n\
             Identity: {identity}\r\n\
             Content-Length: 0\r\n\r\n"
        );
        std::fs::write(&invite, message).unwrap();
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let output = Command::new(env!("CARGO_BIN_EXE_ringward"))
            .arg("verify")
            .arg("--invite")
            .arg(&invite)
            .arg("--roots")
            .arg(roots)
            .arg("--certificate")
            .arg(format!("{URL}={}", self.folder.join("sp.pem").display()))
            .args(["--at", &(now + late).to_string(), "--json"])
            .output()
            .unwrap();
        let report: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("no report: {}", String::from_utf8_lossy(&output.stderr)));
        let is_verified = report["standing"] == "verified";
        assert_eq!(output.status.code(), Some(i32::from(!is_verified)), "{report}");
        report
    }
}
