//! `[[trunk]]` and `[[queue]]`: what fits together, and whom a trunk may be believed.

use super::{Config, check, faults};

#[test]
fn trunks_and_queues_fit_together() {
    let trunk = |more: &str| format!("[[trunk]]\nname = 'a'\nfrom = ['10.0.0.0/8']\n{more}");
    check(
        &trunk("[[trunk]]\nname = 'a'\nfrom = ['192.0.2.1']"),
        "a second [[trunk]] is called \"a\"",
    );
    check(
        &trunk("[[trunk]]\nname = 'b'\nfrom = ['10.0.0.0/8']"),
        "already belongs to trunk \"a\"",
    );
    check(
        &trunk("emergency = 'yes'"),
        "emergency is \"yes\"; expected \"trusted\" or \"untrusted\"",
    );
    check(
        "[[trunk]]\nname = 'a'\nfrom = ['0.0.0.0/0']\nemergency = 'trusted'",
        "everybody cannot be",
    );
    check("[[trunk]]\nname = 'a'", "from needs one to 256 address ranges");
    check("[[trunk]]\nname = 'a b'\nfrom = ['192.0.2.1']", "name is \"a b\"");

    let queue = |more: &str| {
        format!("[[queue]]\nname = 'a'\nnumbers = ['1*']\ntargets = ['sip:x@127.0.0.1']\n{more}")
    };
    check(&queue("overflow = 'a'"), "cannot overflow into itself");
    check(
        &queue("overflow = 'rejct'"),
        "no queue is called \"rejct\" (did you mean reject?)",
    );
    check(&queue("strategy = 'ring_all'"), "(did you mean ring-all?)");
    let skills = |more: &str, who: &str| {
        format!(
            "{}\n[skills]\n{who}",
            queue(&format!("strategy = 'skill'\n{more}"))
        )
    };
    let needs = "[[queue.needs]]\nskill = 'german'";
    let ann = "'person:ann' = { german = 3 }";
    check(
        &queue("relax_after = '5s'"),
        "relax_after goes with strategy = \"skill\"",
    );
    check(&skills("wait = '60s'", ann), "needs [[queue.needs]]");
    check(&skills(needs, ann), "is for callers who wait");
    check(
        &skills(&format!("wait = '60s'\nrelax_after = '60s'\n{needs}"), ann),
        "relax_after is shorter than wait",
    );
    check(
        &skills("wait = '60s'\n[[queue.needs]]\nskill = 'germen'", ann),
        "nobody in [skills] has \"germen\" (did you mean german?)",
    );
    check(
        &skills(&format!("wait = '60s'\n{needs}\nleast = 4"), ann),
        "nobody in [skills] has \"german\" at level 4",
    );
    check(
        &skills(&format!("wait = '60s'\n{needs}\ncallers = ['suspects']"), ann),
        "(did you mean suspect?)",
    );
    check(
        &skills(
            &format!("wait = '60s'\n{needs}"),
            "'person:ann' = { german = 3, fraud = 11 }",
        ),
        "fraud must be from 1 to 10",
    );
    check(
        &skills(
            &format!("wait = '60s'\n{needs}"),
            "'person:ann' = { german = 3 }\n'ann' = { german = 1 }",
        ),
        "a target is a SIP URI",
    );
    check(&queue("ring = '0s'"), "ring must be from 1s to 600s");
    check(&queue("probe = '1s'"), "probe must be from 5s to 3600s");
    check(&queue("follow_redirects = 'target'"), "(did you mean targets?)");
    check(&queue("decline = 'all'"), "decline is \"all\"");
    check(
        &queue("[[queue]]\nname = 'b'\nnumbers = ['1*']\ntargets = ['sip:x@127.0.0.1']"),
        "already belongs to queue \"a\"",
    );
    check(
        &queue("[[queue]]\nname = 'b'\nnumbers = ['1 2']\ntargets = ['sip:x@127.0.0.1']"),
        "is no dialled number",
    );
    check(
        &queue("[[queue]]\nname = 'b'\nnumbers = ['2']"),
        "targets needs one to 32 phones",
    );
    check(
        &queue("[[queue]]\nname = 'b'\nnumbers = ['2']\ntargets = ['sips:x@127.0.0.1;transport=udp']"),
        "sips: goes over TLS, not over UDP",
    );
}

