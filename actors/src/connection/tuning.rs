//! Negotiation of connection.tune: pure.

use leveret_protocol::Exception;
use leveret_protocol::method::connection::{Tune, TuneOk};
use leveret_protocol::reply_code::ReplyCode;

use crate::node::Settings;

/// The limits both peers keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tuning {
    /// Channels at once.
    pub(crate) channel_max: u16,
    /// Bytes of a frame.
    pub(crate) frame_max: u32,
    /// Seconds; 0 is none.
    pub(crate) heartbeat: u16,
}

impl Tuning {
    /// What the broker proposes.
    pub(crate) fn proposal(settings: &Settings) -> Tune {
        Tune {
            channel_max: settings.channel_max,
            frame_max: settings.frame_max,
            heartbeat: settings.heartbeat,
        }
    }

    /// What the client made of it: it may lower a limit but not lift it, and its heartbeat counts.
    pub(crate) fn agree(settings: &Settings, answer: &TuneOk) -> Result<Tuning, Exception> {
        let frame_max = limit(
            "frame_max",
            answer.frame_max,
            settings.frame_max,
            settings.frame_min,
        )?;
        let channel_max = limit(
            "channel_max",
            answer.channel_max.into(),
            settings.channel_max.into(),
            1,
        )?;
        Ok(Tuning {
            channel_max: u16::try_from(channel_max)
                .ok()
                .filter(|&max| max > 0)
                .unwrap_or(u16::MAX),
            frame_max: if frame_max == 0 { u32::MAX } else { frame_max },
            heartbeat: answer.heartbeat,
        })
    }
}

/// 0 is no limit, which is more than any.
fn limit(name: &str, wanted: u32, highest: u32, lowest: u32) -> Result<u32, Exception> {
    if wanted != 0 && wanted < lowest {
        let text = format!("negotiated {name} = {wanted} is lower than the minimum allowed value ({lowest})");
        return Err(Exception::new(ReplyCode::NotAllowed, text).on(Tune::IDS));
    }
    if highest != 0 && (wanted == 0 || wanted > highest) {
        let shown = if wanted == 0 {
            "0 (no limit)".to_owned()
        } else {
            wanted.to_string()
        };
        let text =
            format!("negotiated {name} = {shown} is higher than the maximum allowed value ({highest})");
        return Err(Exception::new(ReplyCode::NotAllowed, text).on(Tune::IDS));
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agree(channel_max: u16, frame_max: u32, heartbeat: u16) -> Result<Tuning, String> {
        let answer = TuneOk {
            channel_max,
            frame_max,
            heartbeat,
        };
        Tuning::agree(&Settings::default(), &answer).map_err(|exception| exception.reply_text())
    }

    #[test]
    fn the_client_may_lower_the_limits() {
        assert_eq!(
            agree(10, 4096, 7),
            Ok(Tuning {
                channel_max: 10,
                frame_max: 4096,
                heartbeat: 7
            })
        );
    }

    #[test]
    fn the_clients_heartbeat_counts_even_when_larger_or_none() {
        assert_eq!(
            agree(2047, 131_072, 3600).map(|tuning| tuning.heartbeat),
            Ok(3600)
        );
        assert_eq!(agree(2047, 131_072, 0).map(|tuning| tuning.heartbeat), Ok(0));
    }

    #[test]
    fn a_limit_out_of_range_is_not_allowed() {
        assert_eq!(
            agree(2047, 4095, 0).unwrap_err(),
            "NOT_ALLOWED - negotiated frame_max = 4095 is lower than the minimum allowed value (4096)"
        );
        assert_eq!(
            agree(2047, 131_073, 0).unwrap_err(),
            "NOT_ALLOWED - negotiated frame_max = 131073 is higher than the maximum allowed value (131072)"
        );
        assert_eq!(
            agree(2047, 0, 0).unwrap_err(),
            "NOT_ALLOWED - negotiated frame_max = 0 (no limit) is higher than the maximum allowed value (131072)"
        );
        assert_eq!(
            agree(0, 131_072, 0).unwrap_err(),
            "NOT_ALLOWED - negotiated channel_max = 0 (no limit) is higher than the maximum allowed value (2047)"
        );
    }

    #[test]
    fn where_the_broker_has_no_limit_any_is_accepted() {
        let settings = Settings {
            frame_max: 0,
            channel_max: 0,
            ..Settings::default()
        };
        let answer = TuneOk {
            channel_max: 0,
            frame_max: 0,
            heartbeat: 0,
        };
        let agreed = Tuning::agree(&settings, &answer).unwrap();
        assert_eq!((agreed.channel_max, agreed.frame_max), (u16::MAX, u32::MAX));
    }
}
