//! Keys and values out of place, in any section, and what is no configuration at all.

use std::path::Path;

use super::super::DOCUMENT_OCTETS_MAX;
use super::{Config, check, faults};

#[test]
fn unknown_keys_say_what_was_meant() {
    check(
        "[sipp]",
        "1:2: unknown key \"sipp\" in the file (did you mean sip?)",
    );
    check(
        "[media]\nport = '1-2'",
        "2:1: unknown key \"port\" in [media] (did you mean ports?)",
    );
    check("[identity]\nfreshnes = '60s'", "(did you mean freshness?)");
}

#[test]
fn values_out_of_place_say_what_was_expected() {
    check(
        "[sip]\nlisten = ['udp:localhost:5060']",
        "is no address with a port",
    );
    check("[sip]\nlisten = ['upd:127.0.0.1:5060']", "(did you mean udp?)");
    check(
        "[sip]\nlisten = ['tls:127.0.0.1:5061']",
        "a tls: listener needs [sip.tls] with certificate and key",
    );
    check(
        "[sip]\nlisten = ['tcp:127.0.0.1:5061', 'tls:127.0.0.1:5061']\n[sip.tls]\ncertificate = 'Cargo.toml'\nkey = 'Cargo.toml'",
        "cannot be tcp and tls at once",
    );
    check(
        "[sip]\nlisten = ['udp:0.0.0.0:5060', 'udp:[::]:5060']\nadvertise = '198.51.100.7'",
        "needs an IPv6 address in \"advertise\" as well",
    );
    check(
        "[sip]\nadvertise = ['198.51.100.7', '198.51.100.8']",
        "has one for this address family already",
    );
    check(
        "[[queue]]\nname = 'a'\ntargets = ['sips:x@127.0.0.1']",
        "a phone over TLS needs a tls: listener",
    );
    check("[sip]\nlisten = []", "listen needs one to 16 addresses");
    check("[sip]\nlisten = ['udp:0.0.0.0:5060']", "needs \"advertise\"");
    check("[sip]\nadvertise = 'a b'", "expected HOST or HOST:PORT");
    check("[sip]\nbudget = 800", "budget must be a duration");
    check("[sip]\nbudget = '1d'", "expected a duration such as");
    check("[sip]\nsession_expires = '60s'", "session_expires must be from");
    check("[sip]\nsession_expires = 'on'", "expected a duration such as");
    check(
        "[sip]\nsession_expires = 1800",
        "session_expires must be a duration",
    );
    check("[sip]\nshards = 1000", "shards must be from 0 to 64");
    check("[media]\naddress = '0.0.0.0'", "needs \"advertise\"");
    for (text, expected) in [
        (
            "[limits]\nrefuse_with = 500",
            "refuse_with is 500; expected 480, 603 or 608",
        ),
        ("[limits]\nqueue_ringing = 0", "queue_ringing must be from"),
        ("[limits]\nshown_number_calls = 1", "shown_number_calls"),
        ("[tdos]\nmode = 'maybe'", "expected \"auto\", \"on\" or \"off\""),
        (
            "[tdos]\nrest = 'x'",
            "expected \"label\", \"challenge\" or \"refuse\"",
        ),
        ("[tdos]\nfactor = 1", "factor must be from 2"),
        ("[scans]\nnever = ['198.51.100.0/33']", "198.51.100.0/33"),
        ("[scans]\nblock = 'yes'", "block"),
    ] {
        check(text, expected);
    }
    check(
        "[media]\ntranscode = 'always'",
        "expected \"needed\" or \"never\"",
    );
    for (listed, expected) in [
        ("[]", "nothing could be encrypted"),
        (
            "['AES_CM_128_HMAC_SHA1_81']",
            "did you mean AES_CM_128_HMAC_SHA1_80?",
        ),
        ("['AEAD_AES_128_GCM', 'aead_aes_128_gcm']", "stands twice"),
        ("'AEAD_AES_128_GCM'", "a list of strings"),
    ] {
        check(&format!("[media]\nsrtp_suites = {listed}"), expected);
    }
    check("[media]\nports = '20000'", "expected FIRST-LAST");
    check("[media]\nports = '20000-20002'", "at least 4 ports");
    check("[media]\nports = '80-90'", "from 1024 on");
    check("[media]\nports = '65535-65535'", "expected FIRST-LAST");
    check(
        "[sip]\nlisten = ['udp:127.0.0.1:20002']",
        "inside the media ports",
    );
    check("[identity]\ncountry = 'usa'", "two capital letters");
    check("[identity]\nx5u_allow = ['10.0.0.1/8']", "10.0.0.0/8");
    check("[voice]\nmodel = 'defualt'", "(did you mean default?)");
    check("[voice]\nmodel = './nowhere'", "no model in");
    check(
        "[store]\nurl = 'redis://127.0.0.1/zero'",
        "the database is a number",
    );
    check(
        "[store]\nurl = 'redis://127.0.0.1/0?nodes=a'",
        "there are node, spool and anchors",
    );
    check(
        "[store]\nurl = 'redis://:secret@127.0.0.1/0?node=a/b'",
        "letters, digits",
    );
    check("[store]\ncalls_days = 0", "calls_days");
    check("[store]\naudit_days = 0", "audit_days");
    check("[api]\nsecond_person = [\"lunch\"]", "erasures and lists");
    check("[store]\nurl = 'postgres://x'", "sqlite:PATH");
    check(
        "[store]\nurl = 'sqlite:${ENV:RINGWARD_NO_SUCH_NAME}'",
        "the environment has no",
    );
    check("[store]\nurl = 'sqlite:${HOME}'", "expected ${ENV:NAME}");
    check("[api]\nlisten = 'localhost:8080'", "expected ADDRESS:PORT");
    check(
        "[api]\npublic_url = 'ringward.example.com'",
        "expected https://HOST",
    );
    check(
        "[api]\npublic_url = 'https://example.com/ringward'",
        "it has a path, and the console, its cookies and signing in are at the root of a host",
    );
    check(
        "[identity]\nanchors = ['no-such.pem']",
        "\"no-such.pem\" cannot be read: there is no such file",
    );
    let deep = format!("{}no-such.pem", "a-folder-of-a-deep-tree/".repeat(8));
    let told = format!("{deep:?} cannot be read: there is no such file");
    check(&format!("[identity]\nanchors = ['{deep}']"), &told);
    check("[policy]\nfile = 'no-such.toml'", "cannot be read");
    check("sip = 3", "sip must be a table, [sip]");
}

