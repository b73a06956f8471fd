//! A report's body and message_id, as they come from a board: the fleet stays within its bounds, and hears a good board.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use psistats_hub::fleet::{Bounds, Fleet, Heard, MessageId, Source};

const BOUNDS: Bounds = Bounds { boards: 4, series_a_board: 8, series: 20, bytes: 1 << 20 };
const NOW_MS: i64 = 1_700_000_000_000;

fuzz_target!(|data: &[u8]| {
    let mut fleet = Fleet::new(BOUNDS);
    // A good board among whatever lines come, by either way.
    take(&mut fleet, Source::Amqp, "", br#"{"hostname":"good","cpu":1}"#);
    for (n, line) in data.split(|octet| *octet == b'\n').enumerate() {
        let (id, body) = line.split_at(line.iter().position(|octet| *octet == b'{').unwrap_or(0));
        let source = if n % 2 == 0 { Source::Amqp } else { Source::Chasar };
        take(&mut fleet, source, &String::from_utf8_lossy(id), body);
        fleet.tick(NOW_MS);
    }
    assert!(fleet.boards().len() <= BOUNDS.boards && fleet.series() <= BOUNDS.series);
    let before = fleet.counters().reports;
    take(&mut fleet, Source::Amqp, "", br#"{"hostname":"good","cpu":2}"#);
    assert_eq!(fleet.counters().reports, before + 1);
});

fn take(fleet: &mut Fleet, source: Source, id: &str, body: &[u8]) {
    let heard = Heard {
        source,
        peer: None,
        id: MessageId::parse(id),
        sampled_ms: None,
        body: Bytes::copy_from_slice(body),
    };
    if let Some(id) = heard.id {
        assert_eq!(MessageId::from_bytes(&id.to_bytes()), Some(id));
    }
    let _ = fleet.take(&heard, NOW_MS);
}
