//! INVITE client transaction: every arrow of RFC 6026 figure 4 (RFC 3261 §17.1.1), and CANCEL.

use super::*;
use client_invite::State;

fn started(is_reliable: bool) -> (InviteClient, Vec<Step>) {
    let mut steps = Vec::new();
    let machine = InviteClient::new(octets("INVITE"), is_reliable, &mut steps);
    (machine, steps)
}

fn respond(machine: &mut InviteClient, status: u16, tag: &str) -> (bool, Vec<Step>) {
    let mut steps = Vec::new();
    let is_shown = machine.on_response(status, tag, || octets("ACK"), &mut steps);
    (is_shown, steps)
}

fn flow() -> Flow {
    let address = std::net::SocketAddr::from(([192, 0, 2, 1], 5060));
    Flow {
        transport: crate::sip::Transport::Udp,
        local: address,
        remote: address,
        connection: None,
        peer: None,
    }
}

#[test]
fn calling_sends_and_starts_a_and_b() {
    let (machine, steps) = started(false);
    assert_eq!(
        steps,
        [
            sent("INVITE"),
            Step::Start(Timer::B, PATIENCE),
            Step::Start(Timer::A, T1)
        ]
    );
    assert_eq!(machine.state(), State::Calling { interval: T1 });
    let (_, steps) = started(true);
    assert_eq!(
        steps,
        [sent("INVITE"), Step::Start(Timer::B, PATIENCE)],
        "no A on TCP"
    );
}

#[test]
fn calling_sends_again_by_a_doubling_without_end() {
    let (mut machine, _) = started(false);
    for seconds in [1, 2, 4, 8, 16] {
        let wanted = [sent("INVITE"), Step::Start(Timer::A, seconds * SECOND)];
        assert_eq!(steps(|s| machine.on_timer(Timer::A, s)), wanted);
    }
}

#[test]
fn calling_to_terminated_by_b_is_a_time_out() {
    let (mut machine, _) = started(false);
    assert_eq!(
        steps(|s| machine.on_timer(Timer::B, s)),
        [Step::TimedOut, Step::Finish]
    );
}

#[test]
fn a_1xx_puts_c_in_place_of_a_and_b_and_every_1xx_is_shown() {
    let (mut machine, _) = started(false);
    let again = vec![Step::Start(Timer::C, TIMER_C)];
    let first = [vec![Step::Start(Timer::CMax, TIMER_C_MAX)], again.clone()].concat();
    assert_eq!(respond(&mut machine, 100, ""), (true, first));
    assert_eq!(machine.state(), State::Proceeding);
    assert_eq!(respond(&mut machine, 180, "x"), (true, again.clone()));
    assert_eq!(respond(&mut machine, 180, "x"), (true, again));
    assert_eq!(
        respond(&mut machine, 100, ""),
        (true, vec![]),
        "100 does not begin C anew"
    );
    assert_eq!(steps(|s| machine.on_timer(Timer::B, s)), [], "B no longer counts");
    assert_eq!(steps(|s| machine.on_timer(Timer::A, s)), [], "nor A");
}

#[test]
fn c_in_proceeding_cancels_whether_it_fires_by_silence_or_by_the_hard_bound() {
    for timer in [Timer::C, Timer::CMax] {
        let (mut machine, _) = started(false);
        respond(&mut machine, 180, "x");
        assert_eq!(steps(|s| machine.on_timer(timer, s)), cancelled(None));
        assert_eq!(
            respond(&mut machine, 180, "x"),
            (true, vec![]),
            "no C after a CANCEL"
        );
        assert_eq!(steps(|s| machine.on_timer(Timer::CMax, s)), [], "one CANCEL");
        assert_eq!(
            steps(|s| machine.on_timer(Timer::Cancelled, s)),
            [Step::TimedOut, Step::Finish]
        );
    }
    assert!(TIMER_C > Duration::from_secs(180) && TIMER_C < TIMER_C_MAX);
}

fn cancelled(reason: Option<String>) -> Vec<Step> {
    vec![
        Step::SendCancel(reason),
        Step::Stop(Slot::Again),
        Step::Start(Timer::Cancelled, PATIENCE),
    ]
}

