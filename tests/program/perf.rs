//! `leveret perf`, against its own sink.

use serde_json::Value;

use super::process::{Outcome, Process};

/// A sink and the URI that leads to it.
fn sink() -> (Process, String) {
    let sink = Process::start(["perf", "sink"]);
    let uri = format!("amqp://guest:guest@{}/%2f", sink.addresses().remove(0));
    (sink, uri)
}

fn perf(uri: &str, arguments: &str) -> Outcome {
    let common = ["--uri", uri];
    let (what, options) = match arguments.split_once(' ') {
        Some((what, options)) if !what.starts_with('-') => (Some(what), options),
        _ => (None, arguments),
    };
    let words = ["perf"]
        .into_iter()
        .chain(what)
        .chain(common)
        .chain(options.split(' '));
    Process::run(words)
}

fn json(outcome: &Outcome) -> Value {
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    serde_json::from_str(&outcome.out.concat()).unwrap()
}

#[test]
fn a_count_of_messages_is_published_and_told_as_json() {
    let (_sink, uri) = sink();
    let outcome = perf(&uri, "--publishers 2 --consumers 0 --count 5000 --json --quiet");
    assert!(outcome.err.is_empty(), "{outcome:?}");
    let summary = json(&outcome);
    assert_eq!(summary["published"]["messages"], 10_000);
    assert!(summary["published"]["messages_per_second"].as_f64().unwrap() > 0.0);
    assert_eq!(summary["consumed"]["messages"], 0);
    assert_eq!(summary["check"]["missing"], 0);
    assert!(summary["confirmed"].is_null());
}

#[test]
fn channels_take_turns_over_the_queues_and_miss_nothing() {
    let broker = Process::start(["--listen", "127.0.0.1:0"]);
    let uri = format!("amqp://guest:guest@{}/%2f", broker.addresses().remove(0));
    let summary = json(&perf(
        &uri,
        "--channels 12 --queues 12 --count 6000 --ack-every 7 --json --quiet",
    ));
    assert_eq!(summary["check"]["received"], 6000, "{summary}");
    assert_eq!(summary["check"]["repeated"], 0, "{summary}");
}

#[test]
fn a_consumer_takes_no_more_than_its_rate() {
    let broker = Process::start(["--listen", "127.0.0.1:0"]);
    let uri = format!("amqp://guest:guest@{}/%2f", broker.addresses().remove(0));
    let summary = json(&perf(
        &uri,
        "--rate 1000 --consume-rate 100 --prefetch 10 --duration 0.5 --drain 0 --json --quiet",
    ));
    let taken = summary["check"]["received"].as_u64().unwrap();
    let published = summary["check"]["published"].as_u64().unwrap();
    assert!((1..published / 2).contains(&taken), "{summary}");
}

#[test]
fn what_dies_in_a_queue_is_consumed_as_dead_letters() {
    let broker = Process::start(["--listen", "127.0.0.1:0"]);
    let uri = format!("amqp://guest:guest@{}/%2f", broker.addresses().remove(0));
    let count = "--count 3000 --ack-every 7 --json --quiet --dead-letters";
    for deadly in ["--rejecters 1", "--queue-args x-message-ttl=0", "--expiration 1"] {
        let summary = json(&perf(&uri, &format!("{count} {deadly}")));
        assert_eq!(summary["check"]["received"], 3000, "{deadly}: {summary}");
        assert_eq!(summary["check"]["missing"], 0, "{deadly}: {summary}");
    }
}

#[test]
fn priorities_and_delays_lose_nothing_and_are_no_repetition() {
    let broker = Process::start(["--listen", "127.0.0.1:0"]);
    let uri = format!("amqp://guest:guest@{}/%2f", broker.addresses().remove(0));
    let delayed = "--exchange late --exchange-type x-delayed-message --exchange-args x-delayed-type=direct";
    for options in [
        "--priorities 10 --queue-args x-max-priority=9".to_owned(),
        format!("{delayed} --headers x-delay=200"),
    ] {
        let summary = json(&perf(&uri, &format!("--count 3000 --json --quiet {options}")));
        assert_eq!(summary["check"]["received"], 3000, "{options}: {summary}");
        assert_eq!(summary["check"]["repeated"], 0, "{options}: {summary}");
        if options.contains("x-delay") {
            let half = summary["latency_ms"]["p50"].as_f64().unwrap();
            assert!(half >= 195.0, "{summary}");
        }
    }
}

