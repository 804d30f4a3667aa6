//! Policy files that load, and what is said of those that do not.

use super::*;

/// All faults of a policy file, as printed.
fn faults(text: &str) -> Vec<String> {
    let queues = ["front-desk".to_string(), "security".to_string()];
    let lacks = |profile| (profile == Profile::Rejected).then(|| "[refusal] key".to_string());
    let beside = Beside {
        queues: Some(&queues),
        trunks: Some(&["carrier".to_string()]),
        refusals: Some(&lacks),
        is_voice_on: Some(false),
        prompts: None,
    };
    match load("p.toml", text, &beside) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}

fn check(rule: &str, expected: &str) {
    let text = format!("[policy]\nname = 'p'\n[[rule]]\nid = 'r'\nreason = 'x'\n{rule}\n");
    let found = faults(&text).join("\n");
    if expected.is_empty() {
        assert_eq!(found, "", "{rule}");
    } else {
        assert!(
            found.contains(expected),
            "{rule}\nexpected {expected}\nfound    {found}"
        );
    }
}

fn condition(when: &str, expected: &str) {
    check(&format!("then = 'label'\nwhen = \"\"\"{when}\"\"\""), expected);
}

#[test]
fn conditions_that_fit_the_schema_load() {
    for when in [
        "true",
        "own.number && 'OWN_NAME_CLAIMED' in tags",
        "identity.standing == 'verified' && identity.attestation == 'A'",
        "'TOKEN_REUSED' in tags || !('KNOWN_CALLER' in tags)",
        "score >= 3.0 && voice.llr < 0 && history.calls_before == 0",
        "caller.number.startsWith('+1900') || caller.name.contains('bank') || called.queue.endsWith('desk')",
        "identity.attestation in ['B', 'C'] && size(caller.name) > 20 && tags.size() > 3",
        "(caller.hidden ? 2 : 1) * history.calls_last_hour - 1 > -5",
        "stage != 'live' && label == 'unproven' && number_light != 'forged' && voice_light == 'person'",
        "history.calls_last_hour in [1, 2, 3] && 1.5 in [voice.llr]",
    ] {
        condition(when, "");
    }
}

#[test]
fn a_wrong_name_says_where_and_what_was_meant() {
    condition(
        "identity.standng == 'verified'",
        "p.toml:7:11: no fact is called \"identity.standng\" (did you mean identity.standing?)",
    );
    condition(
        "true && caller.hiden",
        "p.toml:7:19: no fact is called \"caller.hiden\" (did you mean caller.hidden?)",
    );
    condition(
        "call.number == ''",
        "no fact is called \"call.number\" (did you mean called.number?)",
    );
    condition(
        "'TOKEN_REUSD' in tags",
        "no tag is called \"TOKEN_REUSD\" (did you mean TOKEN_REUSED?)",
    );
    condition("identity.standing == 'verifed'", "(did you mean verified?)");
    condition(
        "'verified' == identity.standin",
        "(did you mean identity.standing?)",
    );
    condition(
        "identity.attestation in ['A', 'D']",
        "\"D\" never happens here; expected \"A\", \"B\", \"C\" or \"\"",
    );
    condition("caller.number.startWith('+1')", "(did you mean startsWith?)");
}

#[test]
fn a_wrong_type_is_a_fault_at_load() {
    condition("score", "a condition must be true or false; this is a double");
    condition("score == '3'", "\"==\" does not compare a double with a string");
    condition("caller.hidden == 'yes'", "does not compare a bool with a string");
    condition(
        "caller.hidden && score",
        "\"&&\" needs true or false here, not a double",
    );
    condition("!caller.number", "\"!\" needs true or false here");
    condition("score + 1 > 2.0", "write whole numbers as 2.0");
    condition("stage < 'live'", "does not compare");
    condition("stage == label", "does not compare");
    condition("tags == 'TOKEN_REUSED'", "ask for a tag with 'TAG' in tags");
    condition(
        "tags.contains('TOKEN_REUSED')",
        "ask for a tag with 'TAG' in tags",
    );
    condition("caller.number in tags", "the name of a tag in quotes");
    condition("score in []", "empty list");
    condition("1 in ['a']", "this list is searched for a int");
    condition("score.startsWith('3')", "startsWith() works on strings");
    condition("true ? 1 : 'a'", "both answers");
}

