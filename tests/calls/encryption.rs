//! SRTP agreed leg by leg (RFC 4568, RFC 8643): every policy, whoever offers, and what the media is told.

use std::net::SocketAddr;

use base64::Engine;
use ringward::call::{Encryption, Suite, Suites};
use ringward::media::{Keys, Side};
use ringward::policy::Policy;

use crate::attended::{consulting_with, join};
use crate::hand::{CALLER, Hand, PHONE};
use crate::plan::{Act, CallerPlan, PhonePlan};
use crate::transfers::{SALES, refers, three_queues};
use crate::wire::{self, Message};
use crate::world::{World, one_desk};

use Encryption::{Off, Preferred, Required};

/// 30 octets, as RFC 4568 writes them.
const THEIRS: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
const OTHERS: &str = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";

fn world(trunk: Encryption, queue: Encryption) -> World {
    World::with_config(one_desk(), 51, Policy::embedded(), |config| {
        config.trunks[0].srtp = trunk;
        config.queue_srtp.insert("desk".into(), queue);
    })
}

/// A telephone's description over this profile, with these lines of keys.
fn described(address: &str, profile: &str, lines: &[String]) -> String {
    let text = wire::sdp(address.parse().unwrap(), 1, "sendrecv").replace("RTP/AVP", profile);
    lines
        .iter()
        .fold(text, |text, line| format!("{text}a=crypto:{line}\r\n"))
}

fn line(tag: u32, suite: &str, key: &str) -> String {
    format!("{tag} {suite} inline:{key}")
}

/// What a telephone says that speaks nothing but SRTP: an offer of its own, or the answer to `offer` with its first line.
pub fn secured(text: &str, author: SocketAddr, offer: &str) -> String {
    let value = offer
        .split("a=crypto:")
        .nth(1)
        .unwrap_or("1 AES_CM_128_HMAC_SHA1_80 ");
    let mut words = value.split(' ');
    let (tag, suite) = (words.next().unwrap(), words.next().unwrap());
    let profile = offer
        .split(' ')
        .find(|word| word.starts_with("RTP/"))
        .unwrap_or("RTP/SAVP");
    let key = key_of(author, suite);
    text.replace("RTP/AVP", profile) + &format!("a=crypto:{tag} {suite} inline:{key}\r\n")
}

/// Each of those telephones has one key for each suite.
fn key_of(author: SocketAddr, suite: &str) -> String {
    let octets = match suite {
        "AEAD_AES_256_GCM" => 44,
        "AEAD_AES_128_GCM" => 28,
        _ => 30,
    };
    let last = author
        .to_string()
        .bytes()
        .fold(0u8, |sum, octet| sum.wrapping_mul(31) ^ octet);
    base64::engine::general_purpose::STANDARD.encode(vec![last; octets])
}

/// Tag, suite and key of each line in a message.
fn lines(message: &Message) -> Vec<(String, String, String)> {
    let of = |text: &str| {
        let mut words = text.split(' ').map(str::to_string);
        let (tag, suite, key) = (words.next()?, words.next()?, words.next()?);
        Some((tag, suite, key.strip_prefix("inline:")?.to_string()))
    };
    let values = message
        .body
        .lines()
        .filter_map(|line| line.strip_prefix("a=crypto:"));
    values
        .map(|value| of(value).expect("a line as RFC 4568 writes it"))
        .collect()
}

fn profile(message: &Message) -> &str {
    let media = message
        .body
        .lines()
        .find(|line| line.starts_with("m=audio"))
        .expect("audio");
    media.split(' ').nth(2).expect("a profile")
}

/// What the media was told last of this side.
pub fn keys(world: &World, side: Side) -> Option<Keys> {
    let media = world.media.values().next().expect("media");
    let mut told = media.keys.iter().rev();
    let (_, keys) = told.find(|(of, _)| *of == side).expect("a description");
    keys.clone()
}

fn suites(world: &World) -> (Option<Suite>, Option<Suite>) {
    let record = world.records.values().next().unwrap().last().unwrap();
    (record.srtp.caller, record.srtp.called)
}

