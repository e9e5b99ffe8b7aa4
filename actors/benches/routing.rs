//! What it costs to find where a message goes, in exchanges of 10, 1,000 and 10,000 bindings.

#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::sync::Arc;

use divan::{Bencher, black_box};
use leveret_actors::exchange::bindings::{Binding, Bindings, Destination};
use leveret_actors::exchange::kind::ExchangeKind;
use leveret_actors::exchange::routes::Routes;
use leveret_actors::name::Name;
use leveret_protocol::{FieldTable, FieldValue};

const SIZES: [usize; 3] = [10, 1_000, 10_000];

fn main() {
    divan::main();
}

fn routes(kind: ExchangeKind, size: usize, of: impl Fn(usize) -> (String, FieldTable)) -> Routes {
    let mut bindings = Bindings::new(kind);
    for number in 0..size {
        let (key, arguments) = of(number);
        let binding = Binding {
            destination: Destination::Queue(Name::from(format!("q{}", number % 100))),
            routing_key: Name::from(key),
            arguments: Arc::new(arguments),
        };
        bindings.bind(binding).unwrap();
    }
    bindings.routes()
}

/// Looks up each of the numbers in turn.
fn bench(bencher: Bencher<'_, '_>, routes: &Routes, size: usize, keys: &[String], headers: &[FieldTable]) {
    let mut number = 0;
    bencher.bench_local(|| {
        number = (number + 1) % size;
        let key = keys.get(number).map_or("", String::as_str);
        let mut found = 0;
        routes.route(black_box(key), headers.get(number), &mut |_| found += 1);
        assert!(found > 0);
    });
}

#[divan::bench(args = SIZES)]
fn direct(bencher: Bencher<'_, '_>, size: usize) {
    let key = |number: usize| format!("perf.{number:06}");
    let routes = routes(ExchangeKind::Direct, size, |number| {
        (key(number), FieldTable::new())
    });
    let keys: Vec<String> = (0..size).map(key).collect();
    bench(bencher, &routes, size, &keys, &[]);
}

#[divan::bench(args = SIZES)]
fn topic(bencher: Bencher<'_, '_>, size: usize) {
    let pattern = |number: usize| match number % 3 {
        0 => format!("perf.{number:06}.made"),
        1 => format!("*.{number:06}.made"),
        _ => format!("perf.{number:06}.#"),
    };
    let routes = routes(ExchangeKind::Topic, size, |number| {
        (pattern(number), FieldTable::new())
    });
    let keys: Vec<String> = (0..size).map(|number| format!("perf.{number:06}.made")).collect();
    bench(bencher, &routes, size, &keys, &[]);
}

#[divan::bench(args = SIZES)]
fn headers(bencher: Bencher<'_, '_>, size: usize) {
    let headers = |number: usize| {
        FieldTable::from_iter([
            ("kind", FieldValue::from("made")),
            ("number", FieldValue::I64(number as i64)),
        ])
    };
    let routes = routes(ExchangeKind::Headers, size, |number| {
        let mut arguments = headers(number);
        arguments.insert("x-match", FieldValue::from("all"));
        (String::new(), arguments)
    });
    let all: Vec<FieldTable> = (0..size).map(headers).collect();
    bench(bencher, &routes, size, &[], &all);
}