#[test]
fn what_is_outside_our_part_of_cel_says_so() {
    condition("tags.exists(t, t == 'X')", "not part of policy conditions");
    condition("has(caller.number)", "has() is not needed");
    condition(
        "caller.number.matches('^.*$')",
        "regular expressions are not part",
    );
    condition("{'a': 1} == {'a': 1}", "maps and messages");
    condition("tags[0] == 'X'", "not with brackets");
    condition("caller.number == null", "no fact is ever null");
    condition("[1] == [1]", "a list may only stand right of");
    condition("1u == 1u", "without \"u\"");
    condition("nothing(1)", "no function is called \"nothing\"");
}

#[test]
fn broken_and_oversized_conditions_give_one_bounded_fault() {
    condition("score >", "not a CEL condition");
    condition("", "when is empty");
    condition(&"(".repeat(1500), "not a CEL condition");
    condition(&format!("{}true{}", "!(".repeat(40), ")".repeat(40)), "too large");
    condition(&format!("true{}", " && true".repeat(240)), "too large");
    condition(&"x".repeat(3000), "3000 octets; at most 2000");
}

#[test]
fn actions_are_checked_with_their_arguments() {
    let then = |then: &str, expected: &str| check(&format!("when = 'true'\nthen = {then}"), expected);
    then("'deliver'", "");
    then("'refuse'", "");
    then("{ refuse = 603 }", "");
    then("{ divert = 'security' }", "");
    then(
        "{ divert = 'securty' }",
        "no queue is called \"securty\" (did you mean security?)",
    );
    then("'divert'", "divert needs its queue");
    then("{ refuse = 200 }", "from 400 to 699");
    then("{ refuse = 407 }", "from 400 to 699");
    then("{ refuse = 607 }", "a policy is no person");
    then("{ refuse = 'network-blocked' }", "");
    then("{ refuse = 'unwanted' }", "");
    then(
        "{ refuse = 'rejected' }",
        "refuse = \"rejected\" needs [refusal] key",
    );
    then("{ refuse = 'networkblocked' }", "(did you mean network-blocked?)");
    then("{ refuse = 'configured' }", "no refusal profile is called");
    then("'lable'", "(did you mean label?)");
    then("3", "then must be an action");
    then("{ divert = 'security', refuse = 608 }", "exactly one action");
    then("{ whisper = 'x' }", "whisper takes no argument");
    then("{ screen = 'x' }", "screen takes no argument");
    then(
        "{ refuse = 603, announce = 3 }",
        "announce needs the name of a recording",
    );
    then("{ refuse = 603, answer = true }", "it needs announce");
    then(
        "{ refuse = 603, announce = 'refused', answer = 1 }",
        "answer is true or false",
    );
    then(
        "{ divert = 'security', announce = 'refused' }",
        "exactly one action",
    );
}

#[test]
fn a_refusal_may_be_announced_by_a_recording_that_is_there() {
    let load = |prompt: &str| {
        let prompts = ["refused".to_string()];
        let beside = Beside {
            prompts: Some(&prompts),
            ..Beside::default()
        };
        let then = format!("{{ refuse = 603, announce = '{prompt}', answer = true }}");
        let text =
            format!("[policy]\nname = 'p'\n[[rule]]\nid = 'r'\nreason = 'x'\nwhen = 'true'\nthen = {then}\n");
        super::load("p.toml", &text, &beside).map(|policy| policy.rules[0].then.clone())
    };
    let announce = Some(crate::policy::Announcement {
        prompt: "refused".into(),
        is_answered: true,
    });
    assert_eq!(
        load("refused"),
        Ok(Action::Refuse {
            status: 603,
            profile: None,
            announce
        })
    );
    let faults = load("refusd").unwrap_err();
    assert!(
        faults[0]
            .to_string()
            .contains("no recording is called \"refusd\" (did you mean refused?)"),
        "{}",
        faults[0]
    );
}

#[test]
fn whoever_may_be_calling_for_help_is_asked_for_nothing_and_nobody_is_asked_twice() {
    for action in ["screen", "challenge"] {
        let text = format!(
            "[policy]\nname = 'p'\n[[rule]]\nid = 'r'\nreason = 'x'\nwhen = 'true'\nthen = '{action}'\n"
        );
        let policy = load("p.toml", &text, &Beside::default()).unwrap();
        let mut facts = crate::policy::plain_facts();
        let first = policy.decide(&facts).action;
        assert!(matches!(first, Action::Screen | Action::Challenge));
        facts.talk.is_screened = true;
        facts.talk.challenge = crate::screening::Challenge::Failed;
        assert_eq!(policy.decide(&facts).action, Action::Deliver);
        facts.talk = Default::default();
        facts.signalling.claims_emergency = true;
        assert_eq!(policy.decide(&facts).action, Action::Label);
        facts.stage = crate::screening::Stage::Live;
        facts.signalling.claims_emergency = false;
        assert_eq!(
            policy.decide(&facts).action,
            Action::Deliver,
            "not while they talk"
        );
    }
}