#[test]
fn a_3xx_to_6xx_is_acknowledged_and_shown_from_both_states() {
    for is_proceeding in [false, true] {
        let (mut machine, _) = started(false);
        if is_proceeding {
            respond(&mut machine, 180, "x");
        }
        let wanted = vec![
            Step::Stop(Slot::Again),
            sent("ACK"),
            Step::Start(Timer::D, TIMER_D),
        ];
        assert_eq!(respond(&mut machine, 486, "x"), (true, wanted));
        assert_eq!(machine.state(), State::Completed);
    }
}

#[test]
fn completed_repeats_the_ack_and_shows_nothing_until_d() {
    let (mut machine, _) = started(false);
    respond(&mut machine, 486, "x");
    assert_eq!(respond(&mut machine, 486, "x"), (false, vec![sent("ACK")]));
    assert_eq!(respond(&mut machine, 180, "x"), (false, vec![]), "late 180");
    assert_eq!(
        respond(&mut machine, 200, "x"),
        (false, vec![]),
        "200 after a refusal"
    );
    assert_eq!(steps(|s| machine.on_timer(Timer::D, s)), [Step::Finish]);
}

#[test]
fn on_tcp_a_3xx_to_6xx_ends_it_after_the_ack() {
    let (mut machine, _) = started(true);
    let wanted = vec![Step::Stop(Slot::Again), sent("ACK"), Step::Finish];
    assert_eq!(respond(&mut machine, 486, "x"), (true, wanted));
}

#[test]
fn a_2xx_leads_to_accepted_from_both_states_and_m_ends_it() {
    for is_proceeding in [false, true] {
        let (mut machine, _) = started(false);
        if is_proceeding {
            respond(&mut machine, 180, "x");
        }
        let wanted = vec![Step::Stop(Slot::Again), Step::Start(Timer::M, PATIENCE)];
        assert_eq!(respond(&mut machine, 200, "x"), (true, wanted));
        assert_eq!(machine.state(), State::Accepted);
        assert_eq!(
            respond(&mut machine, 180, "x"),
            (false, vec![]),
            "late 180 after 200"
        );
        assert_eq!(
            respond(&mut machine, 486, "y"),
            (false, vec![]),
            "another fork refused"
        );
        assert_eq!(steps(|s| machine.on_timer(Timer::M, s)), [Step::Finish]);
    }
}

#[test]
fn a_repeated_2xx_is_acknowledged_again_and_another_fork_is_shown() {
    let (mut machine, _) = started(false);
    respond(&mut machine, 200, "x");
    assert_eq!(
        respond(&mut machine, 200, "x"),
        (false, vec![]),
        "no ACK was given yet"
    );
    machine.on_acknowledged("x", flow(), octets("ACK x"));
    let again = vec![Step::SendOn(flow(), octets("ACK x"))];
    assert_eq!(respond(&mut machine, 200, "x"), (false, again));
    assert_eq!(respond(&mut machine, 200, "y"), (true, vec![]));
    assert_eq!(respond(&mut machine, 200, "y"), (false, vec![]));
}

#[test]
fn more_forks_than_the_limit_are_not_shown() {
    let (mut machine, _) = started(false);
    for fork in 0..crate::sip::limits::FORKS_MAX {
        assert!(respond(&mut machine, 200, &fork.to_string()).0);
    }
    assert_eq!(respond(&mut machine, 200, "one more"), (false, vec![]));
}

#[test]
fn a_cancel_is_held_until_a_1xx() {
    let (mut machine, _) = started(false);
    assert_eq!(steps(|s| machine.on_cancel(Some("r".into()), s)), []);
    assert_eq!(steps(|s| machine.on_cancel(None, s)), [], "the second time");
    let begun = vec![
        Step::Start(Timer::CMax, TIMER_C_MAX),
        Step::Start(Timer::C, TIMER_C),
    ];
    let wanted = [begun, cancelled(Some("r".into()))].concat();
    assert_eq!(respond(&mut machine, 100, ""), (true, wanted));
    assert_eq!(respond(&mut machine, 180, "x"), (true, vec![]), "once only");
}

#[test]
fn a_cancel_in_proceeding_goes_at_once_and_64_t1_later_it_is_a_time_out() {
    let (mut machine, _) = started(false);
    respond(&mut machine, 180, "x");
    assert_eq!(steps(|s| machine.on_cancel(None, s)), cancelled(None));
    assert_eq!(steps(|s| machine.on_cancel(None, s)), [], "the second time");
    assert_eq!(
        steps(|s| machine.on_timer(Timer::Cancelled, s)),
        [Step::TimedOut, Step::Finish]
    );
}