#[test]
fn every_confirmed_message_is_counted_and_timed() {
    let (_sink, uri) = sink();
    let summary = json(&perf(
        &uri,
        "throughput --consumers 0 --count 3000 --confirm 100 --size 100 --json",
    ));
    assert_eq!(summary["confirmed"], 3000);
    assert_eq!(summary["refused"], 0);
    let latency = &summary["confirm_latency_ms"];
    assert!(
        latency["p50"].as_f64().unwrap() <= latency["max"].as_f64().unwrap(),
        "{latency}"
    );
}

#[test]
fn a_rate_is_kept() {
    let (_sink, uri) = sink();
    let summary = json(&perf(
        &uri,
        "--consumers 0 --rate 1000 --count 300 --json --quiet",
    ));
    let seconds = summary["published"]["seconds"].as_f64().unwrap();
    assert!((0.29..5.0).contains(&seconds), "{summary}");
}

#[test]
fn a_run_ends_when_nothing_is_delivered() {
    let (_sink, uri) = sink();
    let summary = json(&perf(&uri, "--duration 0.2 --drain 0.2 --json --quiet"));
    let published = summary["check"]["published"].as_u64().unwrap();
    assert!(published > 0);
    assert_eq!(summary["check"]["missing"], published);
}

#[test]
fn connections_are_opened_and_counted() {
    let (_sink, uri) = sink();
    let tally = json(&perf(&uri, "connections --count 20 --channels 2 --json"));
    assert_eq!(tally["times"], 20);
    assert!(tally["latency_ms"]["p99"].as_f64().unwrap() > 0.0);
}

#[test]
fn what_is_churned_is_counted() {
    let (_sink, uri) = sink();
    for what in ["connection", "channel", "queue"] {
        let tally = json(&perf(
            &uri,
            &format!("churn --what {what} --duration 1 --concurrency 2 --json"),
        ));
        assert!(tally["times"].as_u64().unwrap() > 0, "{what}");
    }
}

#[test]
fn a_broker_that_is_not_there_is_told_in_one_line() {
    let outcome = perf("amqp://127.0.0.1:1", "--count 1");
    assert_eq!(outcome.code, Some(1));
    assert_eq!(outcome.err.lines().count(), 1, "{outcome:?}");
    assert!(
        outcome.err.contains("cannot connect to 127.0.0.1:1"),
        "{outcome:?}"
    );
}

#[test]
fn a_load_that_cannot_work_is_refused() {
    let outcome = perf("amqp://127.0.0.1:1", "--prefetch 10 --ack-every 20");
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.err.contains("--ack-every 20 is above --prefetch 10"),
        "{outcome:?}"
    );
}

#[test]
fn a_sink_ends_with_a_signal() {
    let (sink, uri) = sink();
    sink.signal("TERM");
    assert_eq!(sink.outcome().code, None);
    assert_eq!(perf(&uri, "--count 1").code, Some(1));
}

/// A broker and the URI that leads to it.
fn broker() -> (Process, String) {
    let broker = Process::start(["--listen", "127.0.0.1:0", "--workers", "2", "--log", "warn"]);
    let uri = format!("amqp://{}", broker.addresses().remove(0));
    (broker, uri)
}

#[test]
fn everything_published_through_a_broker_is_received_once_and_in_order() {
    let (_broker, uri) = broker();
    let loads = [
        "--publishers 2 --consumers 2 --queues 2 --count 3000 --json --quiet",
        "--auto-ack --confirm 50 --count 3000 --json --quiet",
        "--prefetch 20 --ack-every 10 --size 300000 --persistent --durable --count 40 --json --quiet",
    ];
    for load in loads {
        let summary = json(&perf(&uri, load));
        let check = &summary["check"];
        assert_eq!(check["received"], check["published"], "{summary}");
        for finding in ["missing", "redelivered", "repeated", "skipped", "foreign"] {
            assert_eq!(check[finding], 0, "{summary}");
        }
        assert!(summary["latency_ms"]["p50"].as_f64().unwrap() > 0.0, "{summary}");
    }
}

#[test]
fn an_exchange_that_reaches_every_queue_multiplies_what_is_received() {
    let (_broker, uri) = broker();
    let loads = [
        "--exchange everyone --exchange-type fanout",
        "--exchange wanted --exchange-type topic --routing-key a.b",
        "--exchange marked --exchange-type headers",
    ];
    for load in loads {
        let load = format!("{load} --consumers 2 --queues 2 --count 500 --json --quiet");
        let summary = json(&perf(&uri, &load));
        assert_eq!(summary["check"]["received"], 1000, "{summary}");
        assert_eq!(summary["check"]["missing"], 0, "{summary}");
    }
}

