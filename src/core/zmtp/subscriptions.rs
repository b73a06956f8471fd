//! What a peer has subscribed to, as far as it matters for one topic.

/// Octets of the longest topic here (`Chasar-Client` has 13).
const TOPIC: usize = 16;

/// Counts the subscriptions that match one topic: subscriptions are prefixes, and each must be
/// cancelled as often as it was made (RFC 29, "PUB"). Those that are no prefix of the topic never
/// match and need no memory, so that a peer may make any number of any length.
#[derive(Clone, Copy, Debug)]
pub struct Subscriptions {
    topic: &'static [u8],
    /// By the length of the prefix.
    counts: [u32; TOPIC + 1],
}

impl Subscriptions {
    /// None yet. Of a topic that is longer than 16 octets, longer prefixes do not match.
    pub const fn new(topic: &'static [u8]) -> Self {
        Self { topic, counts: [0; TOPIC + 1] }
    }

    /// The topic.
    pub const fn topic(&self) -> &'static [u8] {
        self.topic
    }

    /// Whether messages of the topic are wanted.
    pub fn matches(&self) -> bool {
        self.counts.iter().any(|count| *count > 0)
    }

    /// One more subscription.
    pub fn subscribe(&mut self, prefix: &[u8]) {
        if let Some(count) = self.count(prefix) {
            *count = count.saturating_add(1);
        }
    }

    /// One fewer; one that was not made is passed over.
    pub fn cancel(&mut self, prefix: &[u8]) {
        if let Some(count) = self.count(prefix) {
            *count = count.saturating_sub(1);
        }
    }

    fn count(&mut self, prefix: &[u8]) -> Option<&mut u32> {
        if self.topic.starts_with(prefix) { self.counts.get_mut(prefix.len()) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_wanted_by_any_of_its_prefixes() {
        for prefix in [&b""[..], b"C", b"Chasar-", b"Chasar-Client"] {
            let mut all = Subscriptions::new(b"Chasar-Client");
            assert!(!all.matches());
            all.subscribe(prefix);
            assert!(all.matches());
            all.cancel(prefix);
            assert!(!all.matches());
        }
        for other in [&b"c"[..], b"Chasar-Client2", b"\0"] {
            let mut all = Subscriptions::new(b"Chasar-Client");
            all.subscribe(other);
            assert!(!all.matches());
        }
    }

    #[test]
    fn subscriptions_are_counted_and_only_what_was_made_is_cancelled() {
        let mut all = Subscriptions::new(b"status");
        all.subscribe(b"st");
        all.subscribe(b"st");
        all.cancel(b"status");
        all.cancel(b"st");
        assert!(all.matches());
        all.cancel(b"st");
        all.cancel(b"st");
        assert!(!all.matches());
        all.subscribe(b"st");
        assert!(all.matches(), "a cancel too many is not owed");
    }
}
