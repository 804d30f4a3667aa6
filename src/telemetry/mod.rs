//! What the gateway says about itself: log lines and metrics.
//!
//! Does not know what is measured or why: rooms log through `tracing` and count through `metrics`, by
//! the names in [`METRICS`]. Nothing here listens on the network; the API serves what [`Telemetry::render`] gives.

mod logging;
mod table;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

pub use logging::LogFormat;
pub use table::{Kind, METRICS, Metric};

/// What could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("RUST_LOG is not a filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    #[error("a log subscriber is set already")]
    LogSet,
    #[error("a metrics recorder is set already")]
    RecorderSet,
    #[error("a metric's buckets are empty")]
    Buckets,
}

/// Both recorders of this process. Clones share them.
#[derive(Clone)]
pub struct Telemetry {
    handle: PrometheusHandle,
}

/// Sets logging and the metrics recorder for the whole process; call once, first thing.
///
/// Log lines go to standard error, filtered by `RUST_LOG`, else by `default_filter` (e.g. `info`).
///
/// # Errors
///
/// A filter that cannot be parsed, or a second call in one process.
pub fn init(format: LogFormat, default_filter: &str) -> Result<Telemetry, TelemetryError> {
    logging::init(format, default_filter)?;
    let (recorder, handle) = build()?;
    metrics::set_global_recorder(recorder).map_err(|_| TelemetryError::RecorderSet)?;
    table::describe();
    Ok(Telemetry { handle })
}

impl Telemetry {
    /// Metrics in the Prometheus text format. Also does the recorder's upkeep, so a scrape bounds its memory.
    pub fn render(&self) -> String {
        self.handle.run_upkeep();
        self.handle.render()
    }
}

fn build() -> Result<(metrics_exporter_prometheus::PrometheusRecorder, PrometheusHandle), TelemetryError> {
    let mut builder = PrometheusBuilder::new();
    for metric in METRICS {
        if let Kind::Histogram(buckets) = metric.kind {
            builder = builder
                .set_buckets_for_metric(Matcher::Full(metric.name.into()), buckets)
                .map_err(|_| TelemetryError::Buckets)?;
        }
    }
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    Ok((recorder, handle))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_rendered_with_its_help_and_unit() {
        let (recorder, handle) = build().unwrap();
        metrics::with_local_recorder(&recorder, || {
            table::describe();
            metrics::counter!("ringward_calls_total", "ending" => "completed").increment(2);
            metrics::histogram!("ringward_identity_seconds").record(0.002);
            metrics::gauge!("ringward_live_calls").set(3.0);
        });
        let text = Telemetry { handle }.render();
        for line in [
            "# HELP ringward_calls_total ",
            "ringward_calls_total{ending=\"completed\"} 2",
            "ringward_identity_seconds_bucket{le=\"0.005\"} 1",
            "ringward_live_calls 3",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn every_metric_has_a_name_of_ours_a_sentence_and_is_listed_once() {
        for (place, metric) in METRICS.iter().enumerate() {
            assert!(metric.name.starts_with("ringward_"), "{}", metric.name);
            assert!(metric.help.ends_with('.'), "{}", metric.name);
            assert_eq!(
                metric.name.ends_with("_total"),
                matches!(metric.kind, Kind::Counter),
                "{}",
                metric.name
            );
            assert!(
                METRICS[..place].iter().all(|other| other.name != metric.name),
                "{}",
                metric.name
            );
        }
    }
}
