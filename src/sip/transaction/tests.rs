//! Every arrow of the four diagrams, by name. No clock: a timer fires when the test says so.

use super::client_invite::{self, InviteClient};
use super::client_other::{self, OtherClient};
use super::server_invite::{self, InviteServer};
use super::server_other::{self, OtherServer};
use super::*;

fn sent(text: &str) -> Step {
    Step::Send(text.as_bytes().to_vec())
}

fn octets(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

/// What a machine wants after `act`.
fn steps(act: impl FnOnce(&mut Vec<Step>)) -> Vec<Step> {
    let mut steps = Vec::new();
    act(&mut steps);
    steps
}

const SECOND: Duration = Duration::from_secs(1);

mod invite_server {
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
}

mod other_server {
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
}

mod invite_client {
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
    fn a_1xx_stops_a_and_b_and_every_1xx_is_shown() {
        let (mut machine, _) = started(false);
        let stopped = vec![Step::Stop(Slot::Again), Step::Stop(Slot::End)];
        assert_eq!(respond(&mut machine, 100, ""), (true, stopped));
        assert_eq!(machine.state(), State::Proceeding);
        assert_eq!(respond(&mut machine, 180, "x"), (true, vec![]));
        assert_eq!(respond(&mut machine, 180, "x"), (true, vec![]));
        assert_eq!(steps(|s| machine.on_timer(Timer::B, s)), [], "B no longer counts");
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
        let wanted = vec![
            Step::Stop(Slot::Again),
            Step::Stop(Slot::End),
            Step::SendCancel(Some("r".into())),
            Step::Start(Timer::Cancelled, PATIENCE),
        ];
        assert_eq!(respond(&mut machine, 100, ""), (true, wanted));
        assert_eq!(respond(&mut machine, 180, "x"), (true, vec![]), "once only");
    }

    #[test]
    fn a_cancel_in_proceeding_goes_at_once_and_64_t1_later_it_is_a_time_out() {
        let (mut machine, _) = started(false);
        respond(&mut machine, 180, "x");
        let wanted = [Step::SendCancel(None), Step::Start(Timer::Cancelled, PATIENCE)];
        assert_eq!(steps(|s| machine.on_cancel(None, s)), wanted);
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
    fn a_held_cancel_is_forgotten_when_a_final_response_comes_first() {
        for status in [200, 486] {
            let (mut machine, _) = started(false);
            steps(|s| machine.on_cancel(None, s));
            let (is_shown, steps) = respond(&mut machine, status, "x");
            assert!(is_shown && !steps.contains(&Step::SendCancel(None)));
        }
    }

    #[test]
    fn a_transport_error_ends_calling_and_a_lost_connection_proceeding_and_neither_accepted() {
        let (mut calling, _) = started(false);
        assert_eq!(steps(|s| assert!(calling.on_transport_error(s))), [Step::Finish]);
        let (mut on_connection, _) = started(true);
        respond(&mut on_connection, 180, "x");
        assert_eq!(
            steps(|s| assert!(on_connection.on_transport_error(s))),
            [Step::Finish]
        );
        let (mut ringing, _) = started(false);
        respond(&mut ringing, 180, "x");
        assert_eq!(steps(|s| assert!(!ringing.on_transport_error(s))), []);
        let (mut completed, _) = started(false);
        respond(&mut completed, 486, "x");
        assert_eq!(
            steps(|s| assert!(!completed.on_transport_error(s))),
            [Step::Finish]
        );
        let (mut accepted, _) = started(false);
        respond(&mut accepted, 200, "x");
        assert_eq!(steps(|s| assert!(!accepted.on_transport_error(s))), []);
    }
}

mod other_client {
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
        let (mut machine, _) = started(false);
        assert_eq!(steps(|s| assert!(machine.on_transport_error(s))), [Step::Finish]);
        let (mut completed, _) = started(false);
        steps(|s| assert!(completed.on_response(200, s)));
        assert_eq!(
            steps(|s| assert!(!completed.on_transport_error(s))),
            [Step::Finish]
        );
    }
}
