//! Deliveries put together from their frames, looking at no more of them than a measurement needs.

use leveret_protocol::FrameKind;
use leveret_protocol::method::basic::Deliver;

use super::sequences::Sequences;
use super::stamp;
use crate::cli::perf::client::check;
use crate::cli::perf::client::frame::Arrived;
use crate::cli::perf::failure::Failure;
use crate::cli::perf::latency::Latencies;

/// The delivery being received, and what was found in those before.
#[derive(Debug)]
pub(super) struct Intake {
    /// Complete deliveries so far.
    pub(super) messages: u64,
    pub(super) sequences: Sequences,
    tag: u64,
    redelivered: bool,
    body_left: u64,
    /// The next body frame is the first of its body.
    at_start: bool,
    /// When the last message was sent, and how many in a row were sent at that time.
    sent_at: u64,
    sent_together: u64,
}

impl Intake {
    pub(super) fn new(run: u64) -> Self {
        Self {
            messages: 0,
            sequences: Sequences::new(run),
            tag: 0,
            redelivered: false,
            body_left: 0,
            at_start: false,
            sent_at: 0,
            sent_together: 0,
        }
    }

    /// Takes a frame that arrived at `now`; gives the delivery tag when it completes a delivery.
    #[inline]
    pub(super) fn take(
        &mut self,
        frame: &Arrived<'_>,
        now: u64,
        latencies: &mut Latencies,
    ) -> Result<Option<u64>, Failure> {
        match frame.kind {
            FrameKind::Method if frame.method_ids() == Some(Deliver::IDS) => {
                (self.tag, self.redelivered) = tag_and_redelivered(frame.payload).unwrap_or_default();
                return Ok(None);
            }
            FrameKind::Header => {
                self.body_left = body_size(frame.payload).unwrap_or_default();
                self.at_start = true;
                if self.body_left > 0 {
                    return Ok(None);
                }
                self.begin_body(&[], now, latencies);
            }
            FrameKind::Body => {
                self.body_left = self.body_left.saturating_sub(frame.payload.len() as u64);
                self.begin_body(frame.payload, now, latencies);
            }
            _ => return check(frame).map(|()| None),
        }
        Ok((self.body_left == 0).then(|| {
            self.messages += 1;
            self.tag
        }))
    }

    /// Records the latencies held back to be recorded together.
    pub(super) fn record_latencies(&mut self, now: u64, latencies: &mut Latencies) {
        if self.sent_together > 0 {
            latencies.record(now.saturating_sub(self.sent_at), self.sent_together);
            self.sent_together = 0;
        }
    }

    #[inline]
    fn begin_body(&mut self, body: &[u8], now: u64, latencies: &mut Latencies) {
        if !std::mem::take(&mut self.at_start) {
            return;
        }
        let (sent_at, origin) = stamp::read(body);
        self.sequences.see(origin, self.redelivered);
        // Time 0 marks what waited in the queue before the measurement began.
        let Some(sent_at) = sent_at.filter(|&time| time != 0) else {
            return;
        };
        if sent_at != self.sent_at {
            self.record_latencies(now, latencies);
            self.sent_at = sent_at;
        }
        self.sent_together += 1;
    }
}

/// Of the arguments of basic.deliver, what follows the consumer tag.
#[inline]
fn tag_and_redelivered(payload: &[u8]) -> Option<(u64, bool)> {
    let (&len, rest) = payload.get(4..)?.split_first()?;
    let (tag, rest) = rest.get(usize::from(len)..)?.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*tag), rest.first()? & 1 == 1))
}

/// The body size in a content header, behind class and weight.
#[inline]
fn body_size(payload: &[u8]) -> Option<u64> {
    payload
        .get(4..)?
        .first_chunk::<8>()
        .map(|size| u64::from_be_bytes(*size))
}

#[cfg(test)]
mod tests {
    use leveret_protocol::{Chunk, decode};

    use super::super::sequences::Findings;
    use super::super::stamp::{Origin, STAMP_LEN};
    use super::*;

    const RUN: u64 = 4;
    const FRAME_MAX: u32 = 4096;

    fn delivery(tag: u64, redelivered: bool, body: &[u8]) -> Vec<u8> {
        let mut chunk = Chunk::new();
        chunk.deliver(
            1,
            "perf",
            tag,
            redelivered,
            b"exchange",
            b"key",
            &[],
            body.into(),
            FRAME_MAX,
        );
        chunk.into_bytes().to_vec()
    }

    fn take_all(intake: &mut Intake, bytes: &[u8], latencies: &mut Latencies) -> Vec<u64> {
        let mut frames = Vec::new();
        assert_eq!(decode::frames(bytes, 0, &mut frames), (bytes.len(), None));
        let mut tags = Vec::new();
        for frame in frames {
            let payload = &bytes[frame.start as usize..frame.end as usize];
            let arrived = Arrived {
                kind: frame.kind,
                channel: frame.channel,
                payload,
            };
            tags.extend(intake.take(&arrived, 2_000_000, latencies).unwrap());
        }
        intake.record_latencies(2_000_000, latencies);
        tags
    }

    #[test]
    fn a_delivery_counts_once_its_body_is_complete() {
        let mut body = [0; 2 * FRAME_MAX as usize];
        stamp::write(&mut body, 1_000_000, Origin::first(RUN, 0));
        let (mut intake, mut latencies) = (Intake::new(RUN), Latencies::new());
        let bytes = delivery(5, false, &body);
        assert_eq!(take_all(&mut intake, &bytes, &mut latencies), [5]);
        assert_eq!(intake.messages, 1);
        assert_eq!(
            intake.sequences.findings(),
            Findings {
                fresh: 1,
                ..Findings::default()
            }
        );
        assert!((latencies.percentiles().unwrap().p50 - 1.0).abs() < 0.02);
    }

    #[test]
    fn a_delivery_without_a_body_counts_too() {
        let (mut intake, mut latencies) = (Intake::new(RUN), Latencies::new());
        let bytes = delivery(9, true, &[]);
        assert_eq!(take_all(&mut intake, &bytes, &mut latencies), [9]);
        assert_eq!(intake.sequences.findings().redelivered, 1);
        assert!(latencies.percentiles().is_none());
    }

    #[test]
    fn what_waited_before_the_measurement_has_no_latency() {
        let mut body = [0; STAMP_LEN];
        stamp::write(&mut body, 0, Origin::first(RUN, 0));
        let (mut intake, mut latencies) = (Intake::new(RUN), Latencies::new());
        assert_eq!(
            take_all(&mut intake, &delivery(1, false, &body), &mut latencies),
            [1]
        );
        assert!(latencies.percentiles().is_none());
    }
}
