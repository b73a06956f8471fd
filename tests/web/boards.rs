//! A view of boards that are made up.

use bytes::Bytes;
use psistats_hub::web::{
    Asked, Audience, Columns, Format, Missing, Pieces, Replay, Rollup, Scraped, Span, Tier, Unforgotten,
    Unscraped, Untested, View,
};
use serde_json::{Value, json};

/// Two boards; a larger fleet, where `padding` says so.
#[derive(Default)]
pub struct Boards {
    /// Bytes that a snapshot has besides.
    pub padding: usize,
}

/// The API's form of one board.
pub fn host(name: &str) -> Value {
    json!({
        "name": name, "state": "critical", "since": 1_699_990_000.0, "why": "Power: under-voltage",
        "heard": 1_700_000_000.123, "source": "amqp", "model": "Raspberry Pi 4 Model B Rev 1.4",
        "tags": {"site": "garage"},
        "values": {"cpu": 24.1, "disk./.percent": 45.2, "os": "<b>\u{2028}\"", "mem": null, "throttled.now.under-voltage": true},
    })
}

fn detail(name: &str) -> Value {
    let mut detail = host(name);
    let more = json!({
        "address": "192.0.2.1", "first_heard": 1_699_000_000.0, "interval": 1.0, "reports": 86_400, "lost": 0,
        "duplicates": 1, "late": 2, "boots": [{"at": 1_699_990_000.5}], "restarts": [], "filled": [], "addresses": ["192.0.2.1"],
        "conflict": {"addresses": ["192.0.2.1", "192.0.2.2"]},
    });
    detail.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    detail
}

fn bytes(value: &Value) -> Bytes {
    value.to_string().into()
}

impl View for Boards {
    fn hosts_json(&self, audience: Audience) -> Bytes {
        if audience == Audience::Public {
            return bytes(&json!({"now": 1_700_000_000.5, "hosts": [host("public")]}));
        }
        let mut hosts = vec![host("pi-1"), host("a b/ü")];
        if self.padding > 0 {
            hosts[0]["why"] = "x".repeat(self.padding).into();
        }
        bytes(&json!({"now": 1_700_000_000.5, "hosts": hosts}))
    }

    fn worst_json(&self, most: usize, _: Audience) -> Bytes {
        let mut worst = host("pi-1");
        worst.as_object_mut().unwrap().remove("values");
        let counts = json!({"well": 1, "warning": 0, "critical": most, "lost": 0});
        bytes(&json!({"now": 1_700_000_000.5, "counts": counts, "hosts": [worst]}))
    }

    fn peers_json(&self) -> Asked<Bytes> {
        let board = json!({"name": "pi-7", "state": "lost", "since": 1_699_990_000.0, "why": "not heard"});
        let counts = json!({"well": 2, "warning": 0, "critical": 0, "lost": 1});
        let peers = json!([
            {"name": "hub-2", "url": "https://hub-2/", "since": 1.5, "error": null, "counts": counts, "hosts": [board]},
            {"name": "hub-3", "url": "http://hub-3/", "since": 1.5, "error": "no answer within 3 s", "counts": null, "hosts": []},
        ]);
        let answer = bytes(&json!({"now": 1_700_000_000.5, "peers": peers}));
        Box::pin(async { answer })
    }

    fn host_json(&self, name: &str) -> Option<Bytes> {
        ["pi-1", "a b/ü"].contains(&name).then(|| bytes(&detail(name)))
    }

    fn history(&self, name: &str, series: &str, span: Span) -> Asked<Result<Columns, Missing>> {
        let columns = match (name, series) {
            ("pi-1" | "a b/ü", "cpu" | "disk./a b+c.percent") => Ok(columns(span)),
            ("pi-1" | "a b/ü", "busy") => Err(Missing::Busy),
            ("pi-1" | "a b/ü", _) => Err(Missing::Series),
            _ => Err(Missing::Host),
        };
        Box::pin(async { columns })
    }

    fn everything(&self, name: &str, from_ms: i64, _: i64) -> Asked<Result<Replay, Missing>> {
        let rollup = Rollup { start_ms: from_ms, count: 2, average: 1.5, min: 1.0, max: 2.0 };
        let replay = Replay { series: vec![("cpu".into(), vec![rollup])] };
        let known = ["pi-1", "a b/ü"].contains(&name).then_some(replay).ok_or(Missing::Host);
        Box::pin(async { known })
    }

    fn series_json(&self, series: &str) -> Option<Bytes> {
        ["cpu", "disk./.percent"].contains(&series).then(|| {
            let hosts = json!([{"name": "pi-1", "state": "well", "value": 24.1, "min": 1.0, "max": 99.0}]);
            bytes(&json!({"series": series, "hosts": hosts}))
        })
    }

