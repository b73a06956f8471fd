//! What the page and the API are answered with, from the fleet and the history.

use std::cell::Cell;
use std::iter;
use std::rc::Rc;

use bytes::Bytes;
use log::info;
use serde::Serialize;
use tokio::sync::oneshot;

use crate::alerts::Alerts;
use crate::clock::unix_ms;
use crate::fleet::recent::HOUR_MS;
use crate::fleet::view::Hosts;
use crate::fleet::{Points, State};
use crate::history::{self, Counts, Range, Replay};
use crate::intake::Door;
use crate::intake::amqp::Intake;
use crate::intake::door::Kept;
use crate::metrics::{self, Format, Scrape, targets};
use crate::peers::Peers;
use crate::remote_write::Writer;
use crate::web::{
    self, Asked, Audience, Columns, Missing, Pieces, Scraped, Span, Tier, Unforgotten, Unscraped, Untested,
    View,
};

/// The last hour may begin so much earlier: "the last hour" of a question is no longer that of its answer.
const SLACK_MS: i64 = 60_000;

/// Clients that may read the metrics of all boards at a time: a pair of Prometheus, and another.
const SCRAPES: usize = 3;

/// All boards, and how many other hubs there are to ask about.
#[derive(Serialize)]
struct Snapshot<'f> {
    #[serde(flatten)]
    hosts: Hosts<'f>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peers: Option<usize>,
}

/// What the API asks.
pub struct Answers {
    door: Rc<Door>,
    alerts: Rc<Alerts>,
    intake: Option<Rc<Intake>>,
    writers: Vec<Rc<Writer>>,
    peers: Peers,
    counted: Rc<Cell<web::Counters>>,
    started_ms: i64,
    /// Each reader of all metrics has one, too.
    scrapes: Rc<()>,
}

impl Answers {
    /// Answers of a hub that starts now.
    pub fn new(
        door: Rc<Door>,
        alerts: Rc<Alerts>,
        intake: Option<Rc<Intake>>,
        writers: Vec<Rc<Writer>>,
        peers: Peers,
        counted: Rc<Cell<web::Counters>>,
    ) -> Self {
        Self { door, alerts, intake, writers, peers, counted, started_ms: unix_ms(), scrapes: Rc::default() }
    }

    /// Connections of boards.
    fn connections(&self) -> usize {
        self.intake.as_ref().map_or(0, |intake| intake.connections())
    }

    /// The samples of the last hour.
    fn recent(&self, name: &str, series: &str, span: Span) -> Result<Columns, Missing> {
        let fleet = self.door.fleet().borrow();
        fleet.board(name).ok_or(Missing::Host)?;
        let points = fleet.history(name, series, span.from_ms, span.to_ms, span.points);
        points.map(of_points).ok_or(Missing::Series)
    }
}

impl View for Answers {
    fn hosts_json(&self, audience: Audience) -> Bytes {
        let fleet = self.door.fleet().borrow();
        let peers = Some(self.peers.count()).filter(|count| *count > 0 && audience == Audience::Known);
        json(&Snapshot { hosts: fleet.hosts(unix_ms()).to(audience), peers })
    }

    fn worst_json(&self, most: usize, audience: Audience) -> Bytes {
        json(&self.door.fleet().borrow().worst(most, audience, unix_ms()))
    }

    fn peers_json(&self) -> Asked<Bytes> {
        let answered = self.peers.json();
        Box::pin(async { answered.await.into() })
    }

    fn host_json(&self, name: &str) -> Option<Bytes> {
        self.door.fleet().borrow().detail(name, unix_ms()).map(|detail| json(&detail))
    }

    fn history(&self, name: &str, series: &str, span: Span) -> Asked<Result<Columns, Missing>> {
        let recent = self.recent(name, series, span);
        let is_recent = span.from_ms >= unix_ms() - HOUR_MS - SLACK_MS;
        if recent.is_err() || is_recent || !self.door.has_history() {
            return Box::pin(async { recent });
        }
        let (answer, answered) = oneshot::channel();
        let (name, series) = (name.to_owned(), series.to_owned());
        self.door.ask(Box::new(move |history, now_ms| {
            let Span { from_ms, to_ms, points } = span;
            // Who asked may be gone.
            let _ = answer.send(history.range(&name, &series, from_ms, to_ms, points, now_ms));
        }));
        Box::pin(async { answered.await.map(of_range).map_err(|_| Missing::Busy) })
    }

    fn everything(&self, name: &str, from_ms: i64, to_ms: i64) -> Asked<Result<Replay, Missing>> {
        let is_known = self.door.fleet().borrow().board(name).is_some();
        if !is_known || !self.door.has_history() {
            return Box::pin(
                async move { if is_known { Ok(Replay::default()) } else { Err(Missing::Host) } },
            );
        }
        let (answer, answered) = oneshot::channel();
        let name = name.to_owned();
        self.door.ask(Box::new(move |history, now_ms| {
            // Who asked may be gone.
            let _ = answer.send(history.everything(&name, from_ms, to_ms, now_ms));
        }));
        Box::pin(async { answered.await.map_err(|_| Missing::Busy)?.map_err(|_| Missing::Busy) })
    }

