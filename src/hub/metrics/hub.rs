//! The hub's own metrics.

use crate::clock::unix_ms;
use crate::fleet::{Fleet, State};
use crate::metrics::family::Family;
use crate::metrics::process;
use crate::metrics::text::{Format, Page, label};
use crate::remote_write::Counters as Written;
use crate::web::Counters;

/// A label with its value; empty: none.
type Label<'a> = (&'static str, &'a str);

const NONE: Label<'_> = ("", "");

/// What a receiver of remote write was sent.
type OfWriter = (Family, fn(&Written) -> f64);

/// All of that.
const WRITTEN: &[OfWriter] = &[
    (
        Family::counter("psistats_hub_remote_write_samples_total", "Samples that a receiver has taken."),
        |written| written.samples as f64,
    ),
    (
        Family::counter(
            "psistats_hub_remote_write_dropped_samples_total",
            "Samples that a receiver has refused.",
        ),
        |written| written.dropped as f64,
    ),
    (
        Family::counter("psistats_hub_remote_write_requests_total", "Requests that a receiver has decided."),
        |written| written.requests as f64,
    ),
    (
        Family::counter(
            "psistats_hub_remote_write_failed_requests_total",
            "Requests that failed, and were sent again.",
        ),
        |written| written.failures as f64,
    ),
    (
        Family::gauge(
            "psistats_hub_remote_write_behind_seconds",
            "Age of the oldest sample that waits to be sent.",
        ),
        |written| {
            written.waits_since_ms.map_or(0.0, |since_ms| (unix_ms() - since_ms).max(0) as f64 / 1000.0)
        },
    ),
];

/// The hub's own metrics. `connections` are those of boards, and `written` the sections of remote write.
pub fn page(
    fleet: &Fleet,
    connections: usize,
    web: &Counters,
    written: &[(&str, Written)],
    format: Format,
) -> String {
    let mut page = Page::new(format, 8192);
    let mut write = |family: Family, samples: &[(Label<'_>, f64)]| {
        page.begin(&family);
        for ((name, value), number) in samples {
            let mut labels = String::new();
            if !name.is_empty() {
                label(&mut labels, name, value);
            }
            page.sample(&family, None, &labels, *number);
        }
    };
    let one = |value: f64| [(NONE, value)];
    let (gauge, counter) = (Family::gauge, Family::counter);
    let counted = fleet.counters();

    write(
        Family::info("psistats_hub_build_info", "The version of the hub."),
        &[(("version", env!("CARGO_PKG_VERSION")), 1.0)],
    );
    let boards = |state| fleet.boards().iter().filter(|board| board.state == state).count() as f64;
    write(
        gauge("psistats_hub_boards", "Boards that are known, by their state."),
        &[
            (("state", "well"), boards(State::Well)),
            (("state", "warning"), boards(State::Warning)),
            (("state", "critical"), boards(State::Critical)),
            (("state", "lost"), boards(State::Lost)),
        ],
    );
    write(gauge("psistats_hub_series", "Series of all boards."), &one(fleet.series() as f64));
    write(
        gauge("psistats_hub_recent_bytes", "Memory of the samples of the last hour."),
        &one(fleet.bytes() as f64),
    );
    write(
        counter(
            "psistats_hub_recent_evicted_total",
            "Blocks of samples that went before their hour was over, since there was no room.",
        ),
        &one(counted.evicted as f64),
    );
    write(
        gauge("psistats_hub_connections", "Connections of boards and other publishers over AMQP."),
        &one(connections as f64),
    );
    write(
        counter("psistats_hub_reports_total", "Reports that were taken, once each."),
        &one(counted.reports as f64),
    );
    write(
        counter("psistats_hub_reports_late_total", "Reports that came after newer ones."),
        &one(counted.late as f64),
    );
    write(
        counter("psistats_hub_reports_duplicate_total", "Reports that came again."),
        &one(counted.duplicates as f64),
    );
    write(
        counter("psistats_hub_reports_refused_total", "Reports that were not taken, by the reason."),
        &[
            (("reason", "malformed"), counted.malformed as f64),
            (("reason", "nameless"), counted.nameless as f64),
            (("reason", "too_many_boards"), counted.refused_boards as f64),
        ],
    );
    write(
        counter("psistats_hub_values_refused_total", "Values of reports that were left out, by the reason."),
        &[
            (("reason", "too_many_series"), counted.refused_series as f64),
            (("reason", "long_path"), counted.refused_paths as f64),
            (("reason", "too_deep"), counted.refused_depth as f64),
        ],
    );
    write(
        gauge("psistats_hub_http_connections", "Connections of HTTP clients."),
        &one(web.connections as f64),
    );
    write(
        counter("psistats_hub_http_connections_refused_total", "Connections that were closed at once."),
        &one(web.connections_refused as f64),
    );
    write(
        counter("psistats_hub_http_requests_total", "Requests whose headers were read."),
        &one(web.requests as f64),
    );
    write(
        counter("psistats_hub_http_requests_refused_total", "Requests answered with a status from 400 on."),
        &one(web.requests_refused as f64),
    );
    write(
        gauge("psistats_hub_event_clients", "Open pages and other clients of events."),
        &one(web.event_clients as f64),
    );
    write(
        counter("psistats_hub_event_resyncs_total", "Snapshots for clients of events that were too slow."),
        &one(web.resyncs as f64),
    );
    for (family, value) in WRITTEN.iter().filter(|_| !written.is_empty()) {
        let samples = written.iter().map(|(section, written)| (("section", *section), value(written)));
        write(*family, &samples.collect::<Vec<_>>());
    }
    for (family, value) in process::figures() {
        write(family, &one(value));
    }
    page.end();
    page.text
}
