//! Who the server is, and its memory.

/// Most channels of one connection.
pub const CHANNELS: u16 = 8;

/// Who the server is, and what it offers.
#[derive(Clone, Copy, Debug)]
pub struct ServerOptions<'a> {
    /// The program and its version, which clients are told.
    pub product: &'a str,
    /// See `product`.
    pub version: &'a str,
    /// Heartbeat that is proposed, seconds; the client decides (§4.2.7).
    pub heartbeat_s: u16,
    /// Channels that a connection may have open: 1 to [`CHANNELS`].
    pub channels: u16,
    /// Whether the mechanism EXTERNAL is offered beside PLAIN: the transport knows who the client is, as by a certificate.
    pub external: bool,
    /// Told with 540 to whoever asks for what a broker does beyond taking messages: at most 255 bytes.
    pub refusal: &'a str,
}

/// The memory of a connection; there is no other. It may serve one connection after another.
pub struct ServerBuffers<'a> {
    /// Octets received and not yet looked at: [`crate::limits::AMQP_RECV`]. It holds the longest method.
    pub receive: &'a mut [u8],
    /// Octets that wait for the transport: 2 KiB or more.
    pub send: &'a mut [u8],
    /// Messages that have not come whole, an equal share for each channel: [`crate::limits::REPORT`] and 2 KiB take any
    /// report of ours.
    pub messages: &'a mut [u8],
}
