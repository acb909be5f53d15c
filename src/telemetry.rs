//! What the server says about its own doings: log lines and figures.

use std::{io::IsTerminal, panic::PanicHookInfo, sync::OnceLock};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    config::{Log, LogFormat},
    error::{Code, Error, Result},
};

/// Upper bounds of the duration histogram, in seconds.
const BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Counts requests by method, route and status.
pub const REQUESTS: &str = "http_requests_total";
/// Times requests by method, route and status, in seconds.
pub const DURATION: &str = "http_request_duration_seconds";
/// How long after their time timers fired, in seconds.
pub const TIMER_LAG: &str = "timer_lag_seconds";
/// Timers that are due for more than a minute and did not fire.
pub const TIMERS_OVERDUE: &str = "timers_overdue";
/// Counts runs of a live policy that failed or went over a limit, by policy.
pub const POLICY_FAILURES: &str = "policy_failures_total";
/// 1 while too many errors keep a live policy from being asked on this node, by policy.
pub const POLICY_BREAKER: &str = "policy_breaker_open";
/// Counts messages of webhooks by outcome of an attempt: `delivered`, `again`, `dead`, or `dropped`.
pub const WEBHOOK_MESSAGES: &str = "webhook_messages_total";
/// For how long the message has been due that has waited longest, in seconds.
pub const WEBHOOK_LAG: &str = "webhook_oldest_due_seconds";

/// Counts mail by outcome of an attempt: `sent`, `again`, `dead`, or `dropped`.
pub const MAIL_MESSAGES: &str = "mail_messages_total";

/// Sends log lines to standard error as `log` says, panics included.
///
/// # Errors
/// A filter that doesn't parse, or a log that was set up before.
pub fn init(log: &Log) -> Result<()> {
    let filter = EnvFilter::try_new(&log.filter)
        .map_err(|e| Error::new(Code::Invalid, format!("log.filter `{}`: {e}", log.filter)))?;
    let colours = std::io::stderr().is_terminal();
    let registry = tracing_subscriber::registry().with(filter);
    match log.format {
        LogFormat::Text => registry.with(fmt::layer().with_ansi(colours).with_writer(std::io::stderr)).try_init(),
        LogFormat::Json => {
            registry.with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr)).try_init()
        }
    }
    .map_err(Error::internal)?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(tracing::field::display);
    tracing::error!(place, message = panic.payload_as_str().unwrap_or("no message"), "panic");
}

/// The figures of this process, which are recorded from the first call on.
///
/// # Errors
/// When something else records them already.
pub fn figures() -> Result<PrometheusHandle> {
    static FIGURES: OnceLock<std::result::Result<PrometheusHandle, String>> = OnceLock::new();
    let installed = FIGURES.get_or_init(|| {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Full(DURATION.into()), BUCKETS)
            .map_err(|e| e.to_string())?;
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).map_err(|e| e.to_string())?;
        metrics::describe_counter!(REQUESTS, "Requests answered, by method, route and status.");
        metrics::describe_histogram!(DURATION, metrics::Unit::Seconds, "Time to the head of the answer.");
        metrics::describe_counter!(WEBHOOK_MESSAGES, "Messages of webhooks, by the outcome of each attempt.");
        metrics::describe_gauge!(WEBHOOK_LAG, metrics::Unit::Seconds, "How long the oldest message has been due.");
        metrics::describe_counter!(MAIL_MESSAGES, "Mail, by the outcome of each attempt.");
        metrics::describe_counter!(POLICY_FAILURES, "Runs of a live policy that failed or went over a limit.");
        metrics::describe_gauge!(
            POLICY_BREAKER,
            "1 while the last good version of a policy answers in place of the live one."
        );
        Ok(handle)
    });
    installed.clone().map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_does_not_parse_is_named() {
        let log = Log { filter: "pointsman=louder".into(), ..Log::default() };
        let refused = init(&log).unwrap_err();
        assert!(refused.detail.contains("pointsman=louder"), "{refused}");
    }
}
