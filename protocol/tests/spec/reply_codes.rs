//! What the reply codes are called and what they end.

use amq_protocol::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use leveret_protocol::{ReplyCode, Scope};

#[test]
fn reply_codes_agree_in_number_name_and_scope() {
    for &code in ReplyCode::ALL {
        assert_eq!(ReplyCode::from_code(code.code()), Some(code));
        if code == ReplyCode::Success {
            continue;
        }
        let (scope, name) = match AMQPErrorKind::from_id(code.code()) {
            Some(AMQPErrorKind::Soft(error)) => (Scope::Channel, error.to_string()),
            Some(AMQPErrorKind::Hard(error)) => (Scope::Connection, error.to_string()),
            None => panic!("{code:?} is unknown to the other implementation"),
        };
        assert_eq!(
            (code.scope(), code.name()),
            (scope, name.replace('-', "_").as_str())
        );
    }
    for code in 0..=u16::MAX {
        let theirs = AMQPSoftError::from_id(code).is_some() || AMQPHardError::from_id(code).is_some();
        assert_eq!(
            ReplyCode::from_code(code).is_some(),
            theirs || code == 200,
            "{code}"
        );
    }
}
