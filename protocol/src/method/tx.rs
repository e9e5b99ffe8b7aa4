//! Class `tx`: publications and settlements that take effect together.

class! {
    "tx" 90 Tx;

    /// A method of class `tx`.
    enum Method;

    /// Makes the channel transactional.
    10 "select" Select {}

    /// The channel is transactional.
    11 "select-ok" SelectOk {}

    /// Makes the work since the last commit effective.
    20 "commit" Commit {}

    /// The work is effective.
    21 "commit-ok" CommitOk {}

    /// Abandons the work since the last commit.
    30 "rollback" Rollback {}

    /// The work is abandoned.
    31 "rollback-ok" RollbackOk {}
}
