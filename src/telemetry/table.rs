//! Every metric by name: the one list that operators, dashboards and code share.

use metrics::{describe_counter, describe_gauge, describe_histogram};

/// One metric. Labels are few and closed sets: never a number, a name, a call or an address.
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

#[derive(Clone, Copy)]
pub enum Kind {
    Counter,
    Gauge,
    /// Upper bounds of its buckets, in the metric's unit.
    Histogram(&'static [f64]),
}

/// From one call inside a shard to a slow certificate host, in seconds.
const SECONDS: &[f64] = &[
    0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.8, 1.0, 2.0, 5.0,
];
/// From INVITE to an answer by a person, in seconds.
const RINGING: &[f64] = &[0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0];
/// How long calls last, in seconds.
const LASTING: &[f64] = &[5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0];

/// Every metric the gateway may show.
pub const METRICS: &[Metric] = &[
    counter("ringward_calls_total", &["ending"], "Calls that ended, by how."),
    counter(
        "ringward_calls_labelled_total",
        &["label"],
        "Calls by the label the person was shown last.",
    ),
    counter(
        "ringward_actions_total",
        &["do"],
        "What policy did with arriving calls.",
    ),
    counter(
        "ringward_reports_total",
        &["verdict"],
        "What people said about calls.",
    ),
    counter(
        "ringward_transfers_total",
        &["outcome"],
        "Calls that went to another phone, and requests for it that were refused.",
    ),
    gauge("ringward_live_calls", &[], "Calls going on now."),
    gauge(
        "ringward_feed_failing",
        &[],
        "1 while the list of [scans.feed] cannot be read again.",
    ),
    gauge(
        "ringward_feed_entries",
        &[],
        "Addresses and ranges on the list of [scans.feed].",
    ),
    gauge("ringward_alarms_open", &[], "Alarms that nobody has taken."),
    counter(
        "ringward_alarm_emails_total",
        &["outcome"],
        "Letters about alarms, one for each alarm and address: sent, and those that were not (lost).",
    ),
    counter(
        "ringward_alarms_total",
        &["watch"],
        "Alarms that people were told of.",
    ),
    counter(
        "ringward_alarms_uncounted_total",
        &[],
        "Calls and sign-ins that the alarms had no room for.",
    ),
    gauge(
        "ringward_lockdown",
        &[],
        "1 while there is a lockdown: phones register only where they are and send no call on.",
    ),
    histogram(
        "ringward_ringing_seconds",
        RINGING,
        &[],
        "From INVITE to an answer by a person.",
    ),
    histogram(
        "ringward_call_seconds",
        LASTING,
        &[],
        "From answer to the end of answered calls.",
    ),
    counter(
        "ringward_sip_received_total",
        &["transport"],
        "SIP messages received from known sources.",
    ),
    counter(
        "ringward_sip_sent_total",
        &["transport"],
        "SIP messages sent, retransmissions included.",
    ),
    counter(
        "ringward_sip_unknown_source_total",
        &[],
        "Packets dropped because their source is no trunk or phone.",
    ),
    gauge(
        "ringward_registrations_up",
        &[],
        "Carriers that send calls here because we registered.",
    ),
    gauge(
        "ringward_devices_registered",
        &[],
        "Devices (phones) that are registered here.",
    ),
    counter(
        "ringward_device_alerts_total",
        &["kind"],
        "What was told of devices: locked after wrong answers, or in two places at once.",
    ),
    gauge(
        "ringward_registrations_failing",
        &[],
        "Carriers whose last answer to our registration was no good.",
    ),
    counter(
        "ringward_digest_total",
        &["result"],
        "Requests of unknown addresses that a trunk's password was asked of, by what became of them.",
    ),
    counter(
        "ringward_sip_connections_closed_total",
        &["reason"],
        "SIP connections (TCP, TLS) that ended, by why.",
    ),
    counter(
        "ringward_tls_handshakes_failed_total",
        &["side", "reason"],
        "TLS handshakes that failed, by who opened the connection and why.",
    ),
    counter(
        "ringward_tls_reloads_total",
        &["result"],
        "Times that changed TLS files were read, by whether they could be used.",
    ),
    gauge(
        "ringward_tls_certificate_expires_seconds",
        &[],
        "Until our TLS certificate ends; below zero after that.",
    ),
    counter(
        "ringward_sip_malformed_total",
        &[],
        "Messages that could not be read.",
    ),
    counter(
        "ringward_scans_total",
        &[],
        "Messages of strangers that name a scanner; they get no answer.",
    ),
    counter(
        "ringward_blocked_sources_total",
        &[],
        "How often an address was blocked for a while: passwords guessed, scans on connections.",
    ),
    counter(
        "ringward_sip_unheard_total",
        &[],
        "Messages from blocked addresses, dropped unread.",
    ),
    gauge(
        "ringward_calls_ringing",
        &[],
        "Calls that nobody has answered yet.",
    ),
    gauge("ringward_tdos", &[], "1 during a flood of calls."),
    counter(
        "ringward_calls_overload_total",
        &["limit"],
        "New calls kept out, by the limit they would have passed.",
    ),
    counter(
        "ringward_inbox_full_total",
        &["inbox"],
        "What was dropped because a buffer of ours was full.",
    ),
    counter(
        "ringward_name_lookups_total",
        &["result"],
        "Targets looked up in the name service, by what came of it.",
    ),
    gauge(
        "ringward_names_failing",
        &[],
        "Names of targets that no name server answers for; the addresses known last stay in use.",
    ),
    gauge(
        "ringward_target_addresses_down",
        &[],
        "Addresses of targets that are tried last because they failed.",
    ),
    counter(
        "ringward_failovers_total",
        &[],
        "Times the next address of a target was tried after one failed.",
    ),
    counter(
        "ringward_redirects_total",
        &["result"],
        "Contacts of 3xx answers of targets, followed or refused.",
    ),
    counter(
        "ringward_probes_total",
        &["result"],
        "OPTIONS probes of targets, answered or not.",
    ),
    histogram(
        "ringward_identity_seconds",
        SECONDS,
        &[],
        "From INVITE to a verified, failed or unchecked identity.",
    ),
    counter(
        "ringward_identity_total",
        &["standing"],
        "Calls by what their signature was worth.",
    ),
    counter(
        "ringward_list_refreshes_total",
        &["list", "result"],
        "Times a trust or revocation list was read or fetched.",
    ),
    gauge(
        "ringward_lists_stale",
        &["list"],
        "Trust and revocation lists that are out of date or missing.",
    ),
    gauge(
        "ringward_lists_failing",
        &["list"],
        "Trust and revocation lists whose last refresh failed.",
    ),
    gauge(
        "ringward_clock_shift_seconds",
        &[],
        "How far our clock seems to be ahead of many signers; 0 = no sign of it.",
    ),
    histogram(
        "ringward_decision_seconds",
        SECONDS,
        &[],
        "From INVITE to the first decision.",
    ),
    counter(
        "ringward_rule_errors_total",
        &[],
        "Policy rules that could not be evaluated.",
    ),
    counter(
        "ringward_policy_rollbacks_total",
        &[],
        "Policies that were taken back by the gateway itself: they refused more calls than their budget.",
    ),
    counter(
        "ringward_media_packets_total",
        &["side"],
        "RTP packets relayed, by the side they came from.",
    ),
    counter(
        "ringward_media_lost_total",
        &["side"],
        "RTP packets missing by sequence number.",
    ),
    counter(
        "ringward_media_dropped_total",
        &["side"],
        "RTP packets refused: strangers, malformed, too fast, unauthenticated, replayed.",
    ),
    counter(
        "ringward_media_translated_total",
        &["side"],
        "RTP packets put into another codec, because the other party does not know theirs.",
    ),
    counter(
        "ringward_media_unauthenticated_total",
        &["side"],
        "Packets on encrypted legs that the key did not authenticate; they are among the refused.",
    ),
    counter(
        "ringward_scored_hops_total",
        &[],
        "Seconds of caller audio that were scored.",
    ),
    counter(
        "ringward_scoring_overload_total",
        &["reason"],
        "Seconds of caller audio that no scorer had room for: in its inbox, or among its calls.",
    ),
    counter(
        "ringward_scoring_panics_total",
        &[],
        "Seconds of caller audio that the model failed on: a defect of it, or a file that is not what it says.",
    ),
    gauge(
        "ringward_listeners",
        &[],
        "Calls whose voice is being heard, with those that ended unseen in the last 15 minutes.",
    ),
    counter(
        "ringward_second_opinions_total",
        &["result"],
        "Second opinions on voices that were given, or shed for want of room.",
    ),
    gauge("ringward_store_queued", &[], "Records waiting to be written."),
    gauge(
        "ringward_store_is_writing",
        &[],
        "1 = the last write succeeded, 0 = records are held.",
    ),
    counter(
        "ringward_store_lost_total",
        &[],
        "Records that will never be kept.",
    ),
    counter(
        "ringward_store_failures_total",
        &[],
        "Writes that failed and were tried again.",
    ),
    counter(
        "ringward_tokens_forgotten_total",
        &[],
        "PASSporTs forgotten before their time because the table was full.",
    ),
    gauge(
        "ringward_selftest_passed",
        &[],
        "1 = the last self-test of the verifier passed, 0 = a check gave another answer than it must.",
    ),
    gauge(
        "ringward_selftest_checks",
        &[],
        "Checks made by the last self-test of the verifier.",
    ),
    gauge(
        "ringward_selftest_failed_checks",
        &[],
        "Checks of the last self-test that gave another answer than they must.",
    ),
    gauge(
        "ringward_selftest_time_seconds",
        &[],
        "When the last self-test was made, Unix time.",
    ),
    counter(
        "ringward_selftest_runs_total",
        &[],
        "Self-tests of the verifier made since the start.",
    ),
    counter(
        "ringward_webhook_tries_total",
        &["result"],
        "Messages that a webhook was told, by whether it took them.",
    ),
    counter(
        "ringward_webhook_calls_untold_total",
        &[],
        "Calls that webhooks were not told because too many waited.",
    ),
    gauge(
        "ringward_webhook_waiting",
        &[],
        "Messages that wait for a webhook to take them.",
    ),
    gauge(
        "ringward_webhook_dead",
        &[],
        "Messages that no webhook took, put aside.",
    ),
    gauge(
        "ringward_event_streams",
        &[],
        "Consoles and programs that follow the events.",
    ),
];

/// Tells the recorder what each metric means.
pub(super) fn describe() {
    for metric in METRICS {
        match metric.kind {
            Kind::Counter => describe_counter!(metric.name, metric.help),
            Kind::Gauge => describe_gauge!(metric.name, metric.help),
            Kind::Histogram(_) => describe_histogram!(metric.name, metric.help),
        }
    }
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric {
        name,
        kind: Kind::Counter,
        labels,
        help,
    }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric {
        name,
        kind: Kind::Gauge,
        labels,
        help,
    }
}

const fn histogram(
    name: &'static str,
    buckets: &'static [f64],
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric {
        name,
        kind: Kind::Histogram(buckets),
        labels,
        help,
    }
}
