//! After each bad input the hub serves a good peer as before.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use serde_json::Value;

use crate::hub::Hub;
use support::PATIENCE;
use support::master::python;

/// Publishes a bad body and a good one in turn, each once the one before is confirmed.
const SCRIPT: &str = r#"import pika
p = pika.ConnectionParameters('127.0.0.1', PORT, credentials=pika.PlainCredentials('guest', 'guest'), heartbeat=0)
c = pika.BlockingConnection(p).channel()
c.confirm_delivery()
pi = '{"hostname":"pi","a":'
many = ','.join('"k%d":1' % n for n in range(1500))
bad = ['', '[]', '{', 'null', '{}', '{"hostname":7}', '{"hostname":""}', pi + '[' * 4000 + ']' * 4000 + '}', '\xff\xfe',
       '{"hostname":"' + 'x' * 300 + '"}', pi + '1e999}', pi + '1,' + many + '}']
print('ready')
for n in range(1000000):
    c.basic_publish('', 'x', bad[n % len(bad)].encode('latin-1'))
    c.basic_publish('', 'x', json.dumps({'hostname': 'good', 'cpu': n}))"#;

/// xorshift64*
struct Random(u64);

impl Random {
    fn octets(&mut self, count: usize) -> Vec<u8> {
        let next = || {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            self.0.wrapping_mul(0x2545_F491_4F6C_DD1D).to_be_bytes()[0]
        };
        std::iter::repeat_with(next).take(count).collect()
    }
}

/// Sends octets, and reads until the hub closes or says nothing for a while.
fn send(port: u16, octets: &[u8]) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    // A hub that has closed already needs no more of it.
    let _ = stream.write_all(octets);
    let _ = stream.shutdown(Shutdown::Write);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
}

#[test]
#[ignore = "needs python3-pika: tests/run"]
fn a_good_board_publishes_and_a_good_client_reads_after_each_bad_input() {
    let hub = Hub::start("self=no\nchasar=no");
    let good = python(&SCRIPT.replace("PORT", &hub.amqp.to_string()));
    good.wait_for_line("ready", PATIENCE);
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let cpu = |board: &Value| board["values"]["cpu"].as_u64().unwrap();
    for n in 0..40 {
        let noise = random.octets(1 + n * 50);
        send(hub.amqp, &noise);
        send(hub.amqp, &[b"AMQP\0\0\x09\x01", &noise[..]].concat());
        send(hub.page, &noise);
        let query: String = noise.iter().take(200).map(|octet| format!("%{octet:02x}")).collect();
        for path in ["hosts/", "series/", "hosts/good/history?series=", "hosts/good/history?series=cpu&from="]
        {
            let request =
                format!("GET /api/v1/{path}{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
            send(hub.page, request.as_bytes());
        }
    }
    // Each of the bad bodies came between two of these, and each of them was confirmed.
    let before = cpu(&hub.wait_for("good", |_| true));
    let board = hub.wait_for("good", |board| cpu(board) > before + 30);
    assert_eq!(board["values"].as_object().unwrap().keys().collect::<Vec<_>>(), ["cpu"]);
    let counted = hub.json("/api/v1/hub");
    assert!(counted["malformed"].as_u64() > Some(0), "{counted}");
}