fn decoded(text: &str) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .expect("base64")
}

/// The key of this line is the one that comes from the party.
fn is_theirs(keys: &Keys, text: &str) -> bool {
    let decoded = decoded(text);
    [keys.inbound.key(), keys.inbound.salt()].concat() == decoded
}

fn is_ours(keys: &Keys, text: &str) -> bool {
    let decoded = decoded(text);
    [keys.outbound.key(), keys.outbound.salt()].concat() == decoded
}

struct Call {
    world: World,
    caller: Hand,
    phone: Hand,
    /// The INVITE as the phone got it, and the answer as the caller got it.
    offered: Message,
    answered: Message,
}

/// A call from this offer, answered by the phone with these words.
fn call(mut world: World, offer: &str, answer: &str) -> Call {
    let mut caller = Hand::calls(&mut world, &[], Some(offer));
    let phone = Hand::is_rung(&mut world);
    let offered = phone.invite.clone();
    world.answer(&phone, &offered, 200, &[], Some(answer));
    let answered = world.one(&caller, "200 INVITE");
    caller.learn(&answered);
    world.ask(&mut caller, "ACK", &[], None);
    assert_eq!(world.words(&phone), ["ACK"]);
    Call {
        world,
        caller,
        phone,
        offered,
        answered,
    }
}

const SHA1_80: &str = "AES_CM_128_HMAC_SHA1_80";
const SHA1_32: &str = "AES_CM_128_HMAC_SHA1_32";

fn plain(address: &str) -> String {
    described(address, "RTP/AVP", &[])
}

#[test]
fn a_plain_caller_reaches_an_encrypted_phone() {
    for (wanted, expected) in [(Preferred, "RTP/AVP"), (Required, "RTP/SAVP")] {
        let answer = described(PHONE, expected, &[line(3, SHA1_80, THEIRS)]);
        let call = call(world(Off, wanted), &plain(CALLER), &answer);
        assert_eq!(profile(&call.offered), expected);
        let offered = lines(&call.offered);
        let names: Vec<&str> = offered.iter().map(|(_, suite, _)| suite.as_str()).collect();
        assert_eq!(names, ["AEAD_AES_256_GCM", "AEAD_AES_128_GCM", SHA1_80, SHA1_32]);
        assert_eq!(
            (profile(&call.answered), lines(&call.answered).len()),
            ("RTP/AVP", 0)
        );
        assert_eq!(keys(&call.world, Side::A), None);
        let agreed = keys(&call.world, Side::B).expect("keys");
        assert!(is_theirs(&agreed, THEIRS) && is_ours(&agreed, &offered[2].2));
        assert_eq!(suites(&call.world), (None, Some(Suite::AesCm128HmacSha1_80)));
    }
}

#[test]
fn only_the_suites_of_the_configuration_are_offered_and_taken() {
    let listed = [Suite::AesCm128HmacSha1_32, Suite::AeadAes256Gcm];
    let world = || {
        World::with_config(one_desk(), 51, Policy::embedded(), |config| {
            config.trunks[0].srtp = Preferred;
            config.queue_srtp.insert("desk".into(), Required);
            config.srtp_suites = Suites::of(listed);
        })
    };
    let offer = described(
        CALLER,
        "RTP/SAVP",
        &[line(8, SHA1_80, THEIRS), line(9, SHA1_32, OTHERS)],
    );
    let answer = described(PHONE, "RTP/SAVP", &[line(1, SHA1_32, THEIRS)]);
    let call = call(world(), &offer, &answer);
    let offered: Vec<String> = lines(&call.offered).into_iter().map(|line| line.1).collect();
    assert_eq!(offered, listed.map(Suite::as_str));
    let answered = lines(&call.answered);
    assert_eq!((answered.len(), answered[0].0.as_str()), (1, "9"), "{answered:?}");
    let both = Some(Suite::AesCm128HmacSha1_32);
    assert_eq!(suites(&call.world), (both, both));
    // Whoever has none of them is told so, and nobody is rung.
    let mut world = world();
    let offer = described(CALLER, "RTP/SAVP", &[line(1, SHA1_80, THEIRS)]);
    let caller = Hand::calls(&mut world, &[], Some(&offer));
    world.run_for(1.0);
    let refused = world.one(&caller, "488 INVITE");
    assert!(
        refused
            .header("Warning")
            .is_some_and(|warning| warning.contains("suites"))
    );
    assert!(world.collected(PHONE.parse().unwrap()).is_empty());
}

