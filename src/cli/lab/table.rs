//! The results as a Markdown table for people.

use super::cases::Figure;
use super::conditions::Conditions;
use super::results::{BrokerResult, CaseResult, Measurement, Results};
use super::spread::Spread;

const HEAD: &str = "\
| case | broker | in /s | out /s | MB/s | p50 ms | p99 ms | per CPU-second | × without | RSS MiB | written ÷ published | tool's CPUs | memory ns | × reference (min, median, max) |
|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
";

/// The host took processors away for more than this share of the time.
const MUCH_STOLEN: f64 = 0.01;

/// Medians of all rounds, how many times better each broker is than `reference`, and what the machine gave.
pub(super) fn table(results: &Results, reference: &str) -> String {
    let mut text = HEAD.to_owned();
    for case in &results.cases {
        for (index, broker) in case.brokers.iter().enumerate() {
            let title = if index == 0 {
                format!("**{}** {}", case.id, case.title)
            } else {
                String::new()
            };
            text.push_str(&row(&title, case, broker, reference));
        }
    }
    text + &machine(results).unwrap_or_default()
}

/// The line about one case at all brokers, told as soon as it is measured.
pub(super) fn summary(case: &CaseResult, reference: &str) -> String {
    let rows = case
        .brokers
        .iter()
        .map(|broker| row(&case.id, case, broker, reference));
    rows.collect()
}

fn row(title: &str, case: &CaseResult, broker: &BrokerResult, reference: &str) -> String {
    let figure = case.case().map_or(Figure::Out, |case| case.figure);
    let median =
        |of: &dyn Fn(&Measurement) -> Option<f64>| Spread::over(broker, of).map(|spread| spread.median);
    let confirms = figure == Figure::ConfirmLatency || median(&|m| m.latency.map(|l| l.p50)).is_none();
    let latency = |m: &Measurement| if confirms { m.confirm_latency } else { m.latency };
    let resident = match figure {
        Figure::ResidentEach => {
            median(&|m| m.resident_each).map(|bytes| format!("{:.1} KiB each", bytes / 1024.0))
        }
        Figure::Disk => median(&|m| m.disk).map(|bytes| format!("{:.0} on disk", bytes / f64::from(1 << 20))),
        _ => median(&|m| m.resident).map(|bytes| format!("{:.0}", bytes / f64::from(1 << 20))),
    };
    let cells = [
        title.to_owned(),
        broker.broker.clone(),
        cell(median(&|m| m.into), count),
        cell(median(&|m| m.out), count),
        cell(median(&|m| m.bytes_per_second), |bytes| count(bytes / 1e6)),
        cell(median(&|m| latency(m).map(|l| l.p50)), milliseconds),
        cell(median(&|m| latency(m).map(|l| l.p99)), milliseconds),
        cell(median(&|m| m.per_cpu_second), count),
        cell(median(&|m| m.relative), |times| format!("{times:.2}")),
        resident.unwrap_or_default(),
        cell(median(&|m| m.written_per_byte), |share| format!("{share:.2}")),
        cell(median(&|m| m.tool_share), |share| format!("{share:.2}")),
        conditions(broker),
        ratio(case, broker, reference, figure),
    ];
    let mut line = format!("| {} |", cells.join(" | "));
    let mut errors: Vec<&String> = broker.rounds.iter().flat_map(|round| &round.errors).collect();
    errors.dedup();
    if let Some(error) = errors.first() {
        // A table cell has one line, and no bars of its own.
        let error = error.replace(['|', '\n'], " ");
        line = format!("{} {error} |", line.trim_end_matches('|'));
    }
    line + "\n"
}

/// How long a load from memory took at the rounds of a broker, and what the host took if that is much.
fn conditions(broker: &BrokerResult) -> String {
    let median = |of: fn(&Conditions) -> Option<f64>| {
        Spread::over(broker, |round| of(round.conditions.as_ref()?)).map(|spread| spread.median)
    };
    let memory = cell(median(|given| Some(given.far_ns)), |taken| {
        let is_slow = taken > Conditions::SLOW_NS;
        let mark = if is_slow { "**" } else { "" };
        format!("{mark}{taken:.0}{mark}")
    });
    match median(|given| given.stolen).filter(|&stolen| stolen >= MUCH_STOLEN) {
        Some(stolen) => format!("{memory}, {:.0} % stolen", stolen * 100.0),
        None => memory,
    }
}

/// The lines below the table: what the machine gave over the whole run. Older files don't tell.
fn machine(results: &Results) -> Option<String> {
    let brokers = results.cases.iter().flat_map(|case| &case.brokers);
    let rounds: Vec<Conditions> = brokers
        .flat_map(|broker| &broker.rounds)
        .filter_map(|round| round.conditions)
        .collect();
    let tell = |of: &dyn Fn(&Conditions) -> Option<f64>| {
        let Spread { min, median, max } = Spread::of(rounds.iter().filter_map(of))?;
        Some(format!("{min:.1}, {median:.1}, {max:.1}"))
    };
    let near = tell(&|given| Some(given.near_ns))?;
    let far = tell(&|given| Some(given.far_ns))?;
    let slow = rounds.iter().filter(|given| given.is_slow()).count();
    let stolen = tell(&|given| given.stolen.map(|share| share * 100.0));
    let stolen = cell(stolen, |share| {
        format!(" The host took {share} % of the processors' time.")
    });
    Some(format!(
        "\nSmallest, median, largest of {} rounds: a load from 512 KiB took {near} ns, from 16 MiB {far} ns, more than {:.0} (**bold**) \
         in {slow}.{stolen}\n",
        rounds.len(),
        Conditions::SLOW_NS,
    ))
}

