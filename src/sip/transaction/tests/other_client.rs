//! Non-INVITE client transaction: every arrow of RFC 3261 figure 6.

use super::*;
use client_other::State;

fn started(is_reliable: bool) -> (OtherClient, Vec<Step>) {
    let mut steps = Vec::new();
    let machine = OtherClient::new(octets("BYE"), is_reliable, &mut steps);
    (machine, steps)
}

#[test]
fn trying_sends_and_starts_e_and_f() {
    let (machine, steps) = started(false);
    assert_eq!(
        steps,
        [
            sent("BYE"),
            Step::Start(Timer::F, PATIENCE),
            Step::Start(Timer::E, T1)
        ]
    );
    assert_eq!(machine.state(), State::Trying);
    let (_, steps) = started(true);
    assert_eq!(
        steps,
        [sent("BYE"), Step::Start(Timer::F, PATIENCE)],
        "no E on TCP"
    );
}

#[test]
fn trying_sends_again_by_e_doubling_to_t2() {
    let (mut machine, _) = started(false);
    for interval in [SECOND, 2 * SECOND, T2, T2] {
        assert_eq!(
            steps(|s| machine.on_timer(Timer::E, s)),
            [sent("BYE"), Step::Start(Timer::E, interval)]
        );
    }
}

#[test]
fn proceeding_sends_again_every_t2_and_shows_each_1xx() {
    let (mut machine, _) = started(false);
    assert_eq!(steps(|s| assert!(machine.on_response(100, s))), []);
    assert_eq!(machine.state(), State::Proceeding);
    assert_eq!(
        steps(|s| machine.on_timer(Timer::E, s)),
        [sent("BYE"), Step::Start(Timer::E, T2)]
    );
    assert_eq!(steps(|s| assert!(machine.on_response(183, s))), []);
}

#[test]
fn f_in_trying_or_proceeding_is_a_time_out() {
    let (mut trying, _) = started(false);
    assert_eq!(
        steps(|s| trying.on_timer(Timer::F, s)),
        [Step::TimedOut, Step::Finish]
    );
    let (mut proceeding, _) = started(false);
    steps(|s| assert!(proceeding.on_response(100, s)));
    assert_eq!(
        steps(|s| proceeding.on_timer(Timer::F, s)),
        [Step::TimedOut, Step::Finish]
    );
}

#[test]
fn a_final_response_is_shown_once_and_k_ends_it() {
    let (mut machine, _) = started(false);
    let wanted = [Step::Stop(Slot::Again), Step::Start(Timer::K, T4)];
    assert_eq!(steps(|s| assert!(machine.on_response(200, s))), wanted);
    assert_eq!(machine.state(), State::Completed);
    assert_eq!(steps(|s| assert!(!machine.on_response(200, s))), []);
    assert_eq!(steps(|s| machine.on_timer(Timer::K, s)), [Step::Finish]);
}

#[test]
fn on_tcp_a_final_response_ends_it_at_once() {
    let (mut machine, _) = started(true);
    assert_eq!(steps(|s| assert!(machine.on_response(481, s))), [Step::Finish]);
}

#[test]
fn a_transport_error_ends_it_and_matters_only_while_waiting() {
    for (is_reliable, was_up) in [(false, false), (true, false)] {
        let (mut machine, _) = started(is_reliable);
        assert_eq!(fails(&mut machine, was_up), (Failure::Over, vec![Step::Finish]));
    }
    let (mut completed, _) = started(false);
    steps(|s| assert!(completed.on_response(200, s)));
    assert_eq!(
        fails(&mut completed, false),
        (Failure::Nothing, vec![Step::Finish])
    );
}

fn fails(machine: &mut OtherClient, was_up: bool) -> (Failure, Vec<Step>) {
    let mut failure = Failure::Nothing;
    let steps = steps(|steps| failure = machine.on_transport_error(was_up, steps));
    (failure, steps)
}

#[test]
fn a_request_whose_connection_is_gone_goes_out_by_a_new_one_three_times_at_most() {
    let (mut machine, _) = started(true);
    let Step::Send(octets) = started(true).1.remove(0) else {
        panic!("it is sent first");
    };
    for _ in 0..3 {
        let again = vec![Step::Send(octets.clone())];
        assert_eq!(fails(&mut machine, true), (Failure::Again, again));
    }
    assert_eq!(fails(&mut machine, true), (Failure::Over, vec![Step::Finish]));
}

#[test]
fn proceeding_to_completed_by_a_final_response_which_k_ends() {
    let (mut machine, _) = started(false);
    steps(|s| assert!(machine.on_response(180, s)));
    let wanted = [Step::Stop(Slot::Again), Step::Start(Timer::K, T4)];
    assert_eq!(steps(|s| assert!(machine.on_response(603, s))), wanted);
    assert_eq!(machine.state(), State::Completed);
    assert_eq!(steps(|s| machine.on_timer(Timer::K, s)), [Step::Finish]);
}

#[test]
fn a_transport_error_ends_proceeding_too() {
    let (mut machine, _) = started(false);
    steps(|s| assert!(machine.on_response(100, s)));
    assert_eq!(fails(&mut machine, false), (Failure::Over, vec![Step::Finish]));
}