#[test]
fn a_talking_call_cannot_be_sent_away() {
    check(
        "when = 'true'\nthen = 'refuse'\nstage = ['live']",
        "already talking",
    );
    check("when = 'true'\nthen = 'label'\nstage = 'live'", "");
    for then in ["'challenge'", "{ divert = 'security' }", "'whisper'", "'end'"] {
        check(&format!("when = 'true'\nthen = {then}\nstage = 'live'"), "");
    }
    for then in ["'whisper'", "'end'"] {
        check(
            &format!("when = 'true'\nthen = {then}\nstage = ['arrive', 'live']"),
            "only a call that is already talking",
        );
    }
    check(
        "when = 'true'\nthen = 'label'\nstage = ['arive']",
        "(did you mean arrive?)",
    );
    check("when = 'true'\nthen = 'label'\nstage = []", "at least one stage");
}

#[test]
fn weights_are_exact_tenths() {
    for (written, expected) in [
        ("1.2", Some(12)),
        ("-0.5", Some(-5)),
        ("3", Some(30)),
        ("0.30", Some(3)),
        ("+7.0", Some(70)),
        ("-0", Some(0)),
    ] {
        assert_eq!(tenths(written), expected, "{written}");
    }
    for written in ["1.25", "1e1", "inf", "nan", ".5", "1.", "", "-", "12345678"] {
        assert_eq!(tenths(written), None, "{written}");
    }
    let found = faults(
        "[policy]\nname = 'p'\n[weights]\nNO_IDENTITY = 0.25\nNO_IDENTTY = 1\nDIVERTED = 100.1\nFIRST_CALL = '1'\n",
    );
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found[1].contains("(did you mean NO_IDENTITY?)"));
}

#[test]
fn all_faults_come_at_once_in_the_order_of_the_file() {
    let text = "
[policy]
nme = 'x'
[thresholds]
suspect = 0
[[rule]]
id = 'a b'
when = 'scor > 1 && caller.hidden == 3'
then = 'scren'
mode = 'shadw'
[[rule]]
id = 'b'
[rules]
[banner]
forged = 'FORGED NUMBER!'
genuine = 'SAFE'
[banner.say]
known = 'hm'
knwn = 'x'
";
    let found = faults(text);
    let expected = [
        "2:1: [policy] needs \"name\"",
        "3:1: unknown key \"nme\" in [policy] (did you mean name?)",
        "5:11: suspect must be above 0",
        "6:1: [[rule]] needs \"reason\"",
        "7:6: id is \"a b\"",
        "8:9: no fact is called \"scor\" (did you mean score?)",
        "8:21: \"==\" does not compare a bool with a int",
        "9:8: no action is called \"scren\"; expected \"deliver\", \"label\", \"screen\", \"challenge\", \"divert\", \"refuse\", \"whisper\" or \"end\" (did you mean screen?)",
        "10:8: mode is \"shadw\"",
        "11:1: [[rule]] needs \"when\"",
        "11:1: [[rule]] needs \"reason\"",
        "11:1: [[rule]] needs \"then\"",
        "13:2: unknown key \"rules\" in the file (did you mean rule?)",
        "15:10: forged has 14 characters; at most 12",
        "16:11: a banner never says \"safe\"",
        "19:1: unknown key \"knwn\" in [say] (did you mean known?)",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            found.starts_with(&format!("p.toml:{expected}")),
            "expected {expected}\nfound {found}"
        );
    }
}

#[test]
fn a_second_rule_of_the_same_name_is_a_fault() {
    let rule = |when: &str| format!("[[rule]]\nid = 'r'\nwhen = '{when}'\nthen = 'label'\nreason = 'x'\n");
    let found = faults(&format!(
        "[policy]\nname = 'p'\n{}{}",
        rule("identity.stale"),
        rule("true")
    ));
    assert_eq!(found, ["p.toml:9:6: a second rule is called \"r\""]);
}

/// A policy with a rule for each of these, by the lines that differ; the faults as printed.
fn rules(rules: &[&str]) -> Vec<String> {
    let mut text = "[policy]\nname = 'p'\n[hours]\nzone = 'UTC'\n".to_string();
    for (n, rule) in rules.iter().enumerate() {
        text += &format!("[[rule]]\nid = 'r{n}'\nreason = 'x'\n{rule}\n");
    }
    faults(&text)
}

