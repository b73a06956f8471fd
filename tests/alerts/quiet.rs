//! Quiet hours: what a receiver is told when.

use std::collections::VecDeque;

use psistats_hub::alerts::Message;
use psistats_hub::alerts::alert::Turn;
use psistats_hub::alerts::delivery::Delivery;
use psistats_hub::alerts::rules::Severity;

use crate::settings::read;

const NIGHT: i64 = 23 * 60;
const MORNING: i64 = 7 * 60;

fn receiver(more: &str) -> Delivery {
    let text = format!("[notify:a]\ntype=webhook\nurl=http://h/\nquiet=22:00-07:00\n{more}");
    Delivery::new(read(&text).unwrap().receivers.remove(0), VecDeque::new(), VecDeque::new())
}

fn message(board: &str, severity: Severity, state: Turn) -> Message {
    let text = format!("{board}: {state:?}");
    let (alert, series) = ("disk".to_owned(), None);
    Message { board: Some(board.to_owned()), alert, series, severity, state, since: 1.0, at: 2.0, text }
}

fn texts(delivery: &Delivery) -> Vec<String> {
    delivery.queue().into_iter().map(|message| message.text).collect()
}

#[test]
fn what_can_wait_is_told_as_one_message_after_quiet_hours_and_what_is_critical_at_once() {
    let delivery = receiver("");
    for (board, severity, state) in [
        ("a", Severity::Warning, Turn::Raised),
        ("b", Severity::Notice, Turn::Raised),
        ("c", Severity::Critical, Turn::Raised),
        ("a", Severity::Warning, Turn::Cleared),
        ("c", Severity::Critical, Turn::Cleared),
    ] {
        delivery.push(&message(board, severity, state), NIGHT);
    }
    assert!(!delivery.release(NIGHT, 0));
    assert_eq!(texts(&delivery), ["c: Raised", "c: Cleared"]);
    assert!(delivery.release(MORNING, 9_000) && !delivery.release(MORNING, 9_000));
    let queue = delivery.queue();
    let summary = &queue[2];
    assert_eq!(summary.text, "2 alerts in quiet hours, 1 of them over\na: Cleared\nb: Raised");
    assert_eq!((summary.severity, summary.state, summary.at), (Severity::Warning, Turn::Raised, 9.0));
    assert_eq!((&summary.board, summary.alert.as_str()), (&None, "quiet-hours"));
    delivery.push(&message("d", Severity::Warning, Turn::Raised), MORNING);
    assert_eq!(texts(&delivery)[3..], ["d: Raised"]);
}

#[test]
fn nothing_is_excepted_where_that_is_set_and_a_single_message_is_told_as_it_is() {
    let delivery = receiver("quiet_except=no\n");
    let critical = message("a", Severity::Critical, Turn::Raised);
    delivery.push(&critical, NIGHT);
    assert_eq!(texts(&delivery), [""; 0]);
    delivery.release(MORNING, 0);
    assert_eq!(delivery.queue(), [critical]);
}

#[test]
fn what_was_acknowledged_meanwhile_is_not_told() {
    let delivery = receiver("");
    let [a, b] = ["a", "b"].map(|board| message(board, Severity::Warning, Turn::Raised));
    delivery.push(&a, NIGHT);
    delivery.push(&b, NIGHT);
    delivery.forget(&a);
    delivery.release(MORNING, 0);
    assert_eq!(delivery.queue(), [b]);
}

#[test]
fn of_many_alerts_twenty_have_a_line() {
    let delivery = receiver("");
    for n in 0..25 {
        delivery.push(&message(&n.to_string(), Severity::Warning, Turn::Raised), NIGHT);
    }
    delivery.release(MORNING, 0);
    let text = &texts(&delivery)[0];
    assert!(text.starts_with("25 alerts in quiet hours, 0 of them over\n0: Raised\n"), "{text}");
    assert!(text.ends_with("\n19: Raised\nand 5 more"), "{text}");
}
