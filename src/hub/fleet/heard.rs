//! What an intake hands to the fleet.

use std::net::SocketAddr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The way by which a report came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// From a publisher that is connected to the hub itself.
    Amqp,
    /// From a queue of RabbitMQ.
    Rabbitmq,
    /// From the queue of another hub, which is gone for now.
    Standby,
    /// From a client node of chasar: the body has chasar's keys.
    Chasar,
    /// From the machine that the hub runs on.
    Own,
}

/// One report as it came in.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The way by which it came.
    pub source: Source,
    /// The other end of the connection, where that is the board.
    pub peer: Option<SocketAddr>,
    /// Of the AMQP property `message_id`, where it has the agent's form.
    pub id: Option<MessageId>,
    /// When the figures were sampled, by the board's clock: Unix milliseconds. The fleet reads the body's `ts` itself.
    pub sampled_ms: Option<i64>,
    /// A JSON object.
    pub body: Bytes,
}

/// Which report of which run of an agent: `BOOT-START-NUMBER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MessageId {
    /// The boot ID of the board's kernel; 0 where the board has none.
    pub boot: u128,
    /// Of the run of the agent: milliseconds since the boot, above 32 random bits.
    pub start: u128,
    /// Counts up by one from 1.
    pub number: u64,
}

impl MessageId {
    /// Reads `UUID-HEX-DECIMAL`, or `no-boot-id` in place of the UUID. None for another form.
    pub fn parse(text: &str) -> Option<Self> {
        let (rest, number) = text.rsplit_once('-')?;
        let (boot, start) = rest.rsplit_once('-')?;
        let boot = match boot {
            "no-boot-id" => 0,
            uuid => {
                let digits = uuid.bytes().filter(|octet| *octet != b'-');
                let digit = |octet: u8| char::from(octet).to_digit(16);
                if digits.clone().count() != 32 || uuid.len() != 36 {
                    return None;
                }
                digits.map(digit).try_fold(0, |boot: u128, digit| Some(boot << 4 | u128::from(digit?)))?
            }
        };
        let is_plain = |text: &str| text.bytes().all(|octet| octet.is_ascii_hexdigit());
        if !is_plain(start) || !is_plain(number) {
            return None;
        }
        Some(Self { boot, start: u128::from_str_radix(start, 16).ok()?, number: number.parse().ok()? })
    }

    /// As the history keeps it: what changes least comes first.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(40);
        bytes.extend(self.boot.to_be_bytes());
        bytes.extend(self.start.to_be_bytes());
        bytes.extend(self.number.to_be_bytes());
        bytes
    }

    /// What [`Self::to_bytes`] wrote; None of anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (boot, rest) = bytes.split_first_chunk()?;
        let (start, rest) = rest.split_first_chunk()?;
        let number = u64::from_be_bytes(rest.try_into().ok()?);
        Some(Self { boot: u128::from_be_bytes(*boot), start: u128::from_be_bytes(*start), number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_the_agent_is_read_and_another_is_none() {
        let boot = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
        let id = MessageId::parse(&format!("{boot}-12c0ffee0badf00d-17"));
        assert_eq!(
            id,
            Some(MessageId {
                boot: 0x0f1e_2d3c_4b5a_6978_8796_a5b4_c3d2_e1f0,
                start: 0x12c0_ffee_0bad_f00d,
                number: 17
            })
        );
        assert_eq!(MessageId::from_bytes(&id.unwrap().to_bytes()), id);
        assert_eq!(MessageId::from_bytes(b""), None);
        assert_eq!(MessageId::from_bytes(&[0; 41]), None);
        let after_fifty_days = MessageId::parse(&format!("{boot}-123456789abcdef01-1"));
        assert_eq!(after_fifty_days.map(|id| id.start), Some(0x1_2345_6789_abcd_ef01));
        assert_eq!(MessageId::parse("no-boot-id-1f-2").map(|id| (id.boot, id.start)), Some((0, 0x1f)));
        for text in [
            "",
            "-",
            "--",
            "1-2-3",
            "no-boot-id-1f-x",
            "no-boot-id-+1-2",
            "no-boot-id-1-+2",
            "no-boot-id--2",
            &format!("{boot}-12"),
            &format!("{boot}0-1-2"),
            &format!("{boot}-1-99999999999999999999999"),
            "zf1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0-1-1",
        ] {
            assert_eq!(MessageId::parse(text), None, "{text}");
        }
    }
}
