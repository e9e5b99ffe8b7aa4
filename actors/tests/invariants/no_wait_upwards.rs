//! 7. Ask down, tell up: whom an actor waits for never waits for it, so nobody waits for ever.

use super::sources::{Source, sources};

/// From those who ask most to those who only answer.
const DOWN: [&str; 9] = [
    "embedder",
    "broker",
    "listener",
    "connection",
    "channel",
    "vhost",
    "exchange",
    "queue",
    "journal",
];

/// Every question: in which folder, to whose address as it is written there, who asks, who answers.
const QUESTIONS: [(&str, &str, &str, &str); 14] = [
    ("broker", "self.addr", "embedder", "broker"),
    ("broker", "vhost.addr", "embedder", "vhost"),
    ("broker", "queue.addr", "embedder", "queue"),
    ("broker", "leaver", "embedder", "queue"),
    ("broker", "listener", "broker", "listener"),
    ("broker", "reception", "broker", "listener"),
    ("connection", "session.vhost.addr", "connection", "vhost"),
    ("channel", "channel.session.vhost.addr", "channel", "vhost"),
    ("channel", "vhost.addr", "channel", "vhost"),
    ("channel", "handle.addr", "channel", "queue"),
    ("channel", "attachment.queue.addr", "channel", "queue"),
    ("vhost", "whom", "vhost", "exchange"),
    ("vhost", "successor", "vhost", "exchange"),
    // Whether by itself or for a channel: its mailbox goes on meanwhile.
    ("vhost", "host", "channel", "vhost"),
];

/// Not to an actor: own methods, an event nobody answers, the threads that keep definitions and messages, and workers.
const NO_QUESTIONS: [&str; 12] = [
    "self",
    "last_gone",
    "waiting",
    "self.orders",
    "store.orders",
    "alive",
    "self.mail",
    "self.reader",
    "reply",
    "done",
    "report",
    "self.work",
];

/// To whom a file `send`s, as it is written there.
fn asked(source: &Source) -> Vec<String> {
    let code: String = source.code().split_whitespace().collect();
    let code = code.replace(".addr()", ".addr");
    let ends = |c: char| !(c.is_alphanumeric() || c == '_' || c == '.');
    let mut parts: Vec<&str> = code.split(".send(").collect();
    parts.pop();
    parts
        .into_iter()
        .filter_map(|before| before.rsplit(ends).next())
        .filter(|to| !NO_QUESTIONS.contains(to))
        .map(|to| to.strip_prefix("_=").unwrap_or(to).to_owned())
        .collect()
}

#[test]
fn every_question_is_asked_downwards() {
    let rank = |actor| DOWN.iter().position(|one| *one == actor).expect("a known actor");
    for (_, _, asks, answers) in QUESTIONS {
        assert!(rank(asks) < rank(answers), "{asks} must not wait for {answers}");
    }
    let mut found = 0;
    for source in sources().iter().filter(|source| source.module() != "fault") {
        for to in asked(source) {
            let known = QUESTIONS
                .iter()
                .any(|(folder, address, ..)| *folder == source.module() && *address == to);
            assert!(
                known,
                "{}: a new question to {to}; where does it lead?",
                source.path
            );
            found += 1;
        }
    }
    assert!(found >= QUESTIONS.len(), "questions are found");
}

#[test]
fn no_mailbox_stops_for_an_answer() {
    for source in sources() {
        let waits = source.code().contains("ctx.wait(") || source.code().contains("AtomicResponse");
        assert!(
            // A queue that comes to life waits for the journal, which waits for no one.
            !waits || ["turn.rs", "queue/keeping.rs"].contains(&source.path.as_str()),
            "{}: pause the commands, not the mailbox",
            source.path
        );
    }
}