    fn series_json(&self, series: &str) -> Option<Bytes> {
        self.door.fleet().borrow().figure(series).map(|figure| json(&figure))
    }

    fn alerts_json(&self) -> Bytes {
        json(&self.alerts.open(unix_ms()))
    }

    fn acknowledge_json(&self, id: &str) -> Option<Bytes> {
        self.alerts.acknowledge(id, unix_ms()).map(|alert| json(&alert))
    }

    fn receivers_json(&self) -> Bytes {
        json(&self.alerts.receivers(unix_ms()))
    }

    fn test_json(&self, receiver: &str) -> Asked<Result<Bytes, Untested>> {
        let (alerts, name) = (self.alerts.clone(), receiver.to_owned());
        Box::pin(async move {
            let said = alerts.test(&name).await?;
            Ok(json(&serde_json::json!({ "name": name, "said": said })))
        })
    }

    fn forget_json(&self, name: &str) -> Asked<Result<Bytes, Unforgotten>> {
        let state = self.door.fleet().borrow().board(name).map(|board| board.state);
        let (Some(last), Some(State::Lost)) = (self.host_json(name), state) else {
            let why = if state.is_some() { Unforgotten::Heard } else { Unforgotten::Unknown };
            return Box::pin(async move { Err(why) });
        };
        let (done, is_done) = oneshot::channel();
        info!("{} is forgotten, as was asked for", name.escape_debug());
        self.door.forget(name, || {
            // Who asked may be gone.
            let _ = done.send(());
        });
        let has_history = self.door.has_history();
        Box::pin(async move {
            if has_history && is_done.await.is_err() { Err(Unforgotten::Busy) } else { Ok(last) }
        })
    }

    fn hub_json(&self) -> Bytes {
        let (fleet, web) = (self.door.fleet().borrow(), self.counted.get());
        let counters = fleet.counters();
        let kept = self.door.kept();
        let left_out = kept.map(|Kept { left_out: Counts { out_of_time, unnamed, damaged }, .. }| {
            serde_json::json!({ "out_of_time": out_of_time, "unnamed": unnamed, "damaged": damaged })
        });
        json(&serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "started": self.started_ms as f64 / 1000.0,
            "boards": fleet.boards().len(),
            "series": fleet.series(),
            "recent_bytes": fleet.bytes(),
            "history_bytes": kept.map(|kept| kept.bytes),
            "history_left_out": left_out,
            "connections": self.connections(),
            "reports": counters.reports,
            "late": counters.late,
            "duplicates": counters.duplicates,
            "malformed": counters.malformed,
            "refused_boards": counters.refused_boards,
            "refused_series": counters.refused_series,
            "evicted": counters.evicted,
            "event_clients": web.event_clients,
            "requests": web.requests,
        }))
    }

    fn metrics(&self, of: Scraped<'_>, format: Format) -> Result<Pieces, Unscraped> {
        let fleet = self.door.fleet().borrow();
        let scrape = match of {
            Scraped::Hub => {
                let counted = self.counted.get();
                let written: Vec<_> =
                    self.writers.iter().map(|writer| (writer.name(), writer.counters())).collect();
                let page = metrics::hub::page(&fleet, self.connections(), &counted, &written, format);
                return Ok(Box::new(iter::once(page.into())));
            }
            Scraped::Board(name) => match fleet.board(name).map(|board| board.state) {
                Some(State::Lost) => return Err(Unscraped::Lost),
                _ => Scrape::of_board(&fleet, name, format).ok_or(Unscraped::Unknown)?,
            },
            Scraped::All if Rc::strong_count(&self.scrapes) > SCRAPES => return Err(Unscraped::Busy),
            Scraped::All => Scrape::of_all(&fleet, format),
        };
        let is_all = of == Scraped::All;
        let place = is_all.then(|| self.scrapes.clone());
        Ok(Box::new(Scraping { door: self.door.clone(), scrape, _place: place }))
    }

    fn targets_json(&self, authority: &str) -> Bytes {
        targets::json(&self.door.fleet().borrow(), authority).unwrap_or_default().into()
    }
}

/// Metrics that a client is taking.
struct Scraping {
    door: Rc<Door>,
    scrape: Scrape,
    _place: Option<Rc<()>>,
}

impl Iterator for Scraping {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        self.scrape.next(&self.door.fleet().borrow()).map(Bytes::from)
    }
}

fn of_points(points: Points) -> Columns {
    Columns {
        tier: Tier::Recent,
        step_ms: points.step_ms,
        t_ms: points.t,
        avg: points.avg,
        min: points.min,
        max: points.max,
    }
}

fn of_range(range: Range) -> Columns {
    let starts = (0_i64..).map(|n| range.start_ms + n * range.step_ms);
    Columns {
        tier: match range.tier {
            history::Tier::Minute => Tier::Minute,
            history::Tier::Quarter => Tier::Quarter,
        },
        step_ms: range.step_ms,
        t_ms: starts.take(range.average.len()).collect(),
        avg: range.average,
        min: range.min,
        max: range.max,
    }
}

/// What cannot be JSON is nothing: every key here is a text.
pub fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}