#[test]
fn a_trunk_that_its_certificate_names_needs_tls_and_no_addresses() {
    let folder = std::env::temp_dir().join(format!("ringward-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for name in ["gw.pem", "gw.key", "ca.pem"] {
        std::fs::write(folder.join(name), "read by nobody here").unwrap();
    }
    let path = folder.join("ringward.toml");
    let load = |tls: &str, trunk: &str| {
        let text = format!(
            "[sip]\nlisten = ['tls:127.0.0.1:5061']\n[sip.tls]\ncertificate = 'gw.pem'\nkey = 'gw.key'\n{tls}\n[[trunk]]\nname = 'a'\n{trunk}\n"
        );
        std::fs::write(&path, text).unwrap();
        Config::load(&path).map_err(|faults| {
            faults
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n")
        })
    };
    let named = "tls_name = 'SBC.Carrier.example.'";
    let whole = load(
        "client_anchors = ['ca.pem']\nminimum = '1.3'",
        &format!("{named}\nverifier = 'trusted'"),
    );
    let without_anchors = load("", named).map(|_| ());
    let address = load("client_anchors = ['ca.pem']", "tls_name = '10.0.0.1'").map(|_| ());
    let missing = load("client_anchors = ['nobody.pem']", "from = ['10.0.0.1']").map(|_| ());
    std::fs::remove_dir_all(&folder).unwrap();
    let config = whole.unwrap();
    assert_eq!(config.trunks[0].tls_name.as_deref(), Some("sbc.carrier.example"));
    assert!(config.trunks[0].is_verifier_trusted && config.trunks[0].from.is_empty());
    let tls = config.sip.tls.unwrap();
    assert_eq!(
        (tls.minimum, tls.certificate),
        (crate::sip::TlsVersion::Tls13, folder.join("gw.pem"))
    );
    assert!(
        without_anchors
            .unwrap_err()
            .contains("client_anchors must say which authorities")
    );
    assert!(
        address
            .unwrap_err()
            .contains("expected the host that the trunk's certificate names")
    );
    assert!(missing.unwrap_err().contains("\"nobody.pem\" cannot be read"));
}

#[test]
fn v_06_a_trusted_verifier_needs_a_way_that_nobody_else_can_send_on() {
    let trunk = |from: &str, more: &str| {
        format!("[[trunk]]\nname = 'a'\nfrom = ['{from}']\nverifier = 'trusted'\n{more}")
    };
    check(
        &trunk("10.9.0.1", ""),
        "may be believed over TLS only, with tls_name",
    );
    check(&trunk("10.9.0.1", "private_network = false"), "over TLS only");
    check(
        &trunk("203.0.113.7", "private_network = true"),
        "203.0.113.7/32 is no private network",
    );
    check(
        &trunk("8.0.0.0/5", "private_network = true"),
        "8.0.0.0/5 is no private network",
    );
    check(
        &trunk("10.0.0.1", "private_network = 'yes'"),
        "private_network must be",
    );
    for from in [
        "10.9.0.0/16",
        "172.16.4.1",
        "192.168.1.0/24",
        "100.64.0.9",
        "fd00::/8",
        "::1",
    ] {
        let text = trunk(from, "private_network = true");
        let config = Config::parse("ringward.toml", &text).unwrap_or_else(|faults| panic!("{faults:#?}"));
        assert!(config.trunks[0].is_verifier_trusted, "{from}");
    }
    let plain = Config::parse("ringward.toml", "[[trunk]]\nname = 'a'\nfrom = ['10.9.0.1']\n").unwrap();
    assert!(
        !plain.trunks[0].is_verifier_trusted,
        "nobody is trusted by default"
    );
}

#[test]
fn who_calls_where_and_with_what_password_must_fit_together() {
    let trunk = |more: &str| format!("[[trunk]]\nname = 'a'\n{more}");
    for (more, expected) in [
        ("from = ['203.0.113.0/24']\nuser = 'u'", "user without password"),
        (
            "from = ['203.0.113.0/24']\npassword = 'p'",
            "password without user",
        ),
        (
            "user = 'u'\npassword = 'p'\npassword_file = 'x'",
            "one of them is enough",
        ),
        ("user = 'u'\npassword = ''", "the password is empty"),
        (
            "user = 'u'\npassword_file = 'no-such-file'",
            "there is no such file",
        ),
        (
            "user = 'u'\npassword = 'env:RINGWARD_NO_SUCH_NAME'",
            "the environment has no",
        ),
        (
            "to = 'sip:203.0.113.9'\nnumber = '2125550100'",
            "number is ours in full",
        ),
        ("to = 'carrier'", "expected a server"),
        ("register = 'sip:203.0.113.9'", "register needs user and password"),
        (
            "from = ['203.0.113.9']\nexpires = '600s'",
            "expires without register",
        ),
        (
            "register = 'sip:203.0.113.9'\nuser = 'u'\npassword = 'p'\nexpires = '1s'",
            "expires",
        ),
        ("from = ['203.0.113.9']\ncountry = 'XX'", "no numbering plan"),
        ("from = ['203.0.113.9']\nnational_prefix = 'O'", "expected digits"),
        (
            "from = ['203.0.113.9']\ncalled = { strip = [''] }",
            "no beginning of a number",
        ),
        ("from = ['203.0.113.9']\ncalling = { ad = '1' }", "ad"),
        (
            "user = 'u'\npassword = 'p'\n[[trunk]]\nname = 'b'\nuser = 'u'\npassword = 'q'",
            "another trunk has this user",
        ),
        (
            "user = 'u'\npassword = 'p'\nverifier = 'trusted'\nprivate_network = true",
            "known by its addresses",
        ),
    ] {
        check(&trunk(more), expected);
    }
    for more in [
        "user = 'u'\npassword = 'hunter2'",
        "to = 'sip:203.0.113.9'",
        "register = 'sip:203.0.113.9'\nuser = 'u'\npassword = 'p'\nexpires = '60s'",
        "to = 'sip:203.0.113.9'\nuser = 'u'\npassword = 'env:CARGO_PKG_NAME'",
    ] {
        assert_eq!(faults(&trunk(more)), [""; 0], "{more}");
    }
}