#[test]
fn a_rule_that_can_never_decide_is_a_fault() {
    let label = "then = 'label'\nwhen = 'true'";
    let refuse = "then = 'refuse'\nwhen = 'true'";
    let own = "then = 'label'\nwhen = 'identity.forged'";
    for fine in [
        &[refuse, label][..],
        &["then = 'label'\nwhen = 'true'\nmode = 'shadow'", label],
        &["then = 'label'\nwhen = 'true'\nqueue = 'security'", label],
        &[
            "then = 'label'\nwhen = 'true'\nhours = 'open'",
            "then = 'label'\nwhen = 'true'\nhours = 'closed'",
        ],
        &["then = 'label'\nwhen = 'true'\nstage = 'live'", label],
        &[
            label,
            "then = 'refuse'\nwhen = 'identity.forged'\nmode = 'shadow'",
        ],
    ] {
        assert_eq!(rules(fine), Vec::<String>::new(), "{fine:?}");
    }
    for (wrong, expected) in [
        (
            &[label, refuse][..],
            "this rule never decides: \"r0\" above it is always true",
        ),
        (
            &[own, "then = 'refuse'\nwhen = ' identity.forged '"],
            "\"r0\" above it asks the same",
        ),
        (&["then = 'label'\nwhen = '!true || false'"], "this is never true"),
        (
            &["then = 'label'\nwhen = 'true || score > 1.0'", own],
            "always true",
        ),
        (
            &[
                "then = 'label'\nwhen = 'true'\nhours = 'closed'",
                "then = 'label'\nwhen = 'true'\nhours = 'holiday'",
            ],
            "always true",
        ),
    ] {
        let found = rules(wrong).join("\n");
        assert!(found.contains(expected), "{wrong:?}: {found}");
    }
}

#[test]
fn a_rule_holds_for_queues_trunks_and_hours_that_there_are() {
    let one = |lines: &str| rules(&[&format!("then = 'label'\nwhen = 'true'\n{lines}")]).join("\n");
    assert_eq!(
        one("queue = 'security'\ntrunk = ['carrier']\nhours = 'closed'"),
        ""
    );
    for (lines, expected) in [
        (
            "queue = 'securty'",
            "no queue is called \"securty\" (did you mean security?)",
        ),
        (
            "trunk = ['carier']",
            "no trunk is called \"carier\" (did you mean carrier?)",
        ),
        ("queue = []", "queue names none"),
        ("queue = 3", "queue must be a string"),
        ("hours = 'closd'", "(did you mean closed?)"),
    ] {
        let found = one(lines);
        assert!(found.contains(expected), "{lines}: {found}");
    }
    let bare = "[policy]\nname = 'p'\n[[rule]]\nid = 'r'\nreason = 'x'\nthen = 'label'\nwhen = 'time.open'\nhours = 'open'\n";
    let found = faults(bare).join("\n");
    assert!(
        found.contains("7:9: time.open needs [hours]") && found.contains("8:9: hours needs [hours]"),
        "{found}"
    );
}

#[test]
fn other_weights_hold_where_they_say() {
    let text = "[policy]\nname = 'p'\n[weights]\nNO_IDENTITY = 0.5\n[[where]]\nqueue = 'security'\nsuspect = 1.0\nweights = { NO_IDENTITY = 2.0 }\n";
    assert_eq!(faults(text), Vec::<String>::new());
    let policy = Policy::load_without_queues("p.toml", text).unwrap();
    let mut facts = crate::screening::sample::unsigned();
    assert_eq!(
        policy.decide(&facts).verdict.label,
        crate::screening::Label::Unproven
    );
    facts.called.queue = "security".into();
    let decision = policy.decide(&facts);
    assert_eq!(
        (decision.verdict.tenths, decision.verdict.label),
        (20, crate::screening::Label::Suspect)
    );
    assert_eq!(policy.explain(&facts).suspect_at_tenths, 10);
    let found = faults(
        "[policy]\nname = 'p'\n[[where]]\nsuspect = 1.0\n[[where]]\nqueue = 'security'\nsuspect = 200\n",
    )
    .join("\n");
    assert!(
        found.contains("[[where]] needs a queue")
            && found.contains("is never used")
            && found.contains("suspect is 200"),
        "{found}"
    );
}