#[test]
fn an_encrypted_caller_reaches_a_plain_phone() {
    for profile_of_caller in ["RTP/SAVP", "RTP/AVP"] {
        let offer = described(
            CALLER,
            profile_of_caller,
            &[line(8, SHA1_32, THEIRS), line(9, SHA1_80, OTHERS)],
        );
        let call = call(world(Preferred, Off), &offer, &plain(PHONE));
        assert_eq!(
            (profile(&call.offered), lines(&call.offered).len()),
            ("RTP/AVP", 0)
        );
        assert_eq!(profile(&call.answered), profile_of_caller);
        let answered = lines(&call.answered);
        let [(tag, suite, key)] = answered.as_slice() else {
            panic!("{}", call.answered.body);
        };
        assert_eq!((tag.as_str(), suite.as_str()), ("8", SHA1_32));
        let agreed = keys(&call.world, Side::A).expect("keys");
        assert!(is_theirs(&agreed, THEIRS) && is_ours(&agreed, key));
        assert_eq!(keys(&call.world, Side::B), None);
        assert_eq!(suites(&call.world), (Some(Suite::AesCm128HmacSha1_32), None));
    }
}

#[test]
fn both_legs_are_encrypted_each_in_its_own_way() {
    let offer = described(CALLER, "RTP/SAVP", &[line(1, SHA1_32, THEIRS)]);
    let answer = described(PHONE, "RTP/SAVP", &[line(3, SHA1_80, OTHERS)]);
    let call = call(world(Required, Required), &offer, &answer);
    assert!(!call.offered.body.contains(THEIRS) && !call.answered.body.contains(OTHERS));
    let (caller, called) = (
        keys(&call.world, Side::A).unwrap(),
        keys(&call.world, Side::B).unwrap(),
    );
    assert!(is_theirs(&caller, THEIRS) && is_theirs(&called, OTHERS));
    assert_ne!(caller.outbound, called.outbound);
    assert_eq!(
        suites(&call.world),
        (Some(Suite::AesCm128HmacSha1_32), Some(Suite::AesCm128HmacSha1_80))
    );
}

#[test]
fn what_is_only_preferred_does_without() {
    let call = call(world(Preferred, Preferred), &plain(CALLER), &plain(PHONE));
    assert_eq!(
        (profile(&call.offered), lines(&call.offered).len()),
        ("RTP/AVP", 4)
    );
    assert_eq!(
        (profile(&call.answered), lines(&call.answered).len()),
        ("RTP/AVP", 0)
    );
    assert_eq!(
        (keys(&call.world, Side::A), keys(&call.world, Side::B)),
        (None, None)
    );
}

#[test]
fn an_offer_that_breaks_the_policy_is_refused_before_anybody_is_rung() {
    let secret = described(CALLER, "RTP/SAVP", &[line(1, SHA1_80, THEIRS)]);
    let unknown = described(CALLER, "RTP/SAVP", &[line(1, "F8_128_HMAC_SHA1_80", THEIRS)]);
    for (wanted, offer) in [
        (Off, &secret),
        (Required, &plain(CALLER)),
        (Preferred, &unknown),
        (Required, &unknown),
    ] {
        let mut world = world(wanted, Off);
        let caller = Hand::calls(&mut world, &[], Some(offer));
        world.run_for(1.0);
        let refused = world.one(&caller, "488 INVITE");
        assert!(refused.header("Warning").is_some(), "{wanted:?}");
        assert!(world.collected(PHONE.parse().unwrap()).is_empty());
    }
}

