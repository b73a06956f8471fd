//! A socket with a time limit for what is written, and an orderly close. hyper has neither.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Sleep, sleep, timeout};

/// Time and bytes for what a client still sends after its last answer.
const LINGER: (Duration, usize) = (Duration::from_secs(2), 256 * 1024);

/// hyper flushes once it has nothing more to write: from the first write that has to wait until then, `time` may pass.
pub struct Paced<S> {
    stream: S,
    time: Duration,
    /// Runs while a write waits, or has waited and was not yet flushed.
    deadline: Option<Pin<Box<Sleep>>>,
    is_late: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Paced<S> {
    pub fn new(stream: S, time: Duration) -> Self {
        Self { stream, time, deadline: None, is_late: false }
    }

    /// Ends the connection. Closing a socket that has unread bytes would take the last answer away from the client:
    /// what still comes is thrown away first, for a short time.
    pub async fn close(mut self) {
        if self.is_late || self.stream.shutdown().await.is_err() {
            return;
        }
        let (time, mut left) = LINGER;
        let _ = timeout(time, async {
            let mut bytes = [0; 1024];
            while let Ok(n @ 1..) = self.stream.read(&mut bytes).await
                && left > n
            {
                left -= n;
            }
        })
        .await;
    }

    /// An error where the client is too slow. `written` is what the stream said.
    fn pace(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_pending() {
            let time = self.time;
            self.deadline.get_or_insert_with(|| Box::pin(sleep(time)));
        }
        if let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(cx).is_ready()
        {
            self.is_late = true;
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.pace(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.pace(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.deadline = None;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
