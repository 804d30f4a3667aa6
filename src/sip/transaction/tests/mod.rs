//! Every arrow of the four diagrams, by name. No clock: a timer fires when the test says so.

mod invite_client;
mod invite_server;
mod other_client;
mod other_server;

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

/// Figure, state, what happens there, and the test that has it. What a figure calls "Transport Err." of a server
/// transaction is no event here: a response that cannot be sent is lost like any other, and the timers end it
/// (`endpoint/tests/failing.rs`).
const ARROWS: &[(&str, &str, &str, &str)] = &[
    (
        "4",
        "Calling",
        "INVITE from TU",
        "calling_sends_and_starts_a_and_b",
    ),
    (
        "4",
        "Calling",
        "Timer A",
        "calling_sends_again_by_a_doubling_without_end",
    ),
    (
        "4",
        "Calling",
        "Timer B",
        "calling_to_terminated_by_b_is_a_time_out",
    ),
    (
        "4",
        "Calling",
        "Transport Err.",
        "a_transport_error_ends_calling_and_neither_proceeding_nor_accepted",
    ),
    (
        "4",
        "Calling",
        "1xx",
        "a_1xx_puts_c_in_place_of_a_and_b_and_every_1xx_is_shown",
    ),
    (
        "4",
        "Calling",
        "2xx",
        "a_2xx_leads_to_accepted_from_both_states_and_m_ends_it",
    ),
    (
        "4",
        "Calling",
        "300-699",
        "a_3xx_to_6xx_is_acknowledged_and_shown_from_both_states",
    ),
    (
        "4",
        "Proceeding",
        "1xx",
        "a_1xx_puts_c_in_place_of_a_and_b_and_every_1xx_is_shown",
    ),
    (
        "4",
        "Proceeding",
        "2xx",
        "a_2xx_leads_to_accepted_from_both_states_and_m_ends_it",
    ),
    (
        "4",
        "Proceeding",
        "300-699",
        "a_3xx_to_6xx_is_acknowledged_and_shown_from_both_states",
    ),
    (
        "4",
        "Proceeding",
        "Timer C",
        "c_in_proceeding_cancels_whether_it_fires_by_silence_or_by_the_hard_bound",
    ),
    (
        "4",
        "Completed",
        "300-699",
        "completed_repeats_the_ack_and_shows_nothing_until_d",
    ),
    (
        "4",
        "Completed",
        "Timer D",
        "completed_repeats_the_ack_and_shows_nothing_until_d",
    ),
    (
        "4",
        "Completed",
        "Transport Err.",
        "a_transport_error_ends_calling_and_neither_proceeding_nor_accepted",
    ),
    (
        "4",
        "Accepted",
        "2xx",
        "a_repeated_2xx_is_acknowledged_again_and_another_fork_is_shown",
    ),
    (
        "4",
        "Accepted",
        "Timer M",
        "a_2xx_leads_to_accepted_from_both_states_and_m_ends_it",
    ),
    (
        "3",
        "Proceeding",
        "INVITE",
        "proceeding_sends_the_last_1xx_again_when_the_invite_comes_again",
    ),
    (
        "3",
        "Proceeding",
        "1xx from TU",
        "proceeding_sends_every_1xx_of_its_owner",
    ),
    (
        "3",
        "Proceeding",
        "2xx from TU",
        "proceeding_to_accepted_by_2xx_starts_l_and_the_repetition_on_every_transport",
    ),
    (
        "3",
        "Proceeding",
        "300-699 from TU",
        "proceeding_to_completed_by_a_3xx_to_6xx_starts_h_and_g",
    ),
    (
        "3",
        "Completed",
        "INVITE",
        "completed_sends_again_by_g_doubling_to_t2_and_when_the_invite_comes_again",
    ),
    (
        "3",
        "Completed",
        "Timer G",
        "completed_sends_again_by_g_doubling_to_t2_and_when_the_invite_comes_again",
    ),
    (
        "3",
        "Completed",
        "Timer H",
        "completed_to_terminated_by_h_when_no_ack_comes",
    ),
    (
        "3",
        "Completed",
        "ACK",
        "completed_to_confirmed_by_ack_starts_i_and_absorbs",
    ),
    (
        "3",
        "Confirmed",
        "Timer I",
        "completed_to_confirmed_by_ack_starts_i_and_absorbs",
    ),
    (
        "3",
        "Accepted",
        "INVITE",
        "accepted_repeats_the_2xx_from_t1_to_t2_and_ignores_the_invite",
    ),
    (
        "3",
        "Accepted",
        "2xx from TU",
        "accepted_repeats_the_2xx_from_t1_to_t2_and_ignores_the_invite",
    ),
    (
        "3",
        "Accepted",
        "ACK",
        "accepted_is_silent_after_the_ack_and_ends_by_l",
    ),
    (
        "3",
        "Accepted",
        "Timer L",
        "accepted_is_silent_after_the_ack_and_ends_by_l",
    ),
    (
        "6",
        "Trying",
        "request from TU",
        "trying_sends_and_starts_e_and_f",
    ),
    ("6", "Trying", "Timer E", "trying_sends_again_by_e_doubling_to_t2"),
    (
        "6",
        "Trying",
        "Timer F",
        "f_in_trying_or_proceeding_is_a_time_out",
    ),
    (
        "6",
        "Trying",
        "Transport Err.",
        "a_transport_error_ends_it_and_matters_only_while_waiting",
    ),
    (
        "6",
        "Trying",
        "1xx",
        "proceeding_sends_again_every_t2_and_shows_each_1xx",
    ),
    (
        "6",
        "Trying",
        "200-699",
        "a_final_response_is_shown_once_and_k_ends_it",
    ),
    (
        "6",
        "Proceeding",
        "Timer E",
        "proceeding_sends_again_every_t2_and_shows_each_1xx",
    ),
    (
        "6",
        "Proceeding",
        "Timer F",
        "f_in_trying_or_proceeding_is_a_time_out",
    ),
    (
        "6",
        "Proceeding",
        "Transport Err.",
        "a_transport_error_ends_proceeding_too",
    ),
    (
        "6",
        "Proceeding",
        "1xx",
        "proceeding_sends_again_every_t2_and_shows_each_1xx",
    ),
    (
        "6",
        "Proceeding",
        "200-699",
        "proceeding_to_completed_by_a_final_response_which_k_ends",
    ),
    (
        "6",
        "Completed",
        "Timer K",
        "a_final_response_is_shown_once_and_k_ends_it",
    ),
    (
        "8",
        "Trying",
        "request",
        "trying_absorbs_the_request_coming_again",
    ),
    (
        "8",
        "Trying",
        "1xx from TU",
        "proceeding_sends_the_last_1xx_again",
    ),
    (
        "8",
        "Trying",
        "200-699 from TU",
        "a_final_response_leads_to_completed_from_both_states_and_is_repeated_until_j",
    ),
    (
        "8",
        "Proceeding",
        "request",
        "proceeding_sends_the_last_1xx_again",
    ),
    (
        "8",
        "Proceeding",
        "1xx from TU",
        "proceeding_sends_the_last_1xx_again",
    ),
    (
        "8",
        "Proceeding",
        "200-699 from TU",
        "a_final_response_leads_to_completed_from_both_states_and_is_repeated_until_j",
    ),
    (
        "8",
        "Completed",
        "request",
        "a_final_response_leads_to_completed_from_both_states_and_is_repeated_until_j",
    ),
    (
        "8",
        "Completed",
        "200-699 from TU",
        "a_final_response_leads_to_completed_from_both_states_and_is_repeated_until_j",
    ),
    (
        "8",
        "Completed",
        "Timer J",
        "a_final_response_leads_to_completed_from_both_states_and_is_repeated_until_j",
    ),
];

#[test]
fn every_arrow_of_the_diagrams_has_its_test() {
    for (figure, state, event, test) in ARROWS {
        let text = match *figure {
            "4" => include_str!("invite_client.rs"),
            "3" => include_str!("invite_server.rs"),
            "6" => include_str!("other_client.rs"),
            _ => include_str!("other_server.rs"),
        };
        assert!(
            text.contains(&format!("#[test]\nfn {test}() {{")),
            "figure {figure}, {state}, {event}: no test {test}"
        );
    }
}

const SECOND: Duration = Duration::from_secs(1);
