//! The hub's own metrics.

use crate::fleet::{Fleet, State};
use crate::metrics::family::Family;
use crate::metrics::process;
use crate::metrics::text::{Format, Page, label};
use crate::web::Counters;

/// A label with its value; empty: none.
type Label = (&'static str, &'static str);

const NONE: Label = ("", "");

/// The hub's own metrics. `connections` are those of boards.
pub fn page(fleet: &Fleet, connections: usize, web: &Counters, format: Format) -> String {
    let mut page = Page::new(format, 8192);
    let mut write = |family: Family, samples: &[(Label, f64)]| {
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
    for (family, value) in process::figures() {
        write(family, &one(value));
    }
    page.end();
    page.text
}
