//! What the runtime counts, by the names in `telemetry`'s table.

use metrics::{Counter, counter, gauge, histogram};

use crate::call::record::{CallRecord, Ending};
use crate::call::{self, Overloaded};
use crate::identity::Standing;
use crate::policy::Action;
use crate::route::Refresh;
use crate::sip::Transport;

/// Something the call engine asked to be counted.
pub fn call(counter: call::Counter) {
    match counter {
        call::Counter::UnknownSource => counter!("ringward_sip_unknown_source_total").increment(1),
        call::Counter::Malformed => malformed(),
        call::Counter::Challenged => digest("asked"),
        call::Counter::ProofStale => digest("stale"),
        call::Counter::ProofWrong => digest("wrong"),
        call::Counter::Proven => digest("right"),
        call::Counter::Scanned => counter!("ringward_scans_total").increment(1),
        call::Counter::Blocked => counter!("ringward_blocked_sources_total").increment(1),
        call::Counter::Unheard => counter!("ringward_sip_unheard_total").increment(1),
        call::Counter::StrangerIgnored => digest("ignored"),
        call::Counter::FailedOver => counter!("ringward_failovers_total").increment(1),
        call::Counter::Redirected => {
            counter!("ringward_redirects_total", "result" => "followed").increment(1)
        }
        call::Counter::RedirectRefused => {
            counter!("ringward_redirects_total", "result" => "refused").increment(1)
        }
        call::Counter::ProbeAnswered => {
            counter!("ringward_probes_total", "result" => "answered").increment(1)
        }
        call::Counter::ProbeUnanswered => {
            counter!("ringward_probes_total", "result" => "unanswered").increment(1)
        }
        call::Counter::Overloaded(limit) => {
            counter!("ringward_calls_overload_total", "limit" => overloaded(limit)).increment(1);
        }
        // Calls are counted once, from their records.
        call::Counter::CallTransferred => {
            counter!("ringward_transfers_total", "outcome" => "completed").increment(1)
        }
        call::Counter::TransferRefused => {
            counter!("ringward_transfers_total", "outcome" => "refused").increment(1)
        }
        call::Counter::InviteReceived
        | call::Counter::CallAnswered
        | call::Counter::CallRefused
        | call::Counter::CallEnded => {}
    }
}

fn digest(result: &'static str) {
    counter!("ringward_digest_total", "result" => result).increment(1);
}

fn overloaded(limit: Overloaded) -> &'static str {
    match limit {
        Overloaded::Limit(limit) => limit.name(),
        Overloaded::Transactions => "transactions",
    }
}

pub fn malformed() {
    counter!("ringward_sip_malformed_total").increment(1);
}

/// SIP messages by transport. The counters are looked up once, not with every message.
pub struct Traffic {
    received: [Counter; TRANSPORTS.len()],
    sent: [Counter; TRANSPORTS.len()],
}

const TRANSPORTS: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

impl Traffic {
    /// After the recorder of the metrics was set, or nothing is counted.
    pub fn new() -> Traffic {
        Traffic {
            received: TRANSPORTS
                .map(|transport| counter!("ringward_sip_received_total", "transport" => transport.name())),
            sent: TRANSPORTS
                .map(|transport| counter!("ringward_sip_sent_total", "transport" => transport.name())),
        }
    }

    pub fn received(&self, transport: Transport) {
        self.received[place(transport)].increment(1);
    }

    pub fn sent(&self, transport: Transport) {
        self.sent[place(transport)].increment(1);
    }
}

impl Default for Traffic {
    fn default() -> Self {
        Traffic::new()
    }
}

/// Of [`TRANSPORTS`].
fn place(transport: Transport) -> usize {
    match transport {
        Transport::Udp => 0,
        Transport::Tcp => 1,
        Transport::Tls => 2,
    }
}

/// A SIP connection is over, by why.
pub fn connection_closed(reason: &'static str) {
    counter!("ringward_sip_connections_closed_total", "reason" => reason).increment(1);
}

