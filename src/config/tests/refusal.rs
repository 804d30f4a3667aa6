//! `[refusal]` and `[marks]`, and rules that refuse in a way they cannot.

use super::{Config, check};

#[test]
fn marks_and_reasons_are_named_as_the_documentation_names_them() {
    check("[marks]\nverstat = '3GPP'", "(did you mean 3gpp?)");
    check("[marks]\nplacement = 'users'", "(did you mean user?)");
    check(
        "[marks]\nheaders = ['p-attestation']",
        "expected \"attestation-info\"",
    );
    check(
        "[marks]\nheaders = ['attestation-info', 'attestation-info']",
        "listed twice",
    );
    check("[marks]\nidentity = true", "identity must be a string");
    check(
        "[[queue]]\nname = 'a'\ntargets = ['sip:x@127.0.0.1']\nmarks = { verstatt = 'twilio' }",
        "(did you mean verstat?)",
    );
    let trunk = "[[trunk]]\nname = 'a'\nfrom = ['192.0.2.1']\n";
    check(
        &format!("{trunk}identity_reasons = 'stirr'"),
        "(did you mean stir?)",
    );
}

#[test]
fn a_refusal_that_lacks_something_does_not_load() {
    let trunk = |more: &str| format!("[[trunk]]\nname = 'a'\nfrom = ['192.0.2.1']\nrefusal = {more}");
    check(
        &trunk("'network-blocked'"),
        "4:11: refusal = \"network-blocked\" needs one of url, tel and email",
    );
    check(&trunk("'unwanted'"), "expected \"network-blocked\", \"rejected\"");
    check(
        "[refusal]\nprofile = 'rejected'",
        "needs one of url, tel and email",
    );
    check(
        "[refusal]\nwithout_608 = 'network-blocked'",
        "needs one of url, tel and email",
    );
    check(
        "[refusal]\nprofile = 'rejected'\ntel = '+12125550199'",
        "needs name in [refusal]",
    );
    check(
        "[refusal]\nprofile = 'rejected'\ntel = '+12125550199'\nname = 'Example'",
        "needs key and certificate_url in [refusal]",
    );
    check(
        "[refusal]\nkey = 'no-such.pem'",
        "it cannot be read: there is no such file",
    );
    check(
        "[refusal]\nurl = 'http://example.com'",
        "expected https://HOST/PATH",
    );
    check("[refusal]\nurl = 'https://example.com/a;b'", "without \";\"");
    check("[refusal]\ntel = '2125550199'", "a number such as +12125550199");
    check("[refusal]\nemail = 'nobody'", "an address such as");
    check("[refusal]\nname = 'a\"b'", "one line without quotes");
    check("[refusal]\nlocation = 'home'", "expected \"U\", \"LPN\"");
}

#[test]
fn a_rule_that_refuses_in_a_way_that_lacks_something_does_not_load() {
    let folder = std::env::temp_dir().join(format!("ringward-refusal-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let policy = "[policy]\nname = 'p'\n[[rule]]\nid = 'r'\nwhen = 'true'\nthen = { refuse = 'rejected' }\nreason = 'x'\n";
    std::fs::write(folder.join("p.toml"), policy).unwrap();
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    let path = folder.join("ringward.toml");
    let load = |text: &str| {
        std::fs::write(&path, text).unwrap();
        Config::load(&path)
    };
    let found = load("[policy]\nfile = 'p.toml'\n").unwrap_err();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0]
            .to_string()
            .contains("p.toml:6:19: refuse = \"rejected\" needs one of url, tel and email"),
        "{found:#?}"
    );
    let whole = "[policy]\nfile = 'p.toml'\n[refusal]\nname = 'Example'\ntel = '+12125550199'\nkey = 'key.pem'\n\
        certificate_url = 'https://certs.example.com/r.pem'\n[api]\npublic_url = 'https://gw.example.com'\n";
    let loaded = load(whole).map(|config| config.refusal.card.is_some());
    let without_https = load(&whole.replace("https://gw", "http://gw")).map(|_| ());
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(loaded, Ok(true));
    let found = without_https.unwrap_err();
    assert!(
        found[0].message.contains("an https public_url in [api]"),
        "{found:#?}"
    );
}
