//! The command line.

mod check;
mod lab;
mod output;
mod perf;
mod serve;

use std::fmt::Display;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The exit code for a command line that makes no sense; 1 is for what fails at run time.
const USAGE: u8 = 2;

/// An AMQP 0-9-1 message broker. Without a subcommand it serves.
#[derive(Debug, Parser)]
#[command(name = "leveret", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    serve: serve::Options,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look into the data directory of a broker that is not running, and report what can't be read
    Check(check::Options),
    /// Put load on an AMQP 0-9-1 broker and measure it
    Perf(Box<perf::Perf>),
    /// Measure Leveret beside RabbitMQ, or other brokers, under the same loads
    Lab(Box<lab::Options>),
}

/// Does what the command line asks.
pub(crate) fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if !error.use_stderr() => {
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        Err(error) => return complain(one_line(&error), USAGE),
    };
    let done = match cli.command {
        None => serve::run(cli.serve),
        Some(Command::Check(options)) => check::run(&options),
        Some(Command::Perf(perf)) => perf::run(*perf),
        Some(Command::Lab(options)) => lab::run(&options),
    };
    match done {
        Ok(code) => code,
        Err(error) => complain(error, 1),
    }
}

fn complain(problem: impl Display, code: u8) -> ExitCode {
    eprintln!("leveret: {problem}");
    ExitCode::from(code)
}

/// A usage error without the usage: the problem, and where to read more.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let problem = text.split("\n\nUsage:").next().unwrap_or_default();
    let problem = problem.split("\n\nFor more").next().unwrap_or_default();
    let words: Vec<&str> = problem.trim_start_matches("error:").split_whitespace().collect();
    format!("{} (see leveret --help)", words.join(" "))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_usage_error_is_one_line_that_names_the_flag() {
        let error = Cli::try_parse_from(["leveret", "--lisen", "127.0.0.1:0"]).unwrap_err();
        let line = one_line(&error);
        assert!(
            line.contains("'--lisen'") && line.contains("'--listen'"),
            "{line}"
        );
        assert!(!line.contains('\n'), "{line}");
    }
}