#[test]
fn a_cancel_after_a_final_response_does_nothing() {
    for status in [200, 486] {
        let (mut machine, _) = started(false);
        respond(&mut machine, status, "x");
        assert_eq!(steps(|s| machine.on_cancel(None, s)), []);
    }
}

#[test]
fn a_held_cancel_waits_t4_longer_than_b_for_the_1xx_of_the_last_copy() {
    let (mut machine, _) = started(false);
    machine.on_cancel(None, &mut Vec::new());
    assert_eq!(
        steps(|s| machine.on_timer(Timer::B, s)),
        [Step::Start(Timer::B, T4)]
    );
    let (is_shown, late) = respond(&mut machine, 180, "x");
    assert!(is_shown && late.contains(&Step::SendCancel(None)), "{late:?}");

    for is_reliable in [false, true] {
        let (mut machine, _) = started(is_reliable);
        machine.on_cancel(None, &mut Vec::new());
        if !is_reliable {
            machine.on_timer(Timer::B, &mut Vec::new());
        }
        let wanted = [Step::TimedOut, Step::Finish];
        assert_eq!(steps(|s| machine.on_timer(Timer::B, s)), wanted, "once only");
    }
}

#[test]
fn a_held_cancel_is_forgotten_when_a_final_response_comes_first() {
    for status in [200, 486] {
        let (mut machine, _) = started(false);
        steps(|s| machine.on_cancel(None, s));
        let (is_shown, steps) = respond(&mut machine, status, "x");
        assert!(is_shown && !steps.contains(&Step::SendCancel(None)));
    }
}

/// What a failure means to a transaction that has heard this, over a connection or not.
fn failed(is_reliable: bool, heard: Option<u16>, was_up: bool) -> (Failure, Vec<Step>) {
    let (mut machine, _) = started(is_reliable);
    if let Some(status) = heard {
        respond(&mut machine, status, "x");
    }
    let mut failure = Failure::Nothing;
    let steps = steps(|steps| failure = machine.on_transport_error(was_up, steps));
    (failure, steps)
}

#[test]
fn a_transport_error_ends_calling_and_neither_proceeding_nor_accepted() {
    assert_eq!(failed(false, None, false), (Failure::Over, vec![Step::Finish]));
    assert_eq!(failed(true, None, false), (Failure::Over, vec![Step::Finish]));
    assert_eq!(failed(false, Some(180), false), (Failure::Nothing, vec![]));
    assert_eq!(
        failed(false, Some(486), false),
        (Failure::Nothing, vec![Step::Finish])
    );
    assert_eq!(failed(false, Some(200), false), (Failure::Nothing, vec![]));
    assert_eq!(failed(true, Some(200), true), (Failure::Nothing, vec![]));
}

#[test]
fn nobody_repeats_an_invite_that_is_to_be_cancelled() {
    let (mut machine, _) = started(true);
    steps(|s| machine.on_cancel(None, s));
    assert_eq!(
        steps(|s| assert_eq!(machine.on_transport_error(true, s), Failure::Lost)),
        []
    );
    let (mut repeated, _) = started(true);
    steps(|s| assert_eq!(repeated.on_transport_error(true, s), Failure::Again));
    // The new connection could not be opened, and the peer may have heard it by the old one.
    assert_eq!(
        steps(|s| assert_eq!(repeated.on_transport_error(false, s), Failure::Lost)),
        []
    );
}

#[test]
fn a_connection_that_was_up_is_lost_once_and_the_invite_goes_on() {
    for heard in [100, 180] {
        assert_eq!(
            failed(true, Some(heard), true),
            (Failure::Lost, vec![]),
            "{heard}"
        );
    }
    // Nobody has said anything to it: first it goes out once more.
    assert_eq!(failed(true, None, true), (Failure::Again, vec![sent("INVITE")]));
    let (mut machine, _) = started(true);
    steps(|steps| {
        assert_eq!(machine.on_transport_error(true, steps), Failure::Again);
        assert_eq!(machine.on_transport_error(true, steps), Failure::Lost);
        // The attempt to reach the peer again came to nothing: it may still reach us.
        for was_up in [true, false] {
            assert_eq!(machine.on_transport_error(was_up, steps), Failure::Nothing);
        }
    });
    let (is_shown, _) = respond(&mut machine, 200, "x");
    assert!(is_shown);
}
