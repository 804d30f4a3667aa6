//! What the runtime counts, by the names in `telemetry`'s table.

use metrics::{counter, gauge, histogram};

use crate::call::Counter;
use crate::call::record::{CallRecord, Ending};
use crate::sip::Transport;

/// Something the call engine asked to be counted.
pub fn call(counter: Counter) {
    match counter {
        Counter::UnknownSource => counter!("ringward_sip_unknown_source_total").increment(1),
        Counter::Malformed => malformed(),
        // Calls are counted once, from their records.
        Counter::InviteReceived | Counter::CallAnswered | Counter::CallRefused | Counter::CallEnded => {}
    }
}

pub fn malformed() {
    counter!("ringward_sip_malformed_total").increment(1);
}

pub fn received(transport: Transport) {
    counter!("ringward_sip_received_total", "transport" => name(transport)).increment(1);
}

pub fn sent(transport: Transport) {
    counter!("ringward_sip_sent_total", "transport" => name(transport)).increment(1);
}

/// Something was dropped because this buffer of ours was full.
pub fn full(inbox: &'static str) {
    counter!("ringward_inbox_full_total", "inbox" => inbox).increment(1);
}

pub fn live_calls(calls: usize) {
    gauge!("ringward_live_calls").set(calls as f64);
}

/// A call that has ended, from its record.
pub fn ended(record: &CallRecord) {
    let seconds = |ms: u64| ms as f64 / 1000.0;
    if let Some(outcome) = &record.outcome {
        counter!("ringward_calls_total", "ending" => ending(outcome.ending)).increment(1);
    }
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
        }
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

fn name(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
    }
}
