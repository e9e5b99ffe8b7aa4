//! The report for people.

use std::io::{self, Write};

use super::report::{Finding, Journal, Report};

/// Writes a report.
pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    definitions(report, out)?;
    for each in &report.journals {
        journal(each, out)?;
    }
    queues(report, out)?;
    findings("note", &report.notes, out)?;
    findings("DEFECT", &report.defects, out)?;
    let waiting: u64 = report.queues.iter().map(|queue| queue.waiting).sum();
    let ended = match report.stopped_in_order {
        true => "the last broker stopped in order",
        false => "the last broker did not stop in order: all messages will come back marked as redelivered",
    };
    writeln!(
        out,
        "{waiting} messages wait in {} queues; {ended}",
        report.queues.len()
    )?;
    match report.defects.len() {
        0 => writeln!(out, "no defects"),
        1 => writeln!(out, "1 defect"),
        many => writeln!(out, "{many} defects"),
    }
}

fn definitions(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let Some(definitions) = &report.definitions else {
        return Ok(());
    };
    writeln!(out, "{} (format {})", definitions.file, definitions.format)?;
    for vhost in &definitions.vhosts {
        writeln!(
            out,
            "  vhost '{}': {} exchanges, {} queues, {} bindings, {} policies",
            vhost.name, vhost.exchanges, vhost.queues, vhost.bindings, vhost.policies
        )?;
    }
    Ok(())
}

fn journal(journal: &Journal, out: &mut impl Write) -> io::Result<()> {
    let bytes: u64 = journal.segments.iter().map(|segment| segment.bytes).sum();
    let (segments, folder) = (journal.segments.len(), &journal.folder);
    let checkpoint = if journal.checkpoint { ", a checkpoint" } else { "" };
    writeln!(out, "{folder}/ ({segments} segments, {bytes} bytes{checkpoint})")?;
    for segment in &journal.segments {
        let format = match segment.format {
            Some(format) => format!("format {format}"),
            None => "unreadable".to_owned(),
        };
        let records = &segment.records;
        writeln!(
            out,
            "  {} ({format}, {} bytes): {} messages, {} of them waiting; \
             records: {} publications, {} without a body, {} bodies, {} references, {} settled, {} returned, {} handed out, {} queue deleted, {} stopped",
            segment.file,
            segment.bytes,
            segment.messages,
            segment.waiting,
            records.publications,
            records.borrowers,
            records.bodies,
            records.references,
            records.settled,
            records.returned,
            records.handed_out,
            records.queues_deleted,
            records.stopped,
        )?;
    }
    Ok(())
}

fn queues(report: &Report, out: &mut impl Write) -> io::Result<()> {
    if !(report.queues.is_empty() && report.departing.is_empty()) {
        writeln!(out, "queues")?;
    }
    for queue in &report.queues {
        let (vhost, name) = (&queue.vhost, queue.name.escape_debug());
        writeln!(out, "  '{name}' in vhost '{vhost}': {} messages", queue.waiting)?;
    }
    for queue in &report.departing {
        let (vhost, name) = (&queue.vhost, queue.name.escape_debug());
        writeln!(
            out,
            "  '{name}' in vhost '{vhost}', deleted: {} messages; the dead letters among them are still to be carried away",
            queue.waiting
        )?;
    }
    for queue in &report.unknown_queues {
        let (store, waiting) = (queue.store, queue.waiting);
        writeln!(out, "  not defined, store id {store}: {waiting} messages")?;
    }
    Ok(())
}

fn findings(kind: &str, findings: &[Finding], out: &mut impl Write) -> io::Result<()> {
    for Finding {
        file,
        bytes,
        what,
        meaning,
    } in findings
    {
        let place = bytes.map_or_else(String::new, |[from, to]| format!(", bytes {from} to {to}"));
        writeln!(out, "{kind}: {file}{place}: {what}")?;
        writeln!(out, "  {meaning}")?;
    }
    Ok(())
}