#[test]
fn what_waits_in_the_queues_is_drained() {
    let (_broker, uri) = broker();
    let load = "--publishers 0 --consumers 2 --queues 2 --pre-fill 2000 --json --quiet";
    let summary = json(&perf(&uri, load));
    assert_eq!(summary["consumed"]["messages"], 4000, "{summary}");
    assert!(
        summary["latency_ms"].is_null(),
        "waiting before the measurement is no latency"
    );
}

#[test]
fn requests_have_replies_either_way() {
    let (_broker, uri) = broker();
    for reply_to in ["direct", "exclusive"] {
        let tally = json(&perf(
            &uri,
            &format!("rpc --reply-to {reply_to} --duration 1 --json"),
        ));
        assert!(tally["times"].as_u64().unwrap() > 0, "{tally}");
    }
}

#[test]
fn one_message_at_a_time_is_delivered_and_timed() {
    let (_broker, uri) = broker();
    let tally = json(&perf(&uri, "ping --pairs 2 --size 200 --duration 1 --json"));
    assert!(tally["times"].as_u64().unwrap() > 0, "{tally}");
    assert!(tally["latency_ms"]["p99"].as_f64().unwrap() > 0.0, "{tally}");
    assert_eq!(tally["errors"], serde_json::json!([]), "{tally}");
}

#[test]
fn what_the_broker_refuses_is_told_in_its_words() {
    let (_broker, uri) = broker();
    let outcome = perf(&uri, "--exchange amq.direct --exchange-type fanout --count 1");
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome
            .err
            .contains("406 PRECONDITION_FAILED - inequivalent arg 'type'"),
        "{outcome:?}"
    );
    let outcome = perf(&format!("{uri}/nowhere"), "--count 1");
    assert!(
        outcome.err.contains("530 NOT_ALLOWED - vhost nowhere not found"),
        "{outcome:?}"
    );
}

#[test]
fn bindings_are_met_in_turn_and_each_reaches_its_queue() {
    let (_broker, uri) = broker();
    for kind in ["direct", "topic", "headers"] {
        let load = format!(
            "--exchange many --exchange-type {kind} --bindings 30 --queues 3 --consumers 3 --count 600 --json --quiet"
        );
        let summary = json(&perf(&uri, &load));
        assert_eq!(summary["check"]["received"], 600, "{kind}: {summary}");
        assert_eq!(summary["check"]["missing"], 0, "{kind}: {summary}");
        assert_eq!(summary["check"]["repeated"], 0, "{kind}: {summary}");
    }
}

#[test]
fn an_echo_copies_messages_to_their_consumer() {
    let echo = Process::start(["perf", "sink", "--echo"]);
    let uri = format!("amqp://{}", echo.addresses().remove(0));
    // What is sent before the consumer is there goes nowhere, as the sink keeps nothing.
    for size in [16, 300_000] {
        let load =
            format!("--size {size} --auto-ack --rate 2000 --duration 0.5 --drain 1 --idle 2 --json --quiet");
        let summary = json(&perf(&uri, &load));
        assert!(summary["check"]["received"].as_u64().unwrap() > 0, "{summary}");
        assert_eq!(summary["check"]["repeated"], 0, "{summary}");
    }
}

#[test]
fn what_the_broker_uses_is_told_when_its_process_is_known() {
    let (broker, uri) = broker();
    let pid = broker.id();
    let summary = json(&perf(&uri, &format!("--pid {pid} --duration 0.3 --json --quiet")));
    assert!(
        summary["broker"]["resident"].as_u64().unwrap() > 1_000_000,
        "{summary}"
    );
    assert!(
        summary["broker"]["cpu_seconds"].as_f64().unwrap() >= 0.0,
        "{summary}"
    );
    let tally = json(&perf(&uri, &format!("connections --pid {pid} --count 5 --json")));
    assert!(
        tally["broker"]["resident_before"].as_u64().unwrap() > 0,
        "{tally}"
    );
    assert_eq!(perf(&uri, "--pid 4294967295 --count 1").code, Some(1));
}

#[test]
fn what_another_run_left_behind_is_received_by_count() {
    let (_broker, uri) = broker();
    perf(&uri, "--consumers 0 --count 500 --keep --quiet");
    let summary = json(&perf(
        &uri,
        "--publishers 0 --count 500 --auto-ack --keep --json --quiet",
    ));
    assert_eq!(summary["consumed"]["messages"], 500, "{summary}");
    assert_eq!(summary["check"]["foreign"], 500, "{summary}");
}