#[test]
fn a_phone_that_answers_plainly_where_srtp_is_required_counts_as_refused() {
    let mut world = world(Off, Required);
    let caller = Hand::calls(&mut world, &[], Some(&plain(CALLER)));
    let phone = Hand::is_rung(&mut world);
    let invite = phone.invite.clone();
    world.answer(&phone, &invite, 200, &[], Some(&plain(PHONE)));
    let words = world.words(&phone);
    assert_eq!(words, ["ACK", "BYE"]);
    world.run_for(30.0);
    assert!(world.words(&caller).iter().all(|word| !word.starts_with("200")));
}

#[test]
fn a_key_that_was_never_offered_is_no_answer() {
    for wrong in [line(1, SHA1_80, THEIRS), line(9, SHA1_80, THEIRS)] {
        let mut world = world(Off, Preferred);
        Hand::calls(&mut world, &[], Some(&plain(CALLER)));
        let phone = Hand::is_rung(&mut world);
        let invite = phone.invite.clone();
        world.answer(
            &phone,
            &invite,
            200,
            &[],
            Some(&described(PHONE, "RTP/AVP", &[wrong])),
        );
        assert_eq!(world.words(&phone), ["ACK", "BYE"]);
    }
}

#[test]
fn a_re_invite_brings_new_keys_and_ours_stay() {
    let offer = described(CALLER, "RTP/SAVP", &[line(1, SHA1_80, THEIRS)]);
    let answer = described(PHONE, "RTP/SAVP", &[line(3, SHA1_80, THEIRS)]);
    let Call {
        mut world,
        mut caller,
        phone,
        offered,
        ..
    } = call(world(Required, Required), &offer, &answer);
    let before = (keys(&world, Side::A).unwrap(), keys(&world, Side::B).unwrap());

    let again = described(CALLER, "RTP/SAVP", &[line(4, SHA1_80, OTHERS)]).replace("o=- 7 1", "o=- 7 2");
    world.ask(&mut caller, "INVITE", &[], Some(&again));
    let asked = world.one(&phone, "INVITE");
    // The suite in use stands first now, with the key it had.
    let first = lines(&asked).remove(0);
    assert_eq!((first.0.as_str(), first.1.as_str()), ("1", SHA1_80));
    assert_eq!(first.2, lines(&offered)[2].2);
    let answer = described(PHONE, "RTP/SAVP", &[line(1, SHA1_80, THEIRS)]);
    world.answer(&phone, &asked, 200, &[], Some(&answer));
    let heard = world.one(&caller, "200 INVITE");
    assert_eq!(lines(&heard)[0].0, "4");
    world.ask(&mut caller, "ACK", &[], None);

    let after = (keys(&world, Side::A).unwrap(), keys(&world, Side::B).unwrap());
    assert!(is_theirs(&after.0, OTHERS));
    assert_eq!(
        after.0.outbound, before.0.outbound,
        "a direction that was not re-keyed goes on"
    );
    assert_eq!(after.1, before.1, "and so does the other leg");
}

#[test]
fn a_refused_re_invite_changes_no_key() {
    let offer = described(CALLER, "RTP/SAVP", &[line(1, SHA1_80, THEIRS)]);
    let answer = described(PHONE, "RTP/SAVP", &[line(3, SHA1_80, THEIRS)]);
    let Call {
        mut world,
        mut caller,
        phone,
        ..
    } = call(world(Required, Required), &offer, &answer);
    let before = keys(&world, Side::A);
    let again = described(CALLER, "RTP/SAVP", &[line(1, SHA1_80, OTHERS)]);
    world.ask(&mut caller, "INVITE", &[], Some(&again));
    let asked = world.one(&phone, "INVITE");
    world.answer(&phone, &asked, 488, &[], None);
    world.one(&caller, "488 INVITE");
    assert_eq!(keys(&world, Side::A), before);
    // A plain offer breaks the policy, and is refused before the phone hears of it.
    world.words(&phone);
    world.ask(
        &mut caller,
        "INVITE",
        &[],
        Some(&plain(CALLER).replace("o=- 7 1", "o=- 7 3")),
    );
    world.one(&caller, "488 INVITE");
    assert!(world.words(&phone).is_empty());
}