/// A TLS handshake did not come about; `side` is who opened the connection, "ours" or "theirs".
pub fn tls_handshake_failed(side: &'static str, reason: &'static str) {
    counter!("ringward_tls_handshakes_failed_total", "side" => side, "reason" => reason).increment(1);
}

/// Changed TLS files were read.
pub fn tls_reload(is_good: bool) {
    let result = if is_good { "ok" } else { "failed" };
    counter!("ringward_tls_reloads_total", "result" => result).increment(1);
}

/// Until our TLS certificate ends.
pub fn tls_expires_in(seconds: i64) {
    gauge!("ringward_tls_certificate_expires_seconds").set(seconds as f64);
}

/// A target was looked up.
pub fn looked_up(refresh: Refresh) {
    let result = match refresh {
        Refresh::Same => "same",
        Refresh::Changed => "changed",
        Refresh::Nothing => "nothing",
        Refresh::Failed { .. } => "failed",
    };
    counter!("ringward_name_lookups_total", "result" => result).increment(1);
}

/// Something was dropped because this buffer of ours was full.
pub fn full(inbox: &'static str) {
    counter!("ringward_inbox_full_total", "inbox" => inbox).increment(1);
}

/// A call that has ended, from its record.
pub fn ended(record: &CallRecord) {
    let seconds = |ms: u64| ms as f64 / 1000.0;
    if let Some(outcome) = &record.outcome {
        counter!("ringward_calls_total", "ending" => ending(outcome.ending)).increment(1);
    }
    counter!("ringward_identity_total", "standing" => standing(record.identity.standing)).increment(1);
    if let Some(first) = record.decisions.first() {
        counter!("ringward_actions_total", "do" => action(&first.decision.action)).increment(1);
    }
    let errors: usize = record
        .decisions
        .iter()
        .map(|decided| decided.decision.errors.len())
        .sum();
    counter!("ringward_rule_errors_total").increment(errors as u64);
    let timings = &record.timings;
    if let Some(ms) = timings.identity_ms {
        histogram!("ringward_identity_seconds").record(seconds(ms));
    }
    if let Some(ms) = timings.decided_ms {
        histogram!("ringward_decision_seconds").record(seconds(ms));
    }
    if let Some(answered) = timings.answered_ms {
        histogram!("ringward_ringing_seconds").record(seconds(answered));
        if let Some(ended) = timings.ended_ms {
            histogram!("ringward_call_seconds").record(seconds(ended.saturating_sub(answered)));
        }
    }
    if let Some(banner) = &record.banner {
        counter!("ringward_calls_labelled_total", "label" => banner.label.name()).increment(1);
    }
    if let Some(media) = &record.media {
        for (side, sums) in [("caller", media.from_caller), ("called", media.from_called)] {
            counter!("ringward_media_packets_total", "side" => side).increment(sums.packets);
            counter!("ringward_media_lost_total", "side" => side).increment(sums.lost);
            counter!("ringward_media_dropped_total", "side" => side).increment(sums.dropped);
            counter!("ringward_media_translated_total", "side" => side).increment(sums.translated);
            counter!("ringward_media_unauthenticated_total", "side" => side).increment(sums.unauthenticated);
        }
    }
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Verified => "verified",
        Standing::Failed => "failed",
        Standing::DivertedUnverified => "diverted_unverified",
        Standing::Unchecked => "unchecked",
        Standing::None => "none",
    }
}

fn action(action: &Action) -> &'static str {
    match action {
        Action::Deliver => "deliver",
        Action::Label => "label",
        Action::Screen => "screen",
        Action::Challenge => "challenge",
        Action::Whisper => "whisper",
        Action::End => "end",
        Action::Divert { .. } => "divert",
        Action::Refuse { .. } => "refuse",
    }
}

fn ending(ending: Ending) -> &'static str {
    match ending {
        Ending::Completed => "completed",
        Ending::Cancelled => "cancelled",
        Ending::NoAnswer => "no_answer",
        Ending::Refused => "refused",
        Ending::Failed => "failed",
    }
}
