//! What is measured: every case is a load of `leveret perf` that can be typed by hand, or one of a few procedures.

/// One thing to measure at each broker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case {
    /// A letter for the kind of load, and a number where there are several.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) procedure: Procedure,
    /// The figure brokers are compared by.
    pub(super) figure: Figure,
    /// Whether the limit, which copies frames and is no broker, can take this load.
    pub(super) has_limit: bool,
    /// Whether only our own broker can take this load: others lack the feature, or cannot be started again and looked into.
    pub(super) needs_own: bool,
}

/// How a case is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Procedure {
    /// `leveret perf` with these arguments; `{z}` stands for the seconds.
    Perf(&'static str),
    /// The same at full speed, and then at half the rate that came of it.
    HalfRate(&'static str),
    /// The first load, and then once more with these arguments too.
    Compared(&'static str, &'static str),
    /// The first load, and then once more with these arguments too, compared by the broker's processor time.
    Priced(&'static str, &'static str),
    /// This load with nothing waiting, and then with so many messages.
    Waiting(&'static str, u64),
    /// The first load alone, and then beside the second.
    Beside(&'static str, &'static str),
    /// The memory of a broker that was just started.
    Idle,
    /// Pika with this part of its script.
    Pika(&'static str),
    /// A crash with so many messages waiting in a fresh broker, and how long it takes to serve again.
    Recovery(u64),
    /// This load passes one durable message that nobody takes, in a fresh broker.
    Stuck(&'static str),
    /// A fresh broker, so that its memory is due to this load alone.
    Fresh(&'static str),
}

/// What a case is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Figure {
    /// Messages a second into the broker, or things done a second.
    In,
    /// Messages a second out of the broker.
    Out,
    /// Half of the deliveries took no longer.
    Latency,
    /// Half of the confirms took no longer.
    ConfirmLatency,
    /// Messages a second out of the broker, or for a second of its processor time, as a share of what it is without the difficulty.
    Share,
    /// How many times as long 99 of 100 took as without the neighbour.
    Slowdown,
    /// Resident memory.
    Resident,
    /// Resident memory for each thing done.
    ResidentEach,
    /// The largest the data directory became.
    Disk,
}

impl Figure {
    /// Whether a smaller figure is a better one.
    pub(super) fn is_cost(self) -> bool {
        !matches!(self, Self::In | Self::Out | Self::Share)
    }
}

use Figure::{ConfirmLatency, Disk, In, Latency, Out, Resident, ResidentEach, Share, Slowdown};
use Procedure::{Beside, Compared, Fresh, HalfRate, Idle, Perf, Pika, Priced, Recovery, Stuck, Waiting};

const fn case(id: &'static str, title: &'static str, procedure: Procedure, figure: Figure) -> Case {
    Case {
        id,
        title,
        procedure,
        figure,
        has_limit: false,
        needs_own: false,
    }
}

/// A case for our own broker.
const fn own(id: &'static str, title: &'static str, procedure: Procedure, figure: Figure) -> Case {
    Case {
        needs_own: true,
        ..case(id, title, procedure, figure)
    }
}

/// A case that the limit can take as well.
const fn limited(id: &'static str, title: &'static str, procedure: Procedure, figure: Figure) -> Case {
    Case {
        has_limit: true,
        ..case(id, title, procedure, figure)
    }
}

/// All cases, in the order they are measured in.
#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    limited("a", "16 B, one to one, auto-ack", Perf("-x1 -y1 -s16 --auto-ack -z {z}"), Out),
    limited("b", "1 KiB, one to one, auto-ack", Perf("-x1 -y1 -s1024 --auto-ack -z {z}"), Out),
    case("c1", "1 KiB persistent, confirms in a window of 100, each acked, prefetch 100", Perf("-x1 -y1 -s1024 -p -d --confirm 100 --prefetch 100 -z {z}"), Out),
    case("c2", "1 KiB persistent, confirms in a window of 1000, ack every 100, prefetch 1000", Perf("-x1 -y1 -s1024 -p -d --confirm 1000 --prefetch 1000 --ack-every 100 -z {z}"), Out),
    limited("d", "16 B, publish only", Perf("-x1 -y0 -s16 -z {z}"), In),
    case("e", "16 B, drain 1,000,000 waiting, auto-ack", Perf("-x0 -y1 -s16 --auto-ack --pre-fill 1000000"), Out),
    limited("f", "16 B, ten to ten through one queue, auto-ack", Perf("-x10 -y10 -s16 --auto-ack -z {z}"), Out),
    case("f3", "16 B, ten to ten, confirms 1000, ack every 100, prefetch 1000", Perf("-x10 -y10 -s16 --confirm 1000 --prefetch 1000 --ack-every 100 -z {z}"), Out),
    limited("g1", "16 B, 100 queues, each one to one, auto-ack", Perf("-x100 -y100 --queues 100 -s16 --auto-ack -z {z}"), Out),
    case("g2", "16 B, 10 publishers in turn to 100 queues, confirms 1000, ack every 100", Perf("-x10 -y100 --queues 100 --exchange lab-g --bindings 100 -s16 --confirm 1000 --prefetch 1000 --ack-every 100 -z {z}"), Out),
    case("h1", "16 B, fan-out from one to 100 queues, auto-ack, counted by publication", Perf("-x1 -y100 --queues 100 --exchange lab-h --exchange-type fanout -s16 --auto-ack -z {z}"), Out),
    case("h2", "the same with confirms in a window of 100", Perf("-x1 -y100 --queues 100 --exchange lab-h --exchange-type fanout -s16 --auto-ack --confirm 100 -z {z}"), Out),
    case("i", "16 B, topic exchange with 10,000 bindings met in turn, auto-ack", Perf("-x1 -y1 --exchange lab-i --exchange-type topic --bindings 10000 -s16 --auto-ack -z {z}"), Out),
    case("j", "16 B, headers exchange with 1,000 bindings met in turn, auto-ack", Perf("-x1 -y1 --exchange lab-j --exchange-type headers --bindings 1000 -s16 --auto-ack -z {z}"), Out),
    case("k1", "request and reply, one client", Perf("rpc --requesters 1 -z {z}"), Latency),
    case("k2", "request and reply, 50 clients", Perf("rpc --requesters 50 -z {z}"), Latency),
    case("l", "10,000 connections, 1 % active: 50 publishers at 100 messages a second each, 50 consumers", Perf("-x50 -y50 --queues 50 --idle 9900 -s16 --rate 100 --auto-ack -z {z}"), Latency),
    limited("m1", "64 KiB, one to one, auto-ack", Perf("-x1 -y1 -s65536 --auto-ack -z {z}"), Out),
    limited("m2", "1 MiB, one to one, auto-ack", Perf("-x1 -y1 -s1048576 --auto-ack -z {z}"), Out),
    case("n1", "pika, request and reply, one blocking client", Pika("rpc"), Latency),
    case("n2", "pika, 16 B, published and then taken back by one blocking connection", Pika("throughput"), Out),
    case("o1", "a connection with a channel opened and closed", Perf("churn --what connection -z {z}"), In),
    case("o2", "a channel opened and closed", Perf("churn --what channel -z {z}"), In),
    case("o3", "a transient queue declared and deleted", Perf("churn --what queue -z {z}"), In),
    case("o4", "a durable queue declared and deleted", Perf("churn --what queue --durable -z {z}"), In),
    limited("p1", "16 B at 10,000 a second, latency", Perf("-x1 -y1 -s16 --rate 10000 --auto-ack -z {z}"), Latency),
    case("p2", "16 B at half the full rate, latency", HalfRate("-x1 -y1 -s16 --auto-ack -z {z}"), Latency),
    limited("p3", "16 B, one at a time, 500 a second, latency", Perf("-x1 -y1 -s16 --rate 500 --auto-ack -z {z}"), Latency),
    limited("p4", "16 B, each published when the one before was delivered, latency", Perf("ping -z {z}"), Latency),
    case("q1", "memory, idle", Idle, Resident),
    case("q2", "memory of a connection with a channel, of 2,000", Fresh("connections --count 2000"), ResidentEach),
    case("q3", "memory with 1,000,000 messages of 16 B waiting", Fresh("-x1 -y0 -s16 -C 1000000"), Resident),
    case("r01", "persistent, confirmed, publish only: 16 B, 1 publisher, 1 queue", Perf("-x1 -y0 -s16 -p -d --confirm 100 -z {z}"), In),
    case("r02", "likewise, 10 publishers", Perf("-x10 -y0 -s16 -p -d --confirm 100 -z {z}"), In),
    case("r03", "likewise, 100 publishers", Perf("-x100 -y0 -s16 -p -d --confirm 100 -z {z}"), In),
    case("r04", "16 B, 1 publisher, 100 queues", Perf("-x1 -y0 --queues 100 --exchange lab-r --bindings 100 -s16 -p -d --confirm 100 -z {z}"), In),
    case("r05", "likewise, 10 publishers", Perf("-x10 -y0 --queues 100 --exchange lab-r --bindings 100 -s16 -p -d --confirm 100 -z {z}"), In),
    case("r06", "likewise, 100 publishers", Perf("-x100 -y0 --queues 100 --exchange lab-r --bindings 100 -s16 -p -d --confirm 100 -z {z}"), In),
    case("r07", "1 KiB, 1 publisher, 1 queue", Perf("-x1 -y0 -s1024 -p -d --confirm 100 -z {z}"), In),
    case("r08", "likewise, 10 publishers", Perf("-x10 -y0 -s1024 -p -d --confirm 100 -z {z}"), In),
    case("r09", "likewise, 100 publishers", Perf("-x100 -y0 -s1024 -p -d --confirm 100 -z {z}"), In),
    case("r10", "1 KiB, 1 publisher, 100 queues", Perf("-x1 -y0 --queues 100 --exchange lab-r --bindings 100 -s1024 -p -d --confirm 100 -z {z}"), In),
    case("r11", "likewise, 10 publishers", Perf("-x10 -y0 --queues 100 --exchange lab-r --bindings 100 -s1024 -p -d --confirm 100 -z {z}"), In),
    case("r12", "likewise, 100 publishers", Perf("-x100 -y0 --queues 100 --exchange lab-r --bindings 100 -s1024 -p -d --confirm 100 -z {z}"), In),
    case("s", "1 KiB persistent, fan-out to 100 durable queues, confirms 100, consumed", Perf("-x1 -y100 --queues 100 --exchange lab-s --exchange-type fanout -s1024 -p -d --confirm 100 --ack-every 100 -z {z}"), In),
    case("t", "1 KiB persistent, one confirm at a time", Perf("-x1 -y0 -s1024 -p -d --confirm 1 -z {z}"), ConfirmLatency),
    own("v1", "a crash with 1,000,000 persistent messages of 100 B waiting: messages recovered a second, and drained", Recovery(1_000_000), In),
    own("v2", "likewise with 10,000,000", Recovery(10_000_000), In),
    case("w", "1 KiB persistent traffic passing one message that nobody takes: the largest data directory", Stuck("-x4 -y4 --queues 4 -s1024 -p -d --confirm 1000 --prefetch 1000 --ack-every 100 -z {z}"), Disk),
    own("x1", "16 B, confirms 1000, ack every 100, with 10,000,000 waiting: share of the rate with none", Waiting("-x1 -y1 -s16 --confirm 1000 --prefetch 1000 --ack-every 100 --drain 0 -z {z}", 10_000_000), Share),
    case("x2", "16 B, auto-ack, 1,000 channels of one connection at each end of one queue: share of the rate with one", Compared("-x1 -y1 -s16 --auto-ack -z {z}", "--channels 1000"), Share),
    case("x3", "16 B, auto-ack, 1,000 queues, each with a channel of one connection at each end: share of the rate with one", Compared("-x1 -y1 -s16 --auto-ack -z {z}", "--channels 1000 --queues 1000"), Share),
    case("y1", "request and reply beside 200,000 messages of 16 B a second: times as slow, by p99", Beside("rpc --requesters 1 -z {z}", "-x1 -y1 -s16 --rate 200000 --auto-ack -z {z}"), Slowdown),
    case("y2", "likewise beside a flood of 16 B", Beside("rpc --requesters 1 -z {z}", "-x1 -y1 -s16 --auto-ack -z {z}"), Slowdown),
    case("y3", "likewise beside a consumer that takes 1,000 of 20,000 messages of 1 KiB a second", Beside("rpc --requesters 1 -z {z}", "-x1 -y1 -s1024 --rate 20000 --consume-rate 1000 --auto-ack --drain 0 -z {z}"), Slowdown),
    case("z01", "16 B to a queue with a TTL of 60 s: messages for a CPU-second, as a share of a plain queue's (as all z)", Priced("-x1 -y1 -s16 --confirm 1000 --prefetch 1000 --ack-every 100 -z {z}", "--queue-args x-message-ttl=60000"), Share),
    case("z02", "likewise with an expiration of 60 s each", Priced("-x1 -y1 -s16 --confirm 1000 --prefetch 1000 --ack-every 100 -z {z}", "--expiration 60000"), Share),
    case("z03", "ten priorities, all used", Priced("-x1 -y1 -s16 --confirm 1000 --prefetch 1000 --ack-every 100 -z {z}", "--queue-args x-max-priority=9 --priorities 10"), Share),
    case("z04", "a queue of at most 100,000, never full", Priced("-x1 -y1 -s16 --confirm 1000 --prefetch 1000 --ack-every 100 -z {z}", "--queue-args x-max-length=100000"), Share),
    case("z05", "publish only, to a queue of at most 1,000 that drops its oldest", Priced("-x1 -y0 -s16 --confirm 1000 -z {z}", "--queue-args x-max-length=1000"), Share),
    case("z06", "rejected by one consumer, and consumed as dead letters", Priced("-x1 -y1 -s16 --confirm 1000 --prefetch 1000 --ack-every 100 -z {z}", "--dead-letters --rejecters 1"), Share),
    case("z07", "expired at once, and consumed as dead letters", Priced("-x1 -y1 -s16 --confirm 1000 --prefetch 1000 --ack-every 100 -z {z}", "--dead-letters --queue-args x-message-ttl=0"), Share),
    case("z08", "expired after 100 ms, and consumed as dead letters", Priced("-x1 -y1 -s16 --confirm 1000 --prefetch 1000 --ack-every 100 -z {z}", "--dead-letters --queue-args x-message-ttl=100"), Share),
    case("z09", "1 KiB persistent, expired after 100 ms, and consumed as dead letters", Priced("-x1 -y1 -s1024 -p -d --confirm 1000 --prefetch 1000 --ack-every 100 -z {z}", "--dead-letters --queue-args x-message-ttl=100"), Share),
    case("z10", "1 KiB persistent, to a quorum queue", Priced("-x1 -y1 -s1024 -p -d --confirm 1000 --prefetch 1000 --ack-every 100 -z {z}", "--queue-args x-queue-type=quorum"), Share),
    own("z11", "16 B delayed by a second", Priced("-x1 -y1 -s16 --confirm 1000 --prefetch 1000 --ack-every 100 -z {z}", "--exchange lab-z --exchange-type x-delayed-message --exchange-args x-delayed-type=direct --headers x-delay=1000"), Share),
    own("z12", "1 KiB persistent, delayed by a second", Priced("-x1 -y1 -s1024 -p -d --confirm 1000 --prefetch 1000 --ack-every 100 -z {z}", "--exchange lab-z --exchange-type x-delayed-message --exchange-args x-delayed-type=direct --headers x-delay=1000"), Share),
];

/// The cases meant by words such as `a`, `c1` or `c`: an id, or the letter that several share.
///
/// # Errors
/// Names the first word that means none.
pub(super) fn selected(words: &[String]) -> Result<Vec<&'static Case>, String> {
    let means =
        |word: &str, id: &str| id == word || id.trim_end_matches(|c: char| c.is_ascii_digit()) == word;
    if let Some(word) = words
        .iter()
        .find(|word| !CASES.iter().any(|case| means(word, case.id)))
    {
        return Err(format!("there is no case '{word}' (see leveret lab --list)"));
    }
    let chosen = CASES
        .iter()
        .filter(|case| words.is_empty() || words.iter().any(|word| means(word, case.id)));
    Ok(chosen.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(words: &[&str]) -> Vec<&'static str> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        selected(&words).unwrap().iter().map(|case| case.id).collect()
    }

    #[test]
    fn a_letter_means_all_cases_of_its_kind_and_an_id_means_one() {
        assert_eq!(ids(&["c"]), ["c1", "c2"]);
        assert_eq!(ids(&["f3", "a"]), ["a", "f3"]);
        assert_eq!(ids(&["f"]), ["f", "f3"]);
        assert_eq!(ids(&[]).len(), CASES.len());
    }

    #[test]
    fn a_word_that_means_no_case_is_named() {
        let error = selected(&["a".to_owned(), "zz".to_owned()]).unwrap_err();
        assert!(error.contains("'zz'"), "{error}");
    }

    #[test]
    fn every_id_is_there_once() {
        let mut ids: Vec<&str> = CASES.iter().map(|case| case.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), CASES.len());
    }
}
