//! Calls that were forwarded before they came to us: with a complete chain of signatures, and with a broken one.

use ringward::identity::Standing;
use ringward::screening::NumberLight;

use crate::plan::{Act, CallerPlan, PhonePlan};
use crate::signing::{signed_passport, signed_token};
use crate::world::{EPOCH_S, World, one_desk};

const CALLER: &str = "14045550123";
/// Whom the caller dialled, and where the call was on its way.
const DIALLED: &str = "12125550111";
const BETWEEN: &str = "12125550122";
const DESK: &str = "12125550100";

fn div(from: &str, to: &str) -> String {
    signed_passport(
        "div",
        CALLER,
        to,
        EPOCH_S,
        &format!(r#","div":{{"tn":"{from}"}}"#),
    )
}

fn plan(identity: &[String]) -> CallerPlan {
    let mut plan = CallerPlan::new(&format!("+{CALLER}")).act(2.0, Act::Bye);
    plan.dialled_first = Some(format!("+{DIALLED}"));
    identity
        .iter()
        .fold(plan, |plan, value| plan.header("Identity", value))
}

#[test]
fn d_03_a_call_forwarded_twice_is_as_good_as_a_direct_one_and_says_so() {
    // Five minutes on the way, in any order.
    let base = signed_token('A', CALLER, DIALLED, EPOCH_S - 250);
    let identity = [div(BETWEEN, DESK), base, div(DIALLED, BETWEEN)];
    let mut world = World::new(one_desk(), 11);
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    world.call(plan(&identity));
    world.run();
    let record = world.record();
    assert_eq!(
        record.identity.standing,
        Standing::Verified,
        "{:#?}",
        record.identity
    );
    assert_eq!(
        (record.identity.is_diverted, record.identity.hops.len()),
        (true, 2)
    );
    assert_eq!(record.facts.identity.hops, 2);
    let banner = record.banner.as_ref().unwrap();
    assert_eq!(banner.number, NumberLight::Genuine);
    assert_eq!(
        banner.number_text,
        "Number: proven by its carrier, the call was forwarded"
    );
    assert!(
        banner.reasons.iter().any(|reason| reason.contains("forwarded")),
        "{banner:?}"
    );
    let tags = world.tags();
    assert!(
        tags.contains("IDENTITY_VERIFIED_A") && tags.contains("DIVERTED"),
        "{tags:?}"
    );
    assert!(!tags.contains("DIVERTED_UNVERIFIED"), "{tags:?}");
    let asserted = world.rung(phone).must("P-Asserted-Identity").to_string();
    assert!(asserted.contains("verstat=TN-Validation-Passed"), "{asserted}");
}

#[test]
fn d_04_a_broken_chain_proves_nothing_and_rings_all_the_same() {
    let base = signed_token('A', CALLER, DIALLED, EPOCH_S);
    for identity in [
        vec![base.clone()],
        vec![base.clone(), div(BETWEEN, DESK)],
        vec![base.clone(), div(DIALLED, BETWEEN)],
        vec![base, div(DIALLED, DESK), div(DIALLED, BETWEEN)],
        vec![div(DIALLED, DESK)],
    ] {
        let mut world = World::new(one_desk(), 11);
        let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
        let caller = world.call(plan(&identity));
        world.run();
        let record = world.record();
        assert_eq!(
            record.identity.standing,
            Standing::DivertedUnverified,
            "{:#?}",
            record.identity
        );
        assert_eq!(
            (record.identity.attestation, record.facts.identity.hops),
            (None, 0)
        );
        let banner = record.banner.as_ref().unwrap();
        assert_eq!(banner.number, NumberLight::Unproven);
        assert_eq!(banner.number_text, "Number: not proven, the call was forwarded");
        let tags = world.tags();
        assert!(
            tags.contains("DIVERTED_UNVERIFIED") && !tags.contains("IDENTITY_VERIFIED_A"),
            "{tags:?}"
        );
        assert!(!tags.contains("IDENTITY_FORGED"), "{tags:?}");
        let asserted = world.rung(phone).must("P-Asserted-Identity").to_string();
        assert!(asserted.contains("verstat=No-TN-Validation"), "{asserted}");
        assert!(world.heard(caller, "INVITE").contains(&200));
    }
}

#[test]
fn a_forged_diversion_beside_a_good_call_is_told_and_spoils_nothing() {
    let good = signed_token('A', CALLER, DESK, EPOCH_S);
    let mut forged = div(DIALLED, DESK);
    let end = forged.find(';').unwrap_or_default();
    let last = if forged[..end].ends_with("AA") { "BA" } else { "AA" };
    forged.replace_range(end - 20..end - 18, last);
    let mut plan = plan(&[good, forged]);
    plan.dialled_first = None;
    let mut world = World::new(one_desk(), 11);
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    world.call(plan);
    world.run();
    let tags = world.tags();
    assert!(
        tags.contains("IDENTITY_VERIFIED_A") && tags.contains("IDENTITY_FORGED_BESIDE"),
        "{tags:?}"
    );
    assert_eq!(
        world.record().banner.as_ref().unwrap().number,
        NumberLight::Genuine
    );
}
