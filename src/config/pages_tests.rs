//! The configurations in `docs/` are ones that load, and what they show is what they do.

use super::Config;
use crate::call::Reach;
use crate::queue::Overflow;

/// The TOML blocks of a page, in order.
fn examples(page: &str) -> Vec<&str> {
    let blocks = page.split("```toml\n").skip(1);
    blocks
        .filter_map(|block| Some(block.split_once("```")?.0))
        .collect()
}

fn load(text: &str) -> Config {
    Config::parse("ringward.toml", text).unwrap_or_else(|faults| {
        panic!(
            "{text}\n{}",
            faults
                .iter()
                .map(|fault| format!("{fault}\n"))
                .collect::<String>()
        )
    })
}

#[test]
fn the_examples_of_the_page_about_pbxs_load() {
    let page = include_str!("../../docs/pbx.md");
    let [behind, out, beside] = examples(page).try_into().expect("three examples");
    let behind = load(behind);
    assert_eq!(behind.queues[0].targets, ["sip:100@10.0.0.5:5060"]);
    assert_eq!(behind.transfer_rules["front-desk"].reach, Reach::Inside);
    assert_eq!(behind.transfer_rules["front-desk"].to, ["1*", "2*"]);
    assert!(!behind.outbound.from_phones && behind.trunks[0].to.is_none());

    // What is to be added for calls out: in place of the trunk of the first example.
    let out = load(out);
    assert!(out.outbound.from_phones);
    assert_eq!(out.trunks[0].name, behind.trunks[0].name);
    assert_eq!(out.trunks[0].from, behind.trunks[0].from);
    assert_eq!(out.trunks[0].number.as_deref(), Some("+12125550100"));
    assert_eq!(out.trunks[0].to.as_ref().unwrap().host, "203.0.113.7");

    let beside = load(beside);
    assert_eq!(beside.queues[0].overflow, Overflow::Queue("pbx".into()));
    assert_eq!(beside.transfer_rules["reception"].reach, Reach::Trunk);
    assert_eq!(beside.outbound.allow, ["+4420*"]);
}

