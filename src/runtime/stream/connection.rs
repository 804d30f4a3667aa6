//! One connection from its first octet to its last, whatever carries it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::patience::{Due, Patience};
use super::tls;
use crate::runtime::clock;
use crate::runtime::limits::{STREAM_BATCH, STREAM_READ, STREAM_WRITE};
use crate::sip::{Frame, StreamFramer, TransportFault};

/// Why a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// What the shards are told.
    pub(super) fault: TransportFault,
    /// What is counted: a closed set of words.
    pub(super) reason: &'static str,
}

const PEER: End = end(TransportFault::Closed, "peer");
const FRAMING: End = end(TransportFault::Closed, "framing");
const UNREAD: End = end(TransportFault::NotRead, "unread");
const DROPPED: End = end(TransportFault::Closed, "dropped");

const fn end(fault: TransportFault, reason: &'static str) -> End {
    End { fault, reason }
}

/// Reads and writes one connection until it ends. Whole messages go to `deliver`; what is in `outbox` goes out in order.
/// `ask` asks whether a call goes on over it; whoever knows of one says so in the flag.
pub(super) async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    mut patience: Patience,
    mut outbox: mpsc::Receiver<Vec<u8>>,
    deliver: impl Fn(Vec<u8>),
    ask: impl Fn(Arc<AtomicBool>),
) -> End {
    let mut framer = StreamFramer::default();
    let mut is_needed = Arc::new(AtomicBool::new(false));
    let mut chunk = vec![0; STREAM_READ];
    let mut alarm = std::pin::pin!(tokio::time::sleep_until(patience.next().into()));
    loop {
        tokio::select! {
            read = stream.read(&mut chunk) => {
                let length = match read {
                    Ok(0) => return PEER,
                    Ok(length) => length,
                    Err(error) => return end(tls::fault_of(&error), "peer"),
                };
                framer.push(&chunk[..length]);
                let (mut frames, mut pings) = (0, 0);
                loop {
                    match framer.poll_frame() {
                        Ok(Some(Frame::Message(octets))) => deliver(octets),
                        Ok(Some(Frame::Ping)) => pings += 1,
                        Ok(Some(Frame::Pong)) => patience.on_pong(),
                        Ok(None) => break,
                        Err(error) => {
                            tracing::debug!(%error, "a peer broke the framing of its connection");
                            return FRAMING;
                        }
                    }
                    frames += 1;
                }
                patience.on_read(frames, framer.is_inside_message(), clock::now().instant);
                // A peer that asks and never reads must not hold this task for ever.
                if pings > 0 && !write(&mut stream, &Frame::PONG.repeat(pings)).await {
                    return UNREAD;
                }
            }
            octets = outbox.recv() => {
                let Some(mut octets) = octets else { return DROPPED };
                while octets.len() < STREAM_BATCH
                    && let Ok(more) = outbox.try_recv()
                {
                    octets.extend_from_slice(&more);
                }
                if !write(&mut stream, &octets).await {
                    return UNREAD;
                }
            }
            () = &mut alarm => {
                let now = clock::now().instant;
                match patience.due(now) {
                    None => {}
                    Some(Due::Ping) => {
                        framer.expect_pong();
                        if !write(&mut stream, Frame::PING).await {
                            return UNREAD;
                        }
                    }
                    Some(Due::Silent) => return end(TransportFault::Closed, "silent"),
                    Some(Due::Slow) => return end(TransportFault::Closed, "slow"),
                    Some(Due::Quiet) => {
                        // A late answer to an earlier question counts for nothing.
                        is_needed = Arc::default();
                        ask(is_needed.clone());
                    }
                    Some(Due::Idle) if is_needed.load(Ordering::Relaxed) => patience.needed(now),
                    Some(Due::Idle) => return end(TransportFault::Closed, "idle"),
                    Some(Due::Dead) => return end(TransportFault::TimedOut, "dead"),
                }
            }
        }
        alarm.as_mut().reset(patience.next().into());
    }
}

/// False = the peer did not take it in time, or is gone.
async fn write(stream: &mut (impl AsyncWrite + Unpin), octets: &[u8]) -> bool {
    let writing = async {
        stream.write_all(octets).await?;
        // TLS keeps records until it is told to send them.
        stream.flush().await
    };
    matches!(tokio::time::timeout(STREAM_WRITE, writing).await, Ok(Ok(())))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;

    /// How a quiet connection ends, and how often it was asked after; the first `calls` questions find a call.
    async fn quiet(calls: usize) -> (End, usize) {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let (_outbox, inbox) = mpsc::channel(1);
        let asked = Mutex::new(0);
        let patience = Patience::new(false, Duration::from_millis(30), clock::now().instant);
        theirs.write_all(Frame::PING).await.unwrap();
        let ask = |flag: Arc<AtomicBool>| {
            let mut asked = asked.lock().unwrap();
            *asked += 1;
            flag.store(*asked <= calls, Ordering::Relaxed);
        };
        let end = serve(ours, patience, inbox, |_| {}, ask).await;
        let asked = *asked.lock().unwrap();
        (end, asked)
    }

    #[tokio::test]
    async fn a_quiet_connection_is_kept_while_a_call_goes_on_over_it() {
        assert_eq!(quiet(0).await, (end(TransportFault::Closed, "idle"), 1));
        assert_eq!(quiet(3).await, (end(TransportFault::Closed, "idle"), 4));
    }
}
