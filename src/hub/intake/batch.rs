//! Messages of several reports, as `[message] batch=` has the agent send them: a JSON array, whose message id is that of
//! its first report; the numbers of the others follow.

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::fleet::{Heard, MessageId};

/// The reports of a message, in their order. What is no array of something is one report, whatever else it is.
pub fn reports(message: Heard) -> impl Iterator<Item = Heard> {
    let several = split(&message);
    let one = several.is_none().then_some(message);
    one.into_iter().chain(several.into_iter().flatten())
}

fn split(message: &Heard) -> Option<Vec<Heard>> {
    if message.body.trim_ascii_start().first() != Some(&b'[') {
        return None;
    }
    let bodies: Vec<&RawValue> = serde_json::from_slice(&message.body).ok()?;
    let reports: Vec<_> = (0..)
        .zip(bodies)
        .map(|(nth, body)| Heard {
            id: message.id.and_then(|id| Some(MessageId { number: id.number.checked_add(nth)?, ..id })),
            // Each says by itself when it was sampled.
            sampled_ms: message.sampled_ms.filter(|_| nth == 0),
            body: Bytes::copy_from_slice(body.get().as_bytes()),
            ..*message
        })
        .collect();
    (!reports.is_empty()).then_some(reports)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::Source;

    fn heard(body: &'static str) -> Heard {
        let id = MessageId::parse("no-boot-id-1f-7");
        Heard { source: Source::Amqp, peer: None, id, sampled_ms: Some(5), body: body.into() }
    }

    #[test]
    fn an_array_is_its_reports_with_numbers_that_follow() {
        let reports: Vec<_> = reports(heard(" [{\"a\":[1,2]}, {} ,3]")).collect();
        let found: Vec<_> = reports.iter().map(|r| (&*r.body, r.id.unwrap().number, r.sampled_ms)).collect();
        assert_eq!(found, [(&b"{\"a\":[1,2]}"[..], 7, Some(5)), (b"{}", 8, None), (b"3", 9, None)]);
    }

    #[test]
    fn what_is_no_array_of_something_is_one_report() {
        for body in ["{\"hostname\":\"pi\"}", "", "[]", "[{},", "[{}] {}", "7"] {
            let reports: Vec<_> = reports(heard(body)).collect();
            assert_eq!(reports.len(), 1, "{body}");
            assert_eq!((&*reports[0].body, reports[0].sampled_ms), (body.as_bytes(), Some(5)));
        }
    }
}