#[test]
fn a_caller_without_an_offer_is_offered_keys_in_the_answer() {
    let mut world = world(Preferred, Preferred);
    let mut caller = Hand::calls(&mut world, &[], None);
    let phone = Hand::is_rung(&mut world);
    let invite = phone.invite.clone();
    assert!(!invite.has_sdp());
    let offer = described(PHONE, "RTP/SAVP", &[line(2, SHA1_80, THEIRS)]);
    world.answer(&phone, &invite, 200, &[], Some(&offer));
    // The phone may send at once: its key is known.
    assert!(is_theirs(&keys(&world, Side::B).expect("keys"), THEIRS));
    let answered = world.one(&caller, "200 INVITE");
    assert_eq!((profile(&answered), lines(&answered).len()), ("RTP/AVP", 4));
    caller.learn(&answered);
    world.ask(
        &mut caller,
        "ACK",
        &[],
        Some(&described(CALLER, "RTP/AVP", &[line(4, SHA1_32, OTHERS)])),
    );
    let ack = world.one(&phone, "ACK");
    assert_eq!(profile(&ack), "RTP/SAVP");
    let of_ack = lines(&ack);
    assert_eq!(of_ack[0].0, "2");
    let (caller, called) = (keys(&world, Side::A).unwrap(), keys(&world, Side::B).unwrap());
    assert!(is_theirs(&caller, OTHERS) && is_theirs(&called, THEIRS) && is_ours(&called, &of_ack[0].2));
}

#[test]
fn early_media_is_encrypted_too() {
    let mut world = world(Preferred, Preferred);
    let offer = described(CALLER, "RTP/SAVP", &[line(1, SHA1_80, THEIRS)]);
    let caller = Hand::calls(&mut world, &[], Some(&offer));
    let phone = Hand::is_rung(&mut world);
    let invite = phone.invite.clone();
    let answer = described(PHONE, "RTP/AVP", &[line(1, "AEAD_AES_256_GCM", &"A".repeat(59))]);
    world.answer(&phone, &invite, 183, &[], Some(&answer));
    let early = world.one(&caller, "183 INVITE");
    assert_eq!((profile(&early), lines(&early).len()), ("RTP/SAVP", 1));
    assert!(keys(&world, Side::A).is_some());
    assert_eq!(keys(&world, Side::B).expect("keys").suite(), Suite::AeadAes256Gcm);
    world.answer(&phone, &invite, 200, &[], Some(&answer));
    assert_eq!(
        world.one(&caller, "200 INVITE").body,
        early.body,
        "said once more, not anew"
    );
}

#[test]
fn no_key_stands_in_the_record_or_in_what_is_told_of_it() {
    let offer = described(CALLER, "RTP/SAVP", &[line(1, SHA1_80, THEIRS)]);
    let answer = described(PHONE, "RTP/SAVP", &[line(3, SHA1_80, OTHERS)]);
    let call = call(world(Required, Required), &offer, &answer);
    let ours = lines(&call.answered).remove(0).2;
    for record in call.world.records.values().flatten() {
        let text = format!("{record:?}{}", serde_json::to_string(record).unwrap());
        for key in [THEIRS, OTHERS, &ours] {
            assert!(!text.contains(key));
        }
    }
    let media = format!("{:?}", call.world.media.values().next().unwrap());
    assert!(!media.contains("89, 83"), "{media}");
}

/// Everybody speaks nothing but SRTP, and nothing else is taken.
fn all_required(config: &mut ringward::call::Config) {
    config.trunks[0].srtp = Required;
    config.outbound.srtp = Required;
    for queue in ["desk", "sales", "night"] {
        config.queue_srtp.insert(queue.into(), Required);
    }
}

/// What is agreed with the phone at this address; the media knows each leg's address and keys together.
fn is_with(world: &World, call: usize, side: Side, address: &str) -> bool {
    let media = world.media.values().nth(call).expect("media");
    let told = media.keys.iter().rev().find(|(of, _)| *of == side);
    let Some((_, Some(keys))) = told else { return false };
    is_theirs(keys, &key_of(address.parse().unwrap(), keys.suite().as_str()))
}