#[test]
fn words_of_another_language_are_for_their_queues() {
    let text = "[policy]\nname = 'p'\n[banner]\nforged = 'FAKE'\n[[banner.language]]\nname = 'de'\nqueues = ['security']\nunproven = 'UNBELEGT'\n[banner.language.say]\nunproven = 'Fragen Sie nach dem Namen.'\n[banner.language.reasons]\nNO_IDENTITY = 'Nichts belegt die Nummer.'\n";
    assert_eq!(faults(text), Vec::<String>::new());
    let policy = Policy::load_without_queues("p.toml", text).unwrap();
    let (german, english) = (policy.wording("security"), policy.wording("front-desk"));
    assert_eq!(
        (german.prefix.unproven.as_str(), german.prefix.forged.as_str()),
        ("UNBELEGT", "FAKE")
    );
    assert_eq!(german.reason(Tag::NoIdentity), "Nichts belegt die Nummer.");
    assert_eq!(german.reason(Tag::CallerHidden), Tag::CallerHidden.meaning());
    assert_eq!(
        (english.prefix.unproven.as_str(), english.reason(Tag::NoIdentity)),
        ("UNPROVEN", Tag::NoIdentity.meaning())
    );
    let found = faults("[policy]\nname = 'p'\n[[banner.language]]\nname = 'de'\nqueues = ['securty']\nunproven = 'SICHER'\n[banner.language.reasons]\nNO_IDENTTY = 'x'\n").join("\n");
    for expected in [
        "no queue is called",
        "never says \"sicher\"",
        "(did you mean NO_IDENTITY?)",
    ] {
        assert!(found.contains(expected), "{expected}: {found}");
    }
}

#[test]
fn what_loads_and_surprises_is_a_warning() {
    let text = "[policy]\nname = 'p'\n[[rule]]\nid = 'r'\nreason = 'x'\nthen = 'refuse'\nwhen = \"voice_light == 'synthetic'\"\n";
    let beside = Beside {
        is_voice_on: Some(false),
        ..Beside::default()
    };
    let policy = load("p.toml", text, &beside).unwrap();
    let warnings: Vec<String> = policy.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "p.toml:3:1: this policy refuses calls and states no [budget]: it is not taken back when it refuses too many",
            "p.toml:7:9: voice_light says nothing: [voice] model is \"off\"",
        ]
    );
    let with_budget = format!("{text}[budget]\nrefusals_percent = 5\nwindow = '5m'\ncalls_min = 20\n");
    let policy = Policy::load_without_queues("p.toml", &with_budget).unwrap();
    assert!(policy.warnings().is_empty() && policy.can_refuse());
    assert_eq!(
        policy
            .budget()
            .map(|budget| (budget.refusals_percent, budget.calls_min)),
        Some((5, 20))
    );
    let found = faults(&format!(
        "{text}[budget]\nrefusals_percent = 100\nwindow = '1s'\n"
    ))
    .join("\n");
    assert!(
        found.contains("refusals_percent must be from 0 to 99") && found.contains("window must be from"),
        "{found}"
    );
}

#[test]
fn too_many_rules_are_refused_with_their_bound() {
    let mut text = "[policy]\nname = 'p'\n".to_string();
    for n in 0..=RULES_MAX {
        text += &format!("[[rule]]\nid = 'r{n}'\nwhen = 'true'\nthen = 'label'\nreason = 'x'\n");
    }
    assert!(faults(&text).join("").contains("more than 1000 rules"));
}

#[test]
fn rubbish_is_refused_and_never_panics() {
    for text in [
        "",
        "\0",
        "[",
        "[[rule]]",
        "rule = 3",
        "policy = 'x'",
        "[policy]\nname = 3",
        "\u{feff}[policy]\nname='p'\n=",
    ] {
        assert!(!faults(text).is_empty(), "{text:?}");
    }
}

#[test]
fn a_policy_that_does_not_say_whose_voice_is_heard_twice_means_what_the_default_says() {
    let text = "[policy]\nname = 'p'\n[[rule]]\nid = 'r'\nwhen = 'true'\nthen = 'label'\nreason = 'x'\n";
    let silent = load("p.toml", text, &Beside::default()).expect("loads");
    assert_eq!(silent.second_opinion, Policy::embedded().second_opinion);
}

proptest::proptest! {
    #[test]
    fn by_default_every_voice_is_heard_twice_but_those_of_proven_and_known_numbers(
        facts in crate::screening::sample::facts()
    ) {
        use crate::screening::{NumberLight, VoiceState};

        let policy = Policy::embedded();
        let verdict = policy.decide(&facts).verdict;
        let is_stranger = verdict.number != NumberLight::Genuine
            || facts.history.calls_before == 0
            || matches!(facts.voice.state, VoiceState::Unsure | VoiceState::Spoof);
        let place = policy.second_opinion(&verdict);
        proptest::prop_assert!(place.is_some() || !is_stranger || facts.caller.number.is_none(), "{:?}", verdict);
        // Those that somebody reported stand before all others.
        proptest::prop_assert_eq!(place == Some(0), verdict.has(Tag::ReportedScam));
    }
}
