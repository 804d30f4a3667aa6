//! Non-INVITE server transaction: every arrow of RFC 3261 figure 8.

use super::*;
use server_other::State;

fn machine(is_reliable: bool) -> OtherServer {
    OtherServer::new(is_reliable, &mut Vec::new())
}

#[test]
fn trying_absorbs_the_request_coming_again() {
    let mut machine = machine(false);
    assert_eq!(machine.state(), State::Trying);
    assert_eq!(steps(|s| machine.on_request(s)), []);
}

#[test]
fn proceeding_sends_the_last_1xx_again() {
    let mut machine = machine(false);
    assert_eq!(
        steps(|s| assert!(machine.on_response(100, octets("1"), s))),
        [sent("1")]
    );
    assert_eq!(
        steps(|s| assert!(machine.on_response(183, octets("2"), s))),
        [sent("2")]
    );
    assert_eq!(steps(|s| machine.on_request(s)), [sent("2")]);
    assert_eq!(machine.state(), State::Proceeding);
}

#[test]
fn a_final_response_leads_to_completed_from_both_states_and_is_repeated_until_j() {
    for is_proceeding in [false, true] {
        let mut machine = machine(false);
        if is_proceeding {
            steps(|s| assert!(machine.on_response(100, octets("1"), s)));
        }
        let wanted = [sent("200"), Step::Start(Timer::J, PATIENCE)];
        assert_eq!(
            steps(|s| assert!(machine.on_response(200, octets("200"), s))),
            wanted
        );
        assert_eq!(machine.state(), State::Completed);
        assert_eq!(steps(|s| machine.on_request(s)), [sent("200")]);
        assert_eq!(steps(|s| assert!(!machine.on_response(500, octets("x"), s))), []);
        assert_eq!(steps(|s| machine.on_timer(Timer::J, s)), [Step::Finish]);
    }
}

#[test]
fn on_tcp_a_final_response_ends_it_at_once() {
    let mut machine = machine(true);
    let wanted = [sent("200"), Step::Finish];
    assert_eq!(
        steps(|s| assert!(machine.on_response(200, octets("200"), s))),
        wanted
    );
}

#[test]
fn an_owner_that_never_answers_leaves_nothing_behind() {
    let mut started = Vec::new();
    let mut machine = OtherServer::new(false, &mut started);
    assert_eq!(started, [Step::Start(Timer::Forgotten, PATIENCE)]);
    assert_eq!(steps(|s| machine.on_timer(Timer::Forgotten, s)), [Step::Finish]);
    assert_eq!(
        steps(|s| assert!(!machine.on_response(200, octets("late"), s))),
        []
    );
}