#[test]
fn the_whole_configuration_of_its_page_loads_with_every_key_it_shows() {
    let page = include_str!("../../docs/configuration.md");
    let example = examples(page)[0];
    // Files and secrets are the operator's.
    let without = |text: &str| {
        let lines = text.lines().map(|line| {
            let names_a_file = [".pem", ".key\"", "ENV:", ".password"]
                .iter()
                .any(|part| line.contains(part));
            if names_a_file { "" } else { line }
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    let (_, faults) = Config::inspect_text("ringward.toml", &without(example));
    let unknown: Vec<_> = faults
        .iter()
        .filter(|fault| fault.message.contains("unknown"))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn the_registrar_of_its_page_loads_and_its_faults_say_where_and_why() {
    let [example] = examples(include_str!("../../docs/phones.md"))
        .try_into()
        .expect("one");
    let config = load(example);
    let registrar = config.registrar.expect("a registrar");
    assert!(registrar.is_from("10.0.0.7".parse().unwrap()) && !registrar.has_md5());
    assert_eq!(config.queues[0].targets[1], "person:ann");
    assert_eq!(registrar.shift, std::time::Duration::from_secs(12 * 3600));

    let from = "[registrar]\nfrom = [\"10.0.0.0/24\"]\n";
    check("[registrar]\nexpires_max = \"2m\"\n", 1, "from needs one");
    check("[registrar]\nfrom = [\"desk\"]\n", 2, "desk");
    check(
        &format!("{from}expires_min = \"10m\"\nexpires_max = \"5m\"\n"),
        3,
        "longer than",
    );
    check(
        &format!("{from}digest = [\"SHA-512-256\"]\n"),
        3,
        "phones prove themselves",
    );
    check(
        &format!("{from}{TRUNK}").replace("203.0.113.0/24", "10.0.0.0/8"),
        2,
        "nobody can register",
    );
    let device = QUEUE.replace("sip:1@10.0.0.5", "device:desk-1");
    check(&device, 1, "without [registrar]");
    let device = device.replace("desk-1", "Desk 1");
    check(&format!("{from}{device}"), 6, "a device is device:NAME");
    let person = QUEUE.replace("sip:1@10.0.0.5", "person:ann");
    check(&person, 1, "without [registrar]");
    load(&format!("{from}{person}"));
    let person = person.replace("ann", "an n");
    check(&format!("{from}{person}"), 6, "a person is person:NAME");
    check(&format!("{from}shift = \"1m\"\n"), 3, "shift");
}

#[test]
fn the_provider_of_its_page_loads() {
    let [example] = examples(include_str!("../../docs/accounts.md"))
        .try_into()
        .expect("one");
    let oidc = load(&example.replace("${FILE:oidc.secret}", "x"))
        .oidc
        .expect("a provider");
    assert_eq!(oidc.roles["security"].len(), 2);
    assert!(!oidc.makes_accounts && oidc.strong_amr.len() == 3);
}

#[test]
fn the_webhook_of_its_page_loads() {
    let [example, report] = examples(include_str!("../../docs/webhooks.md"))
        .try_into()
        .expect("two");
    let written = example.replace("${FILE:siem.secret}", "0123456789012345678901234567");
    let config = load(&(written.replace("# allow", "allow") + report));
    assert_eq!(config.reports[0].by.len(), 5);
    assert_eq!(config.webhooks[0].kinds.len(), 8);
    assert_eq!(config.webhooks[0].allow, ["10.20.0.0/16"]);
}

fn faults(text: &str) -> Vec<String> {
    let (_, faults) = Config::inspect_text("ringward.toml", text);
    faults.iter().map(|fault| fault.to_string()).collect()
}

/// One fault, in these words, at this line.
fn check(text: &str, line: usize, expected: &str) {
    let found = faults(text);
    assert_eq!(found.len(), 1, "{text}\n{found:#?}");
    let place = format!("ringward.toml:{line}:");
    assert!(
        found[0].contains(expected) && found[0].contains(&place),
        "{text}\n{found:#?}"
    );
}

const QUEUE: &str = "[[queue]]\nname = \"desk\"\nnumbers = [\"*\"]\ntargets = [\"sip:1@10.0.0.5\"]\n";
const TRUNK: &str =
    "[[trunk]]\nname = \"carrier\"\nfrom = [\"203.0.113.0/24\"]\nto = \"sip:carrier.example\"\n";

#[test]
fn faults_of_transfers_say_where_and_why() {
    check(&format!("{QUEUE}transfer = \"everywhere\"\n"), 5, "transfer");
    check(
        &format!("{QUEUE}transfer = \"off\"\ntransfer_to = [\"2*\"]\n"),
        6,
        "no effect",
    );
    check(
        &format!("{QUEUE}transfer_to = [\"*\"]\n"),
        5,
        "no number to transfer to",
    );
    check(
        &format!("{QUEUE}transfer_to = [\"sip:2@h\"]\n"),
        5,
        "no number to transfer to",
    );
    check(
        &format!("{QUEUE}transfer = \"trunk\"\n"),
        1,
        "no trunk has \"to\"",
    );
    assert!(faults(&format!("{QUEUE}transfer = \"trunk\"\n{TRUNK}")).is_empty());
    let many = format!("\"2\", {}", "\"2\", ".repeat(5000));
    assert!(faults(&format!("{QUEUE}transfer_to = [{many}]\n"))[0].contains("more than"));
}

#[test]
fn faults_of_calls_out_say_where_and_why() {
    check("[outbound]\nfrom_phone = true\n", 2, "from_phone");
    check("[outbound]\nfrom_phones = \"yes\"\n", 2, "from_phones");
    check(
        &format!("{TRUNK}[outbound]\ntrunk = \"carier\"\n"),
        6,
        "no trunk with \"to\"",
    );
    let without_to = TRUNK.replace("to = \"sip:carrier.example\"\n", "");
    check(
        &format!("{without_to}[outbound]\ntrunk = \"carrier\"\n"),
        5,
        "no trunk with \"to\"",
    );
    for key in ["allow", "refuse", "emergency"] {
        check(&format!("[outbound]\n{key} = [\"+44 20\"]\n"), 2, "is no number");
        check(&format!("[outbound]\n{key} = [\"4*4\"]\n"), 2, "is no number");
    }
}
