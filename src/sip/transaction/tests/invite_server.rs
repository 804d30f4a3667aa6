//! INVITE server transaction: every arrow of RFC 6026 figure 3 (RFC 3261 §17.2.1).

use super::*;
use server_invite::State;

fn answered(status: u16, is_reliable: bool) -> (InviteServer, Vec<Step>) {
    let mut machine = InviteServer::new(is_reliable);
    let steps = steps(|steps| assert!(machine.on_response(status, octets("final"), steps)));
    (machine, steps)
}

#[test]
fn proceeding_sends_the_last_1xx_again_when_the_invite_comes_again() {
    let mut machine = InviteServer::new(false);
    assert_eq!(steps(|s| machine.on_invite(s)), [], "nothing was answered yet");
    assert_eq!(
        steps(|s| assert!(machine.on_response(100, octets("100"), s))),
        [sent("100")]
    );
    assert_eq!(steps(|s| machine.on_invite(s)), [sent("100")]);
    steps(|s| assert!(machine.on_response(180, octets("180"), s)));
    assert_eq!(steps(|s| machine.on_invite(s)), [sent("180")]);
    assert_eq!(machine.state(), State::Proceeding);
}

#[test]
fn proceeding_sends_every_1xx_of_its_owner() {
    let mut machine = InviteServer::new(false);
    for status in [100, 180, 181, 183, 180] {
        let said = status.to_string();
        assert_eq!(
            steps(|s| assert!(machine.on_response(status, octets(&said), s))),
            [sent(&said)]
        );
    }
    assert_eq!(machine.state(), State::Proceeding);
}

#[test]
fn proceeding_to_completed_by_a_3xx_to_6xx_starts_h_and_g() {
    let (machine, steps) = answered(486, false);
    assert_eq!(
        steps,
        [
            sent("final"),
            Step::Start(Timer::H, PATIENCE),
            Step::Start(Timer::G, T1)
        ]
    );
    assert_eq!(machine.state(), State::Completed { interval: T1 });
}

#[test]
fn on_tcp_completed_does_not_start_g() {
    let (_, steps) = answered(486, true);
    assert_eq!(steps, [sent("final"), Step::Start(Timer::H, PATIENCE)]);
}

#[test]
fn completed_sends_again_by_g_doubling_to_t2_and_when_the_invite_comes_again() {
    let (mut machine, _) = answered(486, false);
    assert_eq!(steps(|s| machine.on_invite(s)), [sent("final")]);
    for interval in [SECOND, 2 * SECOND, T2, T2, T2] {
        assert_eq!(
            steps(|s| machine.on_timer(Timer::G, s)),
            [sent("final"), Step::Start(Timer::G, interval)]
        );
    }
}

#[test]
fn completed_to_confirmed_by_ack_starts_i_and_absorbs() {
    let (mut machine, _) = answered(486, false);
    assert_eq!(
        steps(|s| machine.on_ack(s)),
        [Step::Stop(Slot::Again), Step::Start(Timer::I, T4)]
    );
    assert_eq!(machine.state(), State::Confirmed);
    assert_eq!(steps(|s| machine.on_ack(s)), [], "ACK again");
    assert_eq!(steps(|s| machine.on_invite(s)), [], "INVITE again");
    assert_eq!(steps(|s| machine.on_timer(Timer::I, s)), [Step::Finish]);
    assert_eq!(machine.state(), State::Terminated);
}

#[test]
fn on_tcp_ack_ends_completed_at_once() {
    let (mut machine, _) = answered(486, true);
    assert_eq!(steps(|s| machine.on_ack(s)), [Step::Finish]);
}

#[test]
fn completed_to_terminated_by_h_when_no_ack_comes() {
    let (mut machine, _) = answered(486, false);
    assert_eq!(steps(|s| machine.on_timer(Timer::H, s)), [Step::Finish]);
}

#[test]
fn proceeding_to_accepted_by_2xx_starts_l_and_the_repetition_on_every_transport() {
    for is_reliable in [false, true] {
        let (machine, steps) = answered(200, is_reliable);
        assert_eq!(
            steps,
            [
                sent("final"),
                Step::Start(Timer::L, PATIENCE),
                Step::Start(Timer::Answer, T1)
            ]
        );
        assert!(matches!(
            machine.state(),
            State::Accepted {
                is_acknowledged: false,
                ..
            }
        ));
    }
}

#[test]
fn accepted_repeats_the_2xx_from_t1_to_t2_and_ignores_the_invite() {
    let (mut machine, _) = answered(200, false);
    assert_eq!(steps(|s| machine.on_invite(s)), []);
    for interval in [SECOND, 2 * SECOND, T2, T2] {
        let wanted = [sent("final"), Step::Start(Timer::Answer, interval)];
        assert_eq!(steps(|s| machine.on_timer(Timer::Answer, s)), wanted);
    }
}