fn ratio(case: &CaseResult, broker: &BrokerResult, reference: &str, figure: Figure) -> String {
    let Some(theirs) = case.of(reference).filter(|theirs| theirs.broker != broker.broker) else {
        return String::new();
    };
    cell(Spread::of_ratios(broker, theirs, figure), |spread| {
        let Spread { min, median, max } = spread;
        format!("{min:.1}, **{median:.1}**, {max:.1}")
    })
}

fn cell<T>(value: Option<T>, tell: impl Fn(T) -> String) -> String {
    value.map(tell).unwrap_or_default()
}

/// Three digits that matter, and the thousands or millions as a letter.
pub(super) fn count(number: f64) -> String {
    let (number, unit) = match number {
        n if n >= 1e6 => (n / 1e6, " M"),
        n if n >= 1e4 => (n / 1e3, " k"),
        n => {
            return if n < 100.0 {
                format!("{n:.1}")
            } else {
                format!("{n:.0}")
            };
        }
    };
    if number < 10.0 {
        format!("{number:.2}{unit}")
    } else if number < 100.0 {
        format!("{number:.1}{unit}")
    } else {
        format!("{number:.0}{unit}")
    }
}

fn milliseconds(number: f64) -> String {
    if number < 10.0 {
        format!("{number:.3}")
    } else {
        format!("{number:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::results::Machine;
    use super::*;

    #[test]
    fn counts_keep_three_digits() {
        let cases = [
            (5_234_000.0, "5.23 M"),
            (121_400.0, "121 k"),
            (3_300.0, "3300"),
            (2.5, "2.5"),
        ];
        for (number, text) in cases {
            assert_eq!(count(number), text);
        }
    }

    #[test]
    fn a_row_tells_medians_and_ratios_and_what_went_wrong() {
        let rounds = |figures: [f64; 2]| {
            figures.map(|out| Measurement {
                out: Some(out),
                ..Measurement::default()
            })
        };
        let mut ours = BrokerResult {
            broker: "Leveret".to_owned(),
            rounds: rounds([200.0, 400.0]).to_vec(),
        };
        ours.rounds[0].errors.push("a | b".to_owned());
        let theirs = BrokerResult {
            broker: "RabbitMQ".to_owned(),
            rounds: rounds([100.0, 100.0]).to_vec(),
        };
        let case = CaseResult {
            id: "a".to_owned(),
            title: "a load".to_owned(),
            load: String::new(),
            brokers: vec![ours, theirs],
        };
        let text = summary(&case, "RabbitMQ");
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].contains("| 300 |") && lines[0].contains("2.0, **3.0**, 4.0"),
            "{text}"
        );
        assert!(lines[0].ends_with("a   b |"), "{text}");
        assert!(lines[1].starts_with("| a | RabbitMQ |"), "{text}");
    }

    fn results(conditions: &[Option<Conditions>]) -> Results {
        let rounds = conditions.iter().map(|&conditions| Measurement {
            conditions,
            ..Measurement::default()
        });
        let broker = BrokerResult {
            broker: "Leveret".to_owned(),
            rounds: rounds.collect(),
        };
        let case = CaseResult {
            id: "a".to_owned(),
            title: "a load".to_owned(),
            load: String::new(),
            brokers: vec![broker],
        };
        Results {
            machine: Machine {
                cores: 2,
                processor: String::new(),
                kernel: String::new(),
                leveret: String::new(),
            },
            seconds: 1.0,
            cases: vec![case],
        }
    }

    #[test]
    fn rounds_that_had_slow_memory_or_a_busy_host_are_marked() {
        let given = |far_ns, stolen| {
            let near_ns = 4.0;
            Some(Conditions {
                near_ns,
                far_ns,
                stolen: Some(stolen),
            })
        };
        let quiet = table(&results(&[given(24.0, 0.0), given(99.0, 0.001)]), "RabbitMQ");
        assert!(quiet.contains("| 62 |"), "{quiet}");
        assert!(
            quiet.contains("from 16 MiB 24.0, 61.5, 99.0 ns") && quiet.contains(" in 0. "),
            "{quiet}"
        );
        let busy = table(&results(&[given(140.0, 0.2)]), "RabbitMQ");
        assert!(
            busy.contains("| **140**, 20 % stolen |") && busy.contains(" in 1. "),
            "{busy}"
        );
        assert!(busy.contains("took 20.0, 20.0, 20.0 % of"), "{busy}");
    }

    #[test]
    fn nothing_is_told_of_a_machine_that_was_not_measured() {
        let text = table(&results(&[None]), "RabbitMQ");
        assert_eq!(text.lines().count(), 3, "{text}");
    }
}
