//! Class `confirm`: acknowledgements from the server to a publisher.

class! {
    "confirm" 85 Confirm;

    /// A method of class `confirm`.
    enum Method;

    /// Asks for every publication on the channel to be confirmed.
    10 "select" Select {
        /// Do not answer.
        nowait: bit,
    }

    /// Publications are confirmed from now on.
    11 "select-ok" SelectOk {}
}
