//! What a caller and a phone agreed on while we speak: codecs, holds, keys.

use super::*;

#[test]
fn a_phone_with_another_codec_costs_one_question_to_the_caller() {
    let mut world = world(&[("true", "'screen'")]);
    let mut plan = PhonePlan::answers_after(2.0);
    plan.formats = "0";
    world.phone(PHONE, plan);
    let caller = world.call(talks(30.0));
    world.run();
    let asked = world.asked(caller);
    let questions = asked.iter().filter(|method| *method == "INVITE");
    assert_eq!(questions.count(), 1, "{asked:?}");
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
}

#[test]
fn a_caller_who_holds_and_resumes_while_we_speak_is_answered_by_us() {
    let mut world = world(&[("true", "'screen'")]);
    world.phone(PHONE, PhonePlan::answers_after(3.0));
    let plan = talks(40.0)
        .act(1.0, Act::Hold)
        .act(3.0, Act::Resume)
        .act(4.0, Act::Update);
    let caller = world.call(plan);
    world.run();
    let answers: Vec<&str> = world
        .line(caller)
        .responses
        .iter()
        .filter(|response| response.method() == "INVITE" && response.status() == Some(200))
        .map(|response| response.direction())
        .collect();
    assert_eq!(answers, ["sendrecv", "recvonly", "sendrecv"]);
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
}

#[test]
fn who_holds_before_it_rings_and_resumes_while_it_does_is_heard_and_hears() {
    for resumes_at in [8.0, 30.0] {
        let mut world = world(&[("true", "'screen'")]);
        let phone = world.phone(PHONE, PhonePlan::answers_after(8.0));
        let plan = talks(50.0).act(1.0, Act::Hold).act(resumes_at, Act::Resume);
        let caller = world.call(plan);
        world.run();
        // The phone is asked for both ways whatever the caller does meanwhile.
        let offered = world.rung(phone).body.clone();
        assert!(
            !offered.contains("a=recvonly") && !offered.contains("a=sendonly"),
            "{offered}"
        );
        let media = world.media.values().next().unwrap();
        let last = media.described.iter().rfind(|(side, _)| *side == Side::B);
        assert!(last.is_some(), "{resumes_at}");
        let answers = world.line(caller).responses.iter();
        let mut answers = answers.filter(|said| said.method() == "INVITE" && said.status() == Some(200));
        assert_eq!(
            answers.next_back().unwrap().direction(),
            "sendrecv",
            "{resumes_at}"
        );
        assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    }
}

#[test]
fn a_caller_who_likes_g722_best_has_it_with_a_phone_and_g711_with_us() {
    let wide = |rules: &[(&str, &str)]| {
        let mut world = world(rules);
        let mut plan = PhonePlan::answers_after(2.0);
        plan.formats = if rules.is_empty() { "9 101" } else { "0 101" };
        let phone = world.phone(PHONE, plan);
        let mut plan = talks(30.0);
        let body = wire::sdp(CALLER.parse().unwrap(), 1, "sendrecv").replace("0 8 101", "9 0 101");
        plan.body = Some(("application/sdp", body));
        let caller = world.call(plan);
        world.run();
        assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
        assert_eq!(
            world.record().facts.signalling.codec,
            if rules.is_empty() { "G722" } else { "PCMU" }
        );
        let answers = world.line(caller).responses.iter();
        let mut answers = answers.filter(|said| said.method() == "INVITE" && said.status() == Some(200));
        (
            world.rung(phone).body.clone(),
            answers.next().unwrap().body.clone(),
        )
    };
    let (offer, answer) = wide(&[]);
    assert!(
        offer.contains("RTP/AVP 9 0 101") && answer.contains("RTP/AVP 9 101"),
        "{offer}{answer}"
    );
    let (offer, answer) = wide(&[("true", "'screen'")]);
    assert!(
        offer.contains("RTP/AVP 0 101") && answer.contains("RTP/AVP 0 101"),
        "{offer}{answer}"
    );
}

#[test]
fn a_caller_without_an_offer_is_offered_ours() {
    let mut world = world(&[("true", "'screen'")]);
    let phone = world.phone(PHONE, PhonePlan::answers_after(2.0));
    let mut plan = talks(30.0);
    plan.has_offer = false;
    let caller = world.call(plan);
    world.run();
    assert!(world.line(caller).responses[1].body.contains("RTP/AVP 0 8 101"));
    assert!(
        world.rung(phone).body.contains("RTP/AVP 0 101"),
        "{}",
        world.rung(phone).body
    );
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
}

#[test]
fn our_words_are_encrypted_where_the_leg_is() {
    let mut world = World::with_config(one_desk(), 73, policy(&[("true", "'screen'")]), |config| {
        config.trunks[0].srtp = Encryption::Required;
        config.queue_srtp.insert("desk".into(), Encryption::Required);
    });
    world.phone(PHONE, PhonePlan::answers_after(2.0).with_srtp());
    let key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n";
    let body = wire::sdp(CALLER.parse().unwrap(), 1, "sendrecv").replace("RTP/AVP", "RTP/SAVP") + key;
    let mut plan = talks(30.0);
    plan.body = Some(("application/sdp", body));
    world.call(plan);
    world.run();
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    let media = world.media.values().next().unwrap();
    for side in [Side::A, Side::B] {
        let mut keys = media.keys.iter().filter(|(of, _)| *of == side);
        assert!(keys.all(|(_, keys)| keys.is_some()), "{side:?}");
    }
    assert_eq!(
        media.keys[0].0,
        Side::A,
        "the caller's keys are known before we speak"
    );
}