#[test]
fn a_call_goes_on_encrypted_at_the_phone_it_was_sent_on_to() {
    let mut world = World::with_config(three_queues(), 3, Policy::embedded(), all_required);
    world.phone("10.0.0.5:5060", refers(SALES).with_srtp());
    world.phone("10.0.0.6:5060", PhonePlan::answers_after(1.0).with_srtp());
    let caller = world.call(CallerPlan::new("+14045550123").act(40.0, Act::Bye));
    world.agents.get_mut(&caller).unwrap().phone.is_srtp = true;
    world.run_for(3.0);
    assert!(is_with(&world, 0, Side::B, "10.0.0.5:5060"));
    world.run_for(10.0);
    assert!(is_with(&world, 0, Side::B, "10.0.0.6:5060"));
    assert!(is_with(&world, 0, Side::A, &caller.to_string()));
    world.run();
    assert_eq!(world.record().answered_by.as_deref(), Some("sales"));
    world.check();
}

#[test]
fn a_phone_takes_an_encrypted_call_over() {
    let mut world = World::with_config(three_queues(), 3, Policy::embedded(), all_required);
    let desk = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0).with_srtp());
    let sales = world.phone("10.0.0.6:5060", PhonePlan::answers_after(1.0).with_srtp());
    let caller = world.call(CallerPlan::new("+14045550123").act(40.0, Act::Bye));
    world.agents.get_mut(&caller).unwrap().phone.is_srtp = true;
    world.run_for(3.0);
    let (call_id, local, remote) = world.line(desk).dialog();
    let replaces = format!("{call_id};to-tag={remote};from-tag={local}");
    world.calls_after(0.0, sales, CallerPlan::new("sales").header("Replaces", &replaces));
    world.run_for(3.0);
    assert_eq!(world.heard(sales, "INVITE"), [100, 200]);
    assert!(is_with(&world, 0, Side::B, "10.0.0.6:5060"));
    world.run();
    world.check();
}

#[test]
fn a_phone_that_is_joined_with_the_caller_has_other_keys_there() {
    let sales = PhonePlan::answers_after(1.0).with_srtp();
    let mut scene = consulting_with(sales, true, all_required);
    let ours = |world: &World, call: usize| {
        let media = world.media.values().nth(call).expect("media");
        let told = media.keys.iter().rev().find(|(of, _)| *of == Side::B);
        told.and_then(|(_, keys)| keys.clone()).expect("keys").outbound
    };
    let calls = [0, 1].map(|call| is_with(&scene.world, call, Side::B, "10.0.0.6:5060"));
    let consultation = calls
        .iter()
        .position(|is_sales| *is_sales)
        .expect("sales is asked");
    let before = ours(&scene.world, consultation);
    join(&mut scene, "");
    scene.world.run_for(5.0);
    let joined = 1 - consultation;
    assert!(is_with(&scene.world, joined, Side::B, "10.0.0.6:5060"));
    assert_ne!(
        ours(&scene.world, joined),
        before,
        "counters begin anew in the other call"
    );
    scene.world.run();
    scene.world.check();
}

#[test]
fn a_number_outside_is_called_as_the_trunk_wants_it() {
    let mut world = World::with_config(three_queues(), 3, Policy::embedded(), |config| {
        config.outbound.from_phones = true;
        config.outbound.srtp = Preferred;
        config.trunks[0].srtp = Required;
        config.trunks[0].to = Some(ringward::call::Peer {
            host: "carrier.example".into(),
            transport: ringward::sip::Transport::Udp,
            addresses: vec!["203.0.113.9:5060".parse().unwrap()],
        });
    });
    let desk = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let carrier = world.phone("203.0.113.9:5060", PhonePlan::answers_after(1.0).with_srtp());
    let mut plan = CallerPlan::new("desk").act(5.0, Act::Bye);
    plan.called = "+14045550123".into();
    world.calls_after(0.0, desk, plan);
    world.run();
    assert_eq!(profile(world.rung(carrier)), "RTP/SAVP");
    assert_eq!(suites(&world), (None, Some(Suite::AeadAes256Gcm)));
    world.check();
}