    fn alerts_json(&self) -> Bytes {
        bytes(&json!({"now": 1_700_000_000.5, "alerts": [
            {"id": "00112233445566ff", "acknowledged": null, "board": null, "alert": "intake-lost", "series": null, "severity": "critical", "state": "raised",
             "since": 1_699_999_000.5, "at": 1_699_999_120.5, "text": "12 of 20 boards are not heard any more"},
            {"id": "00112233445566aa", "acknowledged": 1_699_999_070.5, "board": "pi-1", "alert": "disk", "series": "disk./.percent", "severity": "warning", "state": "raised",
             "since": 1_699_999_000.5, "at": 1_699_999_060.5, "text": "pi-1: / is 93 % full"},
        ], "changes": [
            {"id": "00112233445566bb", "board": "pi-1", "alert": "lost", "series": null, "severity": "critical",
             "state": "cleared", "since": 1_699_999_000.5, "at": 1_699_999_060.5, "text": "pi-1: not heard: over after 60 s"},
        ]}))
    }

    fn acknowledge_json(&self, id: &str) -> Option<Bytes> {
        (id == "00112233445566ff").then(|| {
            bytes(&json!({"id": id, "acknowledged": 1_700_000_000.5, "board": "pi-1", "alert": "memory", "series": "mem",
                "severity": "warning", "state": "raised", "since": 1.0, "at": 2.0, "text": "pi-1: memory is 95 % full"}))
        })
    }

    fn receivers_json(&self) -> Bytes {
        let receiver = json!({"name": "phone", "type": "ntfy", "severity": "warning", "quiet": "22:00-07:00", "is_quiet": false,
            "waiting": 1, "held": 2, "dropped": 0, "last": {"at": 1_699_999_000.5, "error": "ntfy.example answered 500"}});
        let mut other = receiver.clone();
        other.as_object_mut().unwrap().extend([("quiet".into(), Value::Null), ("last".into(), Value::Null)]);
        bytes(&json!({"receivers": [receiver, other]}))
    }

    fn test_json(&self, receiver: &str) -> Asked<Result<Bytes, Untested>> {
        let answer = match receiver {
            "phone" => Ok(bytes(&json!({"name": "phone", "said": "ntfy.example answered 200 OK"}))),
            "slow" => Err(Untested::Busy),
            "gone" => Err(Untested::Failed("gone.example:443: connection refused".into())),
            _ => Err(Untested::Unknown),
        };
        Box::pin(async { answer })
    }

    fn forget_json(&self, name: &str) -> Asked<Result<Bytes, Unforgotten>> {
        let answer = match name {
            "pi-1" => Err(Unforgotten::Heard),
            "pi-lost" => self.host_json("pi-1").ok_or(Unforgotten::Unknown),
            _ => Err(Unforgotten::Unknown),
        };
        Box::pin(async { answer })
    }

    fn hub_json(&self) -> Bytes {
        bytes(&json!({
            "version": "0.2.0", "started": 1_699_000_000.0, "boards": 2, "series": 10, "recent_bytes": 12, "history_bytes": 12, "history_left_out": null,
            "connections": 2, "reports": 86_400, "late": 0, "duplicates": 1, "malformed": 0, "refused_boards": 0,
            "refused_series": 0, "evicted": 0, "event_clients": 1, "requests": 3, "further": 4,
        }))
    }

    fn metrics(&self, of: Scraped<'_>, format: Format) -> Result<Pieces, Unscraped> {
        match of {
            Scraped::Board("pi-lost") => Err(Unscraped::Lost),
            Scraped::Board(name) if name != "pi-1" => Err(Unscraped::Unknown),
            _ => {
                Ok(Box::new([format!("# {of:?}\n"), format!("# {format:?}\n")].into_iter().map(Bytes::from)))
            }
        }
    }

    fn targets_json(&self, authority: &str) -> Bytes {
        let labels = json!({
            "__metrics_path__": "/metrics", "__param_host": "pi-1", "instance": "pi-1",
            "__meta_psistats_source": "amqp", "__meta_psistats_tag_site": "garage",
        });
        bytes(&json!([{"targets": [authority], "labels": labels}]))
    }
}

fn columns(span: Span) -> Columns {
    let step_ms = ((span.to_ms - span.from_ms) / span.points as i64).max(1);
    let t_ms: Vec<i64> = (0..span.points as i64).map(|n| span.from_ms + n * step_ms).collect();
    let avg: Vec<_> = (0..t_ms.len()).map(|n| (n != 1).then_some(n as f64 / 8.0)).collect();
    let mut max = avg.clone();
    max[0] = Some(f64::NAN);
    Columns { tier: Tier::Minute, step_ms, min: avg.clone(), t_ms, avg, max }
}
