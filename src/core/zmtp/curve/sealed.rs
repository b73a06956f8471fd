//! What was sealed, for errors.

use core::fmt;

/// What is in a box of CURVE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealed {
    /// The client's first command.
    Hello,
    /// The server's answer.
    Welcome,
    /// What a client returns of it.
    Cookie,
    /// The client's second command.
    Initiate,
    /// In it: that the client's two keys belong together.
    Vouch,
    /// The server's second command.
    Ready,
    /// A frame.
    Message,
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hello => "its HELLO is for another server key than this side has",
            Self::Welcome => "its WELCOME is by another server key than expected",
            Self::Cookie => "its INITIATE has the cookie of another connection",
            Self::Initiate => "its INITIATE does not belong to its HELLO",
            Self::Vouch => "it has not proven that it owns the client key that it claims",
            Self::Ready => "its READY was changed on its way",
            Self::Message => "its message was changed on its way",
        })
    }
}