#[test]
fn accepted_is_silent_after_the_ack_and_ends_by_l() {
    let (mut machine, _) = answered(200, false);
    assert_eq!(
        steps(|s| assert!(machine.on_ack_to_2xx(s))),
        [Step::Stop(Slot::Again)]
    );
    assert_eq!(steps(|s| assert!(!machine.on_ack_to_2xx(s), "ACK again")), []);
    assert_eq!(steps(|s| machine.on_timer(Timer::Answer, s)), []);
    assert_eq!(steps(|s| machine.on_timer(Timer::L, s)), [Step::Finish]);
}

#[test]
fn accepted_without_ack_tells_ack_missing_by_l() {
    let (mut machine, _) = answered(200, false);
    assert_eq!(
        steps(|s| machine.on_timer(Timer::L, s)),
        [Step::AckMissing, Step::Finish]
    );
}

#[test]
fn a_second_final_response_is_refused_in_every_state_after_proceeding() {
    let (mut completed, _) = answered(486, false);
    let (mut accepted, _) = answered(200, false);
    let (mut confirmed, _) = answered(486, false);
    steps(|s| confirmed.on_ack(s));
    for machine in [&mut completed, &mut accepted, &mut confirmed] {
        assert_eq!(steps(|s| assert!(!machine.on_response(200, octets("x"), s))), []);
        assert_eq!(
            steps(|s| assert!(!machine.on_response(180, octets("late"), s))),
            [],
            "late 180 after final"
        );
    }
}

#[test]
fn cancel_counts_once_and_only_before_a_final_response() {
    let mut machine = InviteServer::new(false);
    assert!(machine.on_cancel());
    assert!(!machine.on_cancel());
    let (mut answered, _) = answered(200, false);
    assert!(!answered.on_cancel());
}

#[test]
fn timers_of_other_states_do_nothing() {
    let mut machine = InviteServer::new(false);
    for timer in [Timer::G, Timer::H, Timer::I, Timer::L, Timer::Answer, Timer::A] {
        assert_eq!(steps(|s| machine.on_timer(timer, s)), []);
    }
    let (mut accepted, _) = answered(200, false);
    assert_eq!(
        steps(|s| accepted.on_ack(s)),
        [],
        "an ACK with the branch of the INVITE"
    );
    assert_eq!(steps(|s| accepted.on_timer(Timer::H, s)), []);
}

fn reliable() -> InviteServer {
    let mut machine = InviteServer::new(false);
    let steps = steps(|s| assert!(machine.on_reliable(octets("183"), s)));
    let expected = [
        sent("183"),
        Step::Start(Timer::Provisional, T1),
        Step::Start(Timer::Prack, PATIENCE),
    ];
    assert_eq!(steps, expected);
    machine
}

#[test]
fn proceeding_sends_a_reliable_1xx_again_from_t1_doubling_without_bound() {
    let mut machine = reliable();
    for seconds in [1, 2, 4, 8, 16] {
        assert_eq!(
            steps(|s| machine.on_timer(Timer::Provisional, s)),
            [sent("183"), Step::Start(Timer::Provisional, SECOND * seconds)]
        );
    }
    assert_eq!(machine.state(), State::Proceeding);
}

#[test]
fn proceeding_stays_by_prack_which_stops_the_repetition() {
    let mut machine = reliable();
    assert!(
        !machine.on_reliable(octets("180"), &mut Vec::new()),
        "one at a time"
    );
    assert_eq!(
        steps(|s| machine.on_prack(s)),
        [Step::Stop(Slot::Again), Step::Stop(Slot::End)]
    );
    assert_eq!(steps(|s| machine.on_timer(Timer::Provisional, s)), []);
    assert_eq!(steps(|s| machine.on_timer(Timer::Prack, s)), []);
    assert!(machine.on_reliable(octets("180"), &mut Vec::new()));
}

#[test]
fn proceeding_without_prack_tells_prack_missing_after_64_t1() {
    let mut machine = reliable();
    assert_eq!(
        steps(|s| machine.on_timer(Timer::Prack, s)),
        [Step::Stop(Slot::Again), Step::PrackMissing]
    );
    assert_eq!(machine.state(), State::Proceeding, "the owner says the last word");
}

#[test]
fn a_final_response_ends_the_repetition_of_a_reliable_1xx() {
    for status in [200, 486] {
        let mut machine = reliable();
        let steps = steps(|s| assert!(machine.on_response(status, octets("final"), s)));
        assert_eq!(steps[..2], [sent("final"), Step::Stop(Slot::Again)]);
        assert!(
            !machine.on_reliable(octets("180"), &mut Vec::new()),
            "nothing new after it"
        );
    }
}

#[test]
fn proceeding_sends_the_reliable_1xx_again_when_the_invite_comes_again() {
    let mut machine = reliable();
    assert_eq!(steps(|s| machine.on_invite(s)), [sent("183")]);
}