#[test]
fn all_faults_come_at_once_with_those_of_the_policy() {
    let folder = std::env::temp_dir().join(format!("ringward-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let policy = "[policy]\nname = 'p'\n[[rule]]\nid = 'r'\nwhen = 'scor > 1.0'\nthen = { divert = 'securty' }\nreason = 'x'\n";
    std::fs::write(folder.join("p.toml"), policy).unwrap();
    let text =
        "[sip]\nshards = 'x'\n[[queue]]\nname = 'security'\ntargets = ['x']\n[policy]\nfile = 'p.toml'\n";
    let path = folder.join("ringward.toml");
    std::fs::write(&path, text).unwrap();

    let found: Vec<String> = Config::load(&path)
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(found.len(), 4, "{found:#?}");
    assert!(
        found[0].contains("ringward.toml:2:10: shards must be a whole number"),
        "{found:#?}"
    );
    assert!(
        found[1].contains("ringward.toml:5:12: \"x\": a target is a SIP URI"),
        "{found:#?}"
    );
    assert!(
        found[2].contains("p.toml:5:9: no fact is called \"scor\" (did you mean score?)"),
        "{found:#?}"
    );
    assert!(
        found[3].contains("p.toml:6:19: no queue is called \"securty\" (did you mean security?)"),
        "{found:#?}"
    );
}

#[test]
fn what_is_no_configuration_gives_a_bounded_fault() {
    check("[", "1:2");
    assert!(!faults("\0\u{1}garbage = = =").is_empty());
    let missing = Config::load(Path::new("no-such-ringward.toml")).unwrap_err();
    assert_eq!(
        missing[0].to_string(),
        "no-such-ringward.toml:1:1: cannot be read: there is no such file"
    );
    let folder = Config::load(&std::env::temp_dir()).unwrap_err();
    assert_eq!(folder.len(), 1);
    let large = "#".repeat(DOCUMENT_OCTETS_MAX + 1);
    check(&large, "larger than 1048576 octets");
}

proptest::proptest! {
    #[test]
    fn a_damaged_file_is_refused_or_read_without_panic(at in 0..400usize, with in "[ -~\n]{0,12}", cut in 0..20usize) {
        let text = "[sip]\nlisten = ['udp:127.0.0.1:5060']\nbudget = '1s'\n[[trunk]]\nname = 'a'\nfrom = ['10.0.0.0/8']\n\
            [[queue]]\nname = 'q'\nnumbers = ['+1*']\ntargets = ['sip:d@10.0.0.1:5060;transport=tcp']\nring = '9s'\n\
            [media]\nports = '2000-3000'\naddress = '127.0.0.1'\n[api]\npublic_url = 'https://x'\n[store]\nurl = 'sqlite:x'\n";
        let at = at.min(text.len());
        let end = (at + cut).min(text.len());
        let damaged = format!("{}{with}{}", &text[..at], &text[end..]);
        let _ = Config::parse("ringward.toml", &damaged);
    }
}

#[test]
fn algorithms_are_named_as_rfc_7616_names_them() {
    check("[sip]\ndigest = ['SHA-512']", "is no algorithm");
    check("[sip]\ndigest = ['MD5-sess']", "is no algorithm");
    check("[sip]\ndigest = []", "at least one algorithm");
}

#[test]
fn a_queue_says_how_one_waits_and_when_it_is_open_and_what_does_not_go_together() {
    let queue = |more: &str| format!("[[queue]]\nname = \"desk\"\ntargets = [\"sip:1@10.0.0.5\"]\n{more}");
    for fine in [
        "wait = \"2m\"\n",
        "wait = \"1h\"\nmusic = true\nannounce = \"45s\"\norder = \"trust\"\n",
        "wrap_up = \"15s\"\nno_answer = 3\nno_answer_pause = \"5m\"\n",
        "overflow = \"say:nobody\"\n",
        "hours = { zone = \"Europe/Berlin\", open = [\"mon-fri 08:00-18:00\"] }\nclosed = \"reject\"\n",
    ] {
        assert_eq!(faults(&queue(fine)), Vec::<String>::new(), "{fine}");
    }
    check(&queue("wait = \"5m\"\n"), "170s at most");
    check(&queue("music = true\n"), "music is for callers who wait");
    check(
        &queue("wait = \"1m\"\nannounce = \"45s\"\n"),
        "announce needs music",
    );
    check(&queue("no_answer_pause = \"5m\"\n"), "goes with no_answer");
    check(&queue("closed = \"reject\"\n"), "there are none");
    check(&queue("overflow = \"say:moon\"\n"), "no recording is called");
    check(&queue("overflow = \"desk\"\n"), "into itself");
    check(
        &queue("hours = { zone = \"UTC\" }\nclosed = \"moon\"\n"),
        "no queue is called",
    );
    check(&queue("hours = { zone = \"Moon/Sea\" }\n"), "no time zone");
}
